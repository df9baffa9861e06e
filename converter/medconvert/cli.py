"""medconvert: a trained run, an adapter or a model into files that are known to work.

medconvert runs/mini
medconvert --quant q4_k_m,q8_0
medconvert path/to/adapter --base path/to/model --out model.q4_k_m.gguf
medconvert path/to/adapter --format adapter
medconvert model.q4_k_m.gguf --publish hf:OWNER/NAME --dry-run
medconvert inspect model.q4_k_m.gguf
medconvert convert --help
"""

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from medllm import command, guard
from typer.core import TyperGroup


class _ConvertsByDefault(TyperGroup):
    """What is no other command's name belongs to `convert`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["convert", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, cls=_ConvertsByDefault, help=__doc__
)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def convert(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A run of medtrain, an adapter folder or a model folder; default the newest "
            "finished run in the folder runs. With --publish also a GGUF."
        ),
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="The adapter's base, where its files don't say.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or the folder of several; default SOURCE/gguf/NAME.QUANT.gguf."
        ),
    ] = None,
    quant: Annotated[
        str,
        typer.Option(
            help="Every type of llama.cpp (q4_k_m where nothing is said); several, separated by "
            "commas, at once. Of other formats their precision."
        ),
    ] = "",
    form: Annotated[
        str,
        typer.Option("--format", help="gguf; adapter (a GGUF of the adapter alone); onnx; ct2."),
    ] = "gguf",
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
    publish: Annotated[
        list[str] | None,
        typer.Option(help="hf:OWNER/NAME or ollama:NAME; several are taken one by one."),
    ] = None,
    licence: Annotated[
        Path | None, typer.Option(help="Text of the licence to publish under.")
    ] = None,
    base_id: Annotated[
        str, typer.Option(help="The base's name on the Hub, for the model card.")
    ] = "",
    private: Annotated[
        bool, typer.Option("--private", help="Make the Hub repository private.")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Let Ollama push the model to its library.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written and sent; do neither.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Merges, quantizes and checks a model in one pass, and publishes it."""
    from medconvert import four_bit as rounding
    from medconvert import job

    publication = job.Publication(tuple(publish or ()), licence, base_id, private, push)
    asked = job.Job(
        source=source,
        base=base,
        out=out,
        quant=quant,
        format=form,
        match_peft=match_peft,
        four_bit=rounding.code(merge_into, four_bit),
        llama_cpp=llama_cpp,
        imatrix=imatrix,
        with_adapter=not no_adapter,
        name=name,
        threads=threads,
        verify=not no_verify,
        publication=publication,
        as_json=as_json,
    )
    asked.preview() if dry_run else asked.run()


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A GGUF of any kind.")], as_json: _Json = False
) -> None:
    """Shows what is in a GGUF: metadata, types and sizes, chat template, memory."""
    import json

    from medconvert.inspect import report

    found = report(file)
    shown = json.dumps(found.as_json(), indent=2, ensure_ascii=False) if as_json else found.text()
    typer.echo(shown)


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
