"""The GBNF grammar of a card accepts in llama.cpp exactly what `card.adherent` accepts."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from medllm import card
from medllm.engines.constraint import Constraint
from medllm.engines.decoder import Decoder
from medllm.engines.vocabulary import Vocabulary

from tests.tiny import write_tiny

PLAIN = card.render(card.Card("High blood pressure.", "The *heart*\npumps.", "Strokes.", "Ask."))
PIECES = st.sampled_from(
    [
        *card.HEADINGS,
        card.READ_AS_LAST,
        *card.openings(),
        "\n",
        "\n\n",
        " ",
        "*",
        "**",
        "a",
        "a.\n",
        "\t",
        "\r",
        "\x00",
        "\x1f",
        "\x7f",
        "\x85",
        "\u2028",
        "é",
        "高",
        "🫀",
        "\ufffd",
        "**x**",
        "* x",
    ]
)
MUTATIONS = st.lists(
    st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 3), PIECES | st.text(max_size=2)),
    max_size=3,
)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vocabulary]:
    file = write_tiny(tmp_path_factory.mktemp("grammar") / "tiny.gguf")
    decoder = Decoder(file, 256, 1, lambda _share: None, lambda: False)
    yield decoder.vocabulary
    decoder.close()


def accepted(vocabulary: Vocabulary, text: str) -> bool:
    """Whether the grammar takes `text`, byte by byte or token by token, and may end there."""
    constraint = Constraint(vocabulary, card.grammar())
    try:
        for token in vocabulary.tokenize(text, special=False):
            if not constraint.allows(token):
                return False
            constraint.accept(token)
        return constraint.may_end()
    finally:
        constraint.close()


def mutated(changes: list[tuple[int, int, str]]) -> str:
    text = PLAIN
    for at, removed, inserted in changes:
        text = text[:at] + inserted + text[at + removed :]
    return text


@settings(max_examples=400, deadline=None)
@given(MUTATIONS.map(mutated))
def test_mutations_of_a_card(vocabulary: Vocabulary, text: str) -> None:
    assert accepted(vocabulary, text) == card.adherent(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=5), st.tuples(*[st.lists(PIECES, min_size=1, max_size=3)] * 4))
def test_texts_from_pieces(
    vocabulary: Vocabulary, before: list[str], parts: tuple[list[str], ...]
) -> None:
    loose = "".join(before)
    headed = "".join(
        opening + " " + "".join(part) for opening, part in zip(card.openings(), parts, strict=True)
    )
    for text in (loose, headed, loose + headed):
        assert accepted(vocabulary, text) == card.adherent(text)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (PLAIN, True),
        (PLAIN + "\n", True),
        (PLAIN + "\n\n", False),
        (PLAIN.replace("Safety Note", "Note"), True),
        (PLAIN.replace("\n\n**", "\n**"), True),
        (PLAIN.replace("\n\n**", "\n\n\n**"), False),
        (PLAIN.replace("Strokes.", "**Strokes.**"), False),
        (PLAIN.replace("Strokes.", "On **strokes**."), True),
        (PLAIN.replace("Strokes.", "*"), True),
        (PLAIN.replace("Strokes.", " "), False),
        ("x" + PLAIN, False),
        ("", False),
    ],
)
def test_cases(vocabulary: Vocabulary, text: str, fits: bool) -> None:
    assert accepted(vocabulary, text) is fits
    assert card.adherent(text) is fits
