"""Preparing generated abstracts: rows a second, and memory that does not grow with them.

python benchmarks/preparation.py [--rows 1000000] [--folder FOLDER] [--ways one two ray]

Writes abstracts of made-up words as PubMedQA has them, a line each, one in twenty nearly a copy of
an earlier one, and prepares them with one process, with two, and with Ray on two nodes of this
machine where it is installed. The peak is that of the largest process, at a tenth of the rows and
at all of them: their ratio tells whether memory grows. Baselines, in the same run: reading and
writing the same lines as JSON, nothing else; and datasketch's MinHash of some of them, where it
is installed.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PEAK_MB = 600.0
WAYS = {
    "one": ("one process", 1, "serial"),
    "two": ("two processes", 2, "processes"),
    "ray": ("Ray, two nodes", 2, "ray"),
}
"""By name: what is printed, workers, engine."""
_SYLLABLES = "ka lo mi ne ru ta vi so pe du chro gly hem neu pa the bra ly os ep".split()
_WORDS, _COPIES = 180, 20
_SKETCHED = 2_000


def main() -> None:
    """Prints rows a second and peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write; by default a temporary one")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--prepare", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        _prepare(Path(given.prepare[0]), int(given.prepare[1]), given.prepare[2])
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        small, large = Path(place) / "tenth.jsonl", Path(place) / "all.jsonl"
        write(small, given.rows // 10)
        write(large, given.rows)
        print(f"{given.rows:,} rows, {large.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores")
        plain = _plain(large)
        print(f"JSON read and written alone: {given.rows / plain:,.0f} rows a second")
        _, before, _ = _run(small, 1, "serial")
        for name, workers, engine in _chosen(given.ways):
            seconds, peak, kept = _run(large, workers, engine)
            print(
                f"{name}: {given.rows / seconds:,.0f} rows a second ({seconds:.0f} s, "
                f"x{seconds / plain:.1f} of JSON alone), peak {peak:.0f} MB "
                f"(x{peak / before:.2f} of a tenth of the rows), {kept:,} kept, target "
                f"{PEAK_MB:.0f} MB: {'reached' if peak <= PEAK_MB else 'MISSED'}",
                flush=True,
            )
        _sketches(large)


def write(file: Path, rows: int) -> None:
    """Writes abstracts with a question; one in twenty differs from an earlier one by a word."""
    draw = random.Random(0)
    words = ["".join(draw.choices(_SYLLABLES, k=draw.randint(2, 4))) for _ in range(40_000)]
    last: list[str] = []
    with open(file, "w", encoding="utf-8") as out:
        for row in range(rows):
            if row % _COPIES == _COPIES - 1:
                last[draw.randrange(len(last))] = draw.choice(words)
            else:
                last = draw.choices(words, k=draw.randint(_WORDS // 2, _WORDS * 3 // 2))
            text = " ".join(last)
            line = {"prompt": f"Abstract:\n{text}\n\nWhat was found?", "completion": text[:150]}
            out.write(json.dumps(line) + "\n")


def _chosen(ways: list[str]) -> Iterator[tuple[str, int, str]]:
    for way in ways:
        if way == "ray" and not find_spec("ray"):
            print("Ray is not installed: pip install 'medical-llm[ray]'")
        else:
            yield WAYS[way]


def _run(file: Path, workers: int, engine: str) -> tuple[float, float, int]:
    """Seconds, the peak of the largest process in MB, and the examples that are kept."""
    words = [sys.executable, __file__, "--prepare", str(file), str(workers), engine]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, peak, kept = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak, kept


def _prepare(file: Path, workers: int, engine: str) -> None:
    """In a process of its own, for its peak."""
    from medtrain.prepare.preparation import prepare
    from medtrain.settings import TuningRecipe

    data = {"reader": "jsonl", "path": str(file), "validation": 0.05}
    recipe = TuningRecipe.model_validate(
        {"name": "abstracts", "kind": "causal", "base": "none", "data": data}
    )
    cluster = _cluster() if engine == "ray" else None
    with tempfile.TemporaryDirectory(dir=file.parent) as out:
        began = time.monotonic()
        record = prepare(recipe, Path(out), workers=workers, engine=engine)  # type: ignore[arg-type]
        seconds = time.monotonic() - began
    if cluster is not None:
        import ray

        ray.shutdown()
        cluster.shutdown()  # type: ignore[attr-defined]
    used = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in used) / 1e3
    print(json.dumps([seconds, peak, record.metrics["examples"]["train"]]))


def _cluster() -> object:
    """Two nodes on this machine, joined."""
    # Read when the cluster starts: nothing is to be reported to anybody.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    return made


def _plain(file: Path) -> float:
    began = time.monotonic()
    with open(file, encoding="utf-8") as lines, open(file.with_suffix(".copy"), "w") as out:
        for line in lines:
            out.write(json.dumps(json.loads(line), ensure_ascii=False) + "\n")
    file.with_suffix(".copy").unlink()
    return time.monotonic() - began


def _sketches(file: Path) -> None:
    """Signatures of some rows, ours and datasketch's, in one process, interleaved."""
    if not find_spec("datasketch"):
        print("datasketch is not installed, so it is not compared with")
        return
    from itertools import islice

    with open(file, encoding="utf-8") as lines:
        texts = [json.loads(line)["prompt"] for line in islice(lines, _SKETCHED)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        ours, theirs = pool.apply(_both, (texts,))
    print(f"signatures of 128: x{theirs / ours:.1f} as fast as datasketch's "
          f"({ours * 1e6:.0f} and {theirs * 1e6:.0f} us of processor time a row)")  # fmt: skip


def _both(texts: list[str]) -> tuple[float, float]:
    from datasketch import MinHash
    from medtrain.prepare import signatures
    from medtrain.prepare.words import comparable, words

    seconds = [0.0, 0.0]
    for begin in range(0, len(texts), 64):
        some = texts[begin : begin + 64]
        at = time.process_time()
        signatures.marks(words([comparable(text) for text in some]))
        seconds[0] += time.process_time() - at
        at = time.process_time()
        said = [comparable(text).split() for text in some]
        runs = [{b" ".join(s[i : i + 3]) for i in range(len(s) - 2)} for s in said]
        MinHash.bulk([list(run) for run in runs], num_perm=128)
        seconds[1] += time.process_time() - at
    return seconds[0] / len(texts), seconds[1] / len(texts)


if __name__ == "__main__":
    main()
