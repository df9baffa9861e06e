"""Which words of a text are negated: cues and their scope, after NegEx.

Chapman et al., "A simple algorithm for identifying negated findings and diseases in
discharge summaries", Journal of Biomedical Informatics 34 (2001). The cues are our own
selection; a cue that only looks like one ("not only", "gram negative") is passed over.
"""

import re
from dataclasses import dataclass
from itertools import islice

SCOPE = 15
"""Words that a cue reaches, unless the clause ends before."""
_BEHIND = 300
"""Characters before a cue that are looked at."""
_LONGEST_END = 60
"""Characters beyond a cue's reach in which an end that begins inside it may go on."""

_BEFORE = """
    no evidence of|no sign of|no signs of|no history of|no indication of|no suspicion of|
    absence of|absent|denies|denied|denying|deny|free of|lack of|lacked|lacks|lacking|
    negative for|never had|never developed|no|none of|nor|not|excludes|excluded|excluding|
    rules out|ruled out|fails to reveal|failed to reveal|without evidence of|without|
    cannot have|didn't have|doesn't have|does not have|did not have|has no|have no|had no
"""
_AFTER = """
    is ruled out|are ruled out|was ruled out|were ruled out|has been ruled out|
    have been ruled out|is excluded|are excluded|was excluded|were excluded|
    is absent|are absent|was absent|were absent|not present|not seen|not found|not detected|
    not identified|not observed|is negative|was negative|were negative
"""
_ONLY_LOOKS = """
    not only|no increase|no change|no significant change|not necessarily|without difficulty|
    no further|not certain|not certain whether|not rule out|not ruled out|not be ruled out|
    not excluded|not exclude|not be excluded|gram negative|gram-negative|not cause|not drain|
    no longer than|no less than|no doubt|not to mention|no matter|without doubt|
    not been ruled out|not been excluded|no. \\d+
"""
_ENDS = """
    but|however|although|though|except|apart from|aside from|other than|nevertheless|yet|still|
    because|since|due to|secondary to|which|who|whose|presents with|presented with|
    complains of|is treated for|was treated for|cause of|causes of|as well as|with
"""


def _any_of(phrases: str) -> str:
    listed = sorted((phrase.strip() for phrase in phrases.split("|")), key=len, reverse=True)
    return "|".join(re.sub(r" +", r"\\s+", phrase) for phrase in listed)


_CUE = re.compile(
    rf"(?<![\w-])(?:(?P<looks>{_any_of(_ONLY_LOOKS)})|(?P<after>{_any_of(_AFTER)})"
    rf"|(?P<before>{_any_of(_BEFORE)}))(?![\w-])|(?P<stated>:\s*(?:negative|none|no)\b)",
    re.IGNORECASE,
)
_END = re.compile(
    rf"(?<![\w-])(?:{_any_of(_ENDS)})(?![\w-])|[.!?](?=\s|$)|[;:](?=\s)|\n\s*\n", re.IGNORECASE
)
_WORD = re.compile(r"\w[\w'’-]*")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a cue negates: `text[start:end]`."""

    cue: str
    start: int
    end: int


def scopes(text: str) -> list[Scope]:
    """The negated stretches of `text`, in its order."""
    found = []
    for match in _CUE.finditer(text):
        cue = match.group()
        if match.group("before"):
            end = _forward(text, match.end())
            if end > match.end():
                found.append(Scope(cue, match.end(), end))
        elif match.group("after") or match.group("stated"):
            found.append(Scope(cue, _backward(text, match.start()), match.start()))
    return found


def negating(found: list[Scope], start: int, end: int) -> str | None:
    """The cue whose scope holds `text[start:end]`, or None."""
    return next((s.cue for s in found if s.start <= start and end <= s.end), None)


def _forward(text: str, start: int) -> int:
    words = list(islice(_WORD.finditer(text, start), SCOPE + 1))
    reach = words[SCOPE - 1].end() if len(words) > SCOPE else len(text)
    stop = _END.search(text, start, min(len(text), reach + _LONGEST_END))
    return min(reach, stop.start()) if stop else reach


def _backward(text: str, end: int) -> int:
    start = max(0, end - _BEHIND)
    for stop in _END.finditer(text, start, end):
        start = stop.end()
    words = list(_WORD.finditer(text, start, end))
    return words[-SCOPE].start() if len(words) > SCOPE else start
