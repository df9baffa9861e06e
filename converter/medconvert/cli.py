"""medconvert: a trained run, an adapter or a model into GGUFs that are known to work.

medconvert runs/mini
medconvert --quant q4_k_m,q8_0
medconvert path/to/adapter --base path/to/model --out model.q4_k_m.gguf
medconvert inspect model.q4_k_m.gguf
"""

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from medllm import command, guard
from typer.core import TyperGroup

if TYPE_CHECKING:
    from medconvert.conversion import Targets
    from medconvert.plan import Options
    from medconvert.source import Source


class _ConvertsByDefault(TyperGroup):
    """What is no other command's name belongs to `convert`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["convert", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, cls=_ConvertsByDefault, help=__doc__
)


@app.command()
def convert(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A run of medtrain, an adapter folder or a model folder; "
            "default the newest finished run in the folder runs."
        ),
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="The adapter's base, where its files don't say.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The GGUF to write, or the folder of several; default SOURCE/gguf/NAME.QUANT.gguf."
        ),
    ] = None,
    quant: Annotated[
        str, typer.Option(help="Every type of llama.cpp; several, separated by commas, at once.")
    ] = "q4_k_m",
    match_peft: Annotated[
        bool,
        typer.Option(
            "--match-peft",
            help="Round as PEFT's merge and llama.cpp's converter do, for identical bytes; "
            "without it the merged weights stay float32 until they are quantized.",
        ),
    ] = False,
    merge_into: Annotated[
        str,
        typer.Option(
            help="What a QLoRA adapter is merged into: the original base, or the base "
            "dequantized from four bits, as training saw it."
        ),
    ] = "original",
    four_bit: Annotated[
        str, typer.Option(help="How training rounded the base: nf4, nf4-double, fp4, fp4-double.")
    ] = "nf4-double",
    llama_cpp: Annotated[
        Path | None,
        typer.Option(
            "--llama-cpp",
            help="A checkout of llama.cpp; its converter reads architectures that are not "
            "built in, and everything after that is as ever.",
        ),
    ] = None,
    imatrix: Annotated[
        Path | None,
        typer.Option(
            help="A text to compute an importance matrix from, which is kept beside the "
            "output, or one that was saved."
        ),
    ] = None,
    no_adapter: Annotated[
        bool, typer.Option("--no-adapter", help="Convert the base as it was before tuning.")
    ] = False,
    name: Annotated[str, typer.Option(help="The model's name; default the folder's.")] = "",
    threads: Annotated[int, typer.Option(min=0, help="0: one a core.")] = 0,
    no_verify: Annotated[
        bool,
        typer.Option(
            "--no-verify",
            help="Leave the checks out: wrong tokens, a wrong template or a broken merge "
            "would go unnoticed.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON.")] = False,
) -> None:
    """Merges, quantizes and checks a model in one pass."""
    from medconvert import conversion
    from medconvert import four_bit as rounding
    from medconvert import source as sources
    from medconvert.plan import Options
    from medconvert.quants import quants

    options = Options(
        quants=quants(quant),
        match_peft=match_peft,
        four_bit=rounding.code(merge_into, four_bit),
        llama_cpp=llama_cpp,
        imatrix=imatrix,
        verify=not no_verify,
        threads=threads,
        name=name,
    )
    found = sources.open_source(
        source or sources.newest_run(), with_adapter=not no_adapter, base=base
    )
    if source is None:
        typer.echo(f"Converting {found.folder}.", err=True)
    targets = conversion.targets(found, options, out)
    if dry_run:
        _preview(found, targets, options, as_json)
    else:
        _convert(found, targets, options, as_json)


def _convert(source: "Source", targets: "Targets", options: "Options", as_json: bool) -> None:
    from medconvert import conversion
    from medconvert.progress import ProgressView
    from medconvert.verify import table

    try:
        with ProgressView() as progress:
            records = conversion.convert(source, targets, options, progress)
    except KeyboardInterrupt:
        print("Stopped; nothing was left behind.", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        found = [record.model_dump(mode="json") for record in records]
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for file, record in zip(targets.files.values(), records, strict=True):
        metrics = record.metrics
        typer.echo(
            f"{file}: {metrics['bytes_written'] / 1e6:.1f} MB, "
            f"{metrics['bits_per_weight']} bits a weight, {record.seconds:.1f} s"
        )
        typer.echo(table.text(record.verify))


def _preview(source: "Source", targets: "Targets", options: "Options", as_json: bool) -> None:
    from medconvert import conversion

    todo, expected = conversion.preview(source, targets, options)
    outputs = {str(file): expected.sizes[kind.name] for kind, file in targets.files.items()}
    if as_json:
        found = {
            "source": str(source.folder),
            "base": str(source.base),
            "adapter": str(source.adapter or ""),
            "architecture": todo.arch,
            "parameters": todo.parameters,
            "outputs": outputs,
            "bytes_read": expected.bytes_read,
            "memory_bytes": expected.memory,
            "seconds": expected.seconds,
            "verify": options.verify,
        }
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    merged = sum(task.update is not None for task in todo.tasks)
    typer.echo(f"Would read {source.base}: {expected.bytes_read / 1e6:.1f} MB, {todo.arch}")
    if source.adapter:
        typer.echo(f"Would merge {source.adapter}: {merged} of {len(todo.tasks)} tensors")
    for file, size in outputs.items():
        typer.echo(f"Would write {file}: {size / 1e6:.1f} MB")
    typer.echo(f"Memory about {expected.memory / 1e6:.0f} MB, time about {expected.seconds:.0f} s")


def main() -> None:
    """The command `medconvert`."""
    guard.install()
    # So that a polite kill, too, leaves nothing behind.
    signal.signal(signal.SIGTERM, _interrupt)
    command.run(app)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
