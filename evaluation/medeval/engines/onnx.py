"""A decoder in ONNX with a key and value cache, through ONNX Runtime.

The folder holds model.onnx and a Hugging Face tokenizer. Inputs are input_ids,
attention_mask, perhaps position_ids, and past_key_values.N.key and .value; outputs are
logits and present.N.key and .value, as onnxruntime-genai's and optimum's exports have them.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from medllm.engines.protocol import ModelInfo
from medllm.engines.sampling import Logits
from medllm.errors import MissingExtraError, ModelError

from medeval.engines.in_process import InProcessEngine, open_tokenizer, unreadable
from medeval.engines.model_folder import folder_hash

_CONTEXT = 4096
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxEngine(InProcessEngine):
    """One folder with model.onnx."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._session: Any = None
        self._outputs: list[str] = []
        self._inputs: frozenset[str] = frozenset()
        self._empty: dict[str, Any] = {}
        self._past: dict[str, Any] = {}
        self._length = 0

    def open_model(self) -> ModelInfo:
        """Loads the graph."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnx", "onnxruntime") from error
        file = self._folder / "model.onnx"
        if not file.is_file():
            raise ModelError(f"{self._folder} holds no model.onnx.", "Name an ONNX folder.")
        self.tokenizer = open_tokenizer(self._folder)
        try:
            self._session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise unreadable(self._folder, error) from error
        inputs = self._session.get_inputs()
        self._inputs = frozenset(i.name for i in inputs)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._empty = {i.name: _empty(i) for i in inputs if i.name.startswith("past_key_values")}
        if not self._empty:
            raise ModelError(
                f"{file} has no key and value cache.", "Export it with one, as medconvert does."
            )
        template = self.tokenizer.chat_template or ""
        return ModelInfo(
            name=self._folder.name,
            path=str(self._folder),
            sha256=folder_hash(self._folder),
            size_bytes=sum(f.stat().st_size for f in self._folder.glob("*.onnx*")),
            architecture="onnx",
            quantization="",
            parameters=0,
            context=self._context(),
            template_has_system=not template or "system" in template,
        )

    def begin(self, prompt: list[int]) -> Logits:
        """Processes the prompt with an empty cache."""
        self._past, self._length = dict(self._empty), 0
        return self._forward(prompt)

    def extend(self, token: int) -> Logits:
        """One step with the cache."""
        return self._forward([token])

    def _forward(self, tokens: list[int]) -> Logits:
        start, self._length = self._length, self._length + len(tokens)
        inputs: dict[str, Any] = {
            "input_ids": np.array([tokens], np.int64),
            "attention_mask": np.ones((1, self._length), np.int64),
            "position_ids": np.arange(start, self._length, dtype=np.int64)[None],
        }
        wanted = {name: value for name, value in inputs.items() if name in self._inputs}
        values = self._session.run(self._outputs, {**wanted, **self._past})
        found = dict(zip(self._outputs, values, strict=True))
        self._past = {
            name: found[name.replace("past_key_values", "present")] for name in self._past
        }
        return np.ascontiguousarray(found["logits"][0, -1], dtype=np.float32)

    def _context(self) -> int:
        for name, places in (
            ("genai_config.json", ("model", "context_length")),
            ("config.json", ("max_position_embeddings",)),
        ):
            try:
                found: Any = json.loads((self._folder / name).read_text(encoding="utf-8"))
                for place in places:
                    found = found[place]
                return min(int(found), _CONTEXT)
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return _CONTEXT


def _empty(value: Any) -> Any:
    """A cache without positions: shape (1, heads, 0, width)."""
    _, heads, _, width = value.shape
    return np.zeros((1, int(heads), 0, int(width)), _TYPES.get(value.type, np.float32))
