"""Names of a vocabulary that nearly are a mention: misspelt, a word more or less, joined anew.

Their stems choose them; letters, words and numbers then judge them, and of the best of them
the trigrams as well.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz
from rapidfuzz.distance import DamerauLevenshtein

from medllm.terminology import tokens
from medllm.terminology.grams import GramWeights
from medllm.terminology.sense_parts import contradict, same_sense_parts
from medllm.terminology.stem_index import StemIndex, stems_of

CANDIDATES = 5
"""Names whose letters and words are compared."""
SURPRISE = 0.2
"""How far the trigrams' cosine exceeds what shared stems and letters foretell, at most."""
SHORTEST = 5
"""Letters of a form that near names are looked for."""
OPPOSED = 0.6
"""Factor on the likeness of names with opposed words, which puts them below the threshold."""
OTHER_NUMBER = 0.8
"""Factor on the likeness of a name without a number of the mention."""
_OF_COSINE, _OF_LETTERS, _OF_WORDS = 0.35, 0.35, 0.3
_DIGIT = re.compile(r"\d")
_NO_NUMBERS = frozenset[str]()


class Wording(NamedTuple):
    """What is compared of a name."""

    words: tuple[str, ...]
    letters: str
    """The words in alphabetical order."""
    stems: frozenset[str]
    numbers: frozenset[str]
    """The stems with a digit."""


class NearNames:
    """The forms of a vocabulary's names, searched for what looks like a mention."""

    def __init__(self, forms: Iterable[str]) -> None:
        """Indexes forms of names, each once; about 100 bytes a name beside the forms."""
        self._index = StemIndex(form for form in forms if form)
        self._grams = GramWeights(self._index.names)

    def of(self, words: Sequence[str], floor: float) -> list[tuple[float, str]]:
        """Forms with a likeness of at least `floor`, the likest first, and their likeness.

        It is 0 to 1: the letters in any order of the words, the shared stems and the trigrams'
        cosine, weighted, lowered where a number differs or words stand against each other.

        Args:
            words: of the mention, folded.
            floor: 0 to 1; the higher, the sooner a form is given up.
        """
        form = tokens.form(words)
        if len(form) < SHORTEST:
            return []
        mine = wording(" ".join(words))
        alike = []
        for number, share in self._index.likely(words, CANDIDATES):
            name = self._index.names[number]
            theirs = wording(name)
            letters = fuzz.ratio(mine.letters, theirs.letters) / 100
            score = _OF_LETTERS * letters + _OF_WORDS * _shared(mine, theirs)
            if score + _OF_COSINE * ((share + letters) / 2 + SURPRISE) < floor:
                continue
            score += _OF_COSINE * self._grams.cosine(form, name)
            if score >= floor and (score := score * _doubt(mine, theirs)) >= floor:
                alike.append((score, name))
        return sorted(alike, reverse=True)


@lru_cache(1 << 12)
def wording(name: str) -> Wording:
    """What is compared of a folded name."""
    words = tuple(name.split())
    stems = stems_of(words)
    numbers = frozenset(filter(_DIGIT.search, stems)) if _DIGIT.search(name) else _NO_NUMBERS
    return Wording(words, " ".join(sorted(words)), stems, numbers)


def _shared(mine: Wording, theirs: Wording) -> float:
    """Share of the stems that both have; one word that is spelt in another way counts too."""
    alike = float(len(mine.stems & theirs.stems))
    if len(mine.stems) == len(theirs.stems) == alike + 1:
        alike += _spelling(mine.words, theirs.words)
    return 2 * alike / max(1, len(mine.stems) + len(theirs.stems))


def _doubt(mine: Wording, theirs: Wording) -> float:
    """Factor for a number that the other lacks and for words that stand against each other."""
    factor = 1.0 if mine.numbers <= theirs.numbers else OTHER_NUMBER
    return factor * OPPOSED if _are_opposed(mine.words, theirs.words) else factor


def _are_opposed(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether a word stands against one that looks like it: hypokalemic and hyperkalemic."""
    mine = [word for word in words if len(word) > 5 and word not in others]
    theirs = [word for word in others if len(word) > 5 and word not in words]
    return any(
        fuzz.ratio(one, other) >= 65 and contradict(one, other) for one in mine for other in theirs
    )


def _spelling(words: Sequence[str], others: Sequence[str]) -> float:
    """How far the one word that differs is another spelling: 0.85 to 1, else 0.

    A long word with a letter or two changed is a spelling; one that begins or ends in
    another meaning (hypo-, hyper-) is another term.
    """
    one = [word for word in words if word not in others]
    other = [word for word in others if word not in words]
    if len(one) != 1 or len(other) != 1 or min(len(one[0]), len(other[0])) < 6:
        return 0.0
    near = float(DamerauLevenshtein.normalized_similarity(one[0], other[0]))
    return near if near >= 0.85 and same_sense_parts(one[0], other[0]) else 0.0
