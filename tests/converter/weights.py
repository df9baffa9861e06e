"""Weights and adapters made by rule: whole numbers by a power of two, the same on every machine.

They fit bf16, and so do the sums and products of a merge, in whatever order they are computed.
"""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Shapes = dict[str, tuple[int, ...]]


def whole(name: str, count: int, limit: int) -> Floats:
    """`count` numbers from -limit to limit that follow from the name alone (SplitMix64)."""
    with np.errstate(over="ignore"):
        x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x += np.uint64(zlib.crc32(name.encode())) << np.uint64(17)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return ((x % np.uint64(2 * limit + 1)).astype(np.int64) - limit).astype(np.float32)


def values(name: str, shape: tuple[int, ...], norm: float) -> Floats:
    """The values of a tensor; norms lie about `norm`."""
    count = int(np.prod(shape))
    if "norm" in name.lower() and not name.endswith("bias"):
        return (np.float32(norm) + whole(name, count, 31) / np.float32(128)).reshape(shape)
    return (whole(name, count, 127) / np.float32(1024)).reshape(shape)


def write(
    folder: Path, shapes: Shapes, dtype: str = "F32", *, norm: float = 1.0, shards: int = 1
) -> None:
    """Saves the weights of a model as safetensors of the type F32, F16 or BF16."""
    tensors = {name: values(name, shape, norm) for name, shape in shapes.items()}
    if shards == 1:
        save(folder / "model.safetensors", tensors, dtype)
        return
    where: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = dict(list(tensors.items())[number::shards])
        save(folder / file, part, dtype)
        where |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def save(file: Path, tensors: dict[str, Floats], dtype: str = "F32") -> None:
    """A safetensors file; https://huggingface.co/docs/safetensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        raw = _bytes(tensor, dtype)
        ends = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": ends}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def _bytes(tensor: Floats, dtype: str) -> bytes:
    if dtype == "BF16":
        bits = tensor.view(np.uint32)
        assert not (bits & 0xFFFF).any(), "a number that bf16 can't hold"
        return (bits >> np.uint32(16)).astype(np.uint16).tobytes()
    return tensor.astype(np.float16 if dtype == "F16" else np.float32).tobytes()


def write_adapter(
    folder: Path, base: Path, shapes: Shapes, targets: tuple[str, ...], **settings: Any
) -> Path:
    """Saves a LoRA adapter of rank 8 on every linear layer whose name's last part is a target."""
    tensors: dict[str, Floats] = {}
    for name, shape in shapes.items():
        module = name.removesuffix(".weight")
        if module.rpartition(".")[2] not in targets:
            continue
        key, (rows, columns) = f"base_model.model.{module}", shape
        a, b = (whole(f"{module}.{part}", 8 * n, 1) for part, n in (("A", columns), ("B", rows)))
        tensors[f"{key}.lora_A.weight"] = (a / np.float32(8)).reshape(8, columns)
        tensors[f"{key}.lora_B.weight"] = (b / np.float32(32)).reshape(rows, 8)
    save(folder / "adapter_model.safetensors", tensors)
    config = {
        "peft_type": "LORA", "r": 8, "lora_alpha": 16, "lora_dropout": 0.0, "bias": "none",
        "target_modules": list(targets), "task_type": "CAUSAL_LM", "inference_mode": True,
        "base_model_name_or_path": str(base), **settings,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
