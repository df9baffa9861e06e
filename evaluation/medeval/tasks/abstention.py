"""Whether a model says so when it does not know: invented terms beside real ones."""

from math import nan
from pathlib import Path

from medllm import prompts
from medllm.reference import builtin_cards
from medllm.terminology.normalise import sentence_case

from medeval.phrases import does_not_know
from medeval.reading import field, own_data, read_lines
from medeval.sample import Answer, Judgement, Kind, Sample
from medeval.task import Measure, Task


class Abstention(Task):
    """Terms that nobody uses, and those of the test cards."""

    name = "abstention"
    about = "invented terms: does it say so, and does it still answer real ones?"
    takes = "JSON lines with id and term, all invented (else our own)"
    measures = (
        Measure("abstained on invented terms", ("abstained",)),
        Measure("answered real terms", ("answered",)),
    )

    def samples(self, data: Path | None) -> list[Sample]:
        """Invented terms, and the test cards' terms."""
        file = data or own_data("invented_terms.jsonl")
        made_up = [
            (str(field(row, "id", file, number)), str(field(row, "term", file, number)), "invented")
            for number, row in read_lines(file)
        ]
        real = [(e.id, sentence_case(e.term), "real") for e in builtin_cards() if e.split == "test"]
        return [
            Sample(
                id_,
                prompts.ask(term),
                gold=kind,
                system=prompts.SYSTEM,
                max_tokens=400,
                facts={"term": term},
            )
            for id_, term, kind in (*made_up, *real)
        ]

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """An empty answer is no abstention, and answers nothing."""
        unknown = does_not_know(answer.text, sample.facts["term"])
        said = "abstained" if unknown else "answered" if answer.text.strip() else ""
        if sample.gold == "invented":
            kinds: tuple[Kind, ...] = ("invented fact",) if said == "answered" else ()
            return Judgement({"abstained": float(unknown), "answered": nan}, said, kinds)
        hit = float(said == "answered")
        return Judgement({"abstained": nan, "answered": hit}, said, () if hit else ("shallow",))


TASKS = (Abstention(),)
