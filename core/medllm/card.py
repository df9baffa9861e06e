"""The card: a medical explanation in four parts. The only module that knows the headings.

    **Definition**: ...

    **Explanation**: ...

    **Clinical Relevance**: ...

    **Safety Note**: ...

A heading counts at the start of a line only, so a part may hold bold words and
several lines, but no line of it begins with `**`. `adherent` and `grammar`
describe the same set of texts; `parse` reads some more (blank space around the
text, blank lines too many).
"""

import re
import unicodedata
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

from medllm.errors import CardError

FIELDS = ("definition", "explanation", "clinical_relevance", "safety_note")
TITLES = ("Definition", "Explanation", "Clinical Relevance", "Safety Note")
HEADINGS = tuple(f"**{title}**:" for title in TITLES)
# Models in the wild write the last heading so; it is read, never written.
READ_AS_LAST = "**Note**:"


@dataclass(frozen=True, slots=True)
class Card:
    """The four parts, each without its heading and without white space around it."""

    definition: str
    explanation: str
    clinical_relevance: str
    safety_note: str

    def parts(self) -> tuple[str, str, str, str]:
        """The parts in the order of `HEADINGS`."""
        return (self.definition, self.explanation, self.clinical_relevance, self.safety_note)

    def as_dict(self) -> dict[str, str]:
        """The parts by field name."""
        return dict(zip(FIELDS, self.parts(), strict=True))


assert tuple(field.name for field in fields(Card)) == FIELDS

# One line of a part: any characters but controls, not blank, not opening with "**".
# The same three alternatives stand in the grammar below.
_CHAR = r"[^\x00-\x1f\x7f]"
_REST = rf"(?:{_CHAR}*)"
_LINE = rf" *(?:[^\x00-\x20\x7f*]{_REST}|\*[^\x00-\x1f\x7f*]{_REST}|\*)"
_PART = rf"{_LINE}(?:\n{{1,2}}{_LINE})*"
_LAST_HEADING = rf"(?:{re.escape(HEADINGS[3])}|{re.escape(READ_AS_LAST)})"
_FORMAT = re.compile(
    "".join(
        rf"{heading}[ \n](?P<{field}>{_PART}){gap}"
        for heading, field, gap in zip(
            [*map(re.escape, HEADINGS[:3]), _LAST_HEADING],
            FIELDS,
            [r"\n{1,2}"] * 3 + [r"\n?"],
            strict=True,
        )
    )
)
_ANY_HEADING = re.compile("(?m)^(?:" + "|".join(map(re.escape, (*HEADINGS, READ_AS_LAST))) + ")")
_BLANK_LINES = re.compile(r"\n[ \n]*\n")


def parse(text: str) -> Card:
    """Reads a card.

    Args:
        text: what a model or a person wrote; white space around it and blank
            lines too many are forgiven.

    Raises:
        CardError: a part is missing, empty or out of order, or text stands
            outside the four parts. The message names the first such thing.
    """
    tidy = _BLANK_LINES.sub("\n\n", text.replace("\r\n", "\n")).strip()
    match = _FORMAT.fullmatch(tidy)
    if match is None:
        raise CardError(_reason(tidy), "A card has four parts: " + ", ".join(TITLES) + ".")
    return Card(*(match[field].strip(" \n") for field in FIELDS))


def parse_partial(text: str) -> dict[str, str]:
    """The parts of a card that is still being written, by field; the last may be unfinished."""
    found: dict[str, str] = {}
    marks = list(_ANY_HEADING.finditer(text))
    for mark, following in zip_longest(marks, marks[1:]):
        heading = HEADINGS[3] if mark[0] == READ_AS_LAST else mark[0]
        body = text[mark.end() : following.start() if following else len(text)]
        found.setdefault(FIELDS[HEADINGS.index(heading)], body.strip())
    return found


def render(card: Card) -> str:
    """The card as text: headings in bold, a blank line between the parts.

    Raises:
        CardError: a part is empty, or holds what would not be read back (a
            control character, a line that opens with `**`, blank lines).
    """
    text = "\n\n".join(f"{h} {p}" for h, p in zip(HEADINGS, card.parts(), strict=True))
    match = _FORMAT.fullmatch(text)
    if match is None or tuple(match[field].strip(" \n") for field in FIELDS) != card.parts():
        raise CardError("A part of the card can't be written so that it is read back the same.")
    return text


def _reason(text: str) -> str:
    """Why `text` is not a card."""
    if not text.startswith(HEADINGS[0]):
        return f"The text does not begin with {HEADINGS[0]}"
    found = [HEADINGS[3] if m[0] == READ_AS_LAST else m[0] for m in _ANY_HEADING.finditer(text)]
    for heading in HEADINGS:
        if heading not in found:
            return f"The part {heading} is missing."
    if found != list(HEADINGS):
        return "The parts are not in order, or one stands twice."
    empty = [title for title, part in parse_partial(text).items() if not part]
    if empty:
        return f"The part {empty[0]} is empty."
    return "A part holds a control character or a line that opens with **."


def tidy_part(text: str) -> str:
    """`text` made fit to be a part: no controls, no blank lines, no bold line openings."""
    visible = "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else " " for c in text)
    lines = [re.sub(r"^(?: *\*\*)+", "", line).strip(" ") for line in visible.split("\n")]
    return "\n".join(line for line in lines if line)


def adherent(text: str) -> bool:
    """Whether `text`, to the letter, is a card: what `grammar` accepts, and nothing else."""
    return _FORMAT.fullmatch(text) is not None


def format_adherence(texts: list[str]) -> float:
    """The share of `texts` that are cards, 0 to 1; white space at their ends is forgiven.

    Raises:
        ValueError: no text is given.
    """
    if not texts:
        raise ValueError("no text to judge")
    return sum(adherent(text.strip()) for text in texts) / len(texts)


def openings() -> tuple[str, ...]:
    """What stands before each part, in order: what a decoder may write by itself."""
    return (HEADINGS[0], *(f"\n\n{heading}" for heading in HEADINGS[1:]))


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a card as an object."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Card",
        "type": "object",
        "properties": {
            field: {"type": "string", "minLength": 1, "title": title}
            for field, title in zip(FIELDS, TITLES, strict=True)
        },
        "required": list(FIELDS),
        "additionalProperties": False,
    }


def grammar() -> str:
    """GBNF grammar of a card, as llama.cpp takes it.

    Format: llama.cpp, grammars/README.md. It accepts exactly the texts that
    `adherent` accepts.
    """
    first, second, third, last = HEADINGS
    return "\n".join(
        [
            f'root ::= "{first}" part gap "{second}" part gap "{third}" part gap '
            f'("{last}" | "{READ_AS_LAST}") part "\\n"?',
            'gap ::= "\\n" "\\n"?',
            'part ::= [ \\n] line ("\\n" "\\n"? line)*',
            'line ::= " "* ([^\\x00-\\x20\\x7f*] char* | "*" ([^\\x00-\\x1f\\x7f*] char*)?)',
            "char ::= [^\\x00-\\x1f\\x7f]",
            "",
        ]
    )
