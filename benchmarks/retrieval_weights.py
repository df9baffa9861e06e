"""Fits the weights of medllm.retrieval.search, and its thresholds of a sure answer.

python benchmarks/retrieval_weights.py --data DATA --work FOLDER --embedder minilm.gguf

The questions are those of the tuning half of benchmarks/retrieval.py; nothing of the held-out
half is looked at. Each is searched once, and the rankings of the four ways are fused under every
weight of a grid, that of words being 1: names and letters by recall@10 without an embedder, then
meaning by recall@10 with it. Taken are those nearest to 1 (in proportion) whose recall is within
one standard error of the best (Breiman's rule), so that no lucky corner of the grid is.

A threshold is the least at which no invented term of the first half of
data/evaluation/invented_terms.jsonl would be a sure answer, and `MARGIN` more, since these are
few. Beside it stands how many of the other half it keeps out, and how many right answers in.
"""

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import retrieval_data as data
from abbreviation_data import Remembering
from medllm.embedding import Embedder, open_embedder
from medllm.retrieval import search, store, vectors
from medllm.retrieval.search import Rankings, Searcher, Way

GRID = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
MARGIN = 0.05
DEPTH = 10


class Searched(NamedTuple):
    """What the ways find for one question, and the numbers of its document's passages."""

    rankings: Rankings
    right: frozenset[int]


def main() -> None:
    """Prints weights and thresholds as they would stand in the code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="that of benchmarks/retrieval.py")
    parser.add_argument("--embedder", type=Path, help="an embedding model as GGUF")
    given = parser.parse_args()
    prepared = data.prepare(given.data, given.work)
    tuning = data.halves(prepared.queries)["tuning"]
    data.index(prepared, cards=True).close()
    embedder = Remembering(open_embedder(given.embedder)) if given.embedder else None
    try:
        _fit(prepared, tuning, embedder)
    finally:
        if embedder:
            embedder.close()


def _fit(prepared: data.Prepared, tuning: Sequence[data.Query], embedder: Embedder | None) -> None:
    base = store.open_base(prepared.file(cards=True))
    if embedder:
        vectors.embed(base, embedder)
    searcher = Searcher(base, embedder, None)
    rows = base.execute("SELECT path, first, last FROM file").fetchall()
    passages = {path: frozenset(range(first, last + 1)) for path, first, last in rows}
    searched = [
        Searched(searcher.rankings(query.text), passages[query.document.path]) for query in tuning
    ]
    weights: dict[Way, float] = {"name": 1.0, "word": 1.0, "letter": 1.0, "meaning": 0.0}
    stands = _recall(searcher, searched, search.WEIGHTS)
    print(f"{len(searched)} questions; recall@10 with the weights of the code {stands:.3f}")
    _choose(searcher, searched, weights, ("name", "letter"))
    if embedder:
        _choose(searcher, searched, weights, ("meaning",))
    print("WEIGHTS:", {way: weight for way, weight in weights.items() if weight})
    search.WEIGHTS.update(weights)
    _threshold("SURE_WORDS", Searcher(base, None, None), tuning, searched, lambda one: one.words)
    if embedder:
        _threshold("SURE_MEANING", searcher, tuning, searched, lambda one: one.meaning)
    base.close()


def _choose(
    searcher: Searcher,
    searched: Sequence[Searched],
    weights: dict[Way, float],
    ways: tuple[Way, ...],
) -> None:
    """Sets the weights of some ways: of the grid, the nearest to 1 that are as good as the best."""
    reached = np.zeros((len(GRID),) * len(ways))
    for place in itertools.product(range(len(GRID)), repeat=len(ways)):
        tried = {**weights, **{way: GRID[i] for way, i in zip(ways, place, strict=True)}}
        reached[place] = _recall(searcher, searched, tried)
    best = float(reached.max())
    error = np.sqrt(best * (1 - best) / len(searched))
    away = sum(np.log(np.meshgrid(*[GRID] * len(ways), indexing="ij")) ** 2)
    place = np.unravel_index(np.where(reached >= best - error, away, np.inf).argmin(), away.shape)
    weights.update({way: GRID[i] for way, i in zip(ways, place, strict=True)})
    print(
        f"{' and '.join(ways)}: best of the grid {best:.3f}, least {reached.min():.3f}, "
        f"standard error {error:.3f}, taken {reached[place]:.3f}"
    )


def _recall(
    searcher: Searcher, searched: Sequence[Searched], weights: Mapping[Way, float]
) -> float:
    """Share of the questions with a right passage among the first ten."""
    found = [
        any(hit.passage in one.right for hit in _hits(searcher, one.rankings, weights))
        for one in searched
    ]
    return float(np.mean(found))


def _hits(searcher: Searcher, rankings: Rankings, weights: Mapping[Way, float]) -> list[search.Hit]:
    used = [(way, ranking) for way, ranking in rankings if weights[way]]
    return searcher.spread(search.fuse(used, weights), DEPTH)


def _threshold(
    name: str,
    searcher: Searcher,
    tuning: Sequence[data.Query],
    searched: Sequence[Searched],
    measure: Callable[[search.Ranking], float],
) -> None:
    """Prints a threshold, and what it keeps in and out."""
    invented = [measure(searcher.search(f"What is {term}?", DEPTH)) for term in data.invented()]
    results = [searcher.search(query.text, DEPTH) for query in tuning]
    right = [
        any(hit.passage in one.right for hit in result.hits)
        for one, result in zip(searched, results, strict=True)
    ]
    least = round(max(invented[::2]) + MARGIN, 2)
    both = [(measure(result) >= least, ok) for result, ok in zip(results, right, strict=True)]
    print(
        f"{name}: {least}; of the other invented terms below it "
        f"{np.mean([value < least for value in invented[1::2]]):.2f}, right answers kept "
        f"{np.mean([kept for kept, ok in both if ok]):.2f}, right where kept "
        f"{np.mean([ok for kept, ok in both if kept]):.2f}"
    )


if __name__ == "__main__":
    main()
