"""Vocabularies into the store: what is read, what is skipped and told, and what stays intact."""

import multiprocessing
import os
import sqlite3
from pathlib import Path

import pytest
from medllm.errors import DataError, MedLLMError, StorageError, UsageError
from medllm.terminology import compiler
from medllm.terminology.facts import Scope, curie
from medllm.terminology.linker import Linker
from medllm.terminology.readers import lines
from medllm.terminology.store import BUILTIN, Store

CONSO = (
    "C0010674|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D003550|Cystic Fibrosis|0|N||\n"
    "C0010674|ENG|S|L2|PF|S2|Y|A2||||MSH|ET|D003550|Mucoviscidosis|0|N||\n"
    "C0010674|ENG|S|L3|PF|S3|Y|A3||||NCI|AB|C2975|CF|0|N||\n"
    "C0010674|GER|P|L4|PF|S4|Y|A4||||MSH|MH|D003550|Mukoviszidose|0|N||\n"
    "C0010674|ENG|S|L5|PF|S5|Y|A5||||MSH|ET|D003550|Suppressed|0|O||\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the store is to be."""
    return tmp_path / "vocabulary" / "store.sqlite3"


def _write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def _texts(store: Path, code: str) -> dict[str, Scope]:
    with Store(store) as opened:
        return {e.text: e.scope for e in opened.names(opened.concept(code)) if e.code == code}


def test_umls_in_its_columns(tmp_path: Path, store: Path) -> None:
    for name, content in (
        ("MRCONSO.RRF", CONSO),
        ("MRSTY.RRF", "C0010674|T047|B2.2.1.2.1|Disease or Syndrome|AT1|256|\n"),
        ("MRDEF.RRF", "C0010674|A1|AT2||MSH|An inherited disease.|N||\n"),
    ):
        report = compiler.add(_write(tmp_path, name, content), store=store)
        assert report.skipped == 0
    with Store(store) as opened:
        concept = opened.concept("UMLS:C0010674")
        names = {e.text: e.scope for e in opened.names(concept)}
        assert "Suppressed" not in names
        assert "Mukoviszidose" not in names
        assert names | {
            "Cystic Fibrosis": Scope.PREFERRED, "Mucoviscidosis": Scope.EXACT, "CF": Scope.ACRONYM,
        } == names  # fmt: skip
        assert "MESH:D003550" in opened.codes(concept)
        assert "DISO" in opened.notes(concept, "group")
        assert "An inherited disease." in opened.notes(concept, "definition")


def test_sssom_and_tables(tmp_path: Path, store: Path) -> None:
    sssom = (
        "# curie_map: {}\nsubject_id\tsubject_label\tpredicate_id\tobject_id\tobject_label\n"
        "MONDO:1\tsome disease\tskos:exactMatch\tOrphanet:7\tthat disease\n"
        "MONDO:1\tsome disease\tskos:closeMatch\tMIM:99\t\n"
    )
    compiler.add(_write(tmp_path, "a.sssom.tsv", sssom), store=store)
    compiler.add(
        _write(tmp_path, "b.csv", 'ID,Label,Synonyms,Group\nORPHA:7,x,"one, two|three",DISO\n'),
        store=store,
    )
    hpo = '?term\t?term_label\t?layperson\n<http://x/obo/HP_0000001>\t"All"\t"Everything"\n'
    compiler.add(_write(tmp_path, "c.tsv", hpo), store=store)
    with Store(store) as opened:
        assert opened.concept("MONDO:1") == opened.concept("ORPHA:7")
        assert opened.concept("OMIM:99") != opened.concept("MONDO:1")
        assert "OMIM:99" in opened.codes(opened.concept("ORPHA:7"))
        assert {"one, two", "three"} <= {e.text for e in opened.names(opened.concept("MONDO:1"))}
    assert _texts(store, "HP:0000001") == {"All": Scope.PREFERRED, "Everything": Scope.EXACT}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("MRCONSO.RRF", CONSO + "C1|ENG|broken\n", "line 6: 2 columns where MRCONSO has 18"),
        ("MRCONSO.RRF", CONSO + CONSO[:70].replace("C0010674", "D0010674") + CONSO[70:],
         "line 6: 'D0010674' is no concept id"),
        ("MRSTY.RRF", "C0010674|T047|B|D|A|2|\nC0010674|T999|B|D|A|2|\n", "line 2: 'T999'"),
        ("a.csv", "id,name\nX:1,one\nX:2\n", "line 3: 1 cells where the header has 2"),
        ("a.csv", 'id,name\nX:1,one\nX:2,"broken\n', "line 3: broken row"),
        ("a.csv", "id,name\nX:1,one\nno code,two\n", "line 3: 'no code' is not a code"),
        ("a.csv", b"id,name\nX:1,one\nX:2,caf\xe9\n", "line 3: not UTF-8 at byte 8"),
        ("a.csv", b"id,name\nX:1,one\nX:2,t\0wo\n", "line 3: holds NUL bytes"),
        ("a.obo", "[Term]\nid: X:1\nname: one\n\n[Term]\nid: X:1\nname: two\n", "line 6: the id X:1"),
        ("a.obo", "[Term]\nid: X:1\nname: one\nsynonym: none\n", "line 4: no text in quotation"),
        ("a.obo", "[Term]\nname: lost\n\n[Term]\nid: X:1\nname: one\n", "line 2: "),
        ("a.obo", "[Term]\nid: X:1\nname: one\nrubbish\n", "line 4: no tag"),
        ("a.obo", "[Term]\nid: X:1\nname: a\nis_a: X:2\n\n[Term]\nid: X:2\nname: b\nis_a: X:1\n",
         "line 9: X:2 is_a X:1 closes a cycle"),
        ("a.csv", "id,name,synonyms\nX:1,one,\nX:1,two,\nX:1,One,uno\n",
         "line 3: the id X:1 stands further up for 'one', skipped"),
    ],
)  # fmt: skip
def test_broken_rows_are_skipped_and_told(
    tmp_path: Path, store: Path, name: str, content: str | bytes, told: str
) -> None:
    report = compiler.add(_write(tmp_path, name, content), store=store)
    assert report.skipped == 1
    assert report.problems[0].startswith(name)
    assert told in report.problems[0]
    assert report.names + report.notes >= 1


