"""The card: reading, writing, adherence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from medllm import card
from medllm.card import Card
from medllm.errors import CardError

GOOD = (
    "**Definition**: A.\n\n**Explanation**: B.\n\n**Clinical Relevance**: C.\n\n**Safety Note**: D."
)

# What a part can be: visible lines without control characters, none opening with "**".
LINE = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).map(
    lambda s: s.strip(" ").lstrip("*") or "x"
)
PART = (
    st.lists(LINE, min_size=1, max_size=3)
    .map(lambda lines: card.tidy_part("\n".join(lines)))
    .filter(bool)
)


@given(PART, PART, PART, PART)
def test_parse_of_render_is_the_identity(a: str, b: str, c: str, d: str) -> None:
    written = Card(a, b, c, d)
    text = card.render(written)
    assert card.adherent(text)
    assert card.parse(text) == written


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD, "the plain form"),
        (GOOD.replace("**Safety Note**", "**Note**"), "the last heading as models write it"),
        (GOOD.replace("\n\n", "\n"), "one line break between the parts"),
        (GOOD.replace(": B", ":\nB"), "a part on the line after its heading"),
        (GOOD.replace("B.", "B.\n\n* one\n* two"), "a list in a part"),
        (GOOD.replace("B.", "B **bold** B."), "a bold word inside a line"),
        (GOOD + "\n", "a line break at the end"),
    ],
)
def test_adherent(text: str, why: str) -> None:
    assert card.adherent(text), why
    assert len(card.parse(text).parts()) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin"),
        ("Sure! " + GOOD, "does not begin"),
        (GOOD.replace("\n\n**Explanation**: B.", ""), "Explanation**: is missing"),
        (GOOD.replace(": C.", ":"), "is empty"),
        (GOOD.replace(": D.", ": "), "is empty"),
        (GOOD.replace("Definition", "X").replace("Explanation", "Definition").replace("X", "Explanation"), "does not begin"),
        (GOOD + "\n\n**Definition**: again", "stands twice"),
        (GOOD + "\n\n**Advice**: more", "opens with **"),
        (GOOD.replace("B.", "B\x07"), "control character"),
        ("Hypertension is high blood pressure.", "does not begin"),
    ],
)  # fmt: skip
def test_not_adherent_and_told_why(text: str, message: str) -> None:
    assert not card.adherent(text)
    with pytest.raises(CardError, match=message.replace("*", r"\*")):
        card.parse(text)


@pytest.mark.parametrize("outer", [" " + GOOD, GOOD + "\n\n", GOOD.replace("\n\n", "\n\n\n"), GOOD.replace("\n", "\r\n")])  # fmt: skip
def test_parse_forgives_white_space_that_adherence_does_not(outer: str) -> None:
    assert not card.adherent(outer)
    assert card.parse(outer) == card.parse(GOOD)


@pytest.mark.parametrize("part", ["", " x", "x ", "**x", "a\n**b", "a\x00b", "a\n\n\nb"])
def test_render_refuses_what_would_not_be_read_back(part: str) -> None:
    with pytest.raises(CardError):
        card.render(Card("A", part, "C", "D"))


def test_a_growing_card_shows_its_parts_so_far() -> None:
    cut = GOOD.index("C.")
    assert card.parse_partial(GOOD[:cut]) == {
        "definition": "A.", "explanation": "B.", "clinical_relevance": ""
    }  # fmt: skip
    assert card.parse_partial("**Defin") == {}


def test_format_adherence_is_a_share() -> None:
    assert card.format_adherence([GOOD, "no card", f"\n{GOOD}\n", "no"]) == 0.5
    with pytest.raises(ValueError, match="no text"):
        card.format_adherence([])


def test_schema_names_the_four_parts() -> None:
    schema = card.json_schema()
    assert schema["required"] == list(card.FIELDS) == list(schema["properties"])
    assert schema["additionalProperties"] is False


def test_openings_and_parts_make_the_text() -> None:
    parts = ("A.", "B.", "C.", "D.")
    text = "".join(f"{o} {p}" for o, p in zip(card.openings(), parts, strict=True))
    assert text == GOOD
