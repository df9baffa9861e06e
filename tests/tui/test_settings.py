"""The settings file is the user's: other lines of it stay as they are."""

from pathlib import Path

import pytest
from medllm.errors import StorageError
from medtui import settings


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'theme = "x"\n'),
        ('theme = "old"\n', 'theme = "x"\n'),
        (
            '# mine\nmodel = "/m.gguf"\ntheme = "old"\n',
            '# mine\nmodel = "/m.gguf"\ntheme = "x"\n',
        ),
        ('model = "/m.gguf"', 'theme = "x"\nmodel = "/m.gguf"'),
        ('[other]\ntheme = "theirs"\n', 'theme = "x"\n[other]\ntheme = "theirs"\n'),
        ('list = [1, 2]\ntheme="old"\n[a]\n', 'list = [1, 2]\ntheme = "x"\n[a]\n'),
    ],
)
def test_the_theme_is_one_line(home: Path, before: str, after: str) -> None:
    home.mkdir()
    (home / "settings.toml").write_text(before)
    settings.remember_theme("x")
    assert (home / "settings.toml").read_text() == after
    assert settings.load().theme == "x"


def test_there_may_be_no_file() -> None:
    assert settings.load() == settings.Settings()


def test_the_model_may_be_named(home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text('model = "~/m.gguf"\n')
    assert settings.load().model == Path("~/m.gguf").expanduser()


@pytest.mark.parametrize("content", [b"theme = ", b"\xff\xfe", b"[[["])
def test_a_broken_file_is_told_and_not_written_over(home: Path, content: bytes) -> None:
    home.mkdir()
    file = home / "settings.toml"
    file.write_bytes(content)
    with pytest.raises(StorageError, match="can't be used"):
        settings.load()
    with pytest.raises(StorageError):
        settings.remember_theme("x")
    assert file.read_bytes() == content
