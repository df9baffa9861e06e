"""How sure an answer is: low, medium or high.

Told from its tokens' log-probabilities and, where further answers were drawn with other
seeds, from how far those agree with it. Both are fitted by `medeval calibrate` for one model,
and lie beside its file as NAME.confidence.json. Without that no confidence is shown: a model's
own probabilities are no measure of being right until they have been held against answers.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from medllm import fidelity
from medllm.engines.protocol import ModelInfo

Level = Literal["low", "medium", "high"]
TEMPERATURE = 0.7
"""At which answers by other seeds are drawn, in the fit and for a user alike."""
HIGH, MEDIUM = 0.9, 0.6
"""Probabilities of being right from which confidence is high or medium."""


class Joint(BaseModel):
    """Logistic regression on log-probability and agreement together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    intercept: float
    logprob: float
    agreement: float

    def probability(self, logprob: float, agreement: float) -> float:
        """Probability of being right, 0 to 1."""
        z = self.intercept + self.logprob * logprob + self.agreement * agreement
        return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


class ConfidenceCurve(BaseModel):
    """Probability of being right by mean log-probability of an answer's tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_sha256: str
    prompt_version: str
    method: Literal["isotonic", "Platt"]
    knots: tuple[tuple[float, float], ...]
    """(mean log-probability, probability of being right), ascending; straight lines between."""
    joint: Joint | None = None
    """For answers whose agreement is known; None where that told nothing more."""
    answers: int
    """How many answers it was fitted on."""
    held_answers: int
    """How many other answers it was judged on, with the figures that follow."""
    held: dict[str, float]

    def probability(self, logprob: float, agreement: float | None = None) -> float:
        """Probability that an answer is right, 0 to 1.

        Args:
            logprob: mean over its tokens.
            agreement: with answers by other seeds, 0 to 1; None where none were drawn.
        """
        if self.joint and agreement is not None:
            return self.joint.probability(logprob, agreement)
        low, high = self.knots[0], self.knots[-1]
        if logprob <= low[0]:
            return low[1]
        for (x0, y0), (x1, y1) in zip(self.knots, self.knots[1:], strict=False):
            if logprob <= x1:
                return y0 + (y1 - y0) * (logprob - x0) / (x1 - x0) if x1 > x0 else y1
        return high[1]

    def level(self, logprob: float, agreement: float | None = None) -> Level:
        """What a reader is shown."""
        share = self.probability(logprob, agreement)
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


def agreement(text: str, others: Sequence[str]) -> float | None:
    """Mean share of words that an answer has in common with others; None for no others."""
    if not others:
        return None
    return math.fsum(fidelity.common(text, other) for other in others) / len(others)


def mean_logprob(logprobs: list[float]) -> float | None:
    """Mean of the log-probabilities of the tokens that the model chose; None for none."""
    return math.fsum(logprobs) / len(logprobs) if logprobs else None
