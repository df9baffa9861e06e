"""Where the examples of a run come from, and when a file of one's own is prepared first."""

from pathlib import Path

import pytest
from medllm import run_record
from medllm.errors import DataError, UsageError
from medllm.prompts import SYSTEM
from medtrain import data
from medtrain import recipe as recipes
from medtrain import run as runs
from medtrain.check import check
from medtrain.settings import TuningRecipe

from tests.trainer import tiny_runs


def recipe(name: str, *settings: str) -> TuningRecipe:
    return tiny_runs.load(name, Path("base"), *settings)


def test_a_file_is_taken_as_it_is_where_the_recipe_asks_for_nothing_else(tmp_path: Path) -> None:
    file = tiny_runs.records(tmp_path / "records.jsonl")
    chosen = recipe("flashcards-llama3", "data.validation=0.25")  # uses a tenth of its own data
    found = data.of_run(chosen, file, tmp_path / "out")
    assert (len(found.train), len(found.validation)) == (9, 3)
    assert set(found.inputs) == {"records.jsonl"}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("terminology-mistral", []),
        ("clinical-llama2", ["data.system=card"]),
        ("flashcards-llama3", ["data.system=card"]),
    ],
)
def test_a_file_gets_the_system_text_that_the_recipe_asks_for(
    name: str, settings: list[str], tmp_path: Path
) -> None:
    file = tiny_runs.records(tmp_path / "records.jsonl")
    found = data.of_run(recipe(name, *settings), file, tmp_path / "out")
    assert len(found.train) == 12
    assert {example.prompt[0]["content"] for example in found.train} == {SYSTEM}
    assert run_record.read(tmp_path / "out").stage == "prepare"
    glanced = data.glance(recipe(name, *settings), file, 5)
    assert [e.prompt for e in glanced.train] == [e.prompt for e in found.train[:5]]


def test_a_system_text_of_the_file_stays(tmp_path: Path) -> None:
    file = tiny_runs.records(tmp_path / "records.jsonl", system="Be brief.")
    found = data.of_run(recipe("terminology-mistral"), file, tmp_path / "out")
    assert {e.prompt[0]["content"] for e in found.train} == {"Be brief."}
    assert {len(e.prompt) for e in found.train} == {2}


def test_the_terms_of_a_file_are_worked_on(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"prompt": "What follows a heart attack?", "completion": "Often fatigue."}\n')
    found = data.of_run(recipe("pubmedqa-llama2"), file, tmp_path / "out")
    assert "myocardial infarction" in found.train[0].prompt[-1]["content"].casefold()
    assert len(found.train) > 1, "copies with synonyms"


def test_columns_are_those_that_the_recipe_names(tmp_path: Path) -> None:
    file = tmp_path / "faq.csv"
    file.write_text("question,answer\nWhat is flu?,An infection of the airways.\n")
    columns = "data.columns={prompt: question, completion: answer}"
    found = data.of_run(
        recipe("clinical-llama2", "data.reader=jsonl", columns), file, tmp_path / "out"
    )
    assert [(e.prompt[-1]["content"], e.completion) for e in found.train] == [
        ("What is flu?", "An infection of the airways.")
    ]


def test_data_that_a_recipe_would_not_look_at_is_refused(tmp_path: Path) -> None:
    file = tiny_runs.records(tmp_path / "records.jsonl")
    mini = recipes.load("mini")
    with pytest.raises(UsageError, match="mini learns from the built-in cards alone"):
        runs.run(mini, tmp_path / "run", file)
    assert not (tmp_path / "run").exists()
    assert [finding.problem is None for finding in check(mini, file)] == [False]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    for look in (data.of_run, lambda r, n, _: data.glance(r, n, 5)):
        with pytest.raises(UsageError, match="There is no data at"):
            look(recipe("terminology-mistral"), tmp_path / "none.jsonl", tmp_path / "out")


def test_a_file_without_an_example_is_named(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_text("\n  \n")
    with pytest.raises(DataError, match=r"empty\.jsonl holds no example\."):
        data.of_run(recipe("flashcards-llama3"), file, tmp_path / "out")


def test_rows_without_an_answer_are_told_with_their_reader_and_file(tmp_path: Path) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text('{"question": "Which?", "opa": "a", "opb": "b", "opc": "c", "opd": "d"}\n')
    chosen = recipe("flashcards-llama3", "data.reader=medmcqa", f"data.path={file}", "data.also=[]")
    with pytest.raises(DataError, match=r"reader medmcqa finds nothing to learn in .*other\.jsonl"):
        data.glance(chosen, None, 5)
    with pytest.raises(DataError, match=r"nothing is left to learn: no answer was found in them\."):
        data.of_run(chosen, None, tmp_path / "out")


@pytest.mark.parametrize("spoken", ["5", '"hello"', '[{"from": ["a"], "value": "b"}]'])
def test_a_chat_that_is_none_is_told_by_its_line(spoken: str, tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_text(f'{{"conversations": {spoken}}}\n')
    chosen = recipe("flashcards-llama3", "data.reader=chat", f"data.path={file}", "data.also=[]")
    with pytest.raises(DataError, match=r"chats\.jsonl, line 1: .*messages?\b"):
        data.glance(chosen, None, 5)
