"""Finds passages four ways, and fuses the four rankings by reciprocal rank.

The ways: names (exact, with what a vocabulary calls the same), words (BM25), letters (names
and words of like spelling) and, with an embedder, meaning (vectors).
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

from medllm.embedding import Embedder
from medllm.retrieval import certainty, matching, names, question, store, synonyms, words
from medllm.retrieval.held import Held
from medllm.retrieval.names import Named, Ranges
from medllm.retrieval.question import Question
from medllm.terminology import tokens
from medllm.terminology.store import Store

Way = Literal["name", "word", "letter", "meaning"]
Rankings = list[tuple[Way, list[int]]]
"""Passages that each way finds, the best first."""

DAMPING = 60
"""Added to a rank before its reciprocal is taken (Cormack, Clarke and Buettcher, 2009)."""
WEIGHTS: dict[Way, float] = {"name": 1.0, "word": 1.0, "letter": 1.0, "meaning": 1.0}
"""Fitted by benchmarks/retrieval_weights.py: no others are better by a standard error."""
DEPTH = 100
"""Passages of each ranking that are fused."""
AGAIN = 0.7
"""Factor on the score of each further passage of one file, so that one file is not all."""
OF_NAME = 30
"""Passages of one name that are ranked."""
RARE = 0.01
"""Share of passages below which a word's spelling may be a slip, and like ones are looked for."""
LOOKS = (names.ranges, names.ranges_by_words)
"""How what bears a name is looked for."""
SPREAD = 10
"""How many times the passages asked for are looked at, so that other files have a chance."""
LOOKED_AT = 3
"""Passages, the first ones, that say how sure the answer is."""
SURE_WORDS, SURE_MEANING = 0.53, 0.69
"""Least share of a question's words (weighted) in a passage, or least cosine, of a sure answer.

Fitted by benchmarks/retrieval_weights.py."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found."""

    passage: int
    score: float
    ways: tuple[Way, ...]
    """Which rankings had it."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What came of a search."""

    hits: tuple[Hit, ...]
    words: float
    """Share of the question's topic, weighted by rarity, in one of the first passages, 0 to 1."""
    meaning: float
    """Cosine of the nearest passage; 0 without an embedder."""

    @property
    def confident(self) -> bool:
        """Whether the first passages are about what was asked for."""
        return bool(self.hits) and (self.words >= SURE_WORDS or self.meaning >= SURE_MEANING)


@dataclass(frozen=True, slots=True)
class _Found:
    rankings: Rankings
    named: list[Named]
    alike: dict[str, list[tuple[str, float]]]
    """Words of the index that look like one of the question's, and how much."""
    nearest: float
    """Cosine of the nearest passage."""


