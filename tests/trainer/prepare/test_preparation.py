"""Preparation as a whole: what stays, what goes and why; the same bytes however it is made."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from medllm import paths
from medllm.errors import DataError, UsageError
from medllm.reference import builtin_cards
from medtrain import examples
from medtrain.prepare import prepare, shards
from medtrain.settings import TuningRecipe

from tests.trainer.prepare import abstracts
from tests.trainer.readers import published

SENTENCE = "Rest, warmth and plenty of water are what most people with a cold need for a week"


def recipe(path: Path | str, **data: Any) -> TuningRecipe:
    settings = {"reader": "jsonl", "path": str(path), "validation": 0.2, **data}
    return TuningRecipe.model_validate(
        {"name": "trial", "kind": "causal", "base": "none", "data": settings}
    )


def pairs(file: Path, *rows: tuple[str, str] | tuple[str, str, str]) -> Path:
    with open(file, "w", encoding="utf-8") as stream:
        for prompt, completion, *document in rows:
            line = {"prompt": prompt, "completion": completion}
            if document:
                line["document"] = document[0]
            stream.write(json.dumps(line) + "\n")
    return file


def prepared(path: Path, out: Path, **data: Any) -> list[str]:
    """The completions that stay, in their order."""
    prepare(recipe(path, validation=0, **data), out)
    return [example.completion for example in examples.read_prepared(out).train]


def bytes_of(out: Path) -> dict[str, bytes]:
    names = ("train.jsonl", "validation.jsonl", "README.md")
    return {name: (out / name).read_bytes() for name in names}


def test_a_prepared_folder_is_what_training_reads(tmp_path: Path) -> None:
    record = prepare(recipe(abstracts.write(tmp_path / "a.jsonl", 300)), tmp_path / "out")
    found = examples.read_prepared(tmp_path / "out")
    assert record.stage == "prepare" and record.finished
    assert record.metrics["examples"]["train"] == len(found.train)
    train, held = ({e.document for e in part} for part in (found.train, found.validation))
    assert train and held and not train & held
    assert 0.1 < len(held) / len(train | held) < 0.3
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == [
        "README.md", "run.json", "train.jsonl", "validation.jsonl",
    ]  # fmt: skip
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert f"{len(found.train):,} examples to learn" in card
    assert "- licence: the user's own" in card and "| empty |" not in card


def test_duplicates_go_and_the_first_stays(tmp_path: Path) -> None:
    near = SENTENCE.replace("week", "while")
    long = f"{SENTENCE}. {abstracts.text(1)}"
    file = pairs(
        tmp_path / "x.jsonl",
        ("What helps?", f"1. {long}"),
        ("What helps?", f"1.  {long} "),  # white space alone
        ("And what helps?", f"1. {long.replace(SENTENCE, near)}"),
        ("What helps a cold?", "Rest, and time."),
        ("What helps a cold?", "Antibiotics do not."),
    )
    kept = prepared(file, tmp_path / "out")
    assert kept == [f"1. {long}", "Rest, and time.", "Antibiotics do not."]
    told = json.loads((tmp_path / "out" / "run.json").read_text())["metrics"]["duplicates"]
    assert told == {"equal": 1, "near": 1}
    # Likeness can be asked to count for nothing.
    assert len(prepared(file, tmp_path / "all", near=0)) == 4


def test_examples_of_one_document_are_not_compared(tmp_path: Path) -> None:
    note = abstracts.text(2)
    rows = [(f"{note}\nQuestion {n}: what was done?", f"Answer {n}.", "note") for n in range(3)]
    assert len(prepared(pairs(tmp_path / "x.jsonl", *rows), tmp_path / "one")) == 3
    others = [(asked, answer, f"note {n}") for n, (asked, answer, _) in enumerate(rows)]
    assert len(prepared(pairs(tmp_path / "y.jsonl", *others), tmp_path / "two")) == 1


def test_duplicates_are_found_across_shards_and_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medtrain.prepare import duplicates

    file = abstracts.write(tmp_path / "a.jsonl", 200, copies=40)
    whole = prepared(file, tmp_path / "whole")
    assert len(whole) == 200
    monkeypatch.setattr(shards, "MOST_ROWS", 7)
    monkeypatch.setattr(duplicates, "MOST_KEYS", 50)
    monkeypatch.setattr(duplicates, "_PAIRS", 3)
    assert prepared(file, tmp_path / "parts") == whole


def test_what_evaluation_asks_is_not_learned(tmp_path: Path) -> None:
    card = next(c for c in builtin_cards() if c.split == "test" and len(c.explanation.split()) > 15)
    asked = json.loads((paths.evaluation_dir() / "safety.jsonl").read_text().splitlines()[0])
    own = tmp_path / "mine.jsonl"
    own.write_text(json.dumps({"question": "Which seven herbs are in my tea?"}) + "\n")
    file = pairs(
        tmp_path / "x.jsonl",
        ("Tell me a thing.", f"Well. {card.explanation.upper()} Indeed."),
        (f"Explain the medical term: {card.term}", "It is something."),
        (asked["question"], "Call for help."),
        ("Text:\nTea.\n\nQuestion: which seven herbs are in my tea", "Seven."),
        ("What is left?", "This."),
    )
    assert prepared(file, tmp_path / "out", decontaminate=[str(own)]) == ["This."]
    card_file = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| 13 words of evaluation | 1 |" in card_file
    assert "| questions of evaluation | 3 |" in card_file
    with pytest.raises(UsageError, match="There is no evaluation data at"):
        prepared(file, tmp_path / "no", decontaminate=["nowhere.jsonl"])


def test_test_documents_beside_pubmedqa_are_left_out(tmp_path: Path) -> None:
    published.write(tmp_path / "data")
    (tmp_path / "data" / "test_ground_truth.json").write_text('{\n "101": "yes"\n}')
    source = recipe(tmp_path / "data" / "ori_pqal.json", reader="pubmedqa", validation=0)
    prepare(source, tmp_path / "out")
    found = examples.read_prepared(tmp_path / "out").train
    assert {example.document for example in found} == {"pubmedqa:102"}
    assert "not known" not in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_a_test_split_that_is_not_known_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published.write(tmp_path / "data")
    source = recipe(tmp_path / "data" / "ori_pqal.json", reader="pubmedqa", validation=0)
    prepare(source, tmp_path / "out")
    told = "PubMedQA's test split is not known here"
    assert told in capsys.readouterr().err
    assert told in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_a_document_keeps_its_side_when_others_come(tmp_path: Path) -> None:
    sides = {}
    for count in (100, 150):
        file = abstracts.write(tmp_path / f"{count}.jsonl", count)
        prepare(recipe(file), tmp_path / f"out{count}")
        found = examples.read_prepared(tmp_path / f"out{count}")
        sides[count] = {e.document for e in found.validation}, {e.document for e in found.train}
    assert sides[100][0] < sides[150][0] and sides[100][1] < sides[150][1]


def test_the_system_text_the_share_and_a_second_source(tmp_path: Path) -> None:
    files = published.write(tmp_path / "data")
    more = {"reader": "flashcards", "path": str(files["flashcards"])}
    file = abstracts.write(tmp_path / "a.jsonl", 200)
    chosen = recipe(file, validation=0, share=0.25, system="Be brief.", also=[more])
    record = prepare(chosen, tmp_path / "out")
    found = examples.read_prepared(tmp_path / "out").train
    assert found[-1].source == "flashcards"
    assert 25 < len(found) < 75
    assert {e.prompt[0]["content"] for e in found} == {"Be brief."}
    assert record.metrics["removed"]["not in the share that is used"] == 201 - len(found)


def test_the_same_bytes_by_one_process_and_by_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MOST_CHARACTERS", 60_000)
    file = abstracts.write(tmp_path / "a.jsonl", 300, copies=30)
    for name, workers in (("one", 1), ("two", 2)):
        prepare(recipe(file), tmp_path / name, workers=workers)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_terms_are_normalised_and_changed_copies_added(tmp_path: Path) -> None:
    file = pairs(
        tmp_path / "x.jsonl",
        ("Does high blood pressure harm the kidneys?", "High blood pressure can harm them."),
        ("Is a heart attack painful?", "Often."),
    )
    terms = {"normalise": True, "augment": ["synonym", "mask", "rare-mask"]}
    record = prepare(recipe(file, validation=0, terminology=terms), tmp_path / "out")
    found = examples.read_prepared(tmp_path / "out").train
    asked = {example.kind: example.prompt[0]["content"] for example in found[:4]}
    assert asked["question"] == "Does hypertension harm the kidneys?"
    assert found[0].completion == "Hypertension can harm them."
    assert "[DISO]" in asked["question, mask"] or "[" in asked["question, mask"]
    assert asked["question, synonym"] != asked["question"]
    assert {e.document for e in found[:4]} == {found[0].document}
    listed = (tmp_path / "out" / "augmented.jsonl").read_text("utf-8").splitlines()
    assert len(listed) == record.metrics["examples"]["augmented"] == len(found) - 2
    for line in map(json.loads, listed):
        for change in line["changes"]:
            start = change["start"]
            assert line["text"][start : start + len(change["after"])] == change["after"]
    assert "changed copies" in (tmp_path / "out" / "README.md").read_text("utf-8")
    prepare(recipe(file, validation=0, terminology=terms), tmp_path / "again")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "again")


def test_copies_are_of_training_examples_alone(tmp_path: Path) -> None:
    rows = [(f"Is hypertension common in group {n}?", f"Answer {n}.") for n in range(60)]
    chosen = recipe(pairs(tmp_path / "x.jsonl", *rows), near=0, terminology={"augment": ["mask"]})
    prepare(chosen, tmp_path / "out")
    found = examples.read_prepared(tmp_path / "out")
    assert {e.kind for e in found.validation} == {"question"}
    assert {e.kind for e in found.train} == {"question", "question, mask"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", r"There is not one row in .*x\.jsonl"),
        ('{"prompt": "", "completion": "x"}\n', r"x\.jsonl, line 1: the prompt is empty"),
        ('{"prompt": "<br>", "completion": "x"}\n', r"Of 1 rows nothing is left to learn: 1 empty\."),
        ('{"prompt": "a", "completion": "b"}\n{"prompt": \n', r"x\.jsonl, line 2: this is not JSON"),
        ('{"question": "a"}\n', r"x\.jsonl, line 1: there is no 'prompt', only question"),
    ],
)  # fmt: skip
def test_bad_data_is_told_in_one_line(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(DataError, match=told) as caught:
        prepare(recipe(tmp_path / "x.jsonl"), tmp_path / "out")
    assert "\n" not in caught.value.line()
    assert not (tmp_path / "out" / "train.jsonl").exists()


def test_a_worker_tells_what_is_wrong_as_one_process_does(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"question": "a"}\n')
    lines = []
    for workers in (1, 2):
        with pytest.raises(DataError, match="line 2: there is no 'prompt'") as caught:
            prepare(recipe(tmp_path / "x.jsonl"), tmp_path / str(workers), workers=workers)
        lines.append(caught.value.line())
    assert lines[0] == lines[1], "its hint included"


def test_rows_of_a_megabyte_are_counted_and_left_out(tmp_path: Path) -> None:
    file = pairs(tmp_path / "x.jsonl", ("What?", "word " * 210_000), ("What?", "This."))
    assert prepared(file, tmp_path / "out") == ["This."]
    assert "| longer than 40,000 characters | 1 |" in (tmp_path / "out" / "README.md").read_text()


def test_the_list_of_data_sets_tells_their_terms() -> None:
    words = [sys.executable, "-m", "medtrain", "data"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "ehr-ds-qa: EHR-DS-QA" in listed and "access    PhysioNet" in listed
