"""Rows of files of every kind, whole and broken: file and line are named, nothing is guessed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from medllm.errors import DataError
from medtrain import readers
from medtrain.readers import json_stream, rows
from medtrain.settings import SourceSettings

from tests.trainer.readers import published


def texts(file: Path) -> list[Any]:
    return [row.read() for row in rows.of_file(file)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    values=st.lists(json_values, max_size=6),
    piece=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
)
def test_a_stream_of_items_is_what_json_reads(
    values: list[Any], piece: int, indent: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("json")
    keyed = {f"key {number}": value for number, value in enumerate(values)}
    (folder / "a.json").write_text(json.dumps(values, indent=indent), encoding="utf-8")
    (folder / "o.json").write_text(json.dumps({"x": 1, "in": keyed, "y": []}), encoding="utf-8")
    before, json_stream._PIECE = json_stream._PIECE, piece
    try:
        assert [value for _, _, value in json_stream.items(folder / "a.json")] == values
        found = {key: value for _, key, value in json_stream.items(folder / "o.json", "in")}
        assert found == keyed
    finally:
        json_stream._PIECE = before


def test_items_know_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('[\n {"a": 1},\n\n {"a":\n 2},\n {"a": 3}]\n')
    assert [line for line, _, _ in json_stream.items(file)] == [2, 4, 6]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.json", '[\n{"a": 1},\n{"a": 2', r"x\.json, line 3: this is not JSON"),
        ("x.json", '[\n{"a": 1}\n{"a": 2}]', r"line 3: this is not JSON \(, should stand here"),
        ("x.json", '[\n{"a": 1},\n{"a":\n2,}]', r"line 4: this is not JSON \([^)]*\)\."),
        ("x.json", '{"a": {"b": 1},\n"c": {"d": [1,}}\n', r"x\.json, line 2: this is not JSON"),
        ("x.json", "[" * 200_000, r"line 1: this is not JSON"),
        ("x.json", "nothing", "an array or an object should begin here"),
        ("x.jsonl", '{"a": 1}\n{"a": \n', r"x\.jsonl, line 2: this is not JSON"),
        ("x.jsonl", '{"a": 1}\n{"a" 2}\n', r"line 2: this is not JSON \(.* at column 6\)\."),
        ("x.jsonl", '{"a": ' + "[" * 200_000, r"x\.jsonl, line 1: this JSON can't be read"),
        ("x.jsonl", '{"a": 1}\n[2]\n', r"x\.jsonl, line 2: this is not a JSON object"),
        ("x.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', r"x\.jsonl, line 2 is not UTF-8"),
        ("x.csv", "a,b\n1,2\n1\n", r"x\.csv, line 3: there are more or fewer columns"),
        ("x.parquet", "no table", r"x\.parquet can't be read"),
    ],
)
def test_what_is_broken_is_named_by_file_and_line(
    name: str, content: str | bytes, told: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=told) as caught:
        texts(file)
    assert "\n" not in caught.value.line()


def test_json_lines_under_the_name_of_json_are_seen(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('\ufeff{"a": 1}\n\n{"a": 2}\n', encoding="utf-8")
    (tmp_path / "y.json").write_text('[{"a": 1},\n {"a": 2}]')
    (tmp_path / "z.jsonl").write_text('{"a": 1}\n{"a": 2}')
    for name in ("y.json", "z.jsonl"):
        assert texts(tmp_path / name) == [{"a": 1}, {"a": 2}]


def test_a_row_of_a_megabyte_is_read_and_a_line_without_end_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"a": "x" * (1 << 20)}) + "\n")
    assert len(texts(file)[0]["a"]) == 1 << 20
    monkeypatch.setattr(rows, "LONGEST_LINE", 1 << 16)
    with pytest.raises(DataError, match=r"x\.jsonl, line 1 is longer than"):
        texts(file)


@pytest.mark.parametrize(
    ("layout", "change", "told"),
    [
        ("pubmedqa", ('"CONTEXTS"', '"TEXTS"'), "there is no 'CONTEXTS', only QUESTION, TEXTS"),
        ("flashcards", ('"output"', '"reply"'), "there is no 'output', only instruction, input"),
        ("medmcqa", ('"cop": 4', '"cop": 7'), "cop is 7, which is no option"),
        ("medmcqa", ('"cop": 4', '"cop": "x"'), "cop is 'x'"),
        ("medqa", ('"answer_idx": "B"', '"answer_idx": "Z"'), "there is no option 'Z'"),
        ("ehr-ds-qa", ('"question"', '"query"'), "a pair is not a question and an answer"),
        ("clicr", ('"dataset"', '"other"'), "no answer of origin 'dataset'"),
        ("bioread", ("@entity1: haemoglobin\n@", "@"), "haemoglobin|entity"),
        ("bioread", ("-" * 30, ""), "there are 1 parts"),
        ("healthqa", ("1\twhat", "what"), "not label, query and text"),
        ("chexpert", (",,1.0,,", ",,2.0,,"), "Cardiomegaly is '2.0', not 1, 0, -1 or blank"),
        ("dialogues", ('"turns"', '"talk"'), "there is no 'turns'"),
        ("pmc-patients", ('"patient":', '"summary":'), "there is no 'patient'"),
        ("cards", ('"definition"', '"defined"'), "definition: Field required"),
    ],
)
def test_a_row_that_is_not_as_published_is_named(
    layout: str, change: tuple[str, str], told: str, tmp_path: Path
) -> None:
    file = published.write(tmp_path)[layout]
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace(*change), encoding="utf-8")
    assert file.read_text(encoding="utf-8") != before
    reader = readers.open_reader(SourceSettings(reader=layout, path=str(file)))
    if layout == "bioread" and change[1]:
        # A name that the list lacks stays a mark.
        (example,) = (e for row in reader.rows() for e in reader.examples(row))
        assert example.completion == "@entity1"
        return
    with pytest.raises(DataError, match=told) as caught:
        [e for row in reader.rows() for e in reader.examples(row)]
    assert f"{file}, line " in caught.value.message
    assert "\n" not in caught.value.line()
