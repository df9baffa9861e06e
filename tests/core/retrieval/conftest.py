"""A small folder of documents, made by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from medllm.retrieval.index import Index

from tests.core.retrieval import pdf

GOUT = """# Gout

Gout is a painful swelling of a joint, most often of the big toe. Crystals of uric acid gather in
the joint and irritate it.

## Treatment

Rest and cold packs ease an attack. Medicines lower the swelling. Later the level of uric acid is
kept low, so that no new crystals form.
"""
MIGRAINE = """<html><head><title>Migraine</title><style>p {color: red}</style></head><body>
<h1>Migraine</h1><p>A migraine is a throbbing headache on one side, often with nausea and with
dread of light &amp; noise.</p><script>var hidden = "invisible";</script>
<h2>What sets it off</h2><ul><li>Lack of sleep</li><li>Skipped meals</li></ul></body></html>
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files of four kinds."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "gout.md").write_text(GOUT, encoding="utf-8")
    (documents / "migraine.html").write_text(MIGRAINE, encoding="utf-8")
    (documents / "notes.txt").write_text("Celiac sprue: the gut can't bear gluten.\n")
    pdf.write(
        documents / "asthma.pdf",
        ["Asthma narrows the airways.", "", "An inhaler opens the airways in an attack."],
    )
    return documents


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An empty index."""
    with Index.open(tmp_path / "index.sqlite3") as opened:
        yield opened
