"""How quick a search and indexing are at 100,000 and at a million passages.

python benchmarks/retrieval_speed.py --passages 100000
python benchmarks/retrieval_speed.py --passages 1000000 --work FOLDER

The passages are generated from a seed: 150,000 words made of medical word parts, as frequent as
Zipf's law has it, in documents with a topic of their own, written as Markdown files and indexed
as a user's folder is. Vectors are generated too (384 dimensions, in clusters), so that no model
is needed; the time that a model takes for the question is not in the figures. The questions hold
two to six words: of a title, of a passage, or common ones alone. Baseline: the plain query of
FTS5 over the same index, all words joined by OR, ranked by BM25.
"""

import argparse
import random
import resource
import sqlite3
import statistics
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from medllm.embedding import Vectors
from medllm.retrieval import words
from medllm.retrieval.index import Index
from numpy.typing import NDArray

TARGETS_MS = {100_000: 20.0, 1_000_000: 60.0}
WORDS, PER_PASSAGE, PER_DOCUMENT, PER_FILE = 150_000, 120, 10, 1_000
DIMENSION, CLUSTERS = 384, 2_000
PARTS = (
    "cardi hepat nephr neur derm oste gastr pneum hem arthr cyst encephal myel ophthalm ot rhin "
    "chondr angi aden lip myo trache bronch col enter phleb splen thyr uter vesic".split(),
    "o a i e".split(),
    "pla ster mor ten vel lor min dex tra cal pho sin qua ber nol rig fen dul".split(),
    "itis osis oma emia pathy algia ectomy scopy gram plasia trophy penia uria lysis megaly rrhea "
    "plasty stomy cele graphy".split(),
)


class GeneratedVectors:
    """Stands in for an embedding model: vectors in clusters, the same text the same vector."""

    name, sha256, dimension = "generated", "0" * 64, DIMENSION

    def __init__(self) -> None:
        chance = np.random.default_rng(5)
        self._centres = chance.standard_normal((CLUSTERS, DIMENSION), np.float32)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of unit length."""
        chance = np.random.default_rng(zlib.crc32("".join(texts[:1]).encode()))
        made = chance.standard_normal((len(texts), DIMENSION), np.float32)
        made += self._centres[chance.integers(0, CLUSTERS, len(texts))]
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made

    def close(self) -> None:
        """Nothing to close."""


def vocabulary(chance: random.Random) -> NDArray[np.object_]:
    """Distinct words, the commonest first."""
    made: dict[str, None] = {}
    while len(made) < WORDS:
        middle = "".join(chance.choice(PARTS[2]) for _ in range(chance.choice((0, 1, 1, 2))))
        word = chance.choice(PARTS[0]) + chance.choice(PARTS[1]) + middle + chance.choice(PARTS[3])
        made[word] = None
    return np.array(list(made), object)


def write_documents(folder: Path, passages: int, known: NDArray[np.object_]) -> None:
    """Files of `PER_FILE` passages: documents with a title, each passage a paragraph."""
    chance = np.random.default_rng(7)
    frequency = 1 / (np.arange(WORDS) + 2.7)
    steps = np.cumsum(frequency / frequency.sum())
    of_topic = np.cumsum(frequency**0.6 / (frequency**0.6).sum())
    for number in range(passages // PER_FILE):
        parts = []
        for _ in range(PER_FILE // PER_DOCUMENT):
            topic = np.searchsorted(of_topic, chance.random(30))
            title = " ".join(known[topic[:3]]).capitalize()
            parts.append(f"# {title}\n")
            size = PER_DOCUMENT * PER_PASSAGE
            drawn = np.searchsorted(steps, chance.random(size))
            from_topic = chance.random(size) < 0.25
            drawn[from_topic] = chance.choice(topic, int(from_topic.sum()))
            text = known[np.minimum(drawn, WORDS - 1)]
            for at in range(0, size, PER_PASSAGE):
                parts.append(" ".join(text[at : at + PER_PASSAGE]) + ".\n")
        (folder / f"{number:05}.md").write_text("\n".join(parts), encoding="utf-8")


def questions(folder: Path, known: NDArray[np.object_], count: int) -> Iterator[tuple[str, str]]:
    """Kinds and texts of questions."""
    chance = random.Random(11)
    sources = sorted(folder.glob("*.md"))
    for number in range(count):
        lines = chance.choice(sources).read_text(encoding="utf-8").splitlines()
        kind = ("title", "passage", "common")[number % 3]
        if kind == "title":
            asked = chance.choice([line for line in lines if line.startswith("# ")])[2:]
        elif kind == "passage":
            text = chance.choice([line for line in lines if line and line[0] != "#"]).split()
            asked = " ".join(chance.sample(text, chance.randint(2, 6)))
        else:
            asked = " ".join(chance.sample(list(known[:200]), chance.randint(2, 4)))
        yield kind, f"What are the symptoms of {asked}?"


def main() -> None:
    """Prints times beside their targets, the baseline's, speed of indexing and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--work", type=Path, help="keeps what is made, for another run")
    parser.add_argument("--questions", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        folder = work / f"documents-{given.passages}"
        known = vocabulary(random.Random(3))
        if not folder.exists():
            folder.mkdir(parents=True)
            write_documents(folder, given.passages, known)
        _measure(work / f"index-{given.passages}.sqlite3", folder, known, given.questions)


def _measure(file: Path, folder: Path, known: NDArray[np.object_], count: int) -> None:
    asked = list(questions(folder, known, count))
    with Index.open(file) as index:
        began = time.perf_counter()
        report = index.update(folder)
        seconds = time.perf_counter() - began
        size, total = file.stat().st_size, index.size()
        if report.passages:
            print(f"indexing: {report.passages / seconds:,.0f} passages a second")
        print(f"{total:,} passages; on disk {size / 1e6:,.0f} MB, {size / total:,.0f} bytes each")
        _searches(index, file, asked, total, "names, words, letters")
    with Index.open(file, embedder=GeneratedVectors()) as index:
        began = time.perf_counter()
        made = index.embed()
        seconds = time.perf_counter() - began
        if made:
            print(f"vectors: {made / seconds:,.0f} a second written; the file is now "
                  f"{file.stat().st_size / 1e6:,.0f} MB")  # fmt: skip
        _searches(index, file, asked, total, "and vectors")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:,.0f} MB")


