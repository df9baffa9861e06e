"""Whether answers have the four parts of a card: free, and held to the grammar."""

from pathlib import Path

from medllm import card, prompts

from medeval.sample import Answer, Judgement, Sample
from medeval.task import Measure, Task
from medeval.tuning_table import questions


class Format(Task):
    """Free."""

    name = "format"
    about = "format adherence without a grammar, five questions on each test card"
    measures = (Measure("format adherence", ("adherent",)),)
    grammar = False

    def samples(self, data: Path | None) -> list[Sample]:
        """Five questions a test card."""
        return [
            Sample(
                f"{asked.card.id}-{index % len(prompts.PHRASINGS)}",
                asked.question,
                system=prompts.SYSTEM,
                grammar=self.grammar,
            )
            for index, asked in enumerate(questions("test"))
        ]

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """Adherent to the letter, white space at the ends forgiven."""
        hit = card.adherent(answer.text.strip())
        return Judgement({"adherent": float(hit)}, kinds=() if hit else ("format",))


class FormatHeld(Format):
    """Held to the grammar."""

    name = "format-held"
    about = "format adherence with the grammar (engines that hold one: gguf)"
    grammar = True


TASKS = (Format(), FormatHeld())
