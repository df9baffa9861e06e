"""Finding and linking every mention in abstracts, against a vocabulary of 100,000 names and more.

python benchmarks/linking_speed.py DATA

DATA holds ncbi-disease/train.txt (the texts), mondo/ and doid/.
Baseline: the plainest way, a regular expression of words and a dictionary of exact names,
longest first, without inflection, links, offsets of sentences, negation or abbreviations.
"""

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path

import linking_data as data
from medllm.terminology.linker import Linker
from medllm.terminology.mentions import Annotator
from medllm.terminology.store import Store

MEGABYTES, LOOK_UP_MS = 5.0, 1.0
ROUNDS = 3


def main() -> None:
    """Prints megabytes a minute and milliseconds a look-up beside their targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    gold = data.read_ncbi(folder / "ncbi-disease" / "train.txt")
    texts = list(dict.fromkeys(mention.document.text for mention in gold))
    size = sum(len(text.encode()) for text in texts)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "store.sqlite3"
        data.compile_public(folder, file)
        store = Store(file)
        print(f"{store.size():,} names; {len(texts)} texts of {size / 1e6:.2f} MB, no text twice")
        began = time.process_time()
        Linker(store).prepare()
        print(f"index made in {time.process_time() - began:.1f} s of processor time")
        ours, plain = [], []
        for _ in range(ROUNDS):
            store.forget()
            linker = Linker(store)
            linker.prepare()
            annotator = Annotator(linker)
            began = time.process_time()
            found = sum(len(annotator.mentions(text)) for text in texts)
            ours.append(time.process_time() - began)
            plain.append(_plain(store, texts))
        rate = size / 1e6 / statistics.median(ours) * 60
        base = size / 1e6 / statistics.median(plain) * 60
        print(f"linking: {rate:.1f} MB a minute and core ({found} mentions), baseline {base:.1f}, "
              f"target {MEGABYTES}: {'reached' if rate >= MEGABYTES else 'MISSED'}")  # fmt: skip
        _look_ups(store, [mention.text for mention in gold])


def _plain(store: Store, texts: list[str]) -> float:
    """Seconds of the baseline over the same texts."""
    names = {entry.text.lower(): entry.code for entry in store.entries()}
    word = re.compile(r"\w+")
    began = time.process_time()
    for text in texts:
        lowered = text.lower()
        spans = [match.span() for match in word.finditer(lowered)]
        place = 0
        while place < len(spans):
            for last in range(min(len(spans), place + 12) - 1, place - 1, -1):
                if lowered[spans[place][0] : spans[last][1]] in names:
                    place = last
                    break
            place += 1
    return time.process_time() - began


def _look_ups(store: Store, mentions: list[str]) -> None:
    """Processor time of each distinct mention, nothing remembered from before."""
    store.forget()
    linker = Linker(store)
    linker.prepare()
    times = []
    for mention in dict.fromkeys(mentions):
        began = time.process_time()
        linker.link(mention)
        times.append(1e3 * (time.process_time() - began))
    times.sort()
    mean = statistics.mean(times)
    print(
        f"look-up (processor time) of {len(times)} distinct mentions: mean {mean:.3f} ms, median "
        f"{statistics.median(times):.3f}, 95th percentile {times[int(0.95 * len(times))]:.3f}; "
        f"target {LOOK_UP_MS} ms: {'reached' if mean < LOOK_UP_MS else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
