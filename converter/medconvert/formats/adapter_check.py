"""A base GGUF with an adapter GGUF in llama.cpp, held against transformers and PEFT.

It runs in a process of its own, since native code can end it:

    python -m medconvert.formats.adapter_check SPECIFICATION.json
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from medllm.errors import ConversionError

from medconvert import child, original
from medconvert.checkpoint import Floats
from medconvert.formats import choices
from medconvert.verify.divergence import MOST_TOKENS, divergence, held_texts

_MOST_MISSED = 0.01
# Of the adapter's effect. Float32 loses a thousandth of that; a scale that is wrong by a
# hundredth, or one row out of order, more.
_MOST_APART = 1e-2  # Nats a token, where something is rounded to 16 bits.
_FAINT = 1e-4  # Effects below this share of the logits' spread drown in rounding.


@dataclass(frozen=True, slots=True)
class Specification:
    """What is compared; paths as text, so that it goes through JSON."""

    base: str
    adapter: str
    dtype: str
    """torch's name of the type that the original is computed in."""
    base_gguf: str
    adapter_gguf: str
    exact: bool
    """Whether nothing is rounded below float32."""


class _Runtime:
    """llama.cpp as its users load an adapter, but with a float32 cache."""

    def __init__(self, specification: Specification) -> None:
        from llama_cpp import Llama

        self._llama = Llama(
            specification.base_gguf,
            lora_path=specification.adapter_gguf,
            n_ctx=MOST_TOKENS + choices.CONTINUE,
            n_batch=MOST_TOKENS,
            type_k=0,
            type_v=0,
            logits_all=True,
            verbose=False,
        )

    def read(self, tokens: list[int]) -> Floats:
        """Logits of a text that is read anew, (len(tokens), vocabulary)."""
        self._llama.reset()
        self._llama.eval(tokens)
        logits: Floats = np.array(self._llama.scores[: len(tokens)], np.float32)
        return logits

    def go_on(self, tokens: list[int]) -> list[int]:
        """The greedy continuation."""
        chosen = [int(self.read(tokens)[-1].argmax())]
        while len(chosen) < choices.CONTINUE:
            self._llama.eval(chosen[-1:])
            last = self._llama.scores[len(tokens) + len(chosen) - 1]
            chosen.append(int(last.argmax()))
        return chosen


def _compare(specification: Specification) -> dict[str, Any]:
    import torch

    tokenizer = original.load_tokenizer(specification.base)
    texts = [list(tokenizer(text)["input_ids"])[:MOST_TOKENS] for text in held_texts()]
    runtime, got, chosen = _Runtime(specification), [], []
    for done, ids in enumerate(texts):
        got.append(runtime.read(ids))
        chosen.append(runtime.go_on(ids[: choices.BEGIN]))
        child.report(done + 1, 2 * len(texts))
    del runtime
    model = original.load(specification.base, specification.adapter, "", specification.dtype)
    wanted, bare, found = [], [], choices.NONE
    for done, (ids, more) in enumerate(zip(texts, chosen, strict=True)):
        begin = ids[: choices.BEGIN]
        with torch.no_grad():
            wanted.append(_predict(model, ids))
            with model.disable_adapter():
                bare.append(_predict(model, ids))
            before = _predict(model, begin + more)[len(begin) - 1 : -1]
        found += choices.agreement(before, more, specification.dtype)
        child.report(len(texts) + done + 1, 2 * len(texts))
    every = [np.concatenate(each) for each in (wanted, got, bare)]
    return _judge(specification, found, divergence(every[0], every[1]), missed(*every))


def _predict(model: Any, tokens: list[int]) -> Floats:
    import torch

    logits: Floats = model(torch.tensor([tokens])).logits[0].float().numpy()
    return logits


def missed(wanted: Floats, got: Floats, bare: Floats) -> float:
    """What is missing of the adapter's effect on the logits, as a share of it.

    Args:
        wanted: the original with its adapter, (tokens, vocabulary).
        got: llama.cpp with the adapter; may have more columns, which are unused.
        bare: the original without its adapter.
    """
    wide = wanted.astype(np.float64)
    error = np.linalg.norm(got[:, : wanted.shape[1]] - wide)
    faint = _FAINT * np.linalg.norm(wide - wide.mean(axis=1, keepdims=True))
    return float(error / max(np.linalg.norm(bare - wide), faint))


def _judge(
    specification: Specification,
    found: choices.Agreement,
    figures: dict[str, float],
    share: float,
) -> dict[str, Any]:
    limited = share if specification.exact else figures["mean_kl"]
    if not limited <= (_MOST_MISSED if specification.exact else _MOST_APART):  # nor NaN
        raise ConversionError(
            f"With the adapter, llama.cpp predicts unlike PEFT: {share:.1%} of its effect is "
            f"missed, {figures['mean_kl']:.2g} nats a token apart."
        )
    if specification.exact:
        choices.refuse(found, "adapter")
    return {
        "generation": found.report(),
        "divergence": {"passed": True, "dtype": specification.dtype, "missed": share, **figures},
    }


def _main(file: Path) -> dict[str, Any]:
    specification = Specification(**json.loads(file.read_text(encoding="utf-8")))
    try:
        return _compare(specification)
    except ConversionError as error:
        return {"error": error.message}
    except Exception as error:  # whatever the libraries raise, the user gets one line
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {"error": f"The adapter can't be tried: {said}"}


if __name__ == "__main__":
    from medllm import guard

    guard.install()
    child.answer(_main(Path(sys.argv[1])))
