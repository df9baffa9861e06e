"""The licence that goes out with a model: its name for the Hub and its text."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from medllm.errors import ConversionError, UsageError

APACHE = "apache-2.0"
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
# A telling line of a licence's text: what the Hub calls it (hf.co/docs/hub/repositories-licenses).
_TELLING = (
    (r"Apache License\s+Version 2\.0", APACHE),
    (r"LLAMA 2 COMMUNITY LICENSE", "llama2"),
    (r"LLAMA 3\.3 COMMUNITY LICENSE", "llama3.3"),
    (r"LLAMA 3\.2 COMMUNITY LICENSE", "llama3.2"),
    (r"LLAMA 3\.1 COMMUNITY LICENSE", "llama3.1"),
    (r"(META )?LLAMA 3 COMMUNITY LICENSE", "llama3"),
    (r"Gemma Terms of Use", "gemma"),
    (r"Permission is hereby granted, free of charge", "mit"),
)
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of a model."""

    name: str
    """As the Hub calls it; `other` where it has no name for it."""
    text: str


def licence(named: Path | None, base: Path | None, declared: str, base_name: str) -> Licence:
    """The terms of a model that was made from a base.

    Args:
        named: the text that the user names; it wins.
        base: the base's folder, which may hold the text.
        declared: the licence's name in the GGUF's metadata.
        base_name: what the base is called; empty for a model that this project trained
            from scratch, which goes out under the project's own licence.

    Raises:
        ConversionError: the text is not known.
        UsageError: the file that was named can't be read.
    """
    if named:
        return _read(named, declared)
    for name in _FILES if base else ():
        if base and (base / name).is_file():
            return _read(base / name, declared)
    if declared.lower() == APACHE or not (declared or base_name):
        return Licence(APACHE, apache_text())
    raise ConversionError(
        f"The terms of the base {base_name} are not known: its folder has no LICENSE.",
        "Name the text of its licence with --license FILE.",
    )


def apache_text() -> str:
    """The Apache License 2.0, as this project carries it."""
    checkout = Path(__file__).parents[3] / "LICENSE"
    if checkout.is_file():
        return checkout.read_text(encoding="utf-8")
    for file in metadata.files("medical-llm") or ():
        if file.name == "LICENSE":
            return Path(str(file.locate())).read_text(encoding="utf-8")
    raise ConversionError("The text of the licence is missing.", "Install medical-llm again.")


def _read(file: Path, declared: str) -> Licence:
    try:
        if file.stat().st_size > _LARGEST:
            raise UsageError(f"{file} is too long for a licence.", "Name its text.")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The licence {file} can't be read.", "Name a text file with --license FILE."
        ) from error
    if not text.strip():
        raise UsageError(f"The licence {file} is empty.", "Name a text file with --license FILE.")
    recognised = next((name for line, name in _TELLING if re.search(line, text, re.I)), "")
    return Licence(recognised or declared.lower() or "other", text)
