"""A base GGUF with an adapter GGUF in llama.cpp, held against transformers and PEFT.

python -m medconvert.formats.adapter_check TRIAL.json
"""

from typing import Any

import numpy as np
from medllm.errors import ConversionError

from medconvert import original
from medconvert.checkpoint import Floats
from medconvert.formats import choices, trial
from medconvert.formats.trial import Trial
from medconvert.verify.divergence import MOST_TOKENS, divergence

_MOST_MISSED = 0.01
# Of the adapter's effect. Float32 loses a thousandth of that; a scale that is wrong by a
# fiftieth, or rows out of order, more.
_MOST_APART = 1e-2  # Nats a token, where something is rounded to 16 bits.
_FAINT = 1e-4  # Effects below this share of the logits' spread drown in rounding.


class _Runtime:
    """llama.cpp as its users load an adapter, but with a float32 cache."""

    def __init__(self, base: str, adapter: str) -> None:
        from llama_cpp import Llama

        self._llama = Llama(
            base,
            lora_path=adapter,
            n_ctx=MOST_TOKENS + choices.CONTINUE,
            n_batch=MOST_TOKENS,
            type_k=0,
            type_v=0,
            logits_all=True,
            verbose=False,
        )

    def read(self, tokens: list[int]) -> Floats:
        """See `trial.Runtime`."""
        self._llama.reset()
        self._llama.eval(tokens)
        logits: Floats = np.array(self._llama.scores[: len(tokens)], np.float32)
        return logits

    def go_on(self, tokens: list[int]) -> list[int]:
        """See `trial.Runtime`."""
        chosen = [int(self.read(tokens)[-1].argmax())]
        while len(chosen) < choices.CONTINUE:
            self._llama.eval(chosen[-1:])
            last = self._llama.scores[len(tokens) + len(chosen) - 1]
            chosen.append(int(last.argmax()))
        return chosen


def _compare(asked: Trial) -> dict[str, Any]:
    texts = trial.texts_of(original.load_tokenizer(asked.base))
    got, chosen = trial.try_runtime(_Runtime(asked.base_made, asked.made), texts)
    model = original.load(asked.base, asked.adapter, "", asked.dtype)
    tried = trial.against(model, texts, got, chosen, asked.dtype)
    with model.disable_adapter():
        bare = np.concatenate([trial.predict(model, ids) for ids in texts])
    figures = divergence(tried.wanted, tried.got)
    share = missed(tried.wanted, tried.got, bare)
    limited = share if asked.exact else figures["mean_kl"]
    if not limited <= (_MOST_MISSED if asked.exact else _MOST_APART):  # nor NaN
        raise ConversionError(
            f"With the adapter, llama.cpp predicts unlike PEFT: {share:.1%} of its effect is "
            f"missed, {figures['mean_kl']:.2g} nats a token apart."
        )
    if asked.exact:
        choices.refuse(tried.found, "adapter")
    return {
        "generation": tried.found.report(),
        "divergence": {"passed": True, "dtype": asked.dtype, "missed": share, **figures},
    }


def missed(wanted: Floats, got: Floats, bare: Floats) -> float:
    """What is missing of the adapter's effect on the logits, as a share of it.

    Args:
        wanted: the original with its adapter, (tokens, vocabulary).
        got: llama.cpp with the adapter.
        bare: the original without its adapter.
    """
    wide = wanted.astype(np.float64)
    faint = _FAINT * np.linalg.norm(wide - wide.mean(axis=1, keepdims=True))
    return float(np.linalg.norm(got - wide) / max(np.linalg.norm(bare - wide), faint))


if __name__ == "__main__":
    trial.answer(_compare)
