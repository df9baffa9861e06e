"""Questions with labels to choose from: by log-probability, or read out of a written answer."""

import math
import re
from collections.abc import Sequence
from typing import ClassVar

from medeval.metrics.calibration import aurc, brier, expected_calibration_error
from medeval.metrics.classification import macro_f1
from medeval.sample import Answer, Judgement, Kind, Sample
from medeval.task import Measure, Task

SURE = 0.8
"""A wrong answer with at least this probability is false confidence."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NAMED = r"(?:answer|option|choice|conclusion)\b(?: is|:| would be)*\W*"


def forms(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels as they stand, then, where it differs, with a capital: both are looked for."""
    capital = tuple(label.capitalize() for label in labels)
    return (*labels, *capital) if capital != tuple(labels) else tuple(labels)


def probabilities(scores: Sequence[float | None], labels: int) -> list[float] | None:
    """Probability of each label among the labels; None where no form of any was scored.

    Args:
        scores: log-probabilities of `forms(labels)`.
        labels: how many labels there are.
    """
    sums = [0.0] * labels
    known = [s for s in scores if s is not None]
    if not known:
        return None
    top = max(known)
    for index, score in enumerate(scores):
        if score is not None:
            sums[index % labels] += math.exp(score - top)
    return [s / sum(sums) for s in sums]


def read_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that a written answer states; None where it states none, or several.

    First what it begins with, then what it calls its answer, then the only label in it.
    Letters count as capitals alone, words in any case.
    """
    flags = 0 if all(len(label) == 1 for label in labels) else re.IGNORECASE
    one = "(" + "|".join(map(re.escape, labels)) + r")(?![\w'])"
    by_case = {label.casefold(): label for label in labels}
    # "A patient ..." begins with a letter that is no label.
    end = r"(?=\W*$|[\s*]*[.,:;)\n-])" if not flags else ""
    if match := re.match(rf"[\W_]*{one}{end}", text, flags):
        return by_case[match[1].casefold()]
    if named := re.findall(rf"(?i:{_NAMED}){one}", text, flags):
        return by_case[named[-1].casefold()]
    found = {m.casefold() for m in re.findall(rf"(?<!\w){one}", text, flags)}
    return by_case[found.pop()] if len(found) == 1 else None


class ChoiceTask(Task):
    """A task whose samples have `labels` among their facts and one of them as gold.

    By log-probability, or, where `written`, by reading the label out of a written answer.
    """

    written = False
    wrong: Kind = "wrong"
    """Kind of a wrong answer that is not false confidence."""
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure("accuracy", ("accuracy",)),
        Measure("macro-F1", ("gold", "said"), macro_f1),
        Measure("unparseable", ("unparseable",), better=-1),
        Measure("ECE", ("confidence", "right"), expected_calibration_error, -1, share=False),
        Measure("Brier score", ("confidence", "right"), brier, -1, share=False),
        Measure("AURC", ("confidence", "right"), aurc, -1, share=False),
    )

    def sample(self, id_: str, prompt: str, labels: Sequence[str], gold: str) -> Sample:
        """A sample of this task."""
        return Sample(
            id_,
            prompt,
            gold,
            choices=() if self.written else forms(labels),
            max_tokens=256 if self.written else 1,
            facts={"labels": list(labels)},
        )

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """Right or wrong; an answer without a label is wrong, and counted apart."""
        labels: list[str] = sample.facts["labels"]
        shares = None if self.written else probabilities(answer.scores, len(labels))
        if self.written:
            said = read_label(answer.text, labels)
        else:
            said = labels[shares.index(max(shares))] if shares else None
        right = float(said == sample.gold)
        values = {"accuracy": right, "unparseable": float(said is None)}
        values["gold"] = float(labels.index(sample.gold))
        values["said"] = float(labels.index(said)) if said else -1.0
        if shares:
            values |= {"confidence": max(shares), "right": right}
        return Judgement(values, said or "", self._kinds(said, right, shares))

    def _kinds(
        self, said: str | None, right: float, shares: Sequence[float] | None
    ) -> tuple[Kind, ...]:
        if said is None:
            return ("format",)
        if right:
            return ()
        return ("false confidence",) if shares and max(shares) >= SURE else (self.wrong,)


def lettered(question: str, options: Sequence[str]) -> str:
    """A question with its options under letters."""
    lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
    return "\n".join([question, "", *lines, "", "Answer with the letter alone.", "Answer:"])