def _searches(
    index: Index, file: Path, asked: Sequence[tuple[str, str]], total: int, what: str
) -> None:
    began = time.perf_counter()
    index.prepare()
    print(f"\n{what}: prepared in {time.perf_counter() - began:.1f} s")
    processor: list[float] = []
    times: dict[str, list[float]] = {"title": [], "passage": [], "common": []}
    plain: dict[str, list[float]] = {kind: [] for kind in times}
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as base:
        base.execute("PRAGMA mmap_size = 2147418112")
        for kind, text in asked:
            began, busy = time.perf_counter(), time.process_time()
            index.search(text)
            processor.append(1e3 * (time.process_time() - busy))
            times[kind].append(1e3 * (time.perf_counter() - began))
            if "vectors" not in what:
                plain[kind].append(_plain(base, text))
    for kind, taken in times.items():
        line = f"  {kind:8} p50 {statistics.median(taken):7.1f} ms, p95 {_p95(taken):7.1f} ms"
        if plain[kind]:
            line += (f"; plain FTS5 p50 {statistics.median(plain[kind]):7.1f} ms, "
                     f"p95 {_p95(plain[kind]):7.1f} ms")  # fmt: skip
        print(line)
    everything = [taken for kind in times.values() for taken in kind]
    line = f"  all      p50 {statistics.median(everything):7.1f} ms, p95 {_p95(everything):7.1f} ms"
    base_times = [taken for kind in plain.values() for taken in kind]
    if base_times:
        line += (f"; plain FTS5 p50 {statistics.median(base_times):7.1f} ms, "
                 f"p95 {_p95(base_times):7.1f} ms")  # fmt: skip
    print(line)
    print(
        f"  processor time p50 {statistics.median(processor):.1f} ms, p95 {_p95(processor):.1f} ms"
    )
    goal = next((ms for size, ms in sorted(TARGETS_MS.items()) if total <= 1.1 * size), None)
    if goal:
        reached = "reached" if _p95(everything) < goal else "MISSED"
        print(f"  target: 95th percentile under {goal:.0f} ms: {reached}")


def _plain(base: sqlite3.Connection, text: str) -> float:
    """Milliseconds of FTS5's own way."""
    match = " OR ".join(f'"{term}"' for term in dict.fromkeys(words.terms(text)))
    began = time.perf_counter()
    base.execute(
        "SELECT rowid FROM word WHERE word MATCH ? ORDER BY bm25(word) LIMIT 10", (match,)
    ).fetchall()
    return 1e3 * (time.perf_counter() - began)


def _p95(taken: Sequence[float]) -> float:
    return sorted(taken)[int(0.95 * len(taken))]


if __name__ == "__main__":
    main()
