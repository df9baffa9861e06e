"""What a run wrote: report.json with figures, samples.jsonl with every judged answer."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from medllm import files
from medllm.errors import DataError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medeval.intervals import Column, interval
from medeval.sample import Answer, Judgement, Sample
from medeval.task import Measure, Task, mean

REPORT, SAMPLES = "report.json", "samples.jsonl"


class Row(BaseModel):
    """One judged answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    id: str
    digest: str
    """Of question and gold: equal in two reports only where they asked the same."""
    prompt: str
    gold: str
    answer: str
    said: str
    problem: str
    values: dict[str, float | None]
    kinds: tuple[str, ...]
    note: str
    end: str
    tokens: int
    seconds: float


class Figure(BaseModel):
    """One measure of a task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    value: float
    low: float | None
    """Ends of the 95% interval; None where there are too few answers for one."""
    high: float | None
    answers: int
    """How many answers it is computed from."""
    better: int
    share: bool

    def __str__(self) -> str:
        text = shown(self.value, self.share)
        if self.low is None or self.high is None:
            return text
        return f"{text} ({shown(self.low, self.share)} to {shown(self.high, self.share)})"


class TaskResult(BaseModel):
    """What came of one task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    about: str
    asked: int
    """Samples that were to be asked."""
    answered: int
    failed: dict[str, int] = Field(default_factory=dict)
    """Questions without an answer, by what went wrong."""
    problems: dict[str, int] = Field(default_factory=dict)
    """Answers that were empty, looped, in another language, or not asked for being too long."""
    kinds: dict[str, int] = Field(default_factory=dict)
    figures: tuple[Figure, ...] = ()


class Report(BaseModel):
    """report.json."""

    model_config = ConfigDict(extra="forbid")

    engine: str
    """Kind of the engine and the model's name; no path."""
    identity: str
    """What the answers are kept under: the model's hash, where the engine tells one."""
    model: dict[str, str] = Field(default_factory=dict)
    prompt_version: str
    seed: int
    limit: int
    stopped_by: str = ""
    """Why the run ended before its end; empty where it did not."""
    tasks: dict[str, TaskResult] = Field(default_factory=dict)

    def write(self, folder: Path, rows: Iterable[Row]) -> None:
        """Writes both files, each atomically."""
        lines = [row.model_dump_json() for row in rows]
        files.write_text(folder / SAMPLES, "".join(f"{line}\n" for line in lines))
        files.write_json(folder / REPORT, self.model_dump(mode="json"))


def shown(value: float, share: bool) -> str:
    """A value as people read it."""
    return f"{value:.1%}" if share else f"{value:.3f}"


def row(task: Task, sample: Sample, answer: Answer, judgement: Judgement) -> Row:
    """One line of samples.jsonl."""
    values = {
        name: None if math.isnan(value) else value for name, value in judgement.values.items()
    }
    return Row(
        task=task.name,
        id=sample.id,
        digest=sample.digest(),
        prompt=sample.prompt,
        gold=sample.gold,
        answer=answer.text,
        said=judgement.said,
        problem=answer.problem,
        values=values,
        kinds=judgement.kinds,
        note=judgement.note,
        end=answer.end,
        tokens=answer.tokens,
        seconds=answer.seconds,
    )


def columns(measure: Measure, rows: Sequence[Row]) -> list[Column]:
    """The measure's columns, with NaN where a row lacks a value. Shape: (rows,) each."""
    return [
        np.array([_number(r.values.get(name)) for r in rows], dtype=np.float64)
        for name in measure.columns
    ]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def figure(measure: Measure, rows: Sequence[Row], seed: int) -> Figure | None:
    """The measure with its interval; None where no row has its values."""
    found = columns(measure, rows)
    whole = ~np.isnan(np.stack(found)).any(axis=0) if rows else np.zeros(0, bool)
    if not whole.any():
        return None
    found = [column[whole] for column in found]
    is_share = measure.share and measure.function is mean
    low, high = interval(measure.function, found, seed, is_share)
    return Figure(
        name=measure.name,
        value=measure.function(*found),
        low=None if math.isnan(low) else low,
        high=None if math.isnan(high) else high,
        answers=int(whole.sum()),
        better=measure.better,
        share=measure.share,
    )


def read(folder: Path) -> tuple[Report, list[Row]]:
    """What a run wrote into `folder`.

    Raises:
        DataError: it holds no report, or a broken one.
    """
    report, samples = folder / REPORT, folder / SAMPLES
    if not report.is_file() or not samples.is_file():
        raise DataError(
            f"{folder} holds no report of a run.", "Name the folder that medeval run --out wrote."
        )
    try:
        content: Any = json.loads(report.read_text(encoding="utf-8"))
        lines = samples.read_text(encoding="utf-8").split("\n")
        rows = [Row.model_validate_json(line) for line in lines if line]
        return Report.model_validate(content), rows
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(
            f"The report in {folder} can't be read: {str(error).splitlines()[0]}.",
            "Run medeval run again; it asks nothing twice.",
        ) from error