def test_one_name_a_row_is_taken_and_told_once(tmp_path: Path, store: Path) -> None:
    rows = "id,name\nX:1,one\nX:1,uno\nX:1,un\nX:2,two\nX:2,dos\n"
    report = compiler.add(_write(tmp_path, "a.csv", rows), store=store)
    assert (report.names, report.skipped) == (5, 0)
    assert len(report.problems) == 1
    assert report.problems[0].startswith("a.csv, line 3: the id X:1 stands further up for 'one'")
    with Store(store) as opened:
        assert opened.preferred("X:1") == "one"


def test_a_cycle_is_cut(tmp_path: Path, store: Path) -> None:
    terms = "".join(f"[Term]\nid: X:{n}\nname: n{n}\nis_a: X:{n % 3 + 1}\n\n" for n in (1, 2, 3))
    compiler.add(_write(tmp_path, "a.obo", terms), store=store)
    with Store(store) as opened:
        seen, code = set(), "X:1"
        while code not in seen:
            seen.add(code)
            code = min(opened.parents(code), default="")
    assert code == ""


def test_a_line_without_end_is_skipped_in_bounded_memory(tmp_path: Path, store: Path) -> None:
    """Any size would do: the reader never holds more than LONGEST_LINE."""
    file = tmp_path / "a.csv"
    with file.open("wb") as stream:
        stream.write(b"id,name\nX:1,one\nX:2,")
        stream.seek(512 << 20, 1)  # a hole of 512 MB, read as NUL bytes
        stream.write(b"\nX:3,three\n")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        problems, names, peak = pool.apply(_import_and_measure, (file, store))
    assert names == 2
    assert f"line 3: longer than {lines.LONGEST_LINE:,} bytes" in problems[0]
    assert peak < 300


