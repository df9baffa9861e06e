"""How far a GGUF's predictions are from those of the model it was made from.

The merged model runs in transformers and PEFT, an independent reading of the same
files, and each GGUF in llama.cpp, on the same tokens of medical text; where there is an
encoder it reads the text, and compared is the original's answer to it. Given is the mean
Kullback-Leibler divergence KL(original || GGUF) in nats a token, and how often both
find the same token likeliest. It runs in a process of its own:

    python -m medconvert.verify.divergence SPECIFICATION.json
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from medllm.errors import ConversionError, MedLLMError
from medllm.reference import builtin_cards

from medconvert import child
from medconvert.checkpoint import Floats

TEXTS = 4
MOST_TOKENS = 256
"""Of each text."""
ANSWER_TOKENS = 32
"""Of the original's own answer, for a model with an encoder."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Specification:
    """What is compared; paths as text, so that it goes through JSON."""

    base: str
    adapter: str
    """Empty: none."""
    four_bit: str
    """How the base is rounded before the adapter is merged; empty: not at all."""
    dtype: str
    """torch's name of the type that the original is computed in."""
    files: tuple[str, ...]


def held_texts() -> list[str]:
    """Medical text that no built-in tuning has seen as it stands: cards of the test split."""
    cards = [card for card in builtin_cards() if card.split == "test"]
    return [card.text for card in cards[:: max(1, len(cards) // TEXTS)]][:TEXTS]


def measure(specification: Specification, scratch: Path, progress: child.Progress) -> list[Any]:
    """Runs this module; one dict a file, with `mean_kl`, `worst_kl`, `same_top`, `tokens`.

    Raises:
        ConversionError: the original or a file can't be run.
    """
    scratch.write_text(json.dumps(asdict(specification)), encoding="utf-8")
    module = "medconvert.verify.divergence"
    answer = child.run(module, [str(scratch)], "comparing predictions", progress)
    if error := answer.get("error"):
        raise ConversionError(str(error))
    found: list[Any] = answer["files"]
    return found


def divergence(original: Floats, other: Floats) -> dict[str, float]:
    """Compares logits of the same tokens.

    Args:
        original: (tokens, vocabulary).
        other: the same, of the converted model; it may have more columns, which are unused.
    """
    p, q = _log_softmax(original), _log_softmax(other[:, : original.shape[1]])
    each = (np.exp(p) * (p - q)).sum(axis=1)
    return {
        "mean_kl": float(each.mean()),
        "worst_kl": float(each.max()),
        "same_top": float((p.argmax(axis=1) == q.argmax(axis=1)).mean()),
        "tokens": len(each),
    }


def _log_softmax(logits: Floats) -> Doubles:
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    result: Doubles = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return result


@dataclass(frozen=True, slots=True)
class _Sample:
    """What the original predicts of one text."""

    source: list[int]
    """What an encoder reads; empty without one."""
    tokens: list[int]
    logits: Floats
    """(len(tokens), vocabulary)"""


def _load(specification: Specification) -> Any:
    from medconvert import original

    return original.load(
        specification.base, specification.adapter, specification.four_bit, specification.dtype
    )


def _sample(model: Any, ids: list[int]) -> _Sample:
    """Predictions of a text; with an encoder, of the greedy answer to it."""
    import torch

    read = torch.tensor([ids])
    with torch.no_grad():
        if not model.config.is_encoder_decoder:
            return _Sample([], ids, model(read).logits[0].float().numpy())
        answer = model.generate(
            input_ids=read, max_new_tokens=ANSWER_TOKENS, do_sample=False, num_beams=1
        )
        logits = model(input_ids=read, decoder_input_ids=answer).logits[0]
        if getattr(model.config, "scale_decoder_outputs", False):
            # A tied T5 narrows its logits in transformers, and not in llama.cpp.
            logits = logits * model.config.d_model**0.5
    return _Sample(ids, answer[0].tolist(), logits.float().numpy())


def _compare(specification: Specification) -> dict[str, Any]:
    from medconvert import original
    from medconvert.runtime import Runtime

    tokenizer = original.load_tokenizer(specification.base)
    texts = [list(tokenizer(text)["input_ids"])[:MOST_TOKENS] for text in held_texts()]
    steps = len(texts) * (1 + len(specification.files))
    model, samples, done = _load(specification), [], 0
    for ids in texts:
        samples.append(_sample(model, ids))
        child.report(done := done + 1, steps)
    del model
    wanted = np.concatenate([sample.logits for sample in samples])
    files: list[dict[str, float]] = []
    for file in specification.files:
        got = []
        with Runtime(Path(file), MOST_TOKENS) as runtime:
            for sample in samples:
                if sample.source:
                    got.append(runtime.read_pair(sample.source, sample.tokens))
                else:
                    got.append(runtime.read(sample.tokens))
                child.report(done := done + 1, steps)
        if not all(np.isfinite(logits).all() for logits in got):
            return {"error": "The converted model predicts NaN or infinity."}
        files.append(divergence(wanted, np.concatenate(got)))
    return {"files": files}


def compared(compare: Callable[[Specification], dict[str, Any]], file: Path) -> dict[str, Any]:
    """What a child process answers: the comparison that `file` specifies, or one line of error."""
    specification = Specification(**json.loads(file.read_text(encoding="utf-8")))
    try:
        return compare(specification)
    except MedLLMError as error:
        return {"error": error.message}
    except Exception as error:  # whatever transformers or PEFT raise, the user gets one line
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {"error": f"The original can't be run in transformers: {said}"}


if __name__ == "__main__":
    from medllm import guard

    guard.install()
    child.answer(compared(_compare, Path(sys.argv[1])))
