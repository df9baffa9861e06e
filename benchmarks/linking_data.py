"""What the linking benchmarks read: NCBI disease mentions, and MONDO and DOID as a store."""

import csv
import re
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from medllm.terminology import compiler
from medllm.terminology.document import Document
from medllm.terminology.facts import Scope
from medllm.terminology.store import Store

TARGETS = ("MESH", "OMIM")


@dataclass(frozen=True)
class Gold:
    """A mention that was annotated by hand: `document.text[start:end]`."""

    document: Document
    pmid: str
    start: int
    end: int
    text: str
    codes: frozenset[str]
    """CURIEs; more than one where the mention names more than one disease."""


def read_ncbi(file: Path) -> list[Gold]:
    """Mentions of a file in the corpus's PubTator form: titles, abstracts, rows."""
    texts: dict[str, str] = defaultdict(str)
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if head := re.match(r"(\d+)\|[ta]\|(.*)", line):
            texts[head[1]] += head[2] + "\n"
        elif len(cells := line.split("\t")) == 6:
            rows.append(cells)
    documents = {pmid: Document(text) for pmid, text in texts.items()}
    return [
        Gold(documents[pmid], pmid, int(start), int(end), text, _codes(codes))
        for pmid, start, end, text, _, codes in rows
    ]


def _codes(cell: str) -> frozenset[str]:
    ids = (part.strip() for part in re.split(r"[|+]", cell))
    return frozenset(i if ":" in i else f"MESH:{i}" for i in ids if i)


def compile_public(data: Path, target: Path) -> None:
    """Compiles mondo/*.tsv, doid/*.obo and DOID's table of cross-references into `target`."""
    tables = [*sorted((data / "mondo").glob("*.tsv")), *sorted((data / "doid").glob("*.obo"))]
    for file in [*tables, *sorted((data / "doid").glob("*.tsv"))]:
        compiler.add(file, store=target)


def keep_labels(store: Path, target: Path) -> None:
    """Writes a copy of `store` with preferred names only."""
    target.write_bytes(store.read_bytes())
    with closing(sqlite3.connect(target)) as base, base:
        base.execute("DELETE FROM name WHERE scope != ?", (int(Scope.PREFERRED),))


def add_training_names(gold: list[Gold], store: Path, target: Path) -> None:
    """Writes a copy of `store` with the mentions of `gold` as names of their commonest code."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for mention in gold:
        seen[mention.text][min(mention.codes)] += 1
    names = target.with_suffix(".csv")
    with names.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "name"])
        rows.writerows((codes.most_common(1)[0][0], text) for text, codes in seen.items())
    target.write_bytes(store.read_bytes())
    compiler.add(names, "training names", store=target)


def rare_codes(data: Path, store: Store) -> frozenset[str]:
    """MeSH and OMIM codes of the diseases of mondo/new-rare-diseases.tsv, by exact matches."""
    codes: set[str] = set()
    with (data / "mondo" / "new-rare-diseases.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            codes |= store.codes(store.concept(row["ID"]))
    return frozenset(code for code in codes if code.startswith(("MESH:", "OMIM:")))