def _import_and_measure(file: Path, store: Path) -> tuple[tuple[str, ...], int, float]:
    report = compiler.add(file, store=store)
    # Of this process alone; what resource tells begins with the parent's peak.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1000
    return report.problems, report.names, peak


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.csv", "id,name\n", DataError),
        ("a.csv", "", DataError),
        ("a.csv", "this,that\n1,2\n", DataError),
        ("a.csv", "id,name\nX:1,one\n".encode("utf-16"), DataError),
        ("a.csv", "id,définition\nX:1,naïve\n".encode("latin-1"), DataError),
        ("a.obo", bytes(range(256)) * 8, DataError),
        ("MRCONSO.RRF", "a|b\n" * 5, DataError),
        ("a.xyz", "id,name\nX:1,one\n", UsageError),
        ("MRREL.RRF", CONSO, UsageError),
    ],
)
def test_what_cannot_be_used_leaves_the_old_index(
    tmp_path: Path, store: Path, name: str, content: str | bytes, error: type[MedLLMError]
) -> None:
    compiler.add(_write(tmp_path, "old.csv", "id,name\nX:1,an old name\n"), store=store)
    before = store.read_bytes()
    with pytest.raises(error) as told:
        compiler.add(_write(tmp_path, name, content), store=store)
    assert name in told.value.message
    assert store.read_bytes() == before
    assert sorted(f.name for f in store.parent.iterdir()) == [f".{store.name}.lock", store.name]


def test_a_table_without_a_header_that_can_be_read_tells_why(tmp_path: Path, store: Path) -> None:
    table = _write(tmp_path, "a.csv", "id,définition,name\nX:1,x,one\n".encode("latin-1"))
    with pytest.raises(DataError, match="line 1: not UTF-8 at byte 5"):
        compiler.add(table, store=store)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, store: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UsageError, match="no plain file"):
        compiler.add(tmp_path / "pipe.csv", store=store)


def test_a_name_that_can_not_be_shown_is_refused(tmp_path: Path, store: Path) -> None:
    table = _write(tmp_path, os.fsdecode(b"caf\xe9.csv"), "id,name\nX:1,one\n")
    for name in ("", " ", "two\nlines"):
        with pytest.raises(UsageError, match="can't be shown") as told:
            compiler.add(table, name, store=store)
        assert "--name" in told.value.hint
    assert compiler.add(table, "coffee", store=store).names == 1


def test_a_folder_that_can_not_be_locked_is_told(tmp_path: Path, store: Path) -> None:
    store.with_name(f".{store.name}.lock").mkdir(parents=True)
    with pytest.raises(StorageError, match="can't be written"):
        compiler.build(store)


def test_what_a_killed_import_left_is_cleared_away(tmp_path: Path, store: Path) -> None:
    compiler.build(store)
    left = store.with_name(f".{store.name}.4194305.part")
    left.write_bytes(b"half a store")
    compiler.build(store)
    assert not left.exists()


