"""Names are found as they stand, by their words in any order, and by their initials."""

from pathlib import Path

import pytest
from medllm.retrieval import names, synonyms
from medllm.retrieval.index import Index


@pytest.mark.parametrize(
    ("asked", "borne"),
    [
        ("malignant neoplasm of the skin", "Skin cancer"),
        ("renal diseases", "Kidney disease"),
        ("carcinoma of the lung", "Lung cancer"),
        ("pharyngeal disorder", "Throat disorders"),
        ("stones in the bladder", "Bladder stones"),
        ("α-thalassemia", "Alpha thalassemia"),
    ],
)
def test_names_of_the_same_words_meet(asked: str, borne: str) -> None:
    assert names.bag(names.form(asked)) == names.bag(names.form(borne)) is not None


@pytest.mark.parametrize(
    ("asked", "other"),
    [("skin cancer", "breast cancer"), ("hypotension", "hypertension"), ("what is gout", "gout")],
)
def test_names_of_other_words_do_not_meet(asked: str, other: str) -> None:
    assert names.bag(asked) != names.bag(other)


def test_initials_are_those_of_names_alone() -> None:
    assert names.initials("chronic eosinophilic leukemia") == "cel"
    assert names.initials("cancer of the skin") == "cs"
    assert names.initials("what is gout") is None
    assert names.initials("gout") is None


@pytest.fixture
def named(index: Index, folder: Path) -> Index:
    for title in ("Chronic Quorlic Leukemia", "Quorl Zeta Disease", "Quorl and zeta pains"):
        name = title.lower().replace(" ", "-")
        (folder / f"{name}.md").write_text(f"# {title}\n\nIt is seen now and then.\n")
    index.update(folder)
    return index


def _titles(index: Index, acronym: str) -> list[str]:
    found = names.ranges_by_initials(index._base, acronym)
    rows = [
        index._base.execute(
            "SELECT title FROM file WHERE first <= ? AND last >= ?", (first, first)
        ).fetchone()
        for first, _ in found
    ]
    return [row[0] for row in rows]


def test_an_acronym_finds_what_has_its_initials(named: Index) -> None:
    assert _titles(named, "CQL") == ["Chronic Quorlic Leukemia"]
    assert _titles(named, "C.Q.L.") == ["Chronic Quorlic Leukemia"]
    # The last word's initial may go unsaid where the word is a common one.
    assert _titles(named, "QZ") == ["Quorl Zeta Disease"]
    assert _titles(named, "CQ") == []
    found = named.search("What is CQL?")
    assert found.passages[0].title == "Chronic Quorlic Leukemia"
    assert not found.confident, "initials alone are no proof"


def test_synonyms_of_synonyms_are_known() -> None:
    """The card of a name that the lexicon has, and the lexicon's names of a card's."""
    cards = {"high blood pressure": ("Hypertension", "High blood pressure")}
    found = synonyms.known_as("HTN", "htn", lambda form: cards.get(form, ()), vocabulary=None)
    assert "hypertension" in {names.form(name) for name in found}
    chained = synonyms.known_as(
        "quorlism", "quorlism",
        lambda form: {"quorlism": ("Myocardial infarction",)}.get(form, ()), vocabulary=None,
    )  # fmt: skip
    assert "cardiac infarction" in {names.form(name) for name in chained}


def test_an_everyday_name_finds_the_technical_one(index: Index, folder: Path) -> None:
    (folder / "alopecia.txt").write_text("Alopecia has many causes, such as fever.\n")
    index.update(folder)
    assert index.search("What helps against hair loss?").passages[0].file == folder / "alopecia.txt"


def test_files_of_one_name_take_turns(index: Index, folder: Path) -> None:
    """A long file leaves room for the others of its name."""
    part = "## Part {n}\n\n" + "Quorlosis is a made-up word of many parts. " * 20
    for name, parts in (("a", 12), ("b", 1), ("c", 1)):
        text = "\n\n".join(part.format(n=n) for n in range(parts))
        (folder / f"{name}.md").write_text(f"# Quorlosis\n\n{text}\n")
    index.update(folder)
    found = {p.file.name for p in index.search("What is quorlosis?", 5).passages if p.file}
    assert {"a.md", "b.md", "c.md"} <= found
