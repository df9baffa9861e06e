"""Decoding through the engine host, grammar on, against a bare llama.cpp loop without one.

    python benchmarks/decode_host.py [--quick]

The bare loop is the least that decoding can be: the likeliest token by numpy's
argmax, llama_decode, the token's bytes. The host adds its process, pipes, JSON,
log-probabilities, the card grammar and the headings. Runs are interleaved; the
ratio is that of the median rates, with as many threads on either side. Only the
first heading is written by the engine, together with the prompt, so that each token
counted is one that the model chose.
"""

import argparse
import ctypes
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as native
from medllm import card, models, paths, prompts
from medllm.engines.llamacpp import LlamaCppEngine, default_threads
from medllm.engines.protocol import Done, Request
from shapes import write_1b

_QUESTION = "What is hypertension?"


@native.llama_log_callback
def _silent(_level: int, _text: bytes, _data: object) -> None:
    """Swallows the log."""


class BareLoop:
    """A model without anything around it."""

    def __init__(self, model: Path) -> None:
        native.llama_log_set(_silent, ctypes.c_void_p(0))
        native.llama_backend_init()
        self._model = native.llama_model_load_from_file(
            str(model).encode(), native.llama_model_default_params()
        )
        parameters = native.llama_context_default_params()
        parameters.n_ctx = min(4096, native.llama_model_n_ctx_train(self._model))
        threads = default_threads(models.check(model).tensor_bytes)
        parameters.n_threads = parameters.n_threads_batch = threads
        self._context: Any = native.llama_init_from_model(self._model, parameters)
        self._vocabulary = native.llama_model_get_vocab(self._model)
        self._size = native.llama_vocab_n_tokens(self._vocabulary)

    def tokenize(self, text: str) -> Any:
        """Tokens of a short text, as an array."""
        array, data = (native.llama_token * 128)(), text.encode()
        count = native.llama_tokenize(self._vocabulary, data, len(data), array, 128, False, True)
        return (native.llama_token * count)(*array[:count])

    def rate(self, tokens: int) -> float:
        """Tokens a second over `tokens` tokens after a short prompt."""
        native.llama_memory_clear(native.llama_get_memory(self._context), True)
        prompt = self.tokenize(_QUESTION + card.HEADINGS[0])
        native.llama_decode(self._context, native.llama_batch_get_one(prompt, len(prompt)))
        one, buffer = (native.llama_token * 1)(), ctypes.create_string_buffer(64)
        batch = native.llama_batch_get_one(one, 1)
        logits = None
        started = time.perf_counter()
        for _ in range(tokens):
            pointer = native.llama_get_logits_ith(self._context, -1)
            if logits is None or ctypes.addressof(pointer.contents) != logits.ctypes.data:
                logits = np.ctypeslib.as_array(pointer, (self._size,))
            one[0] = int(logits.argmax())
            native.llama_token_to_piece(self._vocabulary, one[0], buffer, 64, 0, False)
            native.llama_decode(self._context, batch)
        native.llama_synchronize(self._context)
        return tokens / (time.perf_counter() - started)


def host_rate(engine: LlamaCppEngine, tokens: int, written: int) -> tuple[float, int]:
    """Chosen tokens a second of one answer of at most `tokens`, and how many they were.

    The clock runs from the arrival of the first token to that of the end; `written`
    tokens, the first heading, came with the prompt.
    """
    request = Request(
        prompts.messages(_QUESTION, system=None),
        grammar=card.grammar(),
        openings=card.openings()[:1],
        max_tokens=tokens,
        part_tokens=tokens,
    )
    started, chosen = 0.0, 0
    for event in engine.stream(request):
        started = started or time.perf_counter()
        if isinstance(event, Done):
            chosen = event.tokens - written
    return chosen / (time.perf_counter() - started), chosen


def compare(model: Path, tokens: int, runs: int) -> tuple[float, float]:
    """Median tokens a second of the bare loop and through the host."""
    bare, engine = BareLoop(model), LlamaCppEngine(model)
    engine.load()
    written = len(bare.tokenize(card.HEADINGS[0]))
    _, chosen = host_rate(engine, tokens, written)
    bare.rate(chosen)
    bare_rates, host_rates = [], []
    for _ in range(runs):
        bare_rates.append(bare.rate(chosen))
        host_rates.append(host_rate(engine, tokens, written)[0])
    engine.close()
    return statistics.median(bare_rates), statistics.median(host_rates)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    quick = parser.parse_args().quick
    print(f"{'model':12}{'bare tok/s':>12}{'host tok/s':>12}{'ratio':>8}{'target':>10}")
    if paths.builtin_model().exists():
        show("mini", compare(paths.builtin_model(), 256, 5 if quick else 15), 0.8)
    with tempfile.TemporaryDirectory() as folder:
        model = write_1b(Path(folder) / "random-1b.gguf")
        show("1B shape", compare(model, 96 if quick else 256, 3 if quick else 7), 0.95)


def show(name: str, rates: tuple[float, float], target: float) -> None:
    """Prints one line."""
    bare, host = rates
    print(f"{name:12}{bare:12.1f}{host:12.1f}{host / bare:8.2f}{'>= ' + str(target):>10}")


if __name__ == "__main__":
    main()
