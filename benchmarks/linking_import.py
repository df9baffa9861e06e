"""Importing a vocabulary of UMLS's size: memory stays bounded, rows a second.

python benchmarks/linking_import.py [--rows 2000000] [--folder FOLDER]

Writes a MRCONSO.RRF of made-up names in the published columns (UMLS has 16 million rows) and
imports it in a process of its own. The peak is taken at a tenth of the rows and at all of
them: their ratio tells whether memory grows with the file. Baseline: reading the same lines
and counting their columns, nothing else.
"""

import argparse
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

PEAK_MB = 600.0
_WORDS = 60_000
_SYLLABLES = "ka lo mi ne ru ta vi so pe du chro gly hem neu pa the bra ly os ep".split()


def main() -> None:
    """Prints rows a second, the peaks, and the size of the store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, help="where to write; by default a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        peaks = []
        for rows in (given.rows // 10, given.rows):
            file = Path(place) / str(rows) / "MRCONSO.RRF"
            write(file, rows)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                plain = pool.apply(_read_only, (file,))
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, peak, names, size = pool.apply(_import, (file,))
            peaks.append(peak)
            print(
                f"{rows:,} rows, {file.stat().st_size / 1e6:,.0f} MB: {rows / seconds:,.0f} rows "
                f"a second of processor time ({seconds:.0f} s; reading alone {plain:.1f} s), "
                f"peak {peak:.0f} MB, {names:,} names, store {size / 1e6:,.0f} MB"
            )
        reached = peaks[1] <= PEAK_MB
        print(f"peak of ten times the rows: x{peaks[1] / peaks[0]:.2f}, {peaks[1]:.0f} MB, "
              f"target {PEAK_MB:.0f} MB: {'reached' if reached else 'MISSED'}")  # fmt: skip


def write(file: Path, rows: int) -> None:
    """Writes `rows` rows, about five a concept, in the columns of MRCONSO."""
    draw = random.Random(0)
    words = ["".join(draw.choices(_SYLLABLES, k=draw.randint(2, 4))) for _ in range(_WORDS)]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        for row in range(rows):
            cui, first = f"C{row // 5 + 1:07d}", row % 5 == 0
            text = " ".join(draw.choices(words, k=draw.randint(1, 6)))
            kind = "PT" if first else "SY"
            out.write(
                f"{cui}|ENG|{'P' if first else 'S'}|L{row:08d}|PF|S{row:08d}|"
                f"{'Y' if first else 'N'}|A{row:08d}||||MSH|{kind}|D{row // 5:06d}|{text}|0|N||\n"
            )


def _import(file: Path) -> tuple[float, float, int, int]:
    from medllm import run_record
    from medllm.terminology import compiler

    store = file.with_name("store.sqlite3")
    began = time.process_time()
    report = compiler.add(file, store=store)
    seconds = time.process_time() - began
    return seconds, run_record.peak_memory_mb(), report.names, store.stat().st_size


def _read_only(file: Path) -> float:
    began = time.process_time()
    with file.open(encoding="utf-8") as lines:
        assert all(line.count("|") == 18 for line in lines)
    return time.process_time() - began


if __name__ == "__main__":
    main()