def test_an_interruption_leaves_the_old_index(tmp_path: Path, store: Path) -> None:
    compiler.add(_write(tmp_path, "old.csv", "id,name\nX:1,an old name\n"), store=store)
    before = store.read_bytes()
    rows = "".join(f"X:{n},name {n}\n" for n in range(5000))

    def stop(share: float, facts: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compiler.add(_write(tmp_path, "new.csv", "id,name\n" + rows), progress=stop, store=store)
    assert store.read_bytes() == before
    assert len(list(store.parent.iterdir())) == 2


def test_progress_ends_at_all(tmp_path: Path, store: Path) -> None:
    told: list[tuple[float, int]] = []
    rows = "".join(f"X:{n},name {n}\n" for n in range(20_000))
    compiler.add(
        _write(tmp_path, "a.csv", "id,name\n" + rows),
        progress=lambda share, facts: told.append((share, facts)),
        store=store,
    )
    assert told == sorted(told)
    assert (len(told) > 3, told[-1]) == (True, (1.0, 20_000))


def test_again_replaces_and_remove_removes(tmp_path: Path, store: Path) -> None:
    compiler.add(_write(tmp_path, "a.csv", "id,name\nX:1,first\n"), "mine", store=store)
    compiler.add(_write(tmp_path, "a.csv", "id,name\nX:1,second\n"), "mine", store=store)
    assert list(_texts(store, "X:1")) == ["second"]
    with Store(store) as opened:
        assert [source.name for source in opened.sources()] == [BUILTIN, "mine"]
    compiler.remove("mine", store=store)
    assert _texts(store, "X:1") == {}
    for name in ("mine", BUILTIN):
        with pytest.raises(UsageError):
            compiler.remove(name, store=store)
    with pytest.raises(UsageError):
        compiler.add(tmp_path / "a.csv", BUILTIN, store=store)


def test_a_vocabulary_removed_while_in_use(tmp_path: Path, store: Path) -> None:
    compiler.add(_write(tmp_path, "a.csv", "id,name\nX:1,strange fever\n"), "mine", store=store)
    with Store(store) as opened:
        linker = Linker(opened)
        assert not opened.stale
        compiler.remove("mine", store=store)
        found = linker.link("strange fever")  # the reader keeps what it opened
        assert found is not None
        assert (found.concept, opened.stale) == ("X:1", True)
        store.unlink()
        assert linker.link("strange fevers") is not None
    with pytest.raises(StorageError, match="no vocabulary"):
        Store(store)


def test_a_broken_store_is_refused_and_kept(tmp_path: Path, store: Path) -> None:
    store.parent.mkdir()
    store.write_bytes(b"no database, only words" * 100)
    with pytest.raises(StorageError):
        Store(store)
    with pytest.raises(StorageError):
        compiler.add(_write(tmp_path, "a.csv", "id,name\nX:1,one\n"), store=store)
    assert store.read_bytes().startswith(b"no database")


def test_damaged_pages_are_told_with_what_to_do(tmp_path: Path, store: Path) -> None:
    compiler.build(store)
    content = store.read_bytes()
    store.write_bytes(content[: 4 * 4096] + b"\xff" * (len(content) - 4 * 4096))
    with Store(store) as opened:
        for use in (opened.preload, lambda: list(opened.entries())):
            with pytest.raises(StorageError, match="malformed") as told:
                use()
            assert "medtrain vocab add" in told.value.hint
    before = store.read_bytes()
    with pytest.raises(StorageError, match="malformed") as told:
        compiler.add(_write(tmp_path, "a.csv", "id,name\nX:1,one\n"), store=store)
    assert "Remove it" in told.value.hint
    assert store.read_bytes() == before


def test_a_store_of_another_version_is_made_anew(tmp_path: Path, store: Path) -> None:
    compiler.build(store)
    with sqlite3.connect(store) as base:
        base.execute("UPDATE meta SET value = '0'")
    base.close()
    with pytest.raises(StorageError, match="another version"):
        Store(store)
    compiler.build(store)
    with Store(store) as opened:
        assert [source.name for source in opened.sources()] == [BUILTIN]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("MIM:1", "OMIM:1"), ("Orphanet:7", "ORPHA:7"), ("UMLS_CUI:C1", "UMLS:C1"),
     ("<http://purl.obolibrary.org/obo/HP_0001>", "HP:0001"),
     ("SNOMEDCT_US_2025_09_01:80", "SNOMED:80"), (" doid:4 ", "DOID:4")],
)  # fmt: skip
def test_codes_have_one_spelling(text: str, expected: str) -> None:
    assert curie(text) == expected
