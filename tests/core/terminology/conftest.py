"""A small vocabulary made by hand, with the traps of the real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from medllm.terminology import compiler
from medllm.terminology.linker import Linker
from medllm.terminology.mentions import Annotator
from medllm.terminology.store import Store

OBO = """format-version: 1.2

[Term]
id: DOID:1
name: irritable bowel syndrome
synonym: "IBD" EXACT OMO:0003012 []
synonym: "spastic colon" EXACT []
xref: MESH:D043183
is_a: DOID:9 ! colonic disease

[Term]
id: DOID:2
name: myotonic dystrophy type 1
def: "A muscular disease, said \\"briefly\\"." [url:x]
synonym: "Steinert disease" EXACT []
synonym: "Curschmann-Batten-Steinert syndrome" RELATED []
synonym: "DM1" EXACT OMO:0003012 []
xref: MESH:D009223
xref: MIM:160900

[Term]
id: DOID:3
name: breast cancer
synonym: "malignant neoplasm of breast" EXACT []
xref: MESH:D001943

[Term]
id: DOID:4
name: cystic fibrosis
synonym: "mucoviscidosis" EXACT []
synonym: "CF" EXACT OMO:0003012 []
xref: MESH:D003550

[Term]
id: DOID:5
name: Fanconi anemia complementation group A
xref: MIM:227650

[Term]
id: DOID:6
name: oedema
xref: MESH:D004487

[Term]
id: DOID:7
name: old name
is_obsolete: true
"""


@pytest.fixture(scope="session")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled store of the vocabulary above."""
    folder = tmp_path_factory.mktemp("vocabulary")
    (folder / "small.obo").write_text(OBO, encoding="utf-8")
    compiler.add(folder / "small.obo", store=folder / "store.sqlite3")
    return folder / "store.sqlite3"


@pytest.fixture
def store(store_file: Path) -> Iterator[Store]:
    """The store, open."""
    with Store(store_file) as opened:
        yield opened


@pytest.fixture
def linker(store: Store) -> Linker:
    """A linker to its concepts with a MeSH or OMIM code."""
    return Linker(store, ("MESH", "OMIM"))


@pytest.fixture
def annotator(store: Store) -> Annotator:
    """Finds mentions of every name."""
    return Annotator(Linker(store))
