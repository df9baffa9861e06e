"""What a model file is: whether it is whole, what it needs, its hash.

Everything here happens before native code sees the file, so that a bad file is
one clear line and not a crash.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm import files, gguf_header, paths
from medllm.errors import ModelError, ModelTooLargeError, StorageError

PULL = "Run `medtui pull` to fetch one, or name another file."
# llama.cpp's file types, `general.file_type` (llama.h, enum llama_ftype).
FILE_TYPES = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1"},
    **{10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M"},
    **{16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S"},
    **{22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M"},
    **{28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16"},
    **{36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0"},
}
"""Names of the quantizations, by `general.file_type`."""
# They load but don't decode from a prompt alone; some abort the process.
_NO_DECODER = ("t5", "t5encoder", "bert", "modern-bert", "nomic-bert", "jina-bert-v2", "clip")
_POOLED = (1, 2, 3)  # mean, cls, last: llama.h, enum llama_pooling_type
MOST_CONTEXT = 4096
_LEAST_CONTEXT = 1024
_BATCH = 512  # tokens of one llama.cpp micro-batch
_OVERHEAD = 96 << 20  # the host process itself: Python, numpy, llama.cpp


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """What the header of a model file says."""

    path: Path
    size_bytes: int
    name: str
    architecture: str
    quantization: str
    """As llama.cpp names it, `Q4_K_M`; `unknown` where the file doesn't say."""
    parameters: int
    tensor_bytes: int
    context_length: int
    """Tokens that the model was made for."""
    layers: int
    embedding: int
    feed_forward: int
    kv_values: int
    """Key and value elements a token and layer."""
    vocabulary: int
    has_template: bool
    metadata: dict[str, str]
    """The file's `general.*` and `medllm.*` texts and numbers."""

    def cache_bytes(self, context: int) -> int:
        """The 16-bit KV cache of `context` tokens."""
        return 2 * context * self.layers * self.kv_values

    def memory_bytes(self, context: int) -> int:
        """Memory for weights, a 16-bit KV cache of `context` tokens and the work buffers.

        The buffers are estimated from the shape: one micro-batch of logits and of
        the widest activations, in 32 bits.
        """
        width = self.vocabulary + 6 * self.embedding + 2 * self.feed_forward
        buffers = 4 * min(_BATCH, context) * width + _OVERHEAD
        return self.tensor_bytes + self.cache_bytes(context) + buffers


def check(path: Path) -> GgufFacts:
    """Reads the header of a model file and holds the file against it.

    Raises:
        ModelError: missing, a folder, unreadable, not GGUF, truncated, or no model
            that writes text (an adapter, an encoder, one piece of a split model).
    """
    size, header = _read_whole(path)
    _check_kind(path, header.metadata)
    return facts_of(path, size, header)


def check_embedder(path: Path) -> GgufFacts:
    """As `check`, for a model that makes vectors of texts.

    Raises:
        ModelError: as `check`, or it is no embedding model.
    """
    size, header = _read_whole(path)
    if not _is_embedder(header.metadata):
        raise ModelError(
            f"{path} is no embedding model.",
            "Name a GGUF of a sentence encoder, such as MiniLM; medconvert makes one.",
        )
    return facts_of(path, size, header)


def find_embedder() -> Path | None:
    """The first embedding model, by name, among the user's models; None where there is none."""
    for file in sorted(paths.models_dir().glob("*.gguf")):
        try:
            if file.is_file() and _is_embedder(gguf_header.read(file).metadata):
                return file
        except (ModelError, OSError):
            continue  # a broken file is no embedder; whoever asks for it by name is told
    return None


def _read_whole(path: Path) -> tuple[int, gguf_header.Header]:
    """Size and header of a file that is as long as its header says."""
    try:
        if path.is_dir():
            raise ModelError(f"{path} is a folder, not a model file.", "Name a .gguf file in it.")
        size = path.stat().st_size
        header = gguf_header.read(path)
    except FileNotFoundError as error:
        raise ModelError(f"There is no model {path.name} in {path.parent}.", PULL) from error
    except OSError as error:
        raise ModelError(
            f"The model {path} can't be read: {error.strerror or error}.",
            "Check its permissions.",
        ) from error
    if size < header.expected_bytes:
        raise gguf_header.truncated(path, size, header.expected_bytes)
    return size, header


def _is_embedder(metadata: dict[str, Any]) -> bool:
    """Whether the header says how a text's vector is made of its tokens'."""
    architecture = metadata.get("general.architecture", "")
    return metadata.get(f"{architecture}.pooling_type") in _POOLED


def _check_kind(path: Path, metadata: dict[str, Any]) -> None:
    architecture = metadata.get("general.architecture", "")
    if metadata.get("general.type", "model") == "adapter":
        raise ModelError(
            f"{path} is an adapter, not a whole model.", "Merge it with medconvert first."
        )
    if architecture in _NO_DECODER:
        raise ModelError(
            f"{path} is a model of the kind {architecture}, which this engine doesn't run.",
            "Name a decoder-only model, such as a Llama or Qwen.",
        )
    if int(metadata.get("split.count", 1)) > 1:
        raise ModelError(
            f"{path} is one piece of a split model.",
            "Join the pieces with llama-gguf-split --merge.",
        )
    if not architecture or not metadata.get("tokenizer.ggml.tokens"):
        raise ModelError(
            f"{path} is GGUF but holds no language model with a vocabulary.",
            "Name another model file.",
        )


