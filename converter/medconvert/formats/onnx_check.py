"""An ONNX folder in onnxruntime-genai, held against transformers and PEFT.

python -m medconvert.formats.onnx_check TRIAL.json
"""

from typing import Any

import numpy as np
from medllm.errors import ConversionError

from medconvert import original, parity
from medconvert.checkpoint import Floats
from medconvert.formats import choices, trial
from medconvert.formats.trial import Trial
from medconvert.verify.divergence import divergence

_MOST_WRONG = 1e-3  # Of the logits' spread, where nothing is rounded below float32.
_MOST_APART = 1.0  # Nats a token, where the weights are rounded to four bits.


class _Runtime:
    """The model with its cache."""

    def __init__(self, folder: str) -> None:
        import onnxruntime_genai as genai

        genai.disable_telemetry_events()
        self._genai, self._model = genai, genai.Model(folder)
        self.tokenizer = genai.Tokenizer(self._model)

    def read(self, tokens: list[int]) -> Floats:
        """See `trial.Runtime`."""
        return self._logits(self._begin(tokens, 0))

    def go_on(self, tokens: list[int]) -> list[int]:
        """See `trial.Runtime`."""
        generator = self._begin(tokens, choices.CONTINUE)
        chosen = [int(self._logits(generator)[-1].argmax())]
        while len(chosen) < choices.CONTINUE:
            generator.append_tokens(np.array(chosen[-1:], np.int32))
            chosen.append(int(self._logits(generator)[-1].argmax()))
        return chosen

    def _begin(self, tokens: list[int], more: int) -> Any:
        parameters = self._genai.GeneratorParams(self._model)
        parameters.set_search_options(max_length=len(tokens) + more + 1, do_sample=False)
        generator = self._genai.Generator(self._model, parameters)
        generator.append_tokens(np.array(tokens, np.int32))
        return generator

    def _logits(self, generator: Any) -> Floats:
        logits: Floats = np.array(generator.get_output("logits")[0], np.float32)
        return logits


def _compare(asked: Trial) -> dict[str, Any]:
    tokenizer = original.load_tokenizer(asked.base)
    texts, runtime = trial.texts_of(tokenizer), _Runtime(asked.made)
    got, chosen = trial.try_runtime(runtime, texts)
    cut = _tokens(tokenizer, runtime.tokenizer)
    del runtime
    model = original.load(asked.base, asked.adapter, asked.four_bit, asked.dtype)
    tried = trial.against(model, texts, got, chosen, asked.dtype)
    figures = divergence(tried.wanted, tried.got)
    wrong = choices.error(tried.wanted, tried.got)
    limited = wrong if asked.exact else figures["mean_kl"]
    if not limited <= (_MOST_WRONG if asked.exact else _MOST_APART):  # nor NaN
        raise ConversionError(
            f"The ONNX model predicts unlike the model it was made from: {figures['mean_kl']:.2g} "
            f"nats a token apart, its logits {wrong:.1%} off."
        )
    if asked.exact:
        choices.refuse(tried.found, "ONNX model")
    return {
        "generation": tried.found.report(),
        "divergence": {"passed": True, "dtype": asked.dtype, "error": wrong, **figures},
        "tokenizer": cut,
    }


def _tokens(tokenizer: Any, runtime: Any) -> dict[str, Any]:
    """How often the runtime's own tokenizer cuts text as the model's does.

    It is told to add BOS, which it leaves out by default; a chat template brings its own.
    """
    alike = texts = 0
    for add in (True, False):
        runtime.update_options(add_special_tokens="true" if add else "false")
        chats = [] if add else parity.rendered(tokenizer)
        for text in [*parity.TEXTS, *chats]:
            wanted = list(tokenizer(text, add_special_tokens=add)["input_ids"])
            alike += wanted == runtime.encode(text).tolist()
            texts += 1
    said = f"onnxruntime-genai's own tokenizer cuts {alike} of {texts} texts as the model's does"
    if alike < texts:
        said += "; use tokenizer.json with the package tokenizers instead"
    return {"texts": texts, "alike": alike, "said": said}


if __name__ == "__main__":
    trial.answer(_compare)
