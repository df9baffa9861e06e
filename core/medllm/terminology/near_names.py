"""Names of a vocabulary that nearly are a mention: misspelt, a word more or less, joined anew.

Their trigrams choose them; letters, words and numbers then judge them, the cheapest first, and
none further than it can still be near enough.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from rapidfuzz import fuzz
from rapidfuzz.distance import DamerauLevenshtein

from medllm.terminology import tokens
from medllm.terminology.grams import GramIndex
from medllm.terminology.sense_parts import contradict, same_sense_parts

CANDIDATES = 16
COSINE = 0.3
ANSWERED = 8
SHORTEST = 5
"""Letters of a form that near names are looked for."""
OPPOSED = 0.6
"""Factor on the likeness of names with opposed words, which puts them below the threshold."""
OTHER_NUMBER = 0.8
"""Factor on the likeness of a name without a number of the mention."""
_OF_COSINE, _OF_LETTERS, _OF_WORDS = 0.35, 0.35, 0.3


class NearNames:
    """The forms of a vocabulary's names, searched for what looks like a mention."""

    def __init__(self, forms: Iterable[str]) -> None:
        """Indexes forms of names, each once; about 250 bytes a name."""
        self._index = GramIndex([form for form in forms if form])

    def of(self, words: Sequence[str], floor: float) -> list[tuple[float, str]]:
        """Forms with a likeness of at least `floor`, the likest first, and their likeness.

        Args:
            words: of the mention, folded.
            floor: 0 to 1; the higher, the sooner a form is given up.
        """
        form = tokens.form(words)
        if len(form) < SHORTEST:
            return []
        alike = [
            (score, name)
            for name, cosine in self._index.nearest(form, CANDIDATES, COSINE)
            if (score := likeness(words, name, cosine, floor)) >= floor
        ]
        return sorted(alike, reverse=True)[:ANSWERED]


def likeness(words: Sequence[str], name: str, cosine: float, floor: float = 0.0) -> float:
    """0 to 1: the trigrams' cosine, the letters in any order of words, and numbers that differ.

    Below `floor` it is not worked out to the end, and what comes back is only below it.
    """
    others = tuple(name.split())
    least = (floor - _OF_COSINE * cosine - _OF_WORDS) / _OF_LETTERS
    letters = fuzz.ratio(
        " ".join(sorted(words)), " ".join(sorted(others)), score_cutoff=100 * least - 1e-6
    )
    score = _OF_COSINE * cosine + _OF_LETTERS * letters / 100
    if score + _OF_WORDS < floor:
        return 0.0
    (mine, my_numbers), (theirs, their_numbers) = _stems(tuple(words)), _stems(others)
    alike = float(len(mine & theirs))
    if len(mine - theirs) == len(theirs - mine) == 1:
        alike += _spelling(words, others)
    score += _OF_WORDS * 2 * alike / max(1, len(mine) + len(theirs))
    if not my_numbers <= their_numbers:
        score *= OTHER_NUMBER
    if score >= floor and _are_opposed(words, others):
        score *= OPPOSED
    return score


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


@lru_cache(1 << 14)
def _stems(words: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Stems of the words, and those with a digit."""
    stems = frozenset(map(tokens.stem, words)) - tokens.FUNCTION_WORDS
    return stems, frozenset(stem for stem in stems if not stem.isalpha() and _has_digit(stem))


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)
