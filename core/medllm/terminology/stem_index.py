"""Which names share the telling words of a mention: an inverted index of their stems.

The rarest stems of a mention choose the names, the shortest first where there are very many;
the weights of the stems that they share put these in order. A word that no name has counts as
those that look like it, and two words count as the one that they make together.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from medllm.terminology import tokens
from medllm.terminology.like_words import LikeWords

LOOKED_THROUGH = 500
"""Names that one look-up reads."""
LEAST_SHARE = 0.35
"""Least share of the weight of both names' stems; what has less is nearly never near."""
WIDTH = 8
"""Stems by which a name is put in order, its rarest."""


class StemIndex:
    """Stems of names -> numbers of names."""

    def __init__(self, forms: Iterable[str]) -> None:
        """Indexes `forms` (of names, each once); about 100 bytes a name beside the forms."""
        self.names = sorted(forms, key=len)
        stems = [stems_of(form.split()) for form in self.names]
        counts = Counter(stem for row in stems for stem in row)
        rarest_first = sorted(counts, key=lambda stem: (counts[stem], stem))
        self._places = {stem: place for place, stem in enumerate(rarest_first, 1)}
        """Numbers of the stems, the rarest first; 0 is none."""
        rows = [sorted(map(self._places.__getitem__, row)) for row in stems]
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        places = np.fromiter((p for row in rows for p in row), np.uint32, int(sizes.sum()))
        owners = np.repeat(np.arange(len(rows), dtype=np.uint32), sizes)
        self._owners = owners[np.argsort(places, kind="stable")]
        """Names of the first stem, the shortest first, then those of the second, and so on."""
        self._starts = np.cumsum([0, 0, *map(counts.__getitem__, rarest_first)]).tolist()
        idf = [math.log((1 + len(rows)) / (1 + counts[stem])) + 1 for stem in rarest_first]
        self._weights = np.array([0.0, *idf], np.float32)
        self._sums = np.bincount(owners, self._weights[places], len(rows)).astype(np.float32)
        self._rarest = np.zeros((len(rows), WIDTH), np.uint32)
        starts = np.cumsum(sizes) - sizes
        within = np.arange(len(places)) - np.repeat(starts, sizes)
        kept = within < WIDTH
        self._rarest[owners[kept], within[kept]] = places[kept]
        self._ones = np.ones(WIDTH, np.float32)
        self._like = LikeWords(self._places)

    def likely(self, words: Sequence[str], count: int) -> list[tuple[int, float]]:
        """Numbers of up to `count` names that share most of what these words weigh.

        With each its share: the weights of the shared stems, twice, over those of both names.
        """
        asked = self._asked(words)
        if not asked:
            return []
        places = np.array(asked)
        own = self._weights.take(places)
        weights = np.zeros(len(self._weights), np.float32)
        weights[places] = own
        found = self._with(asked)
        shared = weights.take(self._rarest.take(found, 0)) @ self._ones
        shares = shared / (self._sums.take(found) + sum(own.tolist()))
        # A name stands there once for each of the stems by which it was found.
        most = count * (len(asked) // 2 + 1)
        if len(found) > most:
            best = shares.argpartition(-most)[-most:]
            found, shares = found.take(best), shares.take(best)
        best = dict(zip(found.tolist(), (2 * shares).tolist(), strict=True))
        likely = [row for row in best.items() if row[1] >= LEAST_SHARE]
        return sorted(likely, key=itemgetter(1), reverse=True)[:count]

    def _with(self, places: Sequence[int]) -> NDArray[np.uint32]:
        """Names with one of the rarer half of these stems."""
        spans, room = [], LOOKED_THROUGH
        for place in places[: len(places) // 2 + 1]:
            start, end = self._starts[place : place + 2]
            spans.append(self._owners[start : min(end, start + room)])
            room -= end - start
            if room <= 0:
                break
        return np.concatenate(spans) if len(spans) > 1 else spans[0]

    def _asked(self, words: Sequence[str]) -> list[int]:
        """Stems to look for, the rarest first."""
        found = set()
        for stem in stems_of(words):
            if place := self._places.get(stem):
                found.add(place)
            else:
                found.update(map(self._places.__getitem__, self._like.of(stem)))
        for one, other in pairwise(words):
            if place := self._places.get(tokens.stem(one + other)):
                found.add(place)
        return sorted(found)


def stems_of(words: Iterable[str]) -> frozenset[str]:
    """Stems of folded words, without function words."""
    return frozenset(map(tokens.stem, words)) - tokens.FUNCTION_WORDS
