"""What an answer says that the passages given to it do not: numbers, negations, names."""

import re
from collections.abc import Sequence
from functools import cache

from medllm import fidelity
from medllm.reference import builtin_cards
from medllm.terminology.normalise import key

ALIKE = 0.5
"""From this share of common words on, two sentences are taken to speak of the same."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_ACRONYM = re.compile(r"\b[A-Z][A-Z0-9-]*[A-Z][A-Z0-9-]*\b")
# Endings that make diseases, procedures and drugs; a word with one is a name.
_MEDICAL = re.compile(
    r"\b([a-z]{3,}(?:itis|osis|emia|uria|oma|pathy|ectomy|otomy|ostomy|plasty|scopy|plegia|"
    r"azole|cillin|mycin|floxacin|statin|sartan|pril|olol|dipine|gliptin|gliflozin|mab|tinib|"
    r"prazole|triptan|parin|vir|caine|azepam|oxetine))s?\b"
)
_NUMBER_VALUES = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
}


def invented(answer: str, passages: Sequence[str]) -> dict[str, list[str]]:
    """What `answer` has and `passages` lack, by kind: numbers, negations, entities.

    A negation counts where the sentence of the passages that has most in common with the
    answer's sentence is not negated, or the other way round.
    """
    source = "\n".join(passages)
    return {
        "number": _beyond(numbers(answer), numbers(source)),
        "negation": turned(answer, source),
        "entity": _beyond(entities(answer), entities(source), inside=key(source)),
    }


def numbers(text: str) -> set[str]:
    """Numbers of `text`; words up to twelve as digits, thousands without their comma."""
    found = set()
    for word in fidelity.told(fidelity.words(text), "number"):
        plain = re.sub(r",(?=\d{3}\b)", "", word).rstrip(".,")
        found.add(_NUMBER_VALUES.get(plain, plain))
    return found


def entities(text: str) -> set[str]:
    """Names of diseases, procedures, tests and drugs, and acronyms, in the form of look-up."""
    low = f" {key(text)} "
    known = {name for name in _known_names() if f" {name} " in low}
    formed = {match[1] for match in _MEDICAL.finditer(text.lower())}
    return known | formed | {key(match[0]) for match in _ACRONYM.finditer(text)}


def turned(answer: str, source: str) -> list[str]:
    """Sentences of `answer` that negate what their nearest sentence of `source` says."""
    theirs = [s for s in _SENTENCE.split(source) if s.strip()]
    found = []
    for sentence in _SENTENCE.split(answer):
        if not sentence.strip() or not theirs:
            continue
        nearest = max(theirs, key=lambda other: fidelity.common(sentence, other))
        if fidelity.common(sentence, nearest) >= ALIKE and _negated(sentence) != _negated(nearest):
            found.append(sentence.strip())
    return found


def _negated(text: str) -> bool:
    return bool(fidelity.told(fidelity.words(text), "negation"))


def _beyond(said: set[str], meant: set[str], inside: str = "") -> list[str]:
    return sorted(s for s in said - meant if not inside or s not in inside)


@cache
def _known_names() -> frozenset[str]:
    names = {key(name) for card in builtin_cards() for name in card.names()}
    return frozenset(name for name in names if len(name) > 3)
