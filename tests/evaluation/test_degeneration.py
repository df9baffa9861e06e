"""Answers that loop, or are in another language."""

import pytest
from medeval.degeneration import is_loop, language
from medllm.reference import builtin_cards


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("Gout is a disease. " + "It hurts the joints. " * 8, True),
        ("a" * 400, True),
        ("Yes. No. " * 3, False),
        ("ha ha ha ha", False),
        ("The heart pumps blood. The lungs take up air. The liver stores sugar. " * 2, False),
    ],
)
def test_loops(text: str, loops: bool) -> None:
    assert is_loop(text) is loops


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Gicht ist eine Krankheit, bei der sich Kristalle in den Gelenken ablagern und die sehr weh tut.", "German"),
        ("La goutte est une maladie dans laquelle des cristaux se déposent dans les articulations et font mal.", "French"),
        ("La gota es una enfermedad en la que los cristales se depositan en las articulaciones y duelen.", "Spanish"),
        ("痛风是一种尿酸晶体沉积在关节中并引起剧烈疼痛的疾病。", "Cjk"),
        ("Подагра — болезнь, при которой кристаллы оседают в суставах.", "Cyrillic"),
        ("Gout is a disease in which crystals settle in the joints and cause pain.", None),
        ("MI", None),
        ("β-thalassemia and α-fetoprotein", None),
    ],
)  # fmt: skip
def test_languages(text: str, name: str | None) -> None:
    assert language(text) == name


def test_no_card_loops_or_is_foreign() -> None:
    assert not [c.id for c in builtin_cards() if is_loop(c.text) or language(c.text)]
