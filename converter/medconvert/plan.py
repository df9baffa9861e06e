"""What a conversion will do, known before a byte is written."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError, MissingExtraError

from medconvert import checkpoint, general, ggml, pooling
from medconvert.adapter import read_adapter
from medconvert.families import family_of
from medconvert.four_bit import Code, FourBit
from medconvert.layout import Shape, in_file_order
from medconvert.mixture import source_kind
from medconvert.onepass import Task
from medconvert.quants import F32, Quant
from medconvert.source import Source, read_json
from medconvert.vocabulary import write_vocabulary


@dataclass(frozen=True, slots=True)
class Options:
    """How to convert."""

    quants: tuple[Quant, ...]
    match_peft: bool = False
    four_bit: Code | None = None
    """Of a QLoRA adapter: how its base was rounded, to merge into that; None: the original."""
    llama_cpp: Path | None = None
    """A checkout of llama.cpp, for architectures that only its converter knows."""
    imatrix: Path | None = None
    """A text to compute an importance matrix from, or a saved one."""
    verify: bool = True
    threads: int = 0
    """0: one a core."""
    name: str = ""
    """`general.name`; empty: the source's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A conversion of which all is known but the types; nothing has been written yet."""

    source: Source
    options: Options
    arch: str
    """As GGUF names it."""
    tasks: list[Task]
    extra: dict[str, checkpoint.Floats]
    """Tensors that the base has not."""
    metadata: Callable[[Any], None]
    """Adds all keys but those of the quantization to a `gguf.GGUFWriter`."""

    @property
    def name(self) -> str:
        """`general.name`."""
        return self.options.name or self.source.name

    @property
    def shapes(self) -> list[Shape]:
        """The tensors of the GGUF, in the order of the file."""
        made = [Shape(name, values.shape) for name, values in self.extra.items()]
        return in_file_order([*made, *(Shape(t.place.name, t.tensor.shape) for t in self.tasks)])

    @property
    def plain_kinds(self) -> dict[str, int]:
        """The ggml type of each tensor in an f16 file."""
        return dict.fromkeys(self.extra, F32) | {t.place.name: t.plain for t in self.tasks}

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(math.prod(shape.dims) for shape in self.shapes)

    @property
    def bytes_read(self) -> int:
        """Size of the base's tensors that are read."""
        return sum(task.tensor.data.nbytes for task in self.tasks)

    def describe(self, writer: Any, quant: Quant) -> None:
        """Adds all metadata to a `gguf.GGUFWriter` that knows its tensors."""
        import gguf

        self.metadata(writer)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        writer.add_file_type(quant.file_type)


def plan(source: Source, options: Options) -> Plan:
    """Reads everything but the weights and refuses what can't be converted.

    Raises:
        ConversionError: see its message.
    """
    need_extra()
    config = read_json(source.base / "config.json")
    family = family_of(config)
    base = checkpoint.read_model(source.base)
    if options.four_bit:
        rounding = FourBit(options.four_bit)
        base = {name: rounding.tensor(tensor) for name, tensor in base.items()}
    updates = read_adapter(source.adapter, base, options.match_peft) if source.adapter else {}
    tasks = [
        Task(place, tensor, updates.get(name), source_kind(tensor.shape, place.name))
        for name, tensor in base.items()
        if (place := family.place(name))
    ]
    if twice := [n for n, count in Counter(t.place.name for t in tasks).items() if count > 1]:
        raise ConversionError(f"Two tensors of the base would become {twice[0]}.")

    def metadata(writer: Any) -> None:
        general.write_general(writer, source, options.name or source.name)
        family.write_parameters(writer)
        if family.arch in pooling.ENCODERS:
            pooling.write_pooling(source.base, writer)
        write_vocabulary(source.base, config["vocab_size"], writer)
        general.write_own(writer, source)

    return Plan(source, options, family.arch, tasks, family.extra_tensors(), metadata)


def need_extra() -> None:
    """Raises MissingExtraError where a package is missing, UsageError for an unknown switch."""
    from importlib.util import find_spec

    for package in ("gguf", "torch", "transformers"):
        if find_spec(package) is None:
            raise MissingExtraError("convert", package)
    ggml.quantizers()  # a wrong switch is refused before any work
