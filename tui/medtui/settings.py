"""The user's settings: a small TOML file that is read and changed a line at a time.

theme = "medical-light"
model = "/models/mistral-7b.Q4_K_M.gguf"
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from medllm import paths
from medllm.errors import StorageError


@dataclass(frozen=True, slots=True)
class Settings:
    """What the terminal program remembers."""

    theme: str | None = None
    """Name of the colour theme."""
    model: Path | None = None
    """Model file to start with, instead of the built-in one."""


def load() -> Settings:
    """The settings; those of a missing file are the defaults.

    Raises:
        StorageError: the file can't be read or is not TOML.
    """
    file = paths.settings_file()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(file, getattr(error, "strerror", None) or "not UTF-8") from error
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unusable(file, str(error)) from error
    theme, model = values.get("theme"), values.get("model")
    return Settings(
        theme=theme if isinstance(theme, str) else None,
        model=Path(model).expanduser() if isinstance(model, str) and model else None,
    )


def remember_theme(name: str) -> None:
    """Writes the theme into the settings; the file's other lines stay as they are.

    Raises:
        StorageError: the file can't be written, or is no TOML that could be kept.
    """
    load()  # a broken file is the user's to mend, not ours to write over
    from medllm import files

    file = paths.settings_file()
    paths.ensure_dir(file.parent)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    line = f"theme = {json.dumps(name)}"
    # Only the top level, before the first [table], is ours.
    top, table, rest = re.match(r"(?s)(.*?)((?:^|(?<=\n))\[|\Z)(.*)", text).groups()  # type: ignore[union-attr]
    top, changed = re.subn(r"(?m)^theme\s*=.*$", lambda _: line, top, count=1)
    if not changed:
        top = f"{line}\n{top}"
    files.write_text(file, top + table + rest)


def _unusable(file: Path, reason: str) -> StorageError:
    return StorageError(
        f"The settings {file} can't be used: {reason}.", "Mend the file or move it away."
    )
