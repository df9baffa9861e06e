"""Scores as lm-evaluation-harness gives them.

Recorded from lm-eval 0.4.13 by
`python benchmarks/lm_eval_harness.py --data tests/evaluation/medmcqa_small.jsonl --json`.
"""

from pathlib import Path

import pytest
from medeval import evaluation
from medeval.answer_store import AnswerStore
from medeval.engines import spec as specs
from medeval.tasks import named

from tests.evaluation.engines.tiny_models import write_byte_llama

DATA = Path(__file__).with_name("medmcqa_small.jsonl")
ACCURACY = 0.25
SCORES: dict[str, tuple[float, float, float, float]] = {
    "m2": (-17.3778, -14.0295, -15.2030, -12.7199),
    "m9": (-20.0799, -16.2190, -16.9554, -14.8024),
    "m5": (-21.1054, -16.4301, -16.3294, -14.5074),
    "m11": (-15.6816, -14.1427, -16.3916, -13.9887),
    "m3": (-17.7683, -14.6024, -16.5444, -13.9847),
    "m7": (-15.4248, -12.0165, -11.6007, -8.3152),
    "m8": (-14.4836, -10.9520, -12.7185, -11.1697),
    "m6": (-16.3028, -10.4363, -13.0675, -8.7654),
    "m12": (-16.1201, -11.5818, -14.0758, -11.7432),
    "m1": (-13.9903, -9.1085, -12.2534, -8.7488),
    "m4": (-18.2398, -16.1446, -13.9320, -13.0215),
    "m10": (-14.4219, -12.3578, -12.4445, -11.2355),
}
"""Log-probabilities of A to D after each question."""


def test_medmcqa_scores_as_lm_eval_does(tmp_path: Path) -> None:
    spec, task = specs.parse(f"hf:{write_byte_llama(tmp_path / 'llama')}"), named("medmcqa")
    work = evaluation.plan(spec, [task], {task.name: DATA}, 0, 0)
    report = evaluation.carry_out(work, tmp_path / "run", 1, 60)
    with AnswerStore(tmp_path / "run") as store:
        for sample in work.samples[0][1]:
            answer = store.get(sample.key(work.identity, 0))
            assert answer is not None
            assert answer.scores == pytest.approx(SCORES[sample.id], abs=1e-3), sample.id
    assert len(SCORES) == 12
    assert report.tasks["medmcqa"].figures[0].value == pytest.approx(ACCURACY)
