"""What tuning does to form and content: system A's table, base against tuned.

medeval tuning
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from medllm import card
from medllm.errors import EngineError
from medllm.prompts import PHRASINGS, SYSTEM
from medllm.reference import ReferenceCard, builtin_cards
from medllm.terminology.normalise import sentence_case

from medeval.answer_store import AnswerStore
from medeval.engines.spec import EngineSpec
from medeval.intervals import wilson
from medeval.metrics.rouge import rouge_l
from medeval.runner import Job, Runner
from medeval.sample import Sample


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the card that it is about."""

    card: ReferenceCard
    question: str


@dataclass(frozen=True, slots=True)
class Share:
    """How many answers were adherent."""

    hits: int
    total: int

    def __str__(self) -> str:
        low, high = wilson(self.hits, self.total)
        return f"{self.hits / self.total:.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True, slots=True)
class Content:
    """How near answers came to their cards: ROUGE-L."""

    median: float
    tenth: float
    """The tenth percentile."""
    total: int

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.tenth:.3f})"


@dataclass(frozen=True, slots=True)
class TuningTable:
    """The figures of the table."""

    free_base: Share
    free_tuned: Share
    held_base: Share
    held_tuned: Share
    train: Content
    extra: Content

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def markdown(self) -> str:
        """The table, with 95% intervals (Wilson)."""
        return "\n".join(
            [
                "| | base | tuned |",
                "|---|---|---|",
                f"| format adherence, no grammar, {self.free_base.total} questions on the test "
                f"cards | {self.free_base} | {self.free_tuned} |",
                f"| format adherence, with grammar, the same questions | {self.held_base} "
                f"| {self.held_tuned} |",
                f"| ROUGE-L against the card, {self.train.total} questions on the train cards, "
                f"no grammar: median (tenth percentile) | | {self.train} |",
                f"| the same, {self.extra.total} questions on the extra cards | | {self.extra} |",
            ]
        )


def questions(split: str, limit: int = 0) -> list[Asked]:
    """Five questions a card of the split, one of the many of the split extra, phrased in turn.

    With a limit, an even spread over cards and phrasings.
    """
    cards = [entry for entry in builtin_cards() if entry.split == split]
    phrased = [
        PHRASINGS if split != "extra" else PHRASINGS[number % len(PHRASINGS) :][:1]
        for number in range(len(cards))
    ]
    asked = [
        Asked(entry, phrasing.format(name=sentence_case(entry.term)))
        for entry, phrasings in zip(cards, phrased, strict=True)
        for phrasing in phrasings
    ]
    if not limit or limit >= len(asked):
        return asked
    return [asked[index * len(asked) // limit] for index in range(limit)]


def measure(
    base: Path,
    tuned: Path,
    limit: int,
    out: Path,
    advance: Callable[[], None] = lambda: None,
) -> TuningTable:
    """Asks both models and scores the answers.

    Args:
        base: GGUF of the model before tuning.
        tuned: GGUF of the model after it.
        limit: questions a split; 0 asks all.
        out: folder that the answers are kept in; what it has is not asked.
        advance: called after each answer.

    Raises:
        EngineError: an engine broke; the answers until then are kept.
    """
    form = questions("test", limit)
    with AnswerStore(out) as store:

        def said(model: Path, asked: Sequence[Asked], grammar: bool) -> list[str]:
            return _answers(store, model, asked, grammar, advance)

        def kept(split: str) -> Content:
            asked = questions(split, limit)
            texts = said(tuned, asked, False)
            scores = sorted(rouge_l(t, a.card.text) for t, a in zip(texts, asked, strict=True))
            return Content(median(scores), scores[len(scores) // 10], len(scores))

        return TuningTable(
            free_base=_share(said(base, form, False)),
            free_tuned=_share(said(tuned, form, False)),
            held_base=_share(said(base, form, True)),
            held_tuned=_share(said(tuned, form, True)),
            train=kept("train"),
            extra=kept("extra"),
        )


def _answers(
    store: AnswerStore,
    model: Path,
    asked: Sequence[Asked],
    grammar: bool,
    advance: Callable[[], None],
) -> list[str]:
    """Greedy answers in the order of the questions, held to the card's grammar or free."""
    spec = EngineSpec("gguf", str(model))
    samples = [Sample(a.question, a.question, system=SYSTEM, grammar=grammar) for a in asked]
    identity = spec.identity()
    jobs = [Job(sample.key(identity, 0), sample) for sample in samples]
    for job in jobs:
        if store.get(job.key) is not None:
            advance()
    # An answer that repeats itself may still come to an adherent end under the grammar.
    runner = Runner(spec, store, spec.workers(), advance=lambda _answer: advance(), cut_loops=False)
    outcome = runner.run(list({job.key: job for job in jobs}.values()))
    found = [store.get(job.key) for job in jobs]
    if outcome.stopped_by or None in found:
        reason = outcome.stopped_by or next(iter(outcome.failures.values()))
        raise EngineError(
            f"The models were not asked everything: {reason.rstrip('.')}.",
            "The same command goes on from there.",
        )
    return [answer.text for answer in found if answer is not None]


def _share(texts: Sequence[str]) -> Share:
    return Share(sum(card.adherent(text.strip()) for text in texts), len(texts))
