"""Fits the weights of medllm.terminology.sense_evidence on the training sentences of GLADIS.

python benchmarks/abbreviation_weights.py DATA [--embedder minilm.gguf]

Two kinds of rows: each sentence with the senses of train.json and lookalikes from the
dictionary, and, where the built-in lexicon has the sense, with the lexicon's senses and cues.
Prints the weights as they stand in the code but for commonness, which is 1 there, and the
margin above which nineteen of twenty decisions among the lexicon's senses are right.
"""

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import abbreviation_data as data
import numpy as np
from medllm.embedding import open_embedder
from medllm.terminology.abbreviations import Abbreviations
from medllm.terminology.document import Document
from medllm.terminology.lexicon import builtin_lexicon
from medllm.terminology.sense_evidence import PARTS
from medllm.terminology.sense_shares import Frequency, Share, shares
from numpy.typing import NDArray

RIDGE, STEPS, FOLDS, RIGHT = 0.5, 60, 5, 0.95
MOST = 30
"""Sentences of one abbreviation."""


class Example(NamedTuple):
    """A sentence's senses with their evidence, and which of them is right."""

    short: str
    rows: NDArray[np.float64]
    place: int


def main() -> None:
    """Prints weights, margins and what they reach."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--embedder", type=Path, help="a GGUF file with an embedding model")
    given = parser.parse_args()
    embedder = data.Remembering(open_embedder(given.embedder)) if given.embedder else None
    rows = few_each(data.read_gladis(given.data / "gladis" / "train.json"))
    listed = of_dictionary(given.data, rows, embedder)
    own = of_lexicon(rows, embedder)
    print(f"{len(listed)} sentences with the dictionary's senses, {len(own)} with the lexicon's")
    weights = fit(listed + own)
    print(f"weights: ({', '.join(f'{value:.2f}' for value in weights)}) for {', '.join(PARTS)}")
    fitted = np.mean([right(example, weights) for example in listed + own])
    print(f"accuracy of the fit {fitted:.3f}, out of fold {out_of_fold(listed + own):.3f}")
    # The sentences are of abstracts, the lexicon's order is of notes: it counts in full.
    weights[PARTS.index("commonness")] = 1.0
    least, reached = margin(own, weights)
    print(f"margin, the lexicon's senses: {least:.2f}, {RIGHT:.2f} right, by {reached:.2f} of all")
    steepness(data.read_vanderbilt(given.data / "abbreviations" / "vanderbilt_clinic_notes.txt"))


def few_each(rows: list[data.Row]) -> list[data.Row]:
    """At most MOST rows of each abbreviation, spread over the file."""
    by_short: dict[str, list[data.Row]] = defaultdict(list)
    for row in rows:
        by_short[row.short].append(row)
    return [row for own in by_short.values() for row in own[:: -(-len(own) // MOST)]]


def steepness(notes: list[Frequency]) -> None:
    """Prints the power that makes the senses of notes likeliest, given the lexicon's order."""
    lexicon = builtin_lexicon()
    seen = []
    for row in notes:
        listed = shares(row.abbreviation, lexicon)
        place = next(
            (n for n, entry in enumerate(listed) if data.means(row, entry.sense, lexicon)), None
        )
        if place is not None and len(listed) > 1:
            seen.append((row.frequency, place, len(listed)))
    powers = np.arange(1.0, 4.0, 0.1)
    likely = [sum(f * _log_share(n, size, p) for f, n, size in seen) for p in powers]
    print(f"steepness: {powers[int(np.argmax(likely))]:.1f}")


def _log_share(place: int, size: int, power: float) -> float:
    return float(np.log((place + 1) ** -power / (np.arange(1, size + 1) ** -power).sum()))


def of_dictionary(
    folder: Path, rows: list[data.Row], embedder: data.Remembering | None
) -> list[Example]:
    """Evidence from running texts that do not hold the sentences themselves."""
    senses, _ = data.candidates(folder / "gladis", rows)
    lexicon = data.as_lexicon(data.with_lookalikes(folder / "gladis", senses))
    if embedder:
        embedder.prepare(rows, {s: [x.expansion for x in lexicon.senses(s)] for s in senses})
    ranker = Abbreviations(lexicon, embedder, data.background(folder, train=False))
    found = []
    for row in rows:
        listed = shares(row.short, lexicon)
        place = [entry.sense.expansion for entry in listed].index(row.gold)
        found.append(_example(row, ranker, listed, place))
    return found


def of_lexicon(rows: list[data.Row], embedder: data.Remembering | None) -> list[Example]:
    """Evidence as the assistant has it: the lexicon's cues and the texts of the cards."""
    lexicon = builtin_lexicon()
    ranker = Abbreviations(lexicon, embedder)
    found = []
    for row in rows:
        listed = shares(row.short, lexicon)
        gold = Frequency(row.short, row.gold, "", 1.0)
        places = [n for n, entry in enumerate(listed) if data.means(gold, entry.sense, lexicon)]
        if places and len(listed) > 1:
            found.append(_example(row, ranker, listed, places[0]))
    return found


def _example(row: data.Row, ranker: Abbreviations, listed: list[Share], place: int) -> Example:
    return Example(row.short, ranker.evidence(row.short, listed, Document(row.text), row.at), place)


def fit(examples: list[Example]) -> NDArray[np.float64]:
    """Newton's method on the penalised likelihood.

    Rows of one abbreviation together count as much as the root of their number.
    """
    counts = Counter(example.short for example in examples)
    scale = np.concatenate([example.rows for example in examples]).std(0)
    used = np.flatnonzero(scale)
    weights = np.zeros(len(used))
    for _ in range(STEPS):
        slope, curve = -RIDGE * weights, RIDGE * np.eye(len(used))
        for example in examples:
            rows = example.rows[:, used] / scale[used]
            scores = softmax(rows @ weights)
            mean = scores @ rows
            share = counts[example.short] ** -0.5
            slope += share * (rows[example.place] - mean)
            curve += share * ((rows - mean) * scores[:, None]).T @ (rows - mean)
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-5:
            break
    found = np.zeros(len(scale))
    found[used] = weights / scale[used]
    return found


def softmax(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of sums."""
    exps = np.exp(sums - sums.max())
    return np.asarray(exps / exps.sum())


def right(example: Example, weights: NDArray[np.float64]) -> bool:
    """Whether the right sense is put first."""
    return int(np.argmax(example.rows @ weights)) == example.place


def out_of_fold(examples: list[Example]) -> float:
    """Accuracy where each abbreviation is judged by a fit to the others."""
    shorts = sorted({example.short for example in examples})
    judged: list[bool] = []
    for fold in range(FOLDS):
        out = set(shorts[fold::FOLDS])
        weights = fit([example for example in examples if example.short not in out])
        judged += [right(example, weights) for example in examples if example.short in out]
    return float(np.mean(judged))


def margin(examples: list[Example], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Least margin above which RIGHT of the decisions are right, and the share that has it."""
    judged = []
    for example in examples:
        first, second = np.sort(softmax(example.rows @ weights))[::-1][:2]
        judged.append((float(first - second), right(example, weights)))
    judged.sort(reverse=True)
    correct = np.cumsum([hit for _, hit in judged]) / np.arange(1, len(judged) + 1)
    enough = np.flatnonzero(correct >= RIGHT)
    if not len(enough):
        return 1.0, 0.0
    return judged[int(enough[-1])][0], (int(enough[-1]) + 1) / len(judged)


if __name__ == "__main__":
    main()
