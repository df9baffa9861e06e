"""What an answer says that its passages do not."""

import pytest
from medeval.metrics.faithfulness import entities, invented, numbers

PASSAGE = (
    "Gout is a form of arthritis in which crystals of uric acid settle in joints. "
    "It does not spread from person to person. About 4 in 100 adults have it."
)


@pytest.mark.parametrize(
    ("answer", "kind", "items"),
    [
        ("Gout strikes 7 in 100 adults.", "number", ["7"]),
        ("Four in 100 adults have gout.", "number", []),
        ("It does spread from person to person.", "negation", ["It does spread from person to person."]),
        ("It does not spread from person to person.", "negation", []),
        ("Gout is treated with colchipril.", "entity", ["colchipril"]),
        ("Gout can lead to hypertension.", "entity", ["hypertension"]),
        ("Gout is a kind of arthritis.", "entity", []),
        ("Gout is confirmed by MRI.", "entity", ["mri"]),
    ],
)  # fmt: skip
def test_each_kind(answer: str, kind: str, items: list[str]) -> None:
    assert invented(answer, [PASSAGE])[kind] == items


def test_what_the_passages_say_is_not_invented() -> None:
    assert not any(invented(PASSAGE, [PASSAGE]).values())


def test_numbers_are_compared_by_value() -> None:
    assert numbers("Two of 1,200 had 3.5") == {"2", "1200", "3.5"}


def test_names_of_drugs_and_diseases_are_seen() -> None:
    found = entities("She took lisinopril for nephropathy after an ECG.")
    assert {"lisinopril", "nephropathy", "ecg"} <= found