def facts_of(path: Path, size: int, header: gguf_header.Header) -> GgufFacts:
    """What a header says of a model, of whatever kind it is; 0 for what it doesn't say.

    Args:
        path: the file.
        size: its bytes.
        header: of the file.
    """
    metadata = header.metadata
    architecture = str(metadata.get("general.architecture", ""))

    def number(key: str, default: int = 0) -> int:
        value = metadata.get(f"{architecture}.{key}", default)
        if array := header.arrays.get(f"{architecture}.{key}"):
            # One value a layer: the mean, rounded up, comes to the same sum over the layers.
            values = [item for item in array.items if isinstance(item, int | float)]
            return math.ceil(sum(values) / len(values)) if values else default
        return int(value) if isinstance(value, int | float) else default

    embedding, heads = number("embedding_length"), max(1, number("attention.head_count", 1))
    kv_heads = number("attention.head_count_kv", heads)
    head = embedding // heads
    per_head = number("attention.key_length", head) + number("attention.value_length", head)
    general = {
        key: str(value)
        for key, value in metadata.items()
        if key.startswith(("general.", "medllm.")) and isinstance(value, str | int | float)
    }
    return GgufFacts(
        path=path,
        size_bytes=size,
        name=str(metadata.get("general.name") or path.stem),
        architecture=architecture,
        quantization=FILE_TYPES.get(metadata.get("general.file_type", -1), "unknown"),
        parameters=header.parameters,
        tensor_bytes=header.tensor_bytes,
        context_length=number("context_length", MOST_CONTEXT),
        layers=number("block_count"),
        embedding=embedding,
        feed_forward=number("feed_forward_length", 4 * embedding),
        kv_values=kv_heads * per_head,
        vocabulary=int(metadata.get("tokenizer.ggml.tokens", 0)),
        has_template=bool(metadata.get("tokenizer.chat_template")),
        metadata=general,
    )


def fitting_context(facts: GgufFacts, context: int = 0, available: int | None = None) -> int:
    """The context to load the model with.

    Args:
        facts: the model.
        context: tokens; 0 takes the model's own, at most 4096, and less where
            memory is short.
        available: bytes of memory; measured when not given.

    Raises:
        ModelTooLargeError: it would not fit; gives both figures.
    """
    free = available_memory() if available is None else available
    most = min(context or MOST_CONTEXT, facts.context_length or MOST_CONTEXT)
    choices = [most]
    while not context and choices[-1] // 2 >= _LEAST_CONTEXT:
        choices.append(choices[-1] // 2)
    for choice in choices:
        if facts.memory_bytes(choice) <= free:
            return choice
    raise ModelTooLargeError(
        f"The model {facts.path.name} needs about {_gb(facts.memory_bytes(choices[-1]))} of "
        f"memory, and {_gb(free)} are free.",
        "Close other programs, or take a smaller model or quantization (medtui pull).",
    )


def available_memory() -> int:
    """Bytes that can be taken without swapping, a container's own limit included."""
    import psutil

    available = int(psutil.virtual_memory().available)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text()
        used = Path("/sys/fs/cgroup/memory.current").read_text()
        # File cache counts as used there, but gives way.
        stat = dict(
            line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines()
        )
        left = int(limit) - int(used) + int(stat.get("file", 0))
    except (OSError, ValueError):
        return available
    return max(0, min(available, left))


def sha256(path: Path, progress: Callable[[float], None] | None = None) -> str:
    """SHA-256 of a model file, remembered by path, size and time of change.

    The memory is a file in the user's folder; where that can't be written, the
    hash is computed each time.

    Raises:
        ModelError: the file can't be read.
    """
    try:
        state = path.stat()
        key = str(path.resolve())
        stamp = [state.st_size, state.st_mtime_ns]
        known = _known_hashes()
        if isinstance(entry := known.get(key), list) and entry[:2] == stamp:
            return str(entry[2])
        digest = files.sha256(path, progress)
    except OSError as error:
        raise ModelError(
            f"The model {path} can't be read: {error.strerror or error}.",
            "Check its permissions.",
        ) from error
    try:
        paths.ensure_dir(_hashes_file().parent)
        files.write_json(_hashes_file(), {**known, key: [*stamp, digest]})
    except StorageError:
        pass
    return digest


def _hashes_file() -> Path:
    return paths.user_dir() / "model-hashes.json"


def _known_hashes() -> dict[str, Any]:
    try:
        known = json.loads(_hashes_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _gb(amount: int) -> str:
    return f"{amount / 1e9:.1f} GB" if amount >= 1e8 else f"{amount / 1e6:.0f} MB"
