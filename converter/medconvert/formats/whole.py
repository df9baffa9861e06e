"""A model folder for converters that read one: the base, or the base with its adapter merged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medllm.errors import ConversionError

from medconvert import checkpoint, merged
from medconvert.formats.options import Options, Progress
from medconvert.formats.output import need_room
from medconvert.plan import Options as GgufOptions
from medconvert.scratch import scratch_folder
from medconvert.source import Source


@contextmanager
def whole_model(source: Source, options: Options, out: Path, progress: Progress) -> Iterator[Path]:
    """The folder; a temporary one beside `out`, in float32, where something must be merged.

    Raises:
        ConversionError: the adapter can't be merged.
        StorageError: there is no room.
    """
    if not source.adapter and not options.four_bit:
        yield source.base
        return
    progress("Merging", 0, 0)
    need_room(out, 4 * parameters_of(source.base))
    with scratch_folder(out, "merged") as spare:
        how = GgufOptions((), four_bit=options.four_bit)
        yield merged.write(source, how, spare / "model", widen=True)


def parameters_of(base: Path) -> int:
    """Numbers in all tensors of a model folder.

    Raises:
        ConversionError: it holds no readable safetensors.
    """
    return sum(tensor.rows * tensor.columns for tensor in checkpoint.read_model(base).values())


def need_memory(parameters: int) -> None:
    """Raises ConversionError where a converter that holds the model twice in float32 can't run."""
    import psutil

    free, needed = psutil.virtual_memory().available, 8 * parameters
    if free < needed:
        raise ConversionError(
            f"The export takes about {needed / 1e9:.0f} GB of memory, {free / 1e9:.0f} GB are "
            "free.",
            "Close other programs, or make a GGUF, which is converted in pieces.",
        )


def refuse_quantized(config: dict[str, object]) -> None:
    """Raises ConversionError for a base that is quantized already."""
    if config.get("quantization_config"):
        raise ConversionError(
            "The base is quantized already (quantization_config in config.json).",
            "Export the 16-bit model that it was made from.",
        )
