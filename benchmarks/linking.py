"""Linking of disease mentions: accuracy, what synonyms bring for rare diseases, and gilda.

python benchmarks/linking.py DATA [--gilda PYTHON]

DATA holds ncbi-disease/ (train.txt and the set to measure), mondo/ and doid/. A mention is
right where the concept has one of its MeSH or OMIM codes; an unlinked one counts as wrong.
Rare: one of its codes belongs to a disease of mondo/new-rare-diseases.tsv.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import linking_beside
import linking_data as data
import numpy as np
from medllm.terminology.linker import Linker
from medllm.terminology.store import Store

TARGETS = {"all": 0.60, "rare": 0.80, "with training names": 0.82, "rare gain": 0.15}
RESAMPLES, SEED = 2000, 0


def main() -> None:
    """Prints every figure beside its baseline and its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="devel", help="file of ncbi-disease/ to measure on")
    parser.add_argument("--gilda", default=sys.executable, help="a Python that has gilda")
    given = parser.parse_args()
    gold = data.read_ncbi(given.data / "ncbi-disease" / f"{given.set}.txt")
    with tempfile.TemporaryDirectory() as folder:
        full, labels, trained = (Path(folder) / f"{n}.sqlite3" for n in ("full", "labels", "train"))
        data.compile_public(given.data, full)
        data.keep_labels(full, labels)
        data.add_training_names(
            data.read_ncbi(given.data / "ncbi-disease" / "train.txt"), full, trained
        )
        stores = {name: Store(f) for name, f in
                  (("full", full), ("labels", labels), ("trained", trained))}  # fmt: skip
        rare_codes = data.rare_codes(given.data, stores["full"])
        rare = np.array([bool(mention.codes & rare_codes) for mention in gold])
        right = {name: judge(store, gold) for name, store in stores.items()}
        exact = judge_exact(stores["labels"], gold)
        print(f"NCBI disease {given.set}: {len(gold)} mentions, n = {rare.sum()} rare")
        show("labels only, exact (baseline)", exact, rare)
        show("labels only, same linker (baseline)", right["labels"][0], rare)
        show("with synonyms", right["full"][0], rare, right["full"][1])
        show("with synonyms and training names", right["trained"][0], rare, right["trained"][1])
        verdict("all", right["full"][0].mean())
        verdict("rare", right["full"][0][rare].mean())
        verdict("with training names", right["trained"][0].mean())
        gains(gold, right["full"][0], right["labels"][0], rare)
        linking_beside.compare(given.gilda, stores["full"], gold, Path(folder))


def judge(store: Store, gold: list[data.Gold]) -> tuple[np.ndarray, np.ndarray]:
    """Which mentions are linked rightly, and which at all."""
    linker = Linker(store, data.TARGETS)
    links = [linker.link(mention.text, mention.document) for mention in gold]
    right = [
        link is not None and bool(store.codes(link.concept) & mention.codes)
        for link, mention in zip(links, gold, strict=True)
    ]
    return np.array(right), np.array([link is not None for link in links])


def judge_exact(store: Store, gold: list[data.Gold]) -> np.ndarray:
    """Which mentions are, but for case, a label of a concept with one of their codes."""
    concepts = {
        entry.text.lower(): store.concept(entry.code)
        for entry in store.entries()
        if any(c.startswith(("MESH:", "OMIM:")) for c in store.codes(store.concept(entry.code)))
    }
    return np.array([bool(store.codes(concepts.get(m.text.lower(), "")) & m.codes) for m in gold])


def show(
    name: str, right: np.ndarray, rare: np.ndarray, answered: np.ndarray | None = None
) -> None:
    """One line: accuracy over all, rare and other mentions, and of those that are linked."""
    line = f"  {name:<38} all {right.mean():.3f}  rare {right[rare].mean():.3f}"
    line += f"  others {right[~rare].mean():.3f}"
    if answered is not None:
        line += f"  linked {answered.mean():.3f}, of these right {right[answered].mean():.3f}"
    print(line)


def verdict(name: str, value: float) -> None:
    """A figure beside its target."""
    print(f"{name}: {value:.3f}, target {TARGETS[name]:.2f}: "
          f"{'reached' if value >= TARGETS[name] else 'MISSED'}")  # fmt: skip


def gains(gold: list[data.Gold], ours: np.ndarray, labels: np.ndarray, rare: np.ndarray) -> None:
    """What synonyms bring on rare mentions and elsewhere, with intervals over documents."""
    pmids, place = np.unique([mention.pmid for mention in gold], return_inverse=True)
    draws = np.random.default_rng(SEED).integers(0, len(pmids), (RESAMPLES, len(pmids)))
    for name, group in (("rare gain", rare), ("gain elsewhere", ~rare)):
        change = np.where(group, ours.astype(float) - labels, 0)
        sums = np.bincount(place, change, minlength=len(pmids))
        counts = np.bincount(place, group, minlength=len(pmids))
        resampled = sums[draws].sum(1) / counts[draws].sum(1)
        low, high = np.quantile(resampled, (0.025, 0.975))
        value = change.sum() / group.sum()
        print(f"{name}: {value:+.3f}, 95% interval {low:+.3f} to {high:+.3f} over documents")
        if name in TARGETS:
            verdict(name, value)


if __name__ == "__main__":
    main()
