"""Which concept a mention is linked to, and when none."""

from pathlib import Path

import pytest
from medllm.terminology import compiler, tokens
from medllm.terminology.document import Document
from medllm.terminology.linker import Linker
from medllm.terminology.store import Store


@pytest.mark.parametrize(
    ("mention", "concept", "how"),
    [
        ("breast cancer", "DOID:3", "exact"),
        ("Breast  Cancer", "DOID:3", "exact"),
        ("breast cancers", "DOID:3", "inflected"),
        ("cancer of the breast", "DOID:3", "reordered"),
        ("breast tumour", "DOID:3", "reordered"),
        ("malignant breast neoplasms", "DOID:3", "reordered"),
        ("sporadic breast cancer", "DOID:3", "reduced"),
        ("mucoviscidosis", "DOID:4", "exact"),
        ("mucovisidosis", "DOID:4", "near"),
        ("Steinert's disease", "DOID:2", "exact"),
        ("myotonic dystrophy type I", "DOID:2", "reordered"),  # Roman and Arabic numbers
        ("edema", "DOID:6", "exact"),  # American spelling
        ("CF", "DOID:4", "acronym"),
    ],
)
def test_links(linker: Linker, mention: str, concept: str, how: str) -> None:
    document = Document(f"Patients with cystic fibrosis and {mention} were seen.")
    found = linker.link(mention, document)
    assert found is not None
    assert found.concept in (concept, *linker.store.members(concept))
    assert concept in linker.store.members(found.concept)
    assert (found.how, found.score >= linker.threshold) == (how, True)


@pytest.mark.parametrize(
    "mention",
    ["", "()", "the", "quantum chromodynamics", "old name", "IBD", "DM", "dm1", "xyz", "قلب", "17"],
)
def test_does_not_know(linker: Linker, mention: str) -> None:
    assert linker.link(mention) is None


def test_an_acronym_is_not_linked_blindly(linker: Linker, store: Store) -> None:
    """The Disease Ontology gives IBD as exact synonym of irritable bowel syndrome."""
    assert linker.link("IBD") is None
    assert linker.link("IBD", Document("Bowel disease. IBD comes in flares.")) is None
    open_linker = Linker(store)
    text = "Irritable bowel syndrome is common. IBD comes in flares."
    for document in (None, Document("IBD comes in flares."), Document(text)):
        found = open_linker.link("IBD", document)
        # The cards' inflammatory bowel disease has these initials; only a text that names the
        # other one can mean it.
        names = [entry.text for entry in store.names(found.concept)] if found else []
        assert ("irritable bowel syndrome" in names) is (
            document is not None and document.text == text
        )


@pytest.mark.parametrize(
    "mention", ["hyperkalemia", "bradypnea", "hypotension", "hyperkalemic periodic paralysis"]
)
def test_the_opposite_is_no_near_name(tmp_path: Path, mention: str) -> None:
    table = tmp_path / "opposites.csv"
    table.write_text(
        "id,name\nX:1,hypokalemia\nX:2,tachypnea\nX:3,hypertensive\nX:4,hypokalemic periodic paralysis\n"
    )
    compiler.add(table, store=tmp_path / "store.sqlite3")
    with Store(tmp_path / "store.sqlite3") as store:
        linker = Linker(store, ("X",))
        assert linker.link("hypokalemya") is not None
        assert linker.link(mention) is None


def test_a_number_that_differs_is_no_near_name(linker: Linker) -> None:
    found = linker.candidates("Fanconi anemia complementation group A")[0]
    assert found.score == pytest.approx(1.0)
    assert all(c.score < found.score for c in linker.candidates("myotonic dystrophy type 2"))


def test_the_documents_abbreviations_are_expanded(linker: Linker) -> None:
    text = "Cystic fibrosis (CyF) is inherited. Severe CyF was seen."
    found = linker.link("Severe CyF", Document(text))
    assert found is not None
    assert "DOID:4" in linker.store.members(found.concept)


def test_targets_leave_out_concepts_without_such_a_code(store: Store) -> None:
    assert Linker(store, ("OMIM",)).link("mucoviscidosis") is None
    found = Linker(store, ("OMIM",)).link("Steinert disease")
    assert found is not None
    assert "OMIM:160900" in store.codes(found.concept)


def test_memory_and_file_answer_alike(store_file: object) -> None:
    names = ["breast cancers", "edema", "CF", "mucoviscidosys", "DM", "spastic colon", "nothing"]
    with Store(store_file) as one, Store(store_file) as other:  # type: ignore[arg-type]
        lazy, held = Linker(one), Linker(other)
        held.prepare()
        assert [lazy.candidates(n) for n in names] == [held.candidates(n) for n in names]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("IBD", True), ("HbS", True), ("A-T", True), ("MEN1", True), ("Gout", False), ("gout", False),
     ("Crohn", False), ("B", False), ("DIABETES MELLITUS", False), ("5-7", False)],
)  # fmt: skip
def test_what_is_an_acronym(name: str, expected: bool) -> None:
    assert tokens.is_acronym(name) is expected
