"""An output takes its place whole or not at all."""

from pathlib import Path

import pytest
from medconvert.formats.output import new_file, new_folder
from medconvert.source import Source
from medllm.errors import StorageError, UsageError
from medllm.run_record import RunRecord


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A base with one file."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    return Source(base, base, None, None)


def made(folder: Path, content: str) -> None:
    """Fills a folder as an export does."""
    (folder / "model").write_text(content)
    RunRecord(stage="convert", recipe="").write(folder)


def test_a_folder_is_there_only_when_it_is_whole(tmp_path: Path, source: Source) -> None:
    out = tmp_path / "new" / "out"
    with new_folder(out, source) as part:
        made(part, "one")
        assert not out.exists()
    assert (out / "model").read_text() == "one"
    assert [file.name for file in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_folder_leaves_the_older_one(
    tmp_path: Path, source: Source, error: type[BaseException]
) -> None:
    out = tmp_path / "new" / "out"
    with new_folder(out, source) as part:
        made(part, "one")
    with pytest.raises(error), new_folder(out, source) as part:
        made(part, "two")
        raise error
    assert (out / "model").read_text() == "one"
    assert [file.name for file in out.parent.iterdir()] == ["out"]


def test_a_newer_folder_takes_the_place_of_an_older_one(tmp_path: Path, source: Source) -> None:
    out = tmp_path / "new" / "out"
    for content in ("one", "two"):
        with new_folder(out, source) as part:
            made(part, content)
    assert (out / "model").read_text() == "two"
    assert [file.name for file in out.parent.iterdir()] == ["out"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path, source: Source) -> None:
    out = tmp_path / "notes"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="no conversion has written"), new_folder(out, source):
        pass
    assert (out / "diary.txt").read_text() == "mine"


def test_a_folder_that_holds_the_input_is_not_replaced(source: Source) -> None:
    with pytest.raises(UsageError, match="holds an input"), new_folder(source.base, source):
        pass


def test_a_file_is_no_folder(source: Source) -> None:
    with (
        pytest.raises(UsageError, match="is a file"),
        new_folder(source.base / "config.json", source),
    ):
        pass


def test_a_file_is_there_only_when_it_is_whole(tmp_path: Path, source: Source) -> None:
    out = tmp_path / "new" / "out.gguf"
    with pytest.raises(KeyboardInterrupt), new_file(out, source) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert list(out.parent.iterdir()) == []
    with new_file(out, source) as part:
        part.write_text("whole")
    assert out.read_text() == "whole"


def test_an_input_is_no_output(source: Source) -> None:
    out = source.base / "config.json"
    with pytest.raises(UsageError, match="is an input"), new_file(out, source):
        pass
    assert out.read_text() == "{}"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, source: Source) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), new_folder(tmp_path / "file" / "out", source):
        pass
