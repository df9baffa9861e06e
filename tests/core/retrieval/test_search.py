"""The four ways of finding, their fusion, and when nothing is surely found."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from medllm import paths
from medllm.embedding import Vectors
from medllm.errors import UsageError
from medllm.retrieval import matching, search, vectors, words
from medllm.retrieval.index import Index
from medllm.retrieval.matching import Counted
from medllm.terminology.store import Store

from tests.core.terminology.conftest import OBO

TOPICS = {"gout": 0, "uric": 0, "podagra": 0, "migraine": 1, "headache": 1, "asthma": 2}


class TopicVectors:
    """A small embedder of its own: a text's vector says how often each topic's words stand in it."""

    name, sha256, dimension = "topics", "1" * 64, 70

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += len(texts)
        made = np.full((len(texts), self.dimension), -0.01, np.float32)
        for row, text in zip(made, texts, strict=True):
            for word, topic in TOPICS.items():
                row[topic * 20 : topic * 20 + 20] += text.lower().count(word)
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))

    def close(self) -> None: ...


def test_names_find_their_documents_whatever_the_words_around(index: Index, folder: Path) -> None:
    index.update(folder)
    best = index.search("What is gout?").passages[0]
    assert best.title == "Gout" and "name" in best.ways


def test_words_meet_by_their_stems(index: Index, folder: Path) -> None:
    index.update(folder)
    assert index.search("throbbing headaches").passages[0].title == "Migraine"


def test_a_slip_of_spelling_is_forgiven(index: Index, folder: Path) -> None:
    index.update(folder)
    found = index.search("migrane")
    assert found.passages[0].title == "Migraine"
    assert found.passages[0].ways == ("letter",)


def test_a_synonym_of_a_card_finds_the_users_document(index: Index, folder: Path) -> None:
    (folder / "attack.txt").write_text("After a myocardial infarction the heart needs rest.\n")
    index.update(folder)
    index.add_cards()
    files = [p.file for p in index.search("heart attack").passages]
    assert folder / "attack.txt" in files[:3]


def test_a_vocabulary_widens_the_question(tmp_path: Path, folder: Path) -> None:
    from medllm.terminology import compiler

    # Nothing that the built-in lexicon knows as well.
    made_up = OBO.replace("spastic colon", "quorled colon")
    (tmp_path / "small.obo").write_text(made_up, encoding="utf-8")
    compiler.add(tmp_path / "small.obo", store=tmp_path / "store.sqlite3")
    (folder / "colon.txt").write_text("The irritable bowel syndrome comes and goes.\n")
    with Index.open(tmp_path / "i.sqlite3") as plain:
        plain.update(folder)
        assert not plain.search("quorled colon").confident
    with (
        Store(tmp_path / "store.sqlite3") as store,
        Index.open(tmp_path / "i.sqlite3", vocabulary=store) as wide,
    ):
        found = wide.search("quorled colon")
        assert found.passages[0].file == folder / "colon.txt"
        assert found.confident


def test_a_synonym_of_a_letter_or_two_widens_nothing(tmp_path: Path, folder: Path) -> None:
    from medllm.terminology import compiler

    (tmp_path / "a.csv").write_text("id,name,synonyms\nX:1,quorl fever,c|zz\n", encoding="utf-8")
    compiler.add(tmp_path / "a.csv", store=tmp_path / "store.sqlite3")
    with (
        Store(tmp_path / "store.sqlite3") as store,
        Index.open(tmp_path / "i.sqlite3", vocabulary=store) as wide,
    ):
        (folder / "hepatitis.txt").write_text("Hepatitis C is an infection, or zz.\n")
        wide.update(folder)
        assert not wide.search("quorl fever").confident


def test_meaning_finds_what_no_word_does(tmp_path: Path, folder: Path) -> None:
    embedder = TopicVectors()
    with Index.open(tmp_path / "i.sqlite3", embedder=embedder) as index:
        index.update(folder)
        assert not index.search("podagra").passages
        assert index.without_vectors() == index.size()
        assert index.embed() == index.size()
        assert index.without_vectors() == 0
        found = index.search("podagra")
        assert found.passages[0].title == "Gout" and found.passages[0].ways == ("meaning",)
        assert found.confident
        asked = embedder.asked
        assert index.embed() == 0
        assert embedder.asked == asked


def test_vectors_go_with_their_passages_and_their_embedder(tmp_path: Path, folder: Path) -> None:
    embedder = TopicVectors()
    with Index.open(tmp_path / "i.sqlite3", embedder=embedder) as index:
        index.update(folder)
        index.embed()
        (folder / "gout.md").unlink()
        index.update(folder)
        assert "Gout" not in [p.title for p in index.search("podagra").passages]
    other = TopicVectors()
    other.sha256 = "2" * 64
    with Index.open(tmp_path / "i.sqlite3", embedder=other) as index:
        assert not index.search("podagra").passages  # vectors of another model say nothing
        assert index.without_vectors() == index.size()
        assert index.embed() == index.size()
        assert index.without_vectors() == 0
        assert index.search("podagra").passages


def test_the_look_by_signs_finds_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the exact order, with fewer compared than there are."""
    monkeypatch.setattr(vectors, "COMPARED", 200)
    chance = np.random.default_rng(1)
    made = chance.standard_normal((3000, 100)).astype(np.float32)
    made += 2 * chance.standard_normal((30, 100)).astype(np.float32)[chance.integers(0, 30, 3000)]
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    with Index.open(tmp_path / "i.sqlite3") as index:
        base = index._base
        for table in ("passage(id)", "meta"):
            if table == "meta":
                base.execute("INSERT INTO meta VALUES('dimension', '100')")
            else:
                base.executemany(f"INSERT INTO {table} VALUES(?)", ((i,) for i in range(3000)))
        vectors._write(base, range(3000), made)
        signs = vectors.Signs(base)
        kept = []
        for row in range(0, 3000, 100):
            asked = made[row] + 0.02 * chance.standard_normal(100).astype(np.float32)
            asked /= np.linalg.norm(asked)
            exact = np.argsort(-(made @ asked))[:10]
            near = signs.nearest(base, asked, 10)
            assert near[0][0] == row
            assert near[0][1] == pytest.approx(float(made[row] @ asked), abs=0.01)
            kept.append(len({passage for passage, _ in near} & set(exact.tolist())))
    assert np.mean(kept) > 9


