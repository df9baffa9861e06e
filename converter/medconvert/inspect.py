"""What is in a GGUF: `medconvert inspect FILE.gguf`. Read from the header alone.

report = inspect.report(file)
print(report.text())        # or report.as_json()
"""

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medllm import gguf_header, models
from medllm.errors import ModelError
from medllm.gguf_header import Array, Header, Tensor
from medllm.models import GgufFacts

from medconvert import chat_family

_TEMPLATE = "tokenizer.chat_template"
_USUAL_CONTEXT = 4096
_WIDEST = 100


@dataclass(frozen=True, slots=True)
class TypeSum:
    """All tensors of one type."""

    type_name: str
    tensors: int
    elements: int
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a model needs when it is loaded with one context."""

    context: int
    """Tokens."""
    weights: int
    """In bytes, as the others."""
    cache: int
    """16-bit keys and values of the whole context, in every layer."""
    buffers: int
    """Estimate: work buffers and the process itself."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.buffers


@dataclass(frozen=True, slots=True)
class Report:
    """What the header of a GGUF tells."""

    facts: GgufFacts
    header: Header
    types: tuple[TypeSum, ...]
    """The largest first."""
    memory: tuple[Memory, ...]
    """At the usual context and at the model's own; empty for what isn't run by itself."""
    chat_template: str
    """Jinja; empty where there is none."""
    chat_family: str
    """Empty where it is not known."""
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report for --json."""
        facts = self.facts
        metadata = {
            key: _plain(asdict(self.header.arrays[key]) if key in self.header.arrays else value)
            for key, value in self.header.metadata.items()
        }
        return {
            "file": facts.path.name,
            "bytes": facts.size_bytes,
            "version": self.header.version,
            "name": facts.name,
            "architecture": facts.architecture,
            "quantization": facts.quantization,
            "parameters": facts.parameters,
            "bits_per_weight": self._bits_per_weight(),
            "context_length": facts.context_length,
            "chat_family": self.chat_family,
            "chat_template": self.chat_template,
            "types": [asdict(kind) for kind in self.types],
            "memory": [{**asdict(need), "total": need.total} for need in self.memory],
            "metadata": metadata,
            "tensors": [
                {
                    "name": tensor.name,
                    "shape": list(tensor.shape),
                    "type": tensor.type_name,
                    "bytes": tensor.size,
                }
                for tensor in self.header.tensors
            ],
            "warnings": list(self.warnings),
        }

    def text(self) -> str:
        """The report for a terminal."""
        parts = [self._summary(), _section("Metadata", self._metadata())]
        if self.chat_template:
            parts.append("Chat template\n" + _indented(self.chat_template))
        parts.append(_section("Types", [_type_row(kind) for kind in self.types]))
        parts.append(_section("Tensors", [_tensor_row(tensor) for tensor in self.header.tensors]))
        if self.memory:
            parts.append(_section("Memory", [_memory_row(need) for need in self.memory]))
        parts += [f"Note: {warning}" for warning in self.warnings]
        return "\n\n".join(part for part in parts if part)

    def _bits_per_weight(self) -> float:
        return round(8 * self.facts.tensor_bytes / max(1, self.facts.parameters), 2)

    def _summary(self) -> str:
        facts = self.facts
        family = self.chat_family or ("unknown" if self.chat_template else "none")
        return "\n".join(
            (
                f"{_visible(facts.name)}: {_visible(facts.architecture) or 'no architecture'}, "
                f"{facts.quantization}, GGUF {self.header.version}",
                f"{facts.parameters:,} parameters, {facts.size_bytes:,} bytes, "
                f"{self._bits_per_weight()} bits a weight, whole",
                f"Chat family: {family}",
            )
        )

    def _metadata(self) -> list[tuple[str, str]]:
        return [
            (_visible(key), _shown(value, self.header.arrays.get(key)))
            for key, value in self.header.metadata.items()
            if key != _TEMPLATE
        ]


def report(file: Path) -> Report:
    """Reads the header of a GGUF of any kind and holds the file's length against it.

    Raises:
        ModelError: missing, a folder, unreadable, not GGUF, garbled or truncated.
    """
    size, header = _read(file)
    facts = models.facts_of(file, size, header)
    template = header.metadata.get(_TEMPLATE, "")
    template = template if isinstance(template, str) else ""
    return Report(
        facts=facts,
        header=header,
        types=_types(header),
        memory=_memory(facts, header),
        chat_template=template,
        chat_family=_family(file, header),
        warnings=tuple(_warnings(header, facts)),
    )


def _read(file: Path) -> tuple[int, Header]:
    if file.is_dir():
        raise ModelError(f"{file} is a folder.", "Name a .gguf file in it.")
    try:
        size, header = file.stat().st_size, gguf_header.read(file)
    except FileNotFoundError as error:
        raise ModelError(f"There is no file {file}.", "Name a .gguf file.") from error
    except OSError as error:
        raise ModelError(
            f"{file} can't be read: {error.strerror or error}.", "Check its permissions."
        ) from error
    if size < header.expected_bytes:
        raise gguf_header.truncated(file, size, header.expected_bytes)
    return size, header


def _plain(value: Any) -> Any:
    """A value as JSON takes it: NaN and infinity become words."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _types(header: Header) -> tuple[TypeSum, ...]:
    groups: dict[str, list[Tensor]] = defaultdict(list)
    for tensor in header.tensors:
        groups[tensor.type_name].append(tensor)
    sums = [
        TypeSum(name, len(group), sum(t.elements for t in group), sum(t.size for t in group))
        for name, group in groups.items()
    ]
    return tuple(sorted(sums, key=lambda kind: kind.size, reverse=True))


