"""An encoder-decoder such as Flan-T5 in CTranslate2; the folder holds its tokenizer too."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from medllm.engines.protocol import Event, ModelInfo, Request
from medllm.errors import MissingExtraError, ModelError, UsageError
from medllm.prompts import Message

from medeval.engines.in_process import LocalEngine, Written, done, open_tokenizer, unreadable
from medeval.engines.model_folder import folder_hash

_CONTEXT = 512  # tokens of the question: the length that T5 was trained with


class CTranslateEngine(LocalEngine):
    """One folder with model.bin. At a temperature it draws from all tokens, not from top-p."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._translator: Any = None

    def stream(self, request: Request) -> Iterator[Event]:
        """Yields tokens, then one `Done`; a grammar is not kept to.

        Raises:
            UsageError: the question is longer than the model can read.
        """
        import ctranslate2

        self.load()
        self._cancelled.clear()
        started, first = time.perf_counter(), 0.0
        source, warm = self._source(request.messages), request.temperature > 0
        if warm:
            ctranslate2.set_random_seed(request.seed)
        steps = self._translator.generate_tokens(
            source,
            max_decoding_length=request.max_tokens,
            sampling_topk=0 if warm else 1,
            sampling_temperature=request.temperature if warm else 1.0,
            return_log_prob=True,
        )
        written = Written(self.tokenizer)
        reason: Literal["stop", "length", "cancelled"] = "length"
        for step in steps:
            if self._cancelled.is_set():
                reason = "cancelled"
                break
            if step.token == self.tokenizer.eos_token:
                reason = "stop"
                break
            first = first or time.perf_counter()
            yield from written.add(step.token_id, step.log_prob)
            reason = "stop" if written.count < request.max_tokens else "length"
        yield done(reason, len(source), written.count, started, first)

    def score(
        self, messages: tuple[Message, ...], continuations: tuple[str, ...]
    ) -> tuple[float | None, ...]:
        """Log-probability of each continuation, all its tokens counted, the end not."""
        self.load()
        source = self._source(messages)
        targets = [self._tokens(text, special=False) for text in continuations]
        found = self._translator.score_batch([source] * len(targets), targets)
        return tuple(
            float(sum(result.log_probs[: len(target)]))
            for result, target in zip(found, targets, strict=True)
        )

    def open_model(self) -> ModelInfo:
        """Loads the weights."""
        try:
            import ctranslate2
        except ImportError as error:
            raise MissingExtraError("ct2", "ctranslate2") from error
        if not (self._folder / "model.bin").is_file():
            raise ModelError(f"{self._folder} holds no model.bin.", "Name a CTranslate2 folder.")
        self.tokenizer = open_tokenizer(self._folder)
        try:
            self._translator = ctranslate2.Translator(str(self._folder), device="cpu")
        except (RuntimeError, ValueError) as error:
            raise unreadable(self._folder, error) from error
        return ModelInfo(
            name=self._folder.name,
            path=str(self._folder),
            sha256=folder_hash(self._folder),
            size_bytes=(self._folder / "model.bin").stat().st_size,
            architecture="encoder-decoder",
            quantization=str(self._translator.compute_type),
            parameters=0,
            context=_CONTEXT,
            template_has_system=False,
        )

    def _source(self, messages: tuple[Message, ...]) -> list[str]:
        tokens = self._tokens("\n\n".join(message["content"] for message in messages))
        if len(tokens) > _CONTEXT:
            raise UsageError(
                f"The question is too long: {len(tokens)} tokens of {_CONTEXT}.", "Shorten it."
            )
        return tokens

    def _tokens(self, text: str, special: bool = True) -> list[str]:
        ids = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        found: list[str] = self.tokenizer.convert_ids_to_tokens(ids)
        return found
