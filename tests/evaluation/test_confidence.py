"""The confidence that users are shown: fitted, written beside the model, read by the assistant."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from medeval import results
from medeval.confidence import _knots as knots_of
from medeval.confidence import fit
from medeval.results import Report, Row
from medllm import assistant, confidence, models, paths, prompts
from medllm.engines.llamacpp import LlamaCppEngine
from medllm.errors import DataError
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from tests.evaluation.conftest import Run


def drawn(count: int, share: float = 2.0, seed: int = 0) -> list[Row]:
    """Answers that are right the oftener the likelier their tokens are."""
    random = np.random.default_rng(seed)
    sure = random.beta(4, 1, count)
    right = random.random(count) < sure**share
    return [
        Row(task="confidence", id=f"card-{n}", digest="", prompt="?", gold="", answer="", said="",
            problem="", values={"logprob": float(np.log(p)), "kept": float(hit), "agreement": float(p)},
            kinds=(), note="", end="stop", tokens=1, seconds=0.1)
        for n, (p, hit) in enumerate(zip(sure, right, strict=True))
    ]  # fmt: skip


def report(sha256: str = "a") -> Report:
    return Report(engine="gguf", identity=f"gguf:{sha256}", model={"sha256": sha256, "name": "m"},
                  prompt_version=prompts.VERSION, seed=0, limit=0)  # fmt: skip


def test_a_fitted_curve_is_better_calibrated_on_answers_it_has_not_seen() -> None:
    curve = fit(report(), drawn(800))
    assert curve.answers + curve.held_answers == 800
    assert curve.held["ECE"] < curve.held["ECE of raw probability"]
    assert curve.held["Brier score"] < curve.held["Brier score of raw probability"]
    rising = [curve.probability(x) for x in np.linspace(-4, 0, 50)]
    assert rising == sorted(rising)
    assert 0 <= rising[0] < rising[-1] <= 1


def two_signs(count: int, telling: bool) -> list[Row]:
    """Answers whose being right goes by agreement, beside their log-probability, or does not."""
    random = np.random.default_rng(1)
    rows = drawn(count)
    found = []
    for row in rows:
        agreed = random.random()
        right = row.values["kept"] if not telling else float(random.random() < agreed**2)
        found.append(
            row.model_copy(update={"values": {**row.values, "agreement": agreed, "kept": right}})
        )
    return found


def test_agreement_is_taken_in_where_it_tells_more() -> None:
    curve = fit(report(), two_signs(800, telling=True))
    assert curve.joint is not None
    assert curve.held["Brier score with agreement"] < curve.held["Brier score"]
    assert curve.held["AURC with agreement"] < curve.held["AURC"]
    assert curve.probability(-0.2, 0.95) > curve.probability(-0.2, 0.3)
    alone = curve.model_copy(update={"joint": None})
    assert curve.probability(-0.2) == alone.probability(-0.2, 0.95)


def test_agreement_that_tells_nothing_is_left_out() -> None:
    curve = fit(report(), two_signs(800, telling=False))
    assert curve.joint is None
    assert "Brier score with agreement" not in curve.held


def test_the_joint_fit_is_scikit_learns() -> None:
    rows = two_signs(400, telling=True)
    joint = fit(report(), rows).joint
    assert joint is not None
    fitted = [r for r in rows if hashlib.sha256(f"fit:{r.id}".encode()).digest()[0] % 2 == 0]
    x = np.array([[r.values["logprob"], r.values["agreement"]] for r in fitted], float)
    model = LogisticRegression(C=1e3).fit(x, [r.values["kept"] for r in fitted])
    at = np.array([[-0.1, 0.9], [-2.0, 0.1], [-0.5, 0.5]])
    assert [joint.probability(*row) for row in at] == pytest.approx(
        model.predict_proba(at)[:, 1].tolist(), abs=1e-4
    )


def test_an_isotonic_curve_is_scikit_learns() -> None:
    rows = drawn(400)
    x, y = (np.array([r.values[name] for r in rows], float) for name in ("logprob", "kept"))
    knots = knots_of("isotonic", x, y)
    curve = fit(report(), rows).model_copy(update={"knots": knots})
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(x, y)
    at = np.linspace(-3, 0, 40)
    assert [curve.probability(v) for v in at] == pytest.approx(model.predict(at).tolist(), abs=1e-4)


def test_levels_follow_the_probability() -> None:
    curve = fit(report(), drawn(800, share=0.5))
    levels = [curve.level(x) for x in np.linspace(-6, 0, 200)]
    assert [k for k, _ in dict.fromkeys(levels).items()] == ["low", "medium", "high"]
    for x in np.linspace(-6, 0, 30):
        share = curve.probability(x)
        wanted = "high" if share >= 0.9 else "medium" if share >= 0.6 else "low"
        assert curve.level(x) == wanted


def test_too_few_or_all_alike_is_told() -> None:
    with pytest.raises(DataError, match="too few"):
        fit(report(), drawn(50))
    alike = [r.model_copy(update={"values": {**r.values, "kept": 1.0}}) for r in drawn(200)]
    with pytest.raises(DataError, match=r"All .* answers are right"):
        fit(report(), alike)


def test_calibrate_writes_what_the_assistant_reads(medeval: Run, tmp_path: Path) -> None:
    model = tmp_path / "mini.gguf"
    shutil.copy(paths.builtin_model(), model)
    digest = models.sha256(model)
    folder = tmp_path / "run"
    folder.mkdir()
    report(digest).write(folder, drawn(800))
    done = medeval("calibrate", folder, "--model", model)
    assert done.returncode == 0, done.stderr
    assert "ECE of raw probability" in done.stdout
    engine = LlamaCppEngine(model)
    try:
        engine.load()
        curve = confidence.read(engine.info(), prompts.VERSION)
        assert curve is not None
        ask = assistant.Assistant(engine).ask("What is hypertension?")
        answer = next(e.answer for e in ask if isinstance(e, assistant.Finished))
        assert answer.provenance["confidence"] in ("low", "medium", "high")
        content = json.loads(confidence.file_of(model).read_text())
        assert json.loads((folder / "confidence.json").read_text()) == content
        # Sure where others agree, and where it can't be told not at all.
        joint = {"intercept": -99.0, "logprob": 0.0, "agreement": 999.0}
        doubtful = {**content, "knots": [[-1.0, 0.1], [0.0, 0.1]], "joint": joint}
        confidence.file_of(model).write_text(json.dumps(doubtful))
        for samples, level in ((0, "low"), (2, "high")):
            ask = assistant.Assistant(engine, samples=samples).ask("What is hypertension?")
            answer = next(e.answer for e in ask if isinstance(e, assistant.Finished))
            assert answer.provenance["confidence"] == level
        confidence.file_of(model).write_text(json.dumps({**content, "model_sha256": "other"}))
        assert confidence.read(engine.info(), prompts.VERSION) is None
        ask = assistant.Assistant(engine).ask("What is hypertension?")
        answer = next(e.answer for e in ask if isinstance(e, assistant.Finished))
        assert "confidence" not in answer.provenance
    finally:
        engine.close()


def test_the_run_of_another_model_is_refused(medeval: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    report("b").write(folder, drawn(200))
    done = medeval("calibrate", folder, "--model", paths.builtin_model())
    assert done.returncode == 2
    assert "is a run of another model" in done.stderr
    assert results.read(folder)[0].model["sha256"] == "b"
