"""Senses of abbreviations: in sentences of abstracts (GLADIS), and in notes (Vanderbilt).

python benchmarks/abbreviations.py --data DATA [--set dev] [--embedder minilm.gguf]

DATA holds gladis/ (train.json, senses.json and the set to measure), abbreviations/ and, for
the running texts, pubmedqa/, medquad/ and others. Of the measured set nothing is used but
its sentences and, where the dictionary has no entry, the list of long forms. A sense is
right where it is the annotated one, both in small letters.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import abbreviation_data as data
import numpy as np
from medllm.embedding import open_embedder
from medllm.terminology.abbreviations import Abbreviations, builtin_background
from medllm.terminology.background import Background, cosine, stems
from medllm.terminology.lexicon import Lexicon, builtin_lexicon
from medllm.terminology.sense_context import around
from medllm.terminology.sense_evidence import Meanings
from medllm.terminology.sense_shares import Frequency, Imported, shares

TARGETS = {
    "without an embedder": 0.66, "with an embedder": 0.72, "notes, built-in order": 0.85,
    "notes, imported frequencies": 0.85,
}  # fmt: skip
LISTS = ("clinic_notes", "discharge_sums")


def main() -> None:
    """Prints every figure beside its baselines and its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", default="dev", help="file of gladis/ to measure on")
    parser.add_argument("--embedder", type=Path, help="a GGUF file with an embedding model")
    given = parser.parse_args()
    embedder = data.Remembering(open_embedder(given.embedder)) if given.embedder else None
    gladis(given.data, given.set, embedder)
    notes(given.data)


def gladis(folder: Path, name: str, embedder: data.Remembering | None) -> None:
    """Accuracy in sentences of abstracts."""
    rows = data.read_gladis(folder / "gladis" / f"{name}.json")
    senses, held = data.candidates(folder / "gladis", rows)
    print(
        f"GLADIS {name}: {len(rows)} sentences; in the dictionary {held / len(rows):.3f} of senses"
    )
    texts = data.background(folder)
    ambiguous = [row for row in rows if len(senses[row.short]) > 1]
    alone = len(rows) - len(ambiguous)
    print(f"  {len(ambiguous)} with more than one sense; the other {alone} can't be wrong")
    right = measure(ambiguous, senses, texts, embedder)
    for title, accuracy in right.items():
        overall = (alone + accuracy * len(ambiguous)) / len(rows)
        more = "" if title.startswith(" ") else f"   over all sentences {overall:.3f}"
        print(f"    {title:<44} {accuracy:.3f}{more}")
    for title in ("without an embedder", "with an embedder"):
        verdict(title, right.get(f"ours, {title}"))
    harder = data.with_lookalikes(folder / "gladis", senses)
    count = int(np.median([len(harder[row.short]) for row in rows]))
    print(
        f"  harder: all sentences, lookalikes of the dictionary added, {count} senses at the median"
    )
    for title, accuracy in measure(rows, harder, texts, embedder).items():
        print(f"    {title:<44} {accuracy:.3f}")


def measure(
    rows: Sequence[data.Row],
    senses: dict[str, list[str]],
    texts: Background,
    embedder: data.Remembering | None,
) -> dict[str, float]:
    """Accuracy by method."""
    lexicon = data.as_lexicon(senses)
    if embedder:
        embedder.prepare(rows, senses)
    found = {"random (baseline)": float(np.mean([1 / len(senses[row.short]) for row in rows]))}
    meanings = Meanings(embedder) if embedder else None
    baselines: dict[str, Callable[[data.Row, list[str]], Sequence[float]]] = {
        "commonest long form in the texts (baseline)": lambda _, longs: [
            texts.profile(long).count for long in longs
        ],
        "TF-IDF cosine with the long form (baseline)": lambda row, longs: [
            _tfidf(texts, row.text, long) for long in longs
        ],
    }
    if meanings:
        baselines["the embedder's cosine (baseline)"] = lambda row, longs: meanings.cosines(
            around(row.text, row.at, len(row.short)).sentence, longs
        )
    for title, score in baselines.items():
        found[title] = float(np.mean([_expected(row, senses[row.short], score) for row in rows]))
    methods = {
        "ours, the cards as only texts": Abbreviations(lexicon, background=builtin_background()),
        "ours, without an embedder": Abbreviations(lexicon, background=texts),
    }
    if embedder:
        methods["ours, with an embedder"] = Abbreviations(lexicon, embedder, texts)
    for title, method in methods.items():
        ranked = [method.senses(row.short, row.text, row.at) for row in rows]
        right = np.array([
            r.best is not None and r.best.expansion == row.gold
            for r, row in zip(ranked, rows, strict=True)
        ])  # fmt: skip
        found[title] = float(right.mean())
        sure = np.array([r.sure for r in ranked])
        found[f"  of those it is sure of ({sure.mean():.2f} of all)"] = float(right[sure].mean())
    return found