def _memory(facts: GgufFacts, header: Header) -> tuple[Memory, ...]:
    if not facts.layers or not header.tensors or header.metadata.get("general.type") == "adapter":
        return ()
    needs = []
    for context in sorted({min(_USUAL_CONTEXT, facts.context_length), facts.context_length}):
        cache = facts.cache_bytes(context)
        buffers = facts.memory_bytes(context) - cache - facts.tensor_bytes
        needs.append(Memory(context, facts.tensor_bytes, cache, buffers))
    return tuple(needs)


def _family(file: Path, header: Header) -> str:
    family = chat_family.of_gguf(file, header)
    return family.name if family else ""


def _warnings(header: Header, facts: GgufFacts) -> list[str]:
    metadata, found = header.metadata, []
    unknown = sorted({t.type_name for t in header.tensors if t.kind not in gguf_header.BLOCKS})
    if unknown:
        found.append(
            f"Tensors of {', '.join(unknown)} are not known here; their bytes are not counted, "
            "and a file cut within them would not be noticed."
        )
    split = metadata.get("split.count", 1)
    if isinstance(split, int) and split > 1:
        found.append(f"This is one piece of {split}; the others hold more tensors.")
    if metadata.get("general.type") == "adapter":
        found.append("This is an adapter; it runs only together with its base.")
    elif metadata.get("tokenizer.ggml.tokens") and not facts.has_template:
        found.append("It has no chat template; programs guess one, or only complete text.")
    if any(".attention.sliding_window" in key for key in metadata):
        found.append("Layers with a sliding window can need less memory than is said here.")
    return found


def _shown(value: Any, array: Array | None) -> str:
    if array is None:
        return _cut(_visible(str(value)))
    items = ", ".join(_visible(str(item)) for item in array.items[:8])
    more = ", ..." if array.count > len(array.items[:8]) else ""
    return _cut(f"{array.count:,}: {items}{more}")


def _type_row(kind: TypeSum) -> tuple[str, str]:
    tensors = f"{kind.tensors} tensor{'s' if kind.tensors > 1 else ''}"
    return kind.type_name, f"{tensors}, {kind.elements:,} numbers, {kind.size / 1e6:,.1f} MB"


def _tensor_row(tensor: Tensor) -> tuple[str, str]:
    shape = " x ".join(map(str, tensor.shape))
    return _visible(tensor.name), f"{tensor.type_name:<8} {shape}"


def _memory_row(need: Memory) -> tuple[str, str]:
    def mega(size: int) -> str:
        return f"{size / 1e6:,.0f} MB"

    return (
        f"context {need.context}",
        f"about {mega(need.total)}: weights {mega(need.weights)}, KV cache {mega(need.cache)}, "
        f"buffers {mega(need.buffers)}",
    )


def _section(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"  {name:<{width}}  {said}".rstrip() for name, said in rows)])


def _indented(text: str) -> str:
    return "\n".join(f"  {_visible(line)}" for line in text.splitlines())


def _visible(text: str) -> str:
    """A text from a file as a terminal may show it: no control characters, one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
