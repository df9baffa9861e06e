"""Whether an answer keeps to the passages given: no number, negation or name of its own."""

from pathlib import Path
from typing import Any

from medllm.errors import DataError
from medllm.reference import builtin_cards
from medllm.terminology.normalise import sentence_case

from medeval.metrics.faithfulness import invented
from medeval.reading import field, read_lines
from medeval.sample import Answer, Judgement, Kind, Sample
from medeval.task import Measure, Task

_KINDS = ("number", "negation", "entity")


class Faithfulness(Task):
    """Questions with their passages."""

    name = "faithfulness"
    about = "answers from passages: numbers, negations and names that the passages lack"
    takes = "JSON lines with id, question and passages (else the test cards)"
    measures = (
        Measure("faithful", ("faithful",)),
        Measure("with invented numbers", ("number",), better=-1),
        Measure("with turned negations", ("negation",), better=-1),
        Measure("with invented names", ("entity",), better=-1),
    )

    def samples(self, data: Path | None) -> list[Sample]:
        """Questions of the file, or one on each test card."""
        if data:
            return [
                _sample(
                    str(field(row, "id", data, number)),
                    str(field(row, "question", data, number)),
                    _passages(field(row, "passages", data, number), data, number),
                )
                for number, row in read_lines(data)
            ]
        return [
            _sample(
                entry.id,
                f"What is {sentence_case(entry.term)}, and why does it matter?",
                [entry.definition, entry.explanation, entry.clinical_relevance],
            )
            for entry in builtin_cards()
            if entry.split == "test"
        ]

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """An empty answer is not faithful: it says nothing."""
        found = invented(answer.text, [*sample.facts["passages"], sample.facts["question"]])
        values = {kind: float(bool(found[kind])) for kind in _KINDS}
        said = bool(answer.text.strip())
        values["faithful"] = float(said and not any(found.values()))
        kinds: tuple[Kind, ...] = ("invented fact",) if any(found.values()) else ()
        note = "; ".join(
            f"{kind}: {', '.join(items[:3])}" for kind, items in found.items() if items
        )
        return Judgement(values, kinds=kinds if said else ("shallow",), note=note)


def _sample(id_: str, question: str, passages: list[str]) -> Sample:
    text = "\n\n".join(passages)
    prompt = f"Answer from this text alone.\n\n{text}\n\nQuestion: {question}"
    facts: dict[str, Any] = {"passages": passages, "question": question}
    return Sample(id_, prompt, gold=text, max_tokens=320, facts=facts)


def _passages(value: Any, file: Path, number: int) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise DataError(f"{file}, line {number}: passages is no list of texts.", "Mend the line.")
    return value


TASKS = (Faithfulness(),)