def test_rare_words_choose_and_common_ones_add() -> None:
    known = [Counted("gout", 50), Counted("joint", 1_500), Counted("pain", 50_000)]
    assert matching.queries(known, 100_000) == [
        '("gout" OR "joint") AND ("gout" OR "joint" OR "pain")'
    ]
    known[2] = Counted("disease", 90_000)  # too many to be looked through
    assert matching.queries(known, 100_000) == ['"gout" OR "joint"']
    assert matching.queries([], 10) == []


def test_common_words_alone_are_asked_for_together() -> None:
    many = [Counted("heart", 2_500), Counted("attack", 6_000), Counted("pain", 40_000)]
    assert matching.queries(many, 1_000_000) == ['"heart" AND "attack"']
    common = [Counted("heart", 20_000), Counted("disease", 30_000)]
    together = '"heart" AND "disease"'
    assert matching.queries(common, 100_000) == ['NEAR("heart" "disease", 10)', together]
    assert matching.queries(common[:1], 100_000) == ['{title headings} : "heart"', '"heart"']


def test_every_query_is_one_that_fts5_can_read(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.update(folder)
    known = matching.counted(index._base, words.terms("uric acid crystals in a joint"))
    assert len(known) == 4
    for budget in (0, 1, 100):
        monkeypatch.setattr(matching, "BUDGET", budget)
        for some in (known, known[:2], known[:1]):
            for match in matching.queries(some, index.size()):
                index._base.execute("SELECT rowid FROM word WHERE word MATCH ?", (match,))


def test_a_large_index_finds_the_same_first_passage(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.update(folder)
    asked = ("crystals in a joint", "headache and nausea", "airways in an attack", "gluten")
    whole = [index.search(text).passages[0].text for text in asked]
    monkeypatch.setattr(matching, "BUDGET", 1)
    assert [index.search(text).passages[0].text for text in asked] == whole


def test_fusion_is_by_reciprocal_rank() -> None:
    hits = search.fuse([("word", [1, 2, 3]), ("meaning", [3]), ("name", [])])
    weights = search.WEIGHTS
    assert [hit.passage for hit in hits] == [3, 1, 2]
    assert hits[0].score == pytest.approx(weights["word"] / 63 + weights["meaning"] / 61)
    assert hits[0].ways == ("word", "meaning")


def test_one_long_file_is_not_all_that_is_found(index: Index, folder: Path) -> None:
    long = "\n\n".join("Scurvy weakens the gums. " * 30 for _ in range(8))
    (folder / "long.txt").write_text(long, encoding="utf-8")
    other = "Long voyages had scurvy, " + "and many other hardships of the sea. " * 12
    (folder / "other.txt").write_text(other, encoding="utf-8")
    index.update(folder)
    found = [p.file.name for p in index.search("scurvy", 4).passages if p.file]
    assert found[0] == "long.txt" and "other.txt" in found


@pytest.mark.parametrize("asked", ["", "   ", "?!", "what is the", "\0", '" OR NEAR(', "x" * 9000])
def test_questions_of_nothing_find_nothing(index: Index, folder: Path, asked: str) -> None:
    index.update(folder)
    found = index.search(asked)
    assert not found.passages and not found.confident


def test_what_nobody_wrote_about_is_not_surely_found(index: Index, folder: Path) -> None:
    index.add_cards()
    index.update(folder)
    for invented in ("Velorithic syndrome", "Cardiovespia", "Harnwick's disease"):
        assert not index.search(f"What is {invented}?").confident, invented
    assert index.search("What is gout?").confident


def test_less_than_one_passage_is_refused(index: Index) -> None:
    with pytest.raises(UsageError, match="0 passages"):
        index.search("gout", 0)


def test_an_index_without_embedder_embeds_nothing(index: Index) -> None:
    with pytest.raises(UsageError, match="no embedder"):
        index.embed()


def test_the_users_index_is_in_the_users_folder() -> None:
    with Index.open() as index:
        assert index.size() == 0
    assert paths.documents_file().stat().st_mode & 0o077 == 0
