"""Whether a converted model chooses the tokens that its original chooses.

The converted model continues texts greedily. The original reads text and continuation
at once; where every token of the continuation is what the original finds likeliest
behind the tokens before it, its own greedy continuation is the same, token for token.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from medllm.errors import ConversionError

from medconvert.checkpoint import Floats

BEGIN = 24
"""Tokens of a text that are given."""
CONTINUE = 32
"""Tokens that are chosen behind them."""
TIES = {"float32": 1e-3, "bfloat16": 0.25, "float16": 0.05}
"""Logits closer than this are a tie, by the type that the original is computed in."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a continuation compares with the original's choices."""

    tokens: int
    equal: int
    tied: int
    """Others whose logit is that of the original's choice, but for rounding."""

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            self.tokens + other.tokens, self.equal + other.equal, self.tied + other.tied
        )

    @property
    def faithful(self) -> bool:
        """Whether no token is another than rounding explains."""
        return self.tokens > 0 and self.equal + self.tied == self.tokens

    @property
    def said(self) -> str:
        """In words."""
        tied = f", {self.tied} more tied" if self.tied else ""
        return f"{self.equal} of {self.tokens} greedy tokens as the original's{tied}"

    def report(self) -> dict[str, object]:
        """For the record."""
        return {"passed": True, **asdict(self), "said": self.said}


NONE = Agreement(0, 0, 0)


def agreement(logits: Floats, chosen: Sequence[int], dtype: str) -> Agreement:
    """Compares a continuation with the original's choices.

    Args:
        logits: of the original before each chosen token, (tokens, vocabulary).
        chosen: the converted model's tokens.
        dtype: torch's name of the type that `logits` were computed in.
    """
    rows = np.arange(len(chosen))
    gaps = logits.max(axis=1) - logits[rows, np.asarray(chosen, np.intp)]
    equal = logits.argmax(axis=1) == np.asarray(chosen)
    tied = ~equal & (gaps <= TIES.get(dtype, TIES["bfloat16"]))
    return Agreement(len(chosen), int(equal.sum()), int(tied.sum()))


def refuse(found: Agreement, what: str) -> None:
    """Raises ConversionError where the converted model chooses otherwise."""
    if not found.faithful:
        raise ConversionError(
            f"The {what} chooses other tokens than the model it was made from: only {found.said}.",
            "Nothing was written.",
        )


def error(wanted: Floats, got: Floats) -> float:
    """How far logits are off, as a share of their own spread over the vocabulary.

    Args:
        wanted: the original's, (tokens, vocabulary).
        got: the converted model's.
    """
    wide = wanted.astype(np.float64)
    spread = np.linalg.norm(wide - wide.mean(axis=1, keepdims=True))
    return float(np.linalg.norm(got - wide) / spread)