class Searcher:
    """Searches one index; what it holds in memory follows the index."""

    def __init__(
        self, base: sqlite3.Connection, embedder: Embedder | None, vocabulary: Store | None
    ) -> None:
        """Takes an open index, and what there is of an embedder and a vocabulary."""
        self._base, self._embedder, self._vocabulary = base, embedder, vocabulary
        self._held = Held(base)

    def prepare(self) -> None:
        """Makes what is held in memory; without it the first search waits for it."""
        with store.reading(self._base):
            self._held.follow()
            self._held.spellings()
            if self._embedder:
                self._held.signs()

    def search(self, text: str, depth: int) -> Ranking:
        """The best `depth` passages for a question."""
        with store.reading(self._base):
            self._held.follow()
            asked = question.read(self._base, text, self._held.total)
            if not asked.terms or not asked.total:
                return Ranking((), 0.0, 0.0)
            found = self._found(asked, max(DEPTH, depth))
            hits = self.spread(fuse(found.rankings), depth)
            first = [hit.passage for hit in hits[:LOOKED_AT]]
            sure = certainty.covered(self._base, asked, found.named, found.alike, first)
            return Ranking(tuple(hits), sure, found.nearest)

    def rankings(self, text: str) -> Rankings:
        """What each way finds for a question, before they are fused."""
        with store.reading(self._base):
            self._held.follow()
            asked = question.read(self._base, text, self._held.total)
            return self._found(asked, DEPTH).rankings if asked.terms and asked.total else []

    def spread(self, hits: Sequence[Hit], depth: int) -> list[Hit]:
        """The best passages, each further one of a file counting less."""
        hits = hits[: SPREAD * depth]
        had: Counter[int] = Counter()
        lowered = []
        for hit, file in zip(hits, self._held.files([h.passage for h in hits]), strict=True):
            lowered.append((-hit.score * AGAIN ** had[file], hit.passage, hit.ways))
            had[file] += 1
        return [Hit(passage, -score, ways) for score, passage, ways in sorted(lowered)[:depth]]

    def _found(self, asked: Question, reach: int) -> _Found:
        named = self._named(asked)
        alike = self._alike_words(asked)
        match = matching.queries(asked.counted, asked.total)
        meaning = self._by_meaning(asked, reach)
        rankings: Rankings = [
            ("name", self._by_name(asked, named)),
            ("word", matching.ranked(self._base, match, reach)),
            ("letter", self._by_letters(asked, alike, reach)),
            ("name", self._by_synonyms(asked, named, reach)),
            ("meaning", [passage for passage, _ in meaning]),
        ]
        return _Found(rankings, named, alike, meaning[0][1] if meaning else 0.0)

    def _named(self, asked: Question) -> list[Named]:
        """Names in the question that the index or the vocabulary knows, the rarest first."""
        found = synonyms.in_question(asked.text, self._held.card_names, self._vocabulary)
        known = {n.form for n in found if n.synonyms or self._borne(n.form)}
        kept = names.longest_first(found, known)
        return sorted(kept, key=lambda n: -sum(map(asked.rarity, n.terms)))

    def _by_name(self, asked: Question, named: Iterable[Named]) -> list[int]:
        found: dict[int, None] = {}
        for one in named:
            forms = [one.form, *filter(None, map(names.form, one.synonyms))]
            places = [place for look in LOOKS for form in forms for place in look(self._base, form)]
            found.update(self._of_places(asked, places, one.terms))
        return list(found)

    def _borne(self, form: str) -> bool:
        """Whether anything in the index is called so."""
        return any(look(self._base, form) for look in LOOKS)

    def _of_places(self, asked: Question, places: Ranges, own: Sequence[str]) -> dict[int, None]:
        """Passages of what bears a name: the one with most of the question of each, then the next.

        So a long file leaves room for the others that bear the name.
        """
        each: list[list[int]] = []
        rest = [c.word for c in asked.counted if c.word not in own]
        for first, end in dict.fromkeys(places):
            last = min(end, first + OF_NAME - 1)
            weights = dict.fromkeys(range(first, last + 1), 0.0)
            for term in rest if last > first else ():
                for passage in matching.holding(self._base, term, first, last):
                    weights[passage] += asked.rarity(term)
            each.append(sorted(weights, key=lambda p: -weights[p]))
        rounds = chain.from_iterable(zip_longest(*each))
        return dict.fromkeys(passage for passage in rounds if passage is not None)

    def _by_synonyms(self, asked: Question, named: Iterable[Named], reach: int) -> list[int]:
        """By the words of what the vocabulary calls the same."""
        groups = [words.terms(text) for one in named for text in one.synonyms]
        counts = {
            c.word: c.passages
            for c in matching.counted(self._base, {term for group in groups for term in group})
        }
        usable = [
            group
            for group in groups
            if group
            and all(term in counts for term in group)
            and min(counts[term] for term in group) <= matching.BUDGET // 4
        ]
        return matching.ranked(self._base, matching.any_of(usable), reach)

    def _alike_words(self, asked: Question) -> dict[str, list[tuple[str, float]]]:
        """For the rare and unknown words of the topic, words of the index that look like them."""
        counts = {c.word: c.passages for c in asked.counted}
        topic = {term for word in asked.topic if (term := words.term(word))}
        spellings = self._held.spellings()
        return {
            term: alike
            for term in sorted(topic)
            if counts.get(term, 0) <= RARE * asked.total and (alike := spellings.alike_words(term))
        }

    def _by_letters(
        self, asked: Question, alike: dict[str, list[tuple[str, float]]], reach: int
    ) -> list[int]:
        """By the initials of names, names like the topic, and words like the question's."""
        found: dict[int, None] = {}
        for acronym in (m.group() for m in tokens.acronyms_at(asked.text)):
            places = names.ranges_by_initials(self._base, acronym)
            found.update(self._of_places(asked, places, words.terms(acronym)))
        for form, _ in self._held.spellings().alike_names(tokens.form(asked.topic)):
            places = names.ranges(self._base, form)
            found.update(self._of_places(asked, places, words.terms(form)))
        others = [other for near in alike.values() for other, _ in near]
        by_words: list[int] = []
        if others:
            counted = matching.counted(self._base, [*asked.terms, *others])
            match = matching.queries(counted, asked.total, matching.BUDGET // 2)
            by_words = matching.ranked(self._base, match, reach)
        return [hit.passage for hit in fuse([("letter", list(found)), ("letter", by_words)])][
            :reach
        ]

    def _by_meaning(self, asked: Question, reach: int) -> list[tuple[int, float]]:
        if not self._embedder or self._held.embedder != self._embedder.sha256:
            return []
        vector = self._embedder.embed([asked.text])[0]
        return self._held.signs().nearest(self._base, vector, reach)


def fuse(
    rankings: Iterable[tuple[Way, list[int]]], weights: Mapping[Way, float] = WEIGHTS
) -> list[Hit]:
    """Rankings as one: a passage scores the weighted sum of its reciprocal ranks."""
    scores: dict[int, float] = defaultdict(float)
    ways: dict[int, dict[Way, None]] = defaultdict(dict)
    for way, ranking in rankings:
        for rank, passage in enumerate(ranking, 1):
            scores[passage] += weights[way] / (DAMPING + rank)
            ways[passage][way] = None
    best = sorted(scores, key=lambda passage: (-scores[passage], passage))
    return [Hit(passage, scores[passage], tuple(ways[passage])) for passage in best]
