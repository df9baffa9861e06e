"""From logits to a token, and its log-probability. Host process only."""

import numpy as np
import numpy.typing as npt

from medllm.errors import EngineError

Logits = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_LIKELY = 512  # candidates that are sorted first; the rest only where these don't reach top_p


class Sampler:
    """Picks tokens: the likeliest at temperature 0, else a seeded draw from the top-p set.

    Args:
        temperature: divides the logits; 0 for the likeliest token.
        top_p: share of probability that is drawn from, 0 to 1.
        seed: of the draws.
        size: tokens of the vocabulary.
    """

    def __init__(self, temperature: float, top_p: float, seed: int, size: int) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._random = np.random.default_rng(seed & 0xFFFF_FFFF_FFFF_FFFF)
        self._work = np.empty(size, np.float32)

    def pick(self, logits: Logits, mask: Mask | None = None) -> int:
        """A token; with a mask, among its True ones (at least one)."""
        if mask is not None:
            logits = np.where(mask, logits, np.float32(-np.inf))
        best = int(logits.argmax())
        if self._temperature <= 0:
            return best
        scaled = (logits.astype(np.float64) - float(logits[best])) / self._temperature
        weights = np.exp(scaled)
        order = _likeliest(weights, _LIKELY)
        shares = np.cumsum(weights[order]) / weights.sum()
        if shares[-1] < self._top_p and len(order) < len(weights):
            order = _likeliest(weights, len(weights))
            shares = np.cumsum(weights[order]) / weights.sum()
        kept = min(int(np.searchsorted(shares, self._top_p)) + 1, len(order))
        draw = self._random.random() * shares[kept - 1]
        return int(order[min(int(np.searchsorted(shares, draw, side="right")), kept - 1)])

    def logprob(self, logits: Logits, token: int) -> float:
        """Natural logarithm of the softmax of `logits` at `token`.

        Raises:
            EngineError: the logits hold no finite number: the weights are broken.
        """
        top = logits.max()
        np.subtract(logits, top, out=self._work)
        np.exp(self._work, out=self._work)
        result = float(logits[token] - top) - float(np.log(self._work.sum()))
        if not np.isfinite(result):
            raise EngineError(
                "The model computes no finite numbers; its file is probably damaged.",
                "Fetch or convert the model again.",
            )
        return result


def _likeliest(weights: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.intp]:
    """Indices of the `count` largest weights, largest first; ties in order of the token."""
    if count >= len(weights):
        return np.argsort(-weights, kind="stable")
    chosen = np.sort(np.argpartition(-weights, count)[:count])
    return chosen[np.argsort(-weights[chosen], kind="stable")]
