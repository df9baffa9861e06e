"""Folders and cards in the index: kept in step, found with their places, never half written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from medllm.errors import StorageError, UsageError
from medllm.reference import builtin_cards
from medllm.retrieval import readers, update
from medllm.retrieval.index import Index

from tests.core.retrieval import pdf


def test_what_is_found_says_where_it_stands(index: Index, folder: Path) -> None:
    report = index.update(folder)
    assert (report.read, report.problems) == (4, ["asthma.pdf, page 2: has no text"])
    found = index.search("inhaler")
    best = found.passages[0]
    assert (best.file, best.page, best.title) == (folder / "asthma.pdf", 3, "asthma")
    for passage in index.search("gout uric acid migraine sleep gluten", 10).passages:
        assert passage.file
        text = readers.read(passage.file).text
        assert text[passage.start : passage.end] == passage.text


def test_headings_come_with_a_passage(index: Index, folder: Path) -> None:
    index.update(folder)
    best = index.search("treatment of gout").passages[0]
    assert (best.title, best.headings) == ("Gout", ("Gout", "Treatment"))


def test_a_folder_is_kept_in_step(index: Index, folder: Path) -> None:
    index.update(folder)
    again = index.update(folder)
    assert (again.read, again.unchanged, again.removed) == (0, 4, 0)
    (folder / "notes.txt").write_text("Scurvy comes of a lack of vitamin C.\n")
    (folder / "gout.md").unlink()
    report = index.update(folder)
    assert (report.read, report.unchanged, report.removed) == (1, 2, 1)
    assert not index.search("gluten").passages
    assert not [p for p in index.search("gout").passages if p.title == "Gout"]
    assert index.search("scurvy").passages[0].file == folder / "notes.txt"


def test_a_file_that_is_only_touched_is_not_cut_anew(index: Index, folder: Path) -> None:
    index.update(folder)
    os.utime(folder / "gout.md", ns=(1, 1))
    assert index.update(folder).unchanged == 4


def test_every_trace_of_a_folder_can_be_taken_out(index: Index, folder: Path) -> None:
    index.add_cards()
    size, before = index.size(), _tables(index)
    index.update(folder)
    assert index.remove(folder) == 4
    assert index.size() == size
    assert _tables(index) == before
    with pytest.raises(UsageError, match="nothing of"):
        index.remove(folder)


def _tables(index: Index) -> list[object]:
    """Words with their numbers, and names: what a removal may leave behind."""
    base = index._base
    matches = base.execute("SELECT count(*) FROM word WHERE word MATCH 'gout OR gluten'")
    return [
        base.execute("SELECT * FROM frequency ORDER BY word").fetchall(),
        base.execute("SELECT form FROM name ORDER BY form").fetchall(),
        matches.fetchone(),
    ]


def test_the_numbers_of_words_are_those_of_fts5(index: Index, folder: Path) -> None:
    index.update(folder)
    (folder / "gout.md").write_text("# Gout\n\nShort.\n")
    index.update(folder)
    base = index._base
    base.execute("CREATE VIRTUAL TABLE temp.counts USING fts5vocab(main, word, row)")
    counted = dict(base.execute("SELECT term, doc FROM temp.counts").fetchall())
    assert counted == dict(base.execute("SELECT word, passages FROM frequency").fetchall())


def test_the_cards_are_there_by_every_name(index: Index) -> None:
    assert index.add_cards() == len(builtin_cards())
    assert index.add_cards() == index.size()
    for asked in ("heart attack", "What is MI?", "myocardial infarction"):
        best = index.search(asked)
        assert best.passages[0].card == "myocardial-infarction", asked
        assert best.passages[0].file is None
        assert best.confident


def test_cards_that_changed_replace_the_old(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "builtin_cards", lambda: builtin_cards()[:3])
    index.add_cards()
    monkeypatch.undo()
    index.add_cards()
    assert index.size() == len(builtin_cards())


def test_broken_files_are_told_and_the_rest_is_read(index: Index, folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    (folder / "binary.txt").write_bytes(b"\0\1\2")
    (folder / "empty.md").write_bytes(b"")
    (folder / "sub").mkdir()
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.txt")
    pdf.write(folder / "scan.pdf", [""])
    report = index.update(folder)
    told = {problem.split(":")[0].split(",")[0]: problem for problem in report.problems}
    assert set(told) == {
        "asthma.pdf", "broken.pdf", "binary.txt", "empty.md", "sub/loop", "gone.txt", "scan.pdf"
    }  # fmt: skip
    assert "line 1" in told["binary.txt"]
    assert "no text" in told["scan.pdf"]
    assert report.read == 5  # the empty file counts


def test_what_may_not_be_read_keeps_its_old_state(index: Index, folder: Path) -> None:
    (folder / "private").mkdir()
    (folder / "private" / "a.txt").write_text("Rickets softens the bones.\n")
    index.update(folder)
    (folder / "private").chmod(0)
    try:
        if os.access(folder / "private", os.R_OK):
            pytest.skip("nothing is forbidden to this user")
        report = index.update(folder)
    finally:
        (folder / "private").chmod(0o700)
    assert report.problems[0] == "private: permission denied"
    assert index.search("rickets").passages


def test_a_file_that_turns_bad_keeps_its_old_state(index: Index, folder: Path) -> None:
    index.update(folder)
    (folder / "notes.txt").write_bytes(b"\0\0\0\0")
    report = index.update(folder)
    assert any(problem.startswith("notes.txt") for problem in report.problems)
    assert index.search("gluten").passages


def test_a_broken_file_is_told_at_every_update_and_read_once(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    index.update(folder)
    opened: list[str] = []
    real = update.read

    def counted(file: Path) -> object:
        opened.append(file.name)
        return real(file)

    monkeypatch.setattr(update, "read", counted)
    again = index.update(folder)
    assert [problem.split(":")[0] for problem in again.problems] == ["broken.pdf"]
    assert "no PDF that can be read" in again.problems[0]
    assert not opened
    pdf.write(folder / "broken.pdf", ["Scurvy comes of a lack of vitamin C."])
    assert not index.update(folder).problems
    assert opened == ["broken.pdf"]
    assert index.search("scurvy").passages


def test_a_folder_that_is_taken_out_leaves_no_broken_file_behind(
    index: Index, folder: Path
) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    index.update(folder)
    (folder / "broken.pdf").unlink()
    index.update(folder)
    assert not index._base.execute("SELECT path FROM broken").fetchall()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    index.update(folder)
    assert index._base.execute("SELECT path FROM broken").fetchall() == [("broken.pdf",)]
    index.remove(folder)
    assert not index._base.execute("SELECT path FROM broken").fetchall()


def test_a_folder_of_broken_files_alone_can_be_taken_out(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "scans" / "old"
    folder.mkdir(parents=True)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    assert index.update(folder).read == 0
    with pytest.raises(UsageError, match="nothing of") as caught:
        index.remove(tmp_path / "elsewhere")
    assert str(folder) in caught.value.hint
    assert index.remove(folder) == 1
    assert not index._base.execute("SELECT path FROM broken").fetchall()
    with pytest.raises(UsageError, match="nothing of"):
        index.remove(folder)
    index.update(folder)
    index.update(folder.parent)  # the outer one takes it over
    assert index._base.execute("SELECT root FROM broken").fetchall() == [(str(folder.parent),)]


def test_a_folder_that_changes_while_it_is_read_is_told(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = update.read

    def slow(file: Path) -> object:
        extract = real(file)
        if file.name == "gout.md":
            file.write_text("something else, longer or shorter")
            (folder / "notes.txt").unlink()
        return extract

    monkeypatch.setattr(update, "read", slow)
    report = index.update(folder)
    assert "gout.md: changed while it was read; index the folder once more" in report.problems
    assert "notes.txt: went away while the folder was read" in report.problems
    assert report.read == 2


def test_a_folder_inside_another_is_in_the_index_once(index: Index, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("Rickets softens the bones.\n")
    index.update(folder / "sub")
    index.update(folder)
    assert [p.file for p in index.search("rickets").passages] == [folder / "sub" / "a.txt"]
    with pytest.raises(UsageError, match="is inside"):
        index.update(folder / "sub")


def test_a_folder_that_is_none_is_refused(index: Index, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        index.update(tmp_path / "nowhere")


def test_a_folder_whose_name_can_not_be_written_is_refused(index: Index, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    with pytest.raises(UsageError, match="can't be written"):
        index.update(odd)


def test_files_of_other_kinds_are_counted(index: Index, folder: Path) -> None:
    for name in ("a.docx", "b.DOCX", "README", ".hidden"):
        (folder / name).write_bytes(b"")
    assert index.update(folder).passed == {".docx": 2, "": 1}


def test_damaged_pages_are_told_with_what_to_do(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "an index.sqlite3"
    with Index.open(file) as index:
        index.update(folder)
    content = file.read_bytes()
    file.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    with Index.open(file) as index:
        for use in (lambda: index.search("gout"), lambda: index.update(folder)):
            with pytest.raises(StorageError) as told:
                use()
            assert f"rm '{file}'*" in told.value.hint


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite3").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="no index that can be read"):
        Index.open(tmp_path / "index.sqlite3")


_ENDLESS = """
import sys, time
from pathlib import Path
from medllm.retrieval.index import Index
def wait(done, total, name):
    if done == 3:
        print("reading", flush=True)
        time.sleep(60)
