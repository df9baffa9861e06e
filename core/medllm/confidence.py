"""How sure an answer is, from its tokens' log-probabilities: low, medium or high.

The curve is fitted by `medeval calibrate` for one model and lies beside its file, as
NAME.confidence.json. Without one no confidence is shown: a model's own probabilities
are no measure of being right until they have been held against answers.
"""

import math
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from medllm.engines.protocol import ModelInfo

Level = Literal["low", "medium", "high"]
HIGH, MEDIUM = 0.9, 0.6
"""Probabilities of being right from which confidence is high or medium."""


class ConfidenceCurve(BaseModel):
    """Probability of being right by mean log-probability of an answer's tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_sha256: str
    prompt_version: str
    method: Literal["isotonic", "Platt"]
    knots: tuple[tuple[float, float], ...]
    """(mean log-probability, probability of being right), ascending; straight lines between."""
    answers: int
    """How many answers it was fitted on."""
    held_answers: int
    """How many other answers it was judged on, with the figures that follow."""
    held: dict[str, float]

    def probability(self, logprob: float) -> float:
        """Probability that an answer with this mean log-probability is right, 0 to 1."""
        low, high = self.knots[0], self.knots[-1]
        if logprob <= low[0]:
            return low[1]
        for (x0, y0), (x1, y1) in zip(self.knots, self.knots[1:], strict=False):
            if logprob <= x1:
                return y0 + (y1 - y0) * (logprob - x0) / (x1 - x0) if x1 > x0 else y1
        return high[1]

    def level(self, logprob: float) -> Level:
        """What a reader is shown."""
        share = self.probability(logprob)
        return "high" if share >= HIGH else "medium" if share >= MEDIUM else "low"


def file_of(model: Path) -> Path:
    """Where the curve of a model file lies."""
    return model.with_suffix(".confidence.json")


def read(info: ModelInfo, prompt_version: str) -> ConfidenceCurve | None:
    """The curve fitted for this very model and prompt; None where there is none."""
    try:
        text = file_of(Path(info.path)).read_text(encoding="utf-8")
        curve = ConfidenceCurve.model_validate_json(text)
    except (OSError, ValueError, ValidationError):
        return None
    fits = curve.model_sha256 == info.sha256 and curve.prompt_version == prompt_version
    return curve if fits and curve.knots else None


def mean_logprob(logprobs: list[float]) -> float | None:
    """Mean of the log-probabilities of the tokens that the model chose; None for none."""
    return math.fsum(logprobs) / len(logprobs) if logprobs else None
