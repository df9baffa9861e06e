"""What is read of each kind of file, and what is said of the broken ones."""

from pathlib import Path

import pytest
from medllm.errors import DataError, UsageError
from medllm.retrieval import readers
from medllm.retrieval.passages import ENOUGH, FEW, MOST, cut
from pypdf import PdfReader, PdfWriter

from tests.core.retrieval import pdf


def test_markdown_has_headings_and_a_title(folder: Path) -> None:
    extract = readers.read(folder / "gout.md")
    assert extract.title == "Gout"
    assert [section.headings for section in extract.sections] == [("Gout",), ("Gout", "Treatment")]
    last = extract.sections[-1]
    assert extract.text[last.start : last.end].strip().startswith("Rest and cold packs")


def test_a_number_sign_inside_code_is_no_heading(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Title\n```\n# not one\n```\n## Second\ntext\n")
    headings = [s.headings for s in readers.read(tmp_path / "a.md").sections]
    assert headings == [("Title",), ("Title", "Second")]


def test_html_is_its_text_without_scripts(folder: Path) -> None:
    extract = readers.read(folder / "migraine.html")
    assert extract.title == "Migraine"
    assert "light & noise" in extract.text
    assert "invisible" not in extract.text and "color" not in extract.text
    assert extract.sections[-1].headings == ("Migraine", "What sets it off")
    assert "Lack of sleep\n\nSkipped meals" in extract.text


def test_html_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    page = '<meta charset="iso-8859-1"><p>Ménière’s</p>'.replace("’", "'")
    (tmp_path / "a.html").write_bytes(page.encode("latin-1"))
    assert "Ménière's" in readers.read(tmp_path / "a.html").text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b'<meta charset="iso-8859-1"><p>Crohn\x92s \x93test\x94', "Crohn’s “test”"),
        (b'<meta charset="iso-8859-1"><p>Crohn\x92s \x81', "Crohn\x92s \x81"),
        (b'<meta charset="utf-16"><p>gout', "gout"),  # in UTF-16 it could not be read
        (b'<meta charset="utf-7"><p>gout +2AA-', "gout ?"),  # a lone surrogate
        ("<p>gout".encode("utf-16"), "gout"),
    ],
)
def test_html_that_names_its_encoding_loosely(tmp_path: Path, page: bytes, text: str) -> None:
    (tmp_path / "a.html").write_bytes(page)
    assert readers.read(tmp_path / "a.html").text.strip() == text


def test_a_pdf_keeps_its_pages_and_tells_those_without_text(folder: Path) -> None:
    extract = readers.read(folder / "asthma.pdf")
    assert [section.page for section in extract.sections] == [1, 3]
    first = extract.sections[0]
    assert "narrows the airways" in extract.text[first.start : first.end]
    assert extract.problems == ["page 2: has no text"]


def _encrypted(target: Path, folder: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(folder / "asthma.pdf"))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(target)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.pdf", b"%PDF-1.4\nnothing", "no PDF that can be read"),
        ("a.pdf", b"", "no PDF that can be read"),
        ("a.txt", b"\x7fELF\x02\x01\x01\0\0\0", "line 1: this is not text in UTF-8"),
        ("a.txt", "text".encode("utf-16"), "not text in UTF-8"),
        ("a.html", b"<p>line\n<p>M\xe9ni\xe8re", "line 2: not utf-8 at byte"),
        ("a.html", b"<p>\0\0\0</p>", "this is not text"),
        ("a.html", b'<meta charset="klingon"><p>x', "klingon is not known"),
        ("a.html", b'<meta charset="undefined"><p>x', "undefined is not known"),
        ("a.html", b'<meta charset="hex"><p>x', "hex is not known"),
        ("a.html", b"<p>x" + b"<a " * 20_000, "too many tags without an end"),  # took minutes
    ],
)
def test_broken_files_are_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as raised:
        readers.read(tmp_path / name)
    assert told in raised.value.message
    assert "\n" not in raised.value.line()


def test_a_pdf_of_pictures_and_an_encrypted_one_are_refused(folder: Path, tmp_path: Path) -> None:
    pdf.write(tmp_path / "scan.pdf", ["", ""])
    with pytest.raises(DataError, match="has no text"):
        readers.read(tmp_path / "scan.pdf")
    _encrypted(tmp_path / "locked.pdf", folder)
    with pytest.raises(DataError, match="encrypted"):
        readers.read(tmp_path / "locked.pdf")


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of no kind"):
        readers.read(tmp_path / "a.docx")


def test_lines_that_are_not_text_or_too_long_are_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"first\nM\xe9ni\xe8re\n" + b"x" * (3 << 20) + b"\nlast\n")
    extract = readers.read(tmp_path / "a.txt")
    assert extract.text == "first\nlast\n"
    assert extract.problems[0].startswith("line 2: not UTF-8 at byte 2")
    assert extract.problems[1].startswith("line 3: longer than")


def _words(count: int, start: int = 0) -> str:
    sentences = [
        f"Sentence {i} has just these seven words." for i in range(start, start + count // 7)
    ]
    return " ".join(sentences)


@pytest.mark.parametrize(
    "text",
    [
        "\n\n".join(_words(60, 100 * i) for i in range(12)),
        _words(2000),
        "word " * 3000,
        "x" * 20_000,
        "痛風は関節の病気です。" * 500,
        "short",
        "\n \n\t\n",
    ],
    ids=["paragraphs", "one paragraph", "no sentences", "one word", "no spaces", "short", "blank"],
)
def test_passages_are_of_100_to_200_words_and_lose_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    extract = readers.read(tmp_path / "a.txt")
    spans = list(cut(extract))
    assert "".join(extract.text[s.start : s.end] for s in spans).split() == text.split() or (
        "".join("".join(extract.text[s.start : s.end].split()) for s in spans)
        == "".join(text.split())
    )
    sizes = [len(extract.text[s.start : s.end].split()) for s in spans]
    assert all(size <= MOST + FEW for size in sizes)
    if text.count("Sentence") > 50:
        assert all(size >= ENOUGH - 10 for size in sizes[:-1])
        assert all(extract.text[s.end - 1] == "." for s in spans)
