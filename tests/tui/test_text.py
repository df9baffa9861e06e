"""What may be shown of a text, and how a card is cut into its parts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from medtui.ask import rows
from medtui.text import HeadingStyler, sections, visible

CARD = "**Definition**: A.\n\n**Explanation**: B\nC.\n\n**Clinical Relevance**: D.\n\n**Note**: E."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("a\x00b\x07c\x9bd", "abcd"),
        ("two\nlines\r\n", "two\nlines\n"),
        ("\u202eevil\u2069", "evil"),  # would be read backwards
        ("ارتفاع ضغط الدم", "ارتفاع ضغط الدم"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian needs its joiner
        ("高血圧とは", "高血圧とは"),
        ("\ud800", ""),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_sections_of_a_card() -> None:
    assert sections(CARD) == [
        ("Definition", "A."),
        ("Explanation", "B\nC."),
        ("Clinical Relevance", "D."),
        ("Safety Note", "E."),
    ]


@pytest.mark.parametrize("end", range(1, len(CARD)))
def test_no_half_heading_is_shown_while_a_card_grows(end: int) -> None:
    for _, body in sections(CARD[:end]):
        assert "*" not in body


def test_text_without_headings_is_shown_whole() -> None:
    assert sections("Just text.\nMore. **Bold** here.") == [
        (None, "Just text.\nMore. **Bold** here.")
    ]


@given(st.lists(st.integers(0, len(CARD)), max_size=8))
def test_headings_are_styled_however_the_pieces_fall(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CARD)]
    styler = HeadingStyler("<", ">")
    shown = "".join(styler.feed(CARD[a:b]) for a, b in pairwise(edges))
    assert shown + styler.rest() == (
        "<Definition> A.\n\n<Explanation> B\nC.\n\n<Clinical Relevance> D.\n\n<Note> E."
    )


def test_what_looks_like_a_heading_passes_as_it_is() -> None:
    styler = HeadingStyler("<", ">")
    assert styler.feed("**Defect** x\n**Bold\n") + styler.rest() == "**Defect** x\n**Bold\n"
    assert styler.feed("**Def") == ""
    assert styler.rest() == "**Def"


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("", 10, 1),
        ("abc", 10, 1),
        ("a" * 10, 10, 1),
        ("a" * 11, 10, 2),
        ("ab\ncd\n", 10, 3),
        ("血" * 5, 10, 1),
        ("a" + "血" * 5, 10, 2),  # a wide letter does not straddle the edge
        ("a" + "血" * 5, 5, 3),
    ],
)
def test_rows(text: str, columns: int, expected: int) -> None:
    assert rows(text, columns) == expected
