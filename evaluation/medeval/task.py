"""What a task is: samples, a judgement of each answer, and measures over all of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from medeval.metrics.embedding import Embedder
from medeval.sample import Answer, Judgement, Sample

Column = npt.NDArray[np.float64]


def mean(values: Column) -> float:
    """The mean."""
    return float(values.mean())


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure over the judged answers of a task."""

    name: str
    columns: tuple[str, ...]
    """Names of the values that it is computed from; answers that lack one are left out."""
    function: Callable[..., float] = mean
    """Takes the columns, shape (answers,) each."""
    better: int = 1
    """1 where more is better, -1 where less is, 0 where neither."""
    share: bool = True
    """Whether it is shown as a percentage."""


class Task(ABC):
    """A task. Subclasses stand in `medeval.tasks`, where each module lists its own in TASKS."""

    name: ClassVar[str]
    about: ClassVar[str]
    """One line: what is asked and how it is scored."""
    takes: ClassVar[str] = ""
    """What --data names; empty where the data come with the project."""
    needs_data: ClassVar[bool] = False
    """Whether it can't go without --data."""
    seeds: ClassVar[int] = 0
    """How many more answers are drawn with seeds of their own, for agreement."""
    measures: ClassVar[tuple[Measure, ...]]

    @abstractmethod
    def samples(self, data: Path | None) -> list[Sample]:
        """All samples, in any order.

        Raises:
            DataError: the data are missing, broken, or have no labels.
        """

    @abstractmethod
    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """What one answer is worth."""

    def judge_all(
        self, samples: Sequence[Sample], answers: Sequence[Answer], embedder: Embedder | None
    ) -> list[Judgement]:
        """Judges all answers; overridden where that is done better at once."""
        return [self.judge(s, a) for s, a in zip(samples, answers, strict=True)]
