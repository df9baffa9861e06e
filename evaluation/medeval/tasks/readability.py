"""How hard plain explanations are to read: Flesch-Kincaid and SMOG."""

from math import nan
from pathlib import Path

from medllm.reference import builtin_cards
from medllm.terminology.normalise import sentence_case

from medeval.readability import flesch_kincaid_grade, smog_grade, words
from medeval.sample import Answer, Judgement, Sample
from medeval.task import Measure, Task

GRADE = 8
"""The grade that plain explanations aim at."""


class Readability(Task):
    """Every test card's term, to be explained plainly."""

    name = "readability"
    about = "plain explanations of the test cards' terms: Flesch-Kincaid and SMOG grade"
    measures = (
        Measure("Flesch-Kincaid grade", ("grade",), better=-1, share=False),
        Measure("SMOG grade", ("smog",), better=-1, share=False),
        Measure("grade 8 or below", ("plain",)),
    )

    def samples(self, data: Path | None) -> list[Sample]:
        """One question a test card."""
        ask = "Explain {} in plain words that a twelve-year-old understands, in a few sentences."
        return [
            Sample(entry.id, ask.format(sentence_case(entry.term)), max_tokens=256)
            for entry in builtin_cards()
            if entry.split == "test"
        ]

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """The grades; none for an answer without words."""
        if not words(answer.text):
            return Judgement({"grade": nan, "smog": nan, "plain": 0.0}, kinds=("format",))
        grade = flesch_kincaid_grade(answer.text)
        values = {"grade": grade, "smog": smog_grade(answer.text), "plain": float(grade <= GRADE)}
        return Judgement(values, note=f"grade {grade:.1f}")


TASKS = (Readability(),)
