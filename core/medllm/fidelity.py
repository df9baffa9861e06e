"""Whether an answer keeps to its card: numbers, negations, directions, words."""

import re
from collections import Counter
from typing import Literal

from medllm.card import TITLES, Card

LEAST_COMMON = 0.6
"""Least share of words in common (F1 over word counts) of each part with the card's."""

Kind = Literal["number", "negation", "direction"]
_KINDS: tuple[Kind, ...] = ("number", "negation", "direction")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:[.,]\d+)*")
_NUMBER_WORDS = frozenset(
    """
    zero one two three four five six seven eight nine ten eleven twelve twice double
    half third quarter dozen hundred thousand million
    """.split()
)
_NEGATIONS = frozenset(
    """
    no not never none nor neither without cannot nothing hardly rarely seldom absent
    lack lacks lacking unable fails fail free
    """.split()
)
_DIRECTIONS = frozenset(
    """
    high higher highest low lower lowest raise raises raised raising rise rises rising
    fall falls falling drop drops increase increases increased increasing decrease
    decreases decreased decreasing above below more less fast faster slow slower too
    much little many few fewer large larger enlarged small smaller thick thin left
    right upper before after harmless benign malignant cancerous noncancerous
    contagious safe unsafe dangerous always never acute chronic gain gains loss loses
    artery arteries vein veins wide widen widens narrow narrows strong weak overactive
    underactive urgent emergency
    """.split()
)


def words(text: str) -> list[str]:
    """Words and numbers of `text`, in small letters."""
    return _WORD.findall(text.lower().replace("’", "'"))


def told(found: list[str], kind: Kind) -> Counter[str]:
    """Those of the words `found` that tell a number, a negation or a direction."""
    if kind == "number":
        return Counter(w for w in found if w[0].isdigit() or w in _NUMBER_WORDS)
    if kind == "negation":
        return Counter(
            "not" if w.endswith("n't") else w for w in found if w in _NEGATIONS or w.endswith("n't")
        )
    return Counter(w for w in found if w in _DIRECTIONS)


def common(first: str, second: str) -> float:
    """F1 over the word counts of two texts, 0 to 1; 1 for two texts without words."""
    one, other = Counter(words(first)), Counter(words(second))
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


def strays(answer: Card, reference: Card) -> str | None:
    """How `answer` strays from `reference`, in a few words; None where it keeps to it.

    Part by part: a number, negation or word of direction that the other lacks,
    or too few words in common. The check is strict on purpose: what fails it is
    replaced by the card, which costs nothing.
    """
    for title, said, meant in zip(TITLES, answer.parts(), reference.parts(), strict=True):
        said_words, meant_words = words(said), words(meant)
        for kind in _KINDS:
            if told(said_words, kind) != told(meant_words, kind):
                return f"a {kind} differs in {title}"
        if common(said, meant) < LEAST_COMMON:
            return f"too little in common in {title}"
    return None
