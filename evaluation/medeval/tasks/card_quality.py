"""How near answers come to the curated cards: ROUGE-L, BERTScore, cosine of embeddings."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp
from pathlib import Path

from medllm import card, confidence, fidelity, prompts
from medllm.errors import CardError
from medllm.reference import builtin_cards
from medllm.terminology.normalise import sentence_case

from medeval.metrics.calibration import aurc, brier, expected_calibration_error
from medeval.metrics.embedding import Embedder, bert_score, cosine
from medeval.metrics.faithfulness import invented
from medeval.metrics.rouge import rouge_l
from medeval.sample import Answer, Judgement, Kind, Sample
from medeval.task import Measure, Task

SHALLOW = 0.5
"""An answer of less than this share of the card's words is shallow."""
SURE = 0.9
"""A wrong answer whose tokens had this mean probability is false confidence."""


class CardQuality(Task):
    """Every card, one phrasing each."""

    name = "card-quality"
    about = "answers against all cards: ROUGE-L, and with --embedder BERTScore and cosine"
    measures = (
        Measure("ROUGE-L", ("rouge",), share=False),
        Measure("ROUGE-L, train cards", ("rouge train",), share=False),
        Measure("ROUGE-L, test cards", ("rouge test",), share=False),
        Measure("BERTScore F1", ("bert",), share=False),
        Measure("cosine", ("cosine",), share=False),
        Measure("kept to the card", ("kept",)),
    )

    def samples(self, data: Path | None) -> list[Sample]:
        """One question a card; which phrasing goes by the card's place."""
        return [
            Sample(
                entry.id,
                prompts.PHRASINGS[index % len(prompts.PHRASINGS)].format(
                    name=sentence_case(entry.term)
                ),
                gold=entry.text,
                system=prompts.SYSTEM,
                facts={"split": entry.split},
            )
            for index, entry in enumerate(builtin_cards())
        ]

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """Without an embedder."""
        score = rouge_l(answer.text, sample.gold)
        strays = _strays(answer.text, sample.gold)
        sure = exp(answer.logprob) if answer.logprob is not None else None
        values = {"rouge": score, f"rouge {sample.facts['split']}": score}
        values["kept"] = float(not strays)
        return Judgement(values, kinds=_kinds(answer.text, sample.gold, strays, sure), note=strays)

    def judge_all(
        self, samples: Sequence[Sample], answers: Sequence[Answer], embedder: Embedder | None
    ) -> list[Judgement]:
        """With the embedder, where there is one; it reads each text once."""
        found = super().judge_all(samples, answers, embedder)
        if embedder is None:
            return found
        said = embedder.embed([answer.text for answer in answers])
        meant = embedder.embed([sample.gold for sample in samples])
        return [
            Judgement(
                {**j.values, "bert": bert_score(a, b), "cosine": cosine(a, b)},
                kinds=j.kinds,
                note=j.note,
            )
            for j, a, b in zip(found, said, meant, strict=True)
        ]


class Confidence(CardQuality):
    """As the assistant asks, with further answers by other seeds, for users' confidence."""

    name = "confidence"
    about = "every card under the grammar, and with three more seeds: is sureness telling? (gguf)"
    seeds = 3
    measures = (
        Measure("kept to the card", ("kept",)),
        Measure("agreement over seeds", ("agreement",), better=0, share=False),
        Measure("ECE of token probability", ("confidence", "kept"), expected_calibration_error, -1,
                share=False),
        Measure("Brier score of token probability", ("confidence", "kept"), brier, -1, share=False),
        Measure("AURC of token probability", ("confidence", "kept"), aurc, -1, share=False),
        Measure("AURC of agreement", ("agreement", "kept"), aurc, -1, share=False),
    )  # fmt: skip

    def samples(self, data: Path | None) -> list[Sample]:
        """Each card by its term, as the assistant asks."""
        return [
            replace(sample, prompt=prompts.ask(entry.term), grammar=True)
            for sample, entry in zip(super().samples(data), builtin_cards(), strict=True)
        ]

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """Whether the greedy answer keeps to the card, with what may foretell it."""
        found = super().judge(sample, answer)
        values = {"kept": found.values["kept"]}
        if answer.logprob is not None:
            values["confidence"] = exp(answer.logprob)
            values["logprob"] = answer.logprob
        if (agreed := confidence.agreement(answer.text, answer.others)) is not None:
            values["agreement"] = agreed
        return Judgement(values, kinds=found.kinds, note=found.note)

    def judge_all(
        self, samples: Sequence[Sample], answers: Sequence[Answer], embedder: Embedder | None
    ) -> list[Judgement]:
        """Without an embedder."""
        return [self.judge(s, a) for s, a in zip(samples, answers, strict=True)]


def _strays(text: str, gold: str) -> str:
    """How the answer strays from its card; empty where it keeps to it."""
    try:
        said = card.parse(text.strip())
    except CardError:
        return "it is no card"
    return fidelity.strays(said, card.parse(gold)) or ""


def _kinds(text: str, gold: str, strays: str, sure: float | None) -> tuple[Kind, ...]:
    if not strays:
        return ()
    found: list[Kind] = []
    if strays == "it is no card":
        found.append("format")
    words = len(fidelity.words(text))
    if words < SHALLOW * len(fidelity.words(gold)):
        found.append("shallow")
    beyond = invented(text, [gold])
    if any(beyond.values()):
        found.append("invented fact")
    if fidelity.common(text, gold) < fidelity.LEAST_COMMON and sure is not None and sure >= SURE:
        found.append("false confidence")
    return tuple(found) or ("wrong",)


TASKS = (CardQuality(), Confidence())
