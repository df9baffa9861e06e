"""The commands `medtrain vocab`, as a user runs them."""

import subprocess
import sys
from pathlib import Path


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medtrain", "vocab", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_add_list_remove(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("id,name\nX:1,one\nX:2\n", encoding="utf-8")
    added = _run("add", table)
    assert (added.returncode, added.stdout) == (
        0, "mine.csv added: 1 names, 0 links, 0 notes, 1 skipped\n",
    )  # fmt: skip
    assert "mine.csv, line 3" in added.stderr
    assert "mine.csv\tcsv\t1 names" in _run("list").stdout
    assert _run("add", table).stdout.startswith("mine.csv replaced: ")
    assert _run("remove", "mine.csv").returncode == 0
    left = _run("list")
    assert "mine.csv" not in left.stdout
    assert "medtrain vocab add FILE" in left.stderr


def test_errors_are_one_line(tmp_path: Path) -> None:
    for arguments, code in ((("add", tmp_path / "no.obo"), 5), (("remove", "nothing"), 2)):
        done = _run(*arguments)
        assert done.returncode == code
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
