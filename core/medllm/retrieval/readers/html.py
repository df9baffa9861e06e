"""HTML: the text of its blocks, without scripts and styles."""

import re
from html.parser import HTMLParser
from pathlib import Path

from medllm.errors import DataError, StorageError
from medllm.retrieval.extract import LARGEST, Extract, Outline

_BLOCKS = frozenset(
    "address article aside blockquote br caption center dd details div dl dt fieldset figcaption "
    "figure footer form header hr li main nav ol option p pre section summary table td th tr "
    "ul".split()
)
_UNSEEN = frozenset("script style template noscript svg".split())
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
_HEADING = re.compile(r"h[1-6]")
_LATIN = frozenset({"iso-8859-1", "iso8859-1", "latin1", "latin-1", "us-ascii", "ascii"})
_CONTROLS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
"""Bytes that cp1252 lacks. The Encoding Standard reads pages that say iso-8859-1 as cp1252."""
MOST_UNENDED = 1 << 26
"""Work on tags without an end, in characters, beyond which a page is refused."""


def read(file: Path) -> Extract:
    """The text of a page, in the encoding that it names, or UTF-8.

    Raises:
        DataError: it is too large, not text, or not in its encoding.
        StorageError: it can't be opened.
    """
    try:
        with open(file, "rb") as stream:
            raw = stream.read(LARGEST + 1)
    except OSError as error:
        raise StorageError(
            f"{file} can't be read: {error.strerror or error}.", "Check its name and rights."
        ) from error
    if len(raw) > LARGEST:
        raise DataError(f"{file}: larger than {LARGEST:,} bytes.", "Divide it.")
    text = _decoded(file, raw)
    if _unended(text) > MOST_UNENDED:
        raise DataError(f"{file}: too many tags without an end.", "Mend it.")
    page = _Page()
    page.feed(text)
    page.close()
    return page.outline.done(" ".join(page.title.split()) or file.stem, [])


def _decoded(file: Path, raw: bytes) -> str:
    encoding = _encoding(file, raw)
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file}, line {line}: not {encoding} at byte {error.start + 1}.",
            "Save it as UTF-8.",
        ) from error
    except (LookupError, UnicodeError) as error:  # the latter by codecs such as idna
        raise DataError(f"{file}: the encoding {encoding} is not known.", "Use UTF-8.") from error
    return text.encode("utf-8", "replace").decode()  # lone surrogates, which utf-7 lets through


def _unended(text: str) -> int:
    """What HTMLParser has to look at: from each `<` up to the next `>`, be it a tag or not."""
    parts = ((part.count("<"), len(part)) for part in text.split(">"))
    return sum(opened * length for opened, length in parts if opened > 1)


def _encoding(file: Path, raw: bytes) -> str:
    """What the page is written in; a name that can't be true is read as browsers read it."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in raw[:4096]:
        raise DataError(f"{file}, line 1: this is not text.", "Name a page of HTML.")
    named = _CHARSET.search(raw[:4096])
    encoding = named[1].decode("ascii").lower() if named else "utf-8"
    if encoding.startswith("utf-16"):  # its name could not have been read
        return "utf-8"
    if encoding in _LATIN and not _CONTROLS.search(raw):
        return "cp1252"
    return encoding


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = Outline()
        self.title = ""
        self._unseen = 0
        self._in_title = False
        self._heading: list[str] | None = None
        self._text = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "title":
            self._in_title = True
        elif _HEADING.fullmatch(tag):
            self._heading = []
        elif tag in _BLOCKS:
            self._border()

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "title":
            self._in_title = False
        elif _HEADING.fullmatch(tag) and self._heading is not None:
            heading, self._heading = "".join(self._heading), None
            self._border()
            self.outline.head(int(tag[1]), heading)
        elif tag in _BLOCKS:
            self._border()

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if self._in_title:
            self.title += data
        elif self._heading is not None:
            self._heading.append(data)
        elif data.strip() or self._text:
            self.outline.add(re.sub(r"\s+", " ", data))
            self._text = True

    def close(self) -> None:
        super().close()
        if self._heading is not None:
            self.outline.add("".join(self._heading))

    def _border(self) -> None:
        if self._text and self._heading is None:
            self.outline.add("\n\n")
            self._text = False
