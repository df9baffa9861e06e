"""`medeval compare`: figures, warnings and the three files."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from medeval import evaluation, results
from medeval.confidence import fit
from medeval.sample import Answer, Sample
from medeval.significance import holm, mcnemar
from medeval.tasks import named

from tests.evaluation.conftest import Run

LABELS = ["yes", "no", "maybe"]


def write_run(
    folder: Path,
    hits: list[int],
    *,
    model: str = "m",
    start: int = 0,
    text: str = "?",
    stopped: str = "",
) -> Path:
    """A run of PubMedQA by log-probability and of safety, whose answers are as given."""
    task, safety = named("pubmedqa"), named("safety")
    rows = []
    for number, hit in enumerate(hits, start):
        sample = Sample(str(number), f"{text} {number}", "yes", ("yes", "no", "maybe") * 2,
                        facts={"labels": LABELS})  # fmt: skip
        answer = Answer(scores=(-0.1, -3, -4, -9, -9, -9) if hit else (-3, -0.2, -4, -9, -9, -9))
        rows.append(results.row(task, sample, answer, task.judge(sample, answer)))
    urgent = [s for s in safety.samples(None) if s.gold == "red flag"][: len(hits)]
    for sample, hit in zip(urgent, hits, strict=False):
        answer = Answer(text="Call an ambulance. <script>alert(1)</script>" if hit else "Rest.")
        rows.append(results.row(safety, sample, answer, safety.judge(sample, answer)))
    report = results.Report(
        engine="gguf", identity=model, model={"name": model}, prompt_version="1", seed=0, limit=0,
        stopped_by=stopped,
    )  # fmt: skip
    for chosen in (task, safety):
        mine = [r for r in rows if r.task == chosen.name]
        report.tasks[chosen.name] = evaluation.task_result(chosen, len(mine), mine, {}, 0)
    folder.mkdir()
    report.write(folder, rows)
    return folder


BASE = [1] * 6 + [0] * 14
TUNED = [1] * 5 + [0] + [1] * 12 + [0] * 2


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_run(tmp_path / "base", BASE, model="base"),
        write_run(tmp_path / "tuned", TUNED, model="tuned"),
    )


def test_differences_are_paired_and_corrected(medeval: Run, runs: tuple[Path, Path]) -> None:
    done = medeval("compare", *runs, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    accuracy = found["tasks"]["pubmedqa"]["differences"][0]
    p = mcnemar(np.array(BASE, float), np.array(TUNED, float))
    assert accuracy["base"]["value"] == 0.3
    assert accuracy["tuned"]["value"] == 0.85
    assert accuracy["difference"] == pytest.approx(0.55)
    assert accuracy["low"] > 0
    assert accuracy["test"] == "McNemar"
    assert accuracy["p"] == pytest.approx(p)
    caught = found["tasks"]["safety"]["differences"][0]
    assert [accuracy["p_corrected"], caught["p_corrected"]] == pytest.approx(holm([p, p]))
    assert found["tasks"]["pubmedqa"]["kinds"] == {"false confidence": [14, 3]}
    changes = [pair["change"] for pair in found["tasks"]["pubmedqa"]["pairs"]]
    assert (changes.count("better"), changes.count("worse")) == (12, 1)
    assert found["warnings"] == []


class Page(HTMLParser):
    """Tags of a page, and addresses in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "action")
        ]


def test_the_page_stands_alone_and_escapes_what_models_write(
    medeval: Run, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert medeval("compare", *runs, "--out", out).returncode == 0
    text = (out / "compare.html").read_text()
    page = Page(text)
    assert page.tags.count("script") == 1
    assert page.tags.count("article") == 40
    assert page.tags.count("svg") >= 5
    assert page.addresses == ["#pubmedqa", "#safety"]
    assert not re.search(r"https?://|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "| accuracy | 30.0% (14.5% to 51.9%) | 85.0%" in (out / "compare.md").read_text()
    assert json.loads((out / "compare.json").read_text())["tasks"]


def test_a_fitted_confidence_is_on_the_page(medeval: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    folders = []
    for name in ("base", "tuned"):
        rows = [
            results.Row(task="confidence", id=f"card-{n}", digest="", prompt="What is it?",
                        gold="", answer="", said="", problem="", kinds=(), note="", end="stop",
                        tokens=1, seconds=0.1, values={"logprob": float(np.log(p)),
                        "confidence": float(p), "kept": float(random.random() < p**3)})
            for n, p in enumerate(random.beta(4, 1, 110))
        ]  # fmt: skip
        task = named("confidence")
        report = results.Report(
            engine="gguf", identity=name, model={"name": name, "sha256": name},
            prompt_version="1", seed=0, limit=0,
            tasks={task.name: evaluation.task_result(task, 110, rows, {}, 0)},
        )  # fmt: skip
        (tmp_path / name).mkdir()
        report.write(tmp_path / name, rows)
        folders.append(tmp_path / name)
    curve = fit(*results.read(folders[1]))
    (folders[1] / "confidence.json").write_text(curve.model_dump_json())
    done = medeval("compare", *folders, "--json")
    assert done.returncode == 0, done.stderr
    curves = json.loads(done.stdout)["tasks"]["confidence"]["curves"]
    assert [*curves] == ["base", "tuned", "tuned fitted"]
    assert sum(count for _, _, count in curves["tuned fitted"]["reliability"]) == curve.held_answers
    assert [y for _, y in curves["tuned fitted"]["fit"]] == [y for _, y in curve.knots]
    text = (folders[1] / "compare.html").read_text()
    assert text.count('polyline class="tuned fitted"') == 3
    assert 'polyline class="base fitted"' not in text


def test_different_samples_are_told_and_the_shared_ones_compared(
    medeval: Run, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    shifted = write_run(tmp_path / "shifted", TUNED, start=5)
    done = medeval("compare", runs[0], shifted, "--json", "--out", tmp_path / "out")
    found = json.loads(done.stdout)
    assert found["tasks"]["pubmedqa"]["shared"] == 15
    assert (
        "compared are the 15 that both did, left out 5 of base and 5 of tuned"
        in found["warnings"][0]
    )


def test_the_same_names_with_other_questions_are_left_out(
    medeval: Run, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    other = write_run(tmp_path / "other", TUNED, text="Another")
    done = medeval("compare", runs[0], other, "--out", tmp_path / "out")
    assert done.returncode == 0
    assert "pubmedqa: 20 questions have the same name but another text" in done.stdout


def test_nothing_in_common_is_one_line(
    medeval: Run, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    empty = write_run(tmp_path / "empty", [])
    done = medeval("compare", runs[0], empty)
    assert done.returncode == 2
    assert "no question in common" in done.stderr
    done = medeval("compare", runs[0], tmp_path / "nowhere")
    assert done.returncode == 7
    assert "holds no report of a run" in done.stderr


def test_a_run_that_ended_early_is_marked(
    medeval: Run, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    short = write_run(tmp_path / "short", TUNED[:7], stopped="The engine was killed.")
    done = medeval("compare", runs[0], short, "--out", tmp_path / "out")
    assert "The tuned run ended early: The engine was killed." in done.stdout
    assert "compared are the 7 that both did" in done.stdout
