"""What `--engine` names: `gguf:FILE`, `ollama:NAME`, `openai:URL`, `hf:DIR+ADAPTER`, ..."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from medllm import models
from medllm.engines.protocol import Engine
from medllm.errors import UsageError

from medeval.engines.model_folder import folder_hash

Kind = Literal["gguf", "ollama", "openai", "hf", "ct2", "onnx"]
FORMS = "gguf:FILE, ollama:NAME, openai:URL[#MODEL], hf:DIR[+ADAPTER], ct2:DIR or onnx:DIR"
_AT_ONCE = 4
"""Requests that a server is sent at once; it queues what it can't take."""
_MOST_HOSTS = 8


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """One engine, not opened yet."""

    kind: Kind
    target: str
    """File, folder, name or address."""
    adapter: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}" + (f"+{self.adapter}" if self.adapter else "")

    @property
    def on_server(self) -> bool:
        """Whether it is reached over loopback."""
        return self.kind in ("ollama", "openai")

    def open(self, patience: float, workers: int) -> Engine:
        """A new engine, to be loaded.

        Args:
            patience: seconds of silence after which it counts as lost.
            workers: how many of them will be at work at once.
        """
        if self.kind == "gguf":
            from medllm.engines.llamacpp import LlamaCppEngine

            threads = 1 if workers > 1 else 0
            return LlamaCppEngine(Path(self.target), threads=threads, patience=patience)
        if self.kind == "ollama":
            from medllm.engines.ollama import OllamaEngine

            return OllamaEngine(self.target, patience=patience)
        if self.kind == "openai":
            from medllm.engines.openai import OpenAIEngine

            url, _, model = self.target.partition("#")
            return OpenAIEngine(url, model, patience=patience)
        return self._open_local()

    def _open_local(self) -> Engine:
        folder = Path(self.target)
        if self.kind == "hf":
            from medeval.engines.huggingface import HuggingFaceEngine

            return HuggingFaceEngine(folder, Path(self.adapter) if self.adapter else None)
        if self.kind == "ct2":
            from medeval.engines.ctranslate import CTranslateEngine

            return CTranslateEngine(folder)
        from medeval.engines.onnx import OnnxEngine

        return OnnxEngine(folder)

    def workers(self) -> int:
        """How many requests at once suit the engine.

        Small GGUF models run in one single-threaded host a core; a large one takes all
        cores for one request, and weights in this process are there once.
        """
        if self.on_server:
            return _AT_ONCE
        if self.kind != "gguf":
            return 1
        from medllm.engines.llamacpp import default_threads

        small = default_threads(models.check(Path(self.target)).tensor_bytes) == 1
        return max(1, min(os.cpu_count() or 1, _MOST_HOSTS)) if small else 1

    def identity(self) -> str:
        """What tells this model from any other, for the store of answers.

        Raises:
            ModelError: there is no such model.
        """
        if self.kind == "gguf":
            models.check(Path(self.target))
            return f"gguf:{models.sha256(Path(self.target))}"
        if self.on_server:
            info = self.open(30.0, 1).load()
            return f"{self.kind}:{info.sha256 or f'{info.path}#{info.name}'}"
        parts = [folder_hash(Path(p)) for p in (self.target, self.adapter) if p]
        return f"{self.kind}:{'+'.join(parts)}"


def parse(text: str) -> EngineSpec:
    """Reads what `--engine` was given.

    Raises:
        UsageError: it names no kind of engine, or nothing after the colon.
    """
    kind, colon, target = text.partition(":")
    if kind not in get_args(Kind) or not colon or not target:
        hint = f"Write one of: {FORMS}."
        if text.endswith(".gguf"):
            hint = f"Write --engine gguf:{text}"
        raise UsageError(f"{text!r} names no engine.", hint)
    adapter = ""
    if kind == "hf" and "+" in target and not Path(target).is_dir():
        target, _, adapter = target.rpartition("+")
    return EngineSpec(cast(Kind, kind), target, adapter)
