"""Each published format, read from a small file of it, and from the public data where it is."""

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from medeval.tasks.pubmedqa import PubMedQA
from medllm.errors import DataError, UsageError
from medllm.reference import Speciality, builtin_cards
from medtrain import readers
from medtrain.examples import Example
from medtrain.readers.reader import FREE
from medtrain.settings import SourceSettings

from tests import public_data
from tests.trainer.readers import published


def read(reader: str, path: Path | str, **more: object) -> list[Example]:
    source = SourceSettings.model_validate({"reader": reader, "path": str(path), **more})
    opened = readers.open_reader(source)
    return [example for row in opened.rows() for example in opened.examples(row)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return published.write(tmp_path / "published")


EXPECTED = {
    "pairs": [("What is flu?", "An infection.", "pairs:p1", "question")],
    "flashcards": [("What is flu?", "An infection.", "flashcards:", "question")],
    "healthqa": [("what is flu ?", "Flu is an infection of the airways .", "healthqa:", "question")],
    "ehr-ds-qa": [
        ("Question: Why was the patient admitted?", "A broken leg.", "ehr-ds-qa:1", "question"),
        ("Question: Which bone?", "The note says leg.", "ehr-ds-qa:1", "question"),
    ],
    "clicr": [("Which words fill the gap @placeholder?", "psoriasis", "clicr:bcr-1", "cloze")],
    "bioread": [("XXXXXX carries oxygen .", "haemoglobin", "bioread:", "cloze")],
    "bioread-part": [
        ("XXXXXX carries oxygen .", "haemoglobin", "bioread:", "cloze"),
        ("Fever needs XXXXXX .", "rest", "bioread:", "cloze"),
    ],
    "bioread-biomrc": [("fill the gap XXXX?", "migraine", "bioread:", "cloze")],
    "pubmedqa": [
        ("one word: yes, no or maybe", "yes", "pubmedqa:101", "choice"),
        ("Question: Does rest help?", "Rest helped in this study.", "pubmedqa:101", "question"),
        ("one word: yes, no or maybe", "no", "pubmedqa:102", "choice"),
        ("Question: Is light bad?", "It was not.", "pubmedqa:102", "question"),
    ],
    "medmcqa": [
        ("D. Heart", "D", "medmcqa:m-1", "choice"),
        ("D. Heart", "D. Heart\n\nThe heart pumps.", "medmcqa:m-1", "explained choice"),
        ("A. Retinol", "A", "medmcqa:m-2", "choice"),
    ],
    "medqa": [
        ("B. Listen", "B", "medqa:", "choice"),
        ("B. Listen", "B. Listen", "medqa:", "explained choice"),
    ],
    "chexpert": [
        (
            "Frontal AP, Female, 31 years",
            "Present: cardiomegaly, support devices.\nUncertain: edema.\nAbsent: pneumothorax.",
            "chexpert:patient90001",
            "findings",
        ),
        ("Lateral, Male, 40 years", "No finding of disease.", "chexpert:patient90002", "findings"),
    ],
    "chexpert-plus": [
        ("Findings:\nClear lungs.\nNormal heart.", "Normal.", "chexpert:patient90003", "impression"),
    ],
    "chexpert-labels": [
        ("Chest radiograph:\nNo Finding:\n", "Present: edema.", "chexpert:patient90004", "findings"),
    ],
    "chat": [
        ("Hi?", "Hello.", "chat:", "dialogue"),
        ("Hi?", "Hello.", "chat:s", "dialogue"),
    ],
}  # fmt: skip
SAME = {"ehr-ds-qa-csv": "ehr-ds-qa", "medqa-mirage": "medqa"}


@pytest.mark.parametrize("layout", [*EXPECTED, *SAME])
def test_a_published_format_gives_its_examples(layout: str, files: dict[str, Path]) -> None:
    expected = EXPECTED[SAME.get(layout, layout)]
    name = next(name for name in readers.readers() if layout.startswith(name))
    found = read(name, files[layout])
    assert len(found) == len(expected)
    for example, (asked, answer, document, kind) in zip(found, expected, strict=True):
        assert asked in example.prompt[-1]["content"]
        assert (example.completion, example.kind) == (answer, kind)
        assert example.document.startswith(document) and len(example.document) > len(name) + 1
        assert (example.source, example.licence) == (name, readers.readers()[name].licence)


def test_the_marks_of_the_source_are_not_learned(files: dict[str, Path]) -> None:
    (found,) = read("clicr", files["clicr"])
    assert "had psoriasis and was treated." in found.prompt[0]["content"]
    assert "__" not in found.prompt[0]["content"]


def test_a_table_in_two_forms_is_read_once(files: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "ehr-ds-qa"
    folder.mkdir()
    for layout in ("ehr-ds-qa", "ehr-ds-qa-csv"):
        files[layout].rename(folder / files[layout].name)
    assert len(read("ehr-ds-qa", folder)) == len(EXPECTED["ehr-ds-qa"])
    (folder / "mimic_iv_note_qa.json").unlink()
    assert len(read("ehr-ds-qa", folder)) == len(EXPECTED["ehr-ds-qa"])


def test_instances_of_validation_and_of_tests_are_not_learned(tmp_path: Path) -> None:
    for name in ("train/xx00", "valid/xx00", "test/xx00", "train_part_0.txt", "test_part_0.txt"):
        file = tmp_path / "bioread_lite" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(published.BIOREAD.replace("oxygen", name))
    asked = [example.prompt[0]["content"] for example in read("bioread", tmp_path)]
    assert len(asked) == 2
    assert "carries train/xx00 ." in asked[0] and "carries train_part_0.txt ." in asked[1]
    assert len(read("bioread", tmp_path / "bioread_lite" / "test")) == 1, "named itself"
    for name in ("train/xx00", "train_part_0.txt"):
        (tmp_path / "bioread_lite" / name).unlink()
    with pytest.raises(UsageError, match="nothing but validation and tests"):
        read("bioread", tmp_path)


def test_a_text_without_instances_is_not_held_in_memory(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medtrain.readers.bioread.LONGEST", 100)
    with pytest.raises(DataError, match="line 1: an instance begins here without end"):
        read("bioread", files["bioread-part"])


def test_both_layouts_of_pubmedqa_say_the_same(files: dict[str, Path]) -> None:
    assert read("pubmedqa", files["pubmedqa-hub"]) == read("pubmedqa", files["pubmedqa"])[:2]


def test_cop_counts_from_nought_where_a_row_says_so(tmp_path: Path) -> None:
    rows = [{**row, "cop": row["cop"] - 1} for row in published.CHOICES]
    file = published._lines(tmp_path / "hub.jsonl", rows)
    assert [e.completion for e in read("medmcqa", file) if e.kind == "choice"] == ["D", "A"]


@pytest.mark.parametrize("layout", ["pmc-patients", "pmc-patients-csv"])
def test_relations_of_patients_are_looked_up(layout: str, files: dict[str, Path]) -> None:
    found = read("pmc-patients", files[layout])
    assert [e.completion for e in found if e.kind == "title"] == [f"Title {n}" for n in range(8)]
    alike, other, article = [e for e in found if e.kind == "relation"]
    assert (alike.completion, other.completion) == ("yes", "no")
    assert alike.prompt[0]["content"].count("complaint number 0") == 1, "the highest score"
    assert "complaint number 5" in other.prompt[0]["content"]
    assert article.completion.endswith(". Title 7")
    assert article.prompt[0]["content"].count("Title") == 4
    assert f"\n{article.completion}" in article.prompt[0]["content"]
    assert {e.document for e in (alike, other, article)} == {"pmc-patients:906-1"}


def test_an_answer_of_a_dialogue_is_learned_for_what_came_before(files: dict[str, Path]) -> None:
    first, second = read("dialogues", files["dialogues"])
    assert [turn["content"] for turn in second.prompt] == [
        "What is flu?", "An infection.", "Is it common?",
    ]  # fmt: skip
    assert (first.completion, second.completion) == ("An infection.", "Yes.")
    assert first.document == second.document == "dialogues:d1"


def test_a_card_is_asked_for_in_every_way(files: dict[str, Path]) -> None:
    found = read("cards", files["cards"])
    assert len({e.prompt[0]["content"] for e in found}) == len(found) >= 5
    assert len({e.completion for e in found}) == len({e.document for e in found}) == 1


def test_some_ways_to_ask_differ_from_card_to_card_and_the_test_split_is_kept_away() -> None:
    cards = {card.id: card for card in builtin_cards()}
    found = read("cards", "", ways=2)
    asked = Counter(e.document.removeprefix("cards:") for e in found)
    assert set(asked) == {name for name, card in cards.items() if card.split != "test"}
    assert set(asked.values()) == {2}
    everything = {(e.document, e.prompt[0]["content"]) for e in read("cards", "")}
    assert {(e.document, e.prompt[0]["content"]) for e in found} <= everything
    begins = Counter(e.prompt[0]["content"].split()[0] for e in found)
    assert len(begins) >= 4, "the same few ways are taken for every card"


@pytest.mark.parametrize("name", ["cards", "pairs", "dialogues"])
def test_a_field_of_medicine_alone_can_be_trained(name: str) -> None:
    fields: tuple[Speciality, ...] = get_args(Speciality)
    every = {e.document for e in read(name, "")}
    by_field = {
        field: {e.document for e in read(name, "", specialities=[field])} for field in fields
    }
    assert by_field["cardiology"] and by_field["neurology"]
    assert sum(map(len, by_field.values())) == len(every)
    assert set().union(*by_field.values()) == every
    assert {e.document for e in read(name, "", specialities=["cardiology", "neurology"])} == (
        by_field["cardiology"] | by_field["neurology"]
    )


def test_the_built_in_data_are_there() -> None:
    for name in ("cards", "pairs", "dialogues"):
        found = read(name, "")
        assert len(found) > 100
        assert not [e for e in found if not e.completion.strip()]


def test_columns_of_any_table_can_be_named(tmp_path: Path) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    rows = [{"q": "What is flu?", "a": "An infection.", "text": "Flu infects.", "doc": 5}]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    (tmp_path / "x.tsv").write_text(
        "q\ta\ttext\tdoc\nWhat is flu?\tAn infection.\tFlu infects.\t5\n"
    )
    columns = {"prompt": "q", "completion": "a", "context": "text", "document": "doc"}
    for file in ("x.parquet", "x.tsv"):
        (found,) = read("jsonl", tmp_path / file, columns=columns)
        assert found.prompt[0]["content"] == "Text:\nFlu infects.\n\nQuestion: What is flu?"
        assert (found.completion, found.document) == ("An infection.", "jsonl:5")
    with pytest.raises(UsageError, match="nothing is called 'reply' here"):
        read("jsonl", tmp_path / "x.tsv", columns={"reply": "a"})


def test_a_folder_is_searched_and_an_unknown_reader_has_a_neighbour(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean pubmedqa"):
        read("pubmedQA2", tmp_path)
    with pytest.raises(UsageError, match=r"holds none of ori_pqal\.json"):
        read("pubmedqa", tmp_path)
    with pytest.raises(UsageError, match="There is no data at") as caught:
        read("clicr", tmp_path / "not" / "there" / "at-all.json")
    assert "\n" not in caught.value.line()
    with pytest.raises(UsageError, match="needs data") as caught:
        read("ehr-ds-qa", "")
    assert "credentialed" in caught.value.hint and "physionet.org" in caught.value.hint


def test_the_hub_is_not_reached_offline_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # Both are read from the environment at import, which another test may have done.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="neither here nor to be had from the Hub"):
        read("pubmedqa", "no-owner/no-such-data")


def test_every_reader_tells_its_terms() -> None:
    for reader in readers.readers().values():
        assert reader.about and reader.licence and reader.access and reader.url, reader.name
    asked_for = {r.name for r in readers.readers().values() if r.access != FREE}
    assert asked_for == {"ehr-ds-qa", "chexpert", "clicr", "healthqa", "bioread"}


def test_public_pubmedqa_is_asked_as_evaluation_asks_it() -> None:
    folder = public_data.folder() / "pubmedqa"
    found = read("pubmedqa", folder)
    choices = {e.document: e for e in found if e.kind == "choice"}
    assert len(choices) == 1000 and len(found) == 2000
    for sample in PubMedQA().samples(folder)[:50]:
        example = choices[f"pubmedqa:{sample.id}"]
        assert example.prompt[0]["content"] == sample.prompt
        assert example.completion == sample.gold


def test_public_medmcqa_and_meadow_are_read_whole() -> None:
    folder = public_data.folder()
    found = read("medmcqa", folder / "mirage" / "medmcqa_dev.json")
    choices = [e.completion for e in found if e.kind == "choice"]
    assert len(choices) == 4183
    # Counted from the wrong end one letter would be missing.
    assert min(choices.count(letter) for letter in "ABCD") > 500
    assert len(read("flashcards", folder / "medalpaca")) == 5942
