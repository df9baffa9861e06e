"""One call of the command: convert, show, publish; or say what these would do."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from medllm.errors import UsageError
from medllm.run_record import RunRecord

from medconvert import conversion, formats, publish
from medconvert import source as sources
from medconvert.conversion import Targets
from medconvert.four_bit import Code
from medconvert.plan import Options
from medconvert.progress import ProgressView
from medconvert.quants import DEFAULT, quants
from medconvert.source import Source
from medconvert.verify import table

GGUF = "gguf"


@dataclass(frozen=True, slots=True)
class Publication:
    """Where to publish, and under what terms."""

    targets: tuple[str, ...] = ()
    licence: Path | None = None
    base_id: str = ""
    private: bool = False
    push: bool = False

    def plans(self, files: Sequence[Path], progress: ProgressView | None) -> list[publish.Plan]:
        """What goes where; opens no socket."""
        options = publish.Options(self.licence, self.base_id, self.private, self.push)
        return [
            publish.plan(files, publish.parse_target(target), options, progress)
            for target in self.targets
        ]


@dataclass(frozen=True, slots=True)
class Job:
    """What the command was asked."""

    source: Path | None
    base: Path | None
    out: Path | None
    quant: str
    format: str
    match_peft: bool
    four_bit: Code | None
    llama_cpp: Path | None
    imatrix: Path | None
    with_adapter: bool
    name: str
    threads: int
    verify: bool
    publication: Publication
    as_json: bool

    def run(self) -> None:
        """Does it.

        Raises:
            MedLLMError: what is finished stays; of the rest nothing is left.
        """
        for target in self.publication.targets:
            publish.parse_target(target)  # a mistake in a name is found before hours of work
        records: list[RunRecord] = []
        with _interruptible(), ProgressView() as progress:
            if self._is_made():
                files = [self._made()]
            elif self.format == GGUF:
                files, records = self._convert(progress)
            else:
                files, records = self._export(progress)
            plans = self.publication.plans(files, progress)
            said = [publish.run(plan, progress) for plan in plans]
        self._tell(files, records, said)

    def preview(self) -> None:
        """Says what `run` would write and send."""
        found: dict[str, Any] = {}
        lines: list[str] = []
        if self._is_made():
            files = [self._made()]
        else:
            content, text, files = self._foresee()
            found |= content
            lines += text
        if self.publication.targets and all(file.is_file() for file in files):
            plans = self.publication.plans(files, None)
            found["publish"] = [plan.as_json() for plan in plans]
            lines += [str(plan) for plan in plans]
        elif self.publication.targets:
            found["publish"] = list(self.publication.targets)
            lines.append(
                f"Would then publish to {', '.join(self.publication.targets)}; what exactly is "
                "known once the files are there: convert first, then --publish --dry-run."
            )
        typer.echo(_json(found) if self.as_json else "\n".join(lines))

    def _is_made(self) -> bool:
        """Whether a GGUF is named, that only waits to be published."""
        return self.source is not None and self.source.suffix == ".gguf"

    def _made(self) -> Path:
        assert self.source is not None
        if not self.publication.targets:
            raise UsageError(
                f"{self.source} is a GGUF already.",
                "Look into it with medconvert inspect, or send it with --publish.",
            )
        return self.source

    def _open(self) -> Source:
        found = sources.open_source(
            self.source or sources.newest_run(), with_adapter=self.with_adapter, base=self.base
        )
        if self.source is None:
            typer.echo(f"Converting {found.folder}.", err=True)
        return found

    def _options(self) -> Options:
        return Options(
            quants=quants(self.quant or DEFAULT),
            match_peft=self.match_peft,
            four_bit=self.four_bit,
            llama_cpp=self.llama_cpp,
            imatrix=self.imatrix,
            verify=self.verify,
            threads=self.threads,
            name=self.name,
        )

    def _convert(self, progress: ProgressView) -> tuple[list[Path], list[RunRecord]]:
        options, source, targets = self._aims()
        records = conversion.convert(source, targets, options, progress)
        return list(targets.files.values()), records

    def _aims(self) -> tuple[Options, Source, Targets]:
        options = self._options()
        source = self._open()
        return options, source, conversion.targets(source, options, self.out)

    def _export(self, progress: ProgressView) -> tuple[list[Path], list[RunRecord]]:
        if self.publication.targets:
            raise UsageError(
                f"--format {self.format} can't be published from here.",
                "Publish a GGUF, or upload the folder with the Hub's own tools.",
            )
        options = formats.Options(self.quant, self.four_bit, self.name)
        place, record = formats.export(self.format, self._open(), self.out, options, progress)
        return [place], [record]

    def _foresee(self) -> tuple[dict[str, Any], list[str], list[Path]]:
        if self.format != GGUF:
            raise UsageError(
                f"There is no dry run of --format {self.format}.", "It is there for gguf only."
            )
        options, source, targets = self._aims()
        todo, expected = conversion.preview(source, targets, options)
        sizes = {str(file): expected.sizes[kind.name] for kind, file in targets.files.items()}
        merged = sum(task.update is not None for task in todo.tasks)
        content = {
            "source": str(source.folder),
            "base": str(source.base),
            "adapter": str(source.adapter or ""),
            "architecture": todo.arch,
            "parameters": todo.parameters,
            "outputs": sizes,
            "bytes_read": expected.bytes_read,
            "memory_bytes": expected.memory,
            "seconds": expected.seconds,
            "verify": options.verify,
        }
        lines = [f"Would read {source.base}: {expected.bytes_read / 1e6:.1f} MB, {todo.arch}"]
        if source.adapter:
            lines.append(f"Would merge {source.adapter}: {merged} of {len(todo.tasks)} tensors")
        lines += [f"Would write {file}: {size / 1e6:.1f} MB" for file, size in sizes.items()]
        lines.append(
            f"Memory about {expected.memory / 1e6:.0f} MB, time about {expected.seconds:.0f} s "
            "and the checks"
        )
        return content, lines, list(targets.files.values())

    def _tell(
        self, files: Sequence[Path], records: Sequence[RunRecord], published: Sequence[str]
    ) -> None:
        if self.as_json:
            content = [record.model_dump(mode="json") for record in records]
            typer.echo(_json({"outputs": content, "published": list(published)}))
            return
        for file, record in zip(files, records, strict=False):
            typer.echo(f"{file}: {_figures(record)}{record.seconds:.1f} s")
            typer.echo(table.text(record.verify))
        for line in published:
            typer.echo(line)


def _figures(record: RunRecord) -> str:
    """Size and bits a weight, where the record has them."""
    metrics = record.metrics
    size = f"{metrics['bytes_written'] / 1e6:.1f} MB, " if "bytes_written" in metrics else ""
    bits = f"{metrics['bits_per_weight']} bits a weight, " if "bits_per_weight" in metrics else ""
    return size + bits


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("Stopped; nothing half-done was left behind.", file=sys.stderr)
        raise typer.Exit(130) from None


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)