def _expected(
    row: data.Row, longs: list[str], score: Callable[[data.Row, list[str]], Sequence[float]]
) -> float:
    """Chance of the right sense among those of the highest score."""
    scores = np.round(score(row, longs), 9)
    best = [long for long, value in zip(longs, scores, strict=True) if value == scores.max()]
    return (row.gold in best) / len(best)


def _tfidf(texts: Background, sentence: str, long: str) -> float:
    return cosine(texts.vector(Counter(stems(sentence))), texts.vector(Counter(stems(long))))


def notes(folder: Path) -> None:
    """The sense put first, by its frequency in notes."""
    lists = {
        name: data.read_vanderbilt(folder / "abbreviations" / f"vanderbilt_{name}.txt")
        for name in LISTS
    }
    lexicon = builtin_lexicon()
    print("Notes: frequency of the sense put first, mean over abbreviations")
    worst: dict[str, float] = defaultdict(lambda: 1.0)
    for name, other in (LISTS, LISTS[::-1]):
        print(f"  {name}:")
        for title, own, imported in (
            ("notes, built-in order", lexicon, None),
            ("notes, imported frequencies", lexicon, Imported(lists[other])),
        ):
            worst[title] = min(worst[title], put_first(title, lists[name], own, imported))
    for title, value in worst.items():
        verdict(title, value)


def put_first(
    title: str, rows: list[Frequency], lexicon: Lexicon, imported: Imported | None
) -> float:
    """Prints and gives the mean frequency of the sense that is first among the list's senses.

    Where none of the senses is known, each is as likely to be first. The strict figure asks
    for the first sense of ours, which counts 0 where it is none of the list's.
    """
    by_short: dict[str, list[Frequency]] = defaultdict(list)
    for row in rows:
        by_short[row.abbreviation].append(row)
    first, strict, chance, best, many = [], [], [], [], []
    known = 0
    for short, listed in by_short.items():
        total = sum(row.frequency for row in listed)
        ranks = _ranks(short, listed, lexicon, imported)
        top = min(ranks)
        known += top < math.inf
        placed = [r.frequency for r, rank in zip(listed, ranks, strict=True) if rank == top]
        value = (sum(placed) if top < math.inf else np.mean(placed)) / total
        first.append(value)
        if short in lexicon or top < math.inf:
            strict.append(value if top == 0 else 0.0)
        chance.append(1 / len(listed))
        best.append(max(row.frequency for row in listed) / total)
        many.append(len(listed) > 1)
    where = np.array(many)
    print(
        f"    {title:<30} {np.mean(first):.3f}, ambiguous {np.array(first)[where].mean():.3f}; "
        f"known {known} of {len(by_short)}, strict over {len(strict)}: {np.mean(strict):.3f}"
    )
    if imported is None:
        for other, values in (("random (baseline)", chance), ("always the commonest", best)):
            few = np.array(values)[where].mean()
            print(f"    {other:<30} {np.mean(values):.3f}, ambiguous {few:.3f}")
    return float(np.mean(first))


def _ranks(
    short: str, listed: list[Frequency], lexicon: Lexicon, imported: Imported | None
) -> list[float]:
    """Place of each of the list's senses among ours; infinite where we don't have it."""
    ours = shares(short, lexicon, imported)
    return [
        next((float(n) for n, s in enumerate(ours) if data.means(row, s.sense, lexicon)), math.inf)
        for row in listed
    ]


def verdict(name: str, value: float | None) -> None:
    """A figure beside its target."""
    if value is None:
        print(f"{name}: not measured, target {TARGETS[name]:.2f}; name a model with --embedder")
    else:
        told = "reached" if value >= TARGETS[name] else "MISSED"
        print(f"{name}: {value:.3f}, target {TARGETS[name]:.2f}: {told}")


if __name__ == "__main__":
    main()
