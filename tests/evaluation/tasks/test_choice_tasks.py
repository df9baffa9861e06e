"""Tasks with labels: their readers, on small files and on the published ones."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest
from medeval.choice import forms, probabilities, read_label
from medeval.evaluation import task_result
from medeval.metrics.classification import macro_f1
from medeval.order import shuffled
from medeval.results import columns, row
from medeval.sample import Answer, Sample
from medeval.tasks import all_tasks, named
from medllm.errors import DataError
from medllm.terminology import compiler
from sklearn.metrics import accuracy_score, f1_score

from tests import public_data

PUBMEDQA = {
    "1": {"QUESTION": "Is A good?", "CONTEXTS": ["A helped."], "final_decision": "yes"},
    "2": {"QUESTION": "Is B good?", "CONTEXTS": ["B harmed."], "final_decision": "no"},
    "3": {"QUESTION": "Is C good?", "CONTEXTS": ["Who knows."], "final_decision": "maybe"},
}


def pubmedqa(folder: Path, truth: dict[str, str], rows: object = PUBMEDQA) -> Path:
    (folder / "ori_pqal.json").write_text(json.dumps(rows))
    (folder / "test_ground_truth.json").write_text(json.dumps(truth))
    return folder


def test_pubmedqa_asks_the_official_test_split(tmp_path: Path) -> None:
    found = named("pubmedqa").samples(pubmedqa(tmp_path, {"1": "yes", "3": "maybe"}))
    assert {(s.id, s.gold) for s in found} == {("1", "yes"), ("3", "maybe")}
    assert found[0].choices == ("yes", "no", "maybe", "Yes", "No", "Maybe")
    assert "A helped." in found[0].prompt
    assert "Is A good?" in found[0].prompt


@pytest.mark.parametrize(
    ("truth", "rows", "told"),
    [
        ({"9": "yes"}, PUBMEDQA, "lacks 1 of the 1 test PMIDs, 9 first"),
        ({"1": ""}, {"1": {"QUESTION": "?", "CONTEXTS": ["x"]}}, "has no labels"),
        ({"1": "yes"}, {"1": {"QUESTION": "?"}}, "PMID 1: QUESTION or CONTEXTS is missing"),
        ({"1": "yes"}, [1], "is no JSON object"),
    ],
)
def test_pubmedqa_that_is_broken(
    tmp_path: Path, truth: dict[str, str], rows: object, told: str
) -> None:
    with pytest.raises(DataError, match=told):
        named("pubmedqa").samples(pubmedqa(tmp_path, truth, rows))


def test_pubmedqa_without_its_split(tmp_path: Path) -> None:
    (tmp_path / "ori_pqal.json").write_text(json.dumps(PUBMEDQA))
    with pytest.raises(DataError, match="official test split is unknown"):
        named("pubmedqa").samples(tmp_path)


def test_the_published_pubmedqa_and_its_own_evaluation() -> None:
    task = named("pubmedqa")
    samples = task.samples(public_data.folder() / "pubmedqa")
    assert Counter(s.gold for s in samples) == {"yes": 276, "no": 169, "maybe": 55}
    # PubMedQA's evaluation.py is scikit-learn's accuracy and macro-F1; always "yes" has 55.2%.
    said = ["yes" if int(s.id) % 3 else "no" for s in samples]
    rows = [
        row(task, s, a, task.judge(s, a))
        for s, label in zip(samples, said, strict=True)
        for a in [Answer(scores=tuple(0.0 if c == label else -9.0 for c in s.choices))]
    ]
    gold = [s.gold for s in samples]
    figures = {f.name: f for f in task_result(task, 500, rows, {}, 0).figures}
    assert figures["accuracy"].value == pytest.approx(accuracy_score(gold, said))
    assert figures["macro-F1"].value == pytest.approx(f1_score(gold, said, average="macro"))
    always = [Answer(scores=(0.0, -1.0, -2.0, -3.0, -3.0, -3.0)) for _ in samples]
    hits = [task.judge(s, a).values["accuracy"] for s, a in zip(samples, always, strict=True)]
    assert sum(hits) / 500 == 0.552


def test_a_limit_of_sorted_data_is_a_fair_sample() -> None:
    samples = named("pubmedqa").samples(public_data.folder() / "pubmedqa")
    few = Counter(s.gold for s in shuffled(samples, 0, 100))
    assert few["yes"] == pytest.approx(55, abs=15)
    assert few["no"] == pytest.approx(34, abs=14)


def test_a_limit_does_not_depend_on_the_order_of_the_file() -> None:
    samples = [Sample(str(n), "?") for n in range(50)]
    assert (
        shuffled(samples, 1, 10) == shuffled(samples[::-1], 1, 10) == shuffled(samples, 1, 20)[:10]
    )
    assert shuffled(samples, 1, 10) != shuffled(samples, 2, 10)


MEDMCQA = {"question": "Which?", "opa": "w", "opb": "x", "opc": "y", "opd": "z", "id": "q"}


@pytest.mark.parametrize(
    ("labels", "gold"),
    [((1, 4, 2), "ADB"), ((0, 3, 1), "ADB"), ((3, -1, 0), "DA")],
)
def test_medmcqa_counts_from_one_or_from_zero(
    tmp_path: Path, labels: tuple[int, ...], gold: str
) -> None:
    file = tmp_path / "dev.json"
    rows = [{**MEDMCQA, "id": f"q{n}", "cop": label} for n, label in enumerate(labels)]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert "".join(s.gold for s in named("medmcqa").samples(file)) == gold


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (json.dumps({**MEDMCQA, "cop": -1}), "has no labels"),
        (json.dumps({"question": "?", "cop": 1}), "line 1: the field opa is missing"),
        (json.dumps({**MEDMCQA, "cop": 7}), "line 1: cop is 7"),
        ('{"question": ', "line 1: no JSON"),
    ],
)
def test_medmcqa_that_is_broken(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "dev.json"
    file.write_text(line)
    with pytest.raises(DataError, match=told):
        named("medmcqa").samples(file)


def test_the_published_medmcqa() -> None:
    samples = named("medmcqa").samples(public_data.folder() / "mirage" / "medmcqa_dev.json")
    assert len(samples) == 4183
    assert set(Counter(s.gold for s in samples)) == set("ABCD")


@pytest.mark.parametrize(
    "options",
    [{"A": "one", "B": "two"}, [{"key": "A", "value": "one"}, {"key": "B", "value": "two"}]],
)
def test_medqa_in_both_layouts(tmp_path: Path, options: object) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text(json.dumps({"question": "?", "options": options, "answer_idx": "B"}))
    (sample,) = named("medqa").samples(file)
    assert sample.gold == "B"
    assert sample.choices == ("A", "B")
    assert "B. two" in sample.prompt


def test_senses_are_offered_without_their_spelling(tmp_path: Path) -> None:
    (tmp_path / "senses.json").write_text(
        json.dumps({"RV": [["right ventricle", 1], ["Right Ventricle", 1], ["rotavirus", 1]]})
    )
    words = ["The", "RV", "was", "wide", "."]
    (tmp_path / "dev.json").write_text(
        json.dumps({"short_term": "RV", "long_term": "Right ventricle", "tokens": words})
    )
    (sample,) = named("abbreviations").samples(tmp_path)
    assert len(sample.choices) == 2
    options = dict(line.split(". ", 1) for line in sample.prompt.splitlines() if line[1:3] == ". ")
    assert options[sample.gold] == "right ventricle"
    assert "rotavirus" in options.values()


def test_the_ranking_stands_beside_the_engine(tmp_path: Path) -> None:
    (tmp_path / "senses.json").write_text(
        json.dumps({"PE": [["pulmonary embolism", 1], ["pleural effusion", 1]]})
    )
    rows = [
        {"short_term": "PE", "long_term": long, "tokens": text.split()}
        for long, text in (
            ("pulmonary embolism", "A clot from a leg vein can cause PE ."),
            ("pleural effusion", "The fluid of the PE lay between lung and chest wall ."),
        )
    ]
    (tmp_path / "dev.json").write_text("\n".join(map(json.dumps, rows)))
    task = named("abbreviations")
    samples = task.samples(tmp_path)
    assert [s.facts["ranked"] for s in samples] == [True, True]
    values = task.judge(samples[0], Answer(scores=(None,) * len(samples[0].choices))).values
    assert values["ranked"] == 1.0


def test_the_published_senses() -> None:
    samples = named("abbreviations").samples(public_data.folder() / "gladis")
    assert len(samples) > 1000
    assert all(2 <= len(s.choices) <= 26 and s.gold in s.choices for s in samples)


def test_linking_of_cards_and_of_the_published_corpus() -> None:
    of_cards = named("linking").samples(None)
    assert len(of_cards) > 200
    assert all(s.gold in s.choices and len(s.choices) == 8 for s in of_cards)
    of_file = named("linking").samples(public_data.folder() / "ncbi-disease" / "devel.txt")
    assert len(of_file) > 200
    assert len({s.id for s in of_file}) == len(of_file)


def test_linking_offers_what_the_linker_proposes(tmp_path: Path) -> None:
    """A made-up part of the body, so that the built-in vocabulary proposes nothing of its own."""
    (tmp_path / "corpus.txt").write_text(
        "1|t|Quorl cancer runs in families.\n1|a|Cancer of the quorl was found in two.\n"
        "1\t0\t12\tQuorl cancer\tSpecificDisease\tD003110\n"
        "1\t31\t50\tCancer of the quorl\tSpecificDisease\tD003110\n"
    )
    names = tmp_path / "names.csv"
    names.write_text(
        "id,name,synonyms\nMESH:D003110,quorl cancer,\nMESH:D000001,bowel polyp,quorl cancer\n"
    )
    compiler.add(names, store=tmp_path / "vocabulary.sqlite3")
    task = named("linking")
    samples = {s.id: s for s in task.samples(tmp_path)}
    first = samples["1-1"]
    assert first.facts["linked"] == 1.0
    options = [line[3:] for line in first.prompt.split("\n") if line[1:3] == ". "]
    assert options == ["bowel polyp", "Cancer of the quorl"]
    assert first.gold == "B"
    judged = task.judge(first, Answer(scores=(-0.1,) * len(first.choices)))
    assert judged.values["linked"] == 1.0
    without = task.samples(tmp_path / "corpus.txt")[0]
    assert without.choices == ("A",)
    assert math.isnan(task.judge(without, Answer(scores=(-0.1,) * 8)).values["linked"])


@pytest.mark.parametrize(
    ("text", "labels", "said"),
    [
        ("Yes.", ("yes", "no", "maybe"), "yes"),
        ("**No**, it does not.", ("yes", "no", "maybe"), "no"),
        ("The abstract suggests it, so the answer is maybe.", ("yes", "no", "maybe"), "maybe"),
        ("Nobody knows.", ("yes", "no", "maybe"), None),
        ("It may be yes or no.", ("yes", "no", "maybe"), None),
        ("B", "ABCD", "B"),
        ("(C) because of the liver", "ABCD", "C"),
        ("C. The liver", "ABCD", "C"),
        ("A patient with this has D as the answer: D", "ABCD", "D"),
        ("The correct answer is B.", "ABCD", "B"),
        ("", "ABCD", None),
    ],
)
def test_labels_are_read_out_of_written_answers(text: str, labels: str, said: str | None) -> None:
    assert read_label(text, tuple(labels)) == said


def test_unparseable_answers_are_wrong_and_counted_apart() -> None:
    task = named("pubmedqa-written")
    sample = Sample("1", "?", "yes", facts={"labels": ["yes", "no", "maybe"]})
    judgements = [task.judge(sample, Answer(text=t)) for t in ("Yes.", "No.", "Who knows?")]
    rows = [row(task, sample, Answer(), j) for j in judgements]
    figures = {f.name: f.value for f in task_result(task, 3, rows, {}, 0).figures}
    assert figures["accuracy"] == pytest.approx(1 / 3)
    assert figures["unparseable"] == pytest.approx(1 / 3)
    assert judgements[2].kinds == ("format",)
    gold, said = columns(task.measures[1], rows)
    assert figures["macro-F1"] == macro_f1(gold, said)


def test_probabilities_add_the_spellings_of_a_label() -> None:
    labels = ("yes", "no")
    assert forms(labels) == ("yes", "no", "Yes", "No")
    found = probabilities([math.log(0.2), math.log(0.1), math.log(0.4), None], 2)
    assert found == pytest.approx([6 / 7, 1 / 7])
    assert probabilities([None, None], 1) is None


def test_every_task_has_distinct_samples_and_a_place_for_each_measure() -> None:
    for task in all_tasks().values():
        assert task.measures
        if not task.needs_data:
            samples = task.samples(None)
            assert len({s.id for s in samples}) == len(samples) >= 40
            judged = task.judge(samples[0], Answer(text="No idea.", scores=(-1.0,) * 8))
            assert set(task.measures[0].columns) <= set(judged.values), task.name


def test_a_task_is_found_by_being_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import medeval.tasks

    (tmp_path / "shouting.py").write_text(
        "from medeval.tasks.safety import Safety\n"
        "class Shouting(Safety):\n    name = 'shouting'\n    about = 'x'\n"
        "TASKS = (Shouting(),)\n"
    )
    monkeypatch.setattr(medeval.tasks, "__path__", [*medeval.tasks.__path__, str(tmp_path)])
    all_tasks.cache_clear()
    try:
        assert "shouting" in all_tasks()
    finally:
        monkeypatch.undo()
        all_tasks.cache_clear()
