"""medconvert: a trained run, an adapter or a model into one quantized GGUF.

medconvert runs/mini
medconvert runs/mini --no-adapter
medconvert path/to/model --out model.q4_k_m.gguf --name "My model"
"""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from medllm import command, guard

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="A run of medtrain, an adapter folder or a model folder.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The GGUF to write; default SOURCE/gguf/NAME.QUANT.gguf.")
    ] = None,
    quant: Annotated[str, typer.Option(help="The mixture of types.")] = "q4_k_m",
    match_peft: Annotated[
        bool,
        typer.Option(
            "--match-peft",
            help="Round as PEFT's merge and llama.cpp's converter do, for identical bytes; "
            "without it the merged weights stay float32 until they are quantized.",
        ),
    ] = False,
    no_adapter: Annotated[
        bool, typer.Option("--no-adapter", help="Convert the base as it was before tuning.")
    ] = False,
    name: Annotated[str, typer.Option(help="The model's name; default the folder's.")] = "",
    threads: Annotated[int, typer.Option(min=0, help="0: one a core.")] = 0,
) -> None:
    """Merges, quantizes and checks a model in one pass."""
    from medconvert import conversion, mixture
    from medconvert.progress import ProgressView
    from medconvert.source import open_source

    mixed = mixture.quant(quant)
    found = open_source(source, with_adapter=not no_adapter)
    options = conversion.Options(mixed, match_peft, threads, name)
    stem = (name or found.name).replace("/", "-").replace("\0", "")
    file = out or found.folder / "gguf" / f"{stem}.{mixed.name}.gguf"
    try:
        with ProgressView() as progress:
            record = conversion.convert(found, file, options, progress)
    except KeyboardInterrupt:
        print("Stopped; nothing was left behind.", file=sys.stderr)
        raise typer.Exit(130) from None
    metrics = record.metrics
    typer.echo(
        f"{file}: {metrics['bytes_written'] / 1e6:.1f} MB, "
        f"{metrics['bits_per_weight']} bits a weight, {metrics['parity']['tokens']} tokens alike "
        f"in {metrics['parity']['texts']} texts, {record.seconds:.1f} s"
    )


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