with Index.open(Path(sys.argv[1])) as index:
    index.update(Path(sys.argv[2]), wait)
"""


def test_a_kill_and_a_writer_leave_readers_the_old_index(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "index.sqlite3"
    with Index.open(file) as index:
        index.update(folder)
        (folder / "gout.md").write_text("# Gout\n\nAll new words: zebra.\n")
        (folder / "notes.txt").unlink()
        process = subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, str(file), str(folder)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout and process.stdout.readline() == "reading\n"
        assert index.search("gluten").passages  # the other's change is under way
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with Index.open(file) as index:
        assert index.search("gluten").passages
        assert not index.search("zebra").passages
        index.update(folder)
        assert index.search("zebra").passages and not index.search("gluten").passages


def test_a_second_writer_is_told_to_wait(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medllm.retrieval.store.BUSY_SECONDS", 0.05)
    with Index.open(tmp_path / "i.sqlite3") as one, Index.open(tmp_path / "i.sqlite3") as other:
        one._base.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked") as raised:
            other.update(folder)
        assert "wait until it has ended" in raised.value.hint
        one._base.execute("ROLLBACK")


def test_the_command_indexes_and_searches(tmp_path: Path, folder: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "medllm.retrieval", *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    empty = run("search", "gout")
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "medllm.retrieval index FOLDER" in empty.stderr
    (folder / "a.docx").write_bytes(b"")
    done = run("index", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 files read, 0 unchanged, 0 gone, 1 problems")
    assert "asthma.pdf, page 2: has no text" in done.stderr
    found = run("search", "inhaler in an attack", "--count", "1")
    assert f"{folder / 'asthma.pdf'}, page 3, characters" in found.stdout
    assert "1 of other kinds left out (1 .docx)" in done.stdout
    for arguments in (("index", str(tmp_path / "nowhere")), ("search", " ?")):
        wrong = run(*arguments)
        assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1
    assert run("remove", str(folder)).stdout.startswith("4 files taken out; ")
