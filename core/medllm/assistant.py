"""The assistant's way: question -> term -> engine under the grammar -> card -> checks -> answer."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from medllm import card as cards
from medllm import confidence, fidelity, prompts
from medllm.card import Card
from medllm.engines.protocol import Done, Engine, ModelInfo, Request, Token
from medllm.errors import CardError, EngineError, UsageError
from medllm.reference import ReferenceCard
from medllm.terminology.resolver import Resolution, Resolver, builtin_resolver

Source = Literal["reference", "model", "none"]

LONGEST_QUESTION = 2000
"""Characters; a longer text is a document, not a question."""
FULL_MODEL_HINT = (
    "The built-in model knows the built-in reference only. "
    "`medtui pull OWNER/NAME` fetches a full model from the Hugging Face Hub."
)


@dataclass(frozen=True, slots=True)
class Timings:
    """How long an answer took."""

    load_ms: float = 0.0
    first_token_ms: float = 0.0
    tokens: int = 0
    tokens_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question. `as_dict` is what `medtui ask --json` prints."""

    question: str
    term: str | None
    concept: str | None
    source: Source
    card: Card | None
    text: str
    adherent: bool
    nearest: tuple[str, ...]
    provenance: dict[str, Any]
    timings: Timings
    refused: int
    warnings: tuple[str, ...]
    stopped: bool = False
    """Whether it was stopped before its end; not part of the JSON but by a warning."""

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain JSON values."""
        return {
            "question": self.question,
            "term": self.term,
            "concept": self.concept,
            "source": self.source,
            "card": self.card.as_dict() if self.card else None,
            "text": self.text,
            "adherent": self.adherent,
            "nearest": list(self.nearest),
            "provenance": self.provenance,
            "timings": {
                "load_ms": round(self.timings.load_ms, 1),
                "first_token_ms": round(self.timings.first_token_ms, 1),
                "tokens": self.timings.tokens,
                "tokens_per_second": round(self.timings.tokens_per_second, 1),
            },
            "network": {"refused": self.refused},
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer while it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end; `answer.text` is what stands, also where it replaces what was streamed."""

    answer: Answer


def checked_question(text: str) -> str:
    """`text` as one clean line.

    Control and invisible formatting characters go, white space is folded;
    every script, right-to-left ones included, stays.

    Raises:
        UsageError: nothing is left, or it is longer than LONGEST_QUESTION.
    """
    kept = "".join(
        c if not unicodedata.category(c).startswith("C") or c in "\u200c\u200d" else " "
        for c in text
    )
    question = re.sub(r"\s+", " ", kept).strip()
    if not any(c.isalnum() for c in question):
        raise UsageError("The question is empty.", 'Ask like this: medtui ask "What is asthma?"')
    if len(question) > LONGEST_QUESTION:
        raise UsageError(
            f"The question has {len(question):,} characters, the most is {LONGEST_QUESTION:,}.",
            "Ask for one term or abbreviation.",
        )
    return question


class Assistant:
    """Answers questions through one engine. One question at a time; `cancel` from any thread."""

    def __init__(
        self,
        engine: Engine,
        reference: Sequence[ReferenceCard] | None = None,
        seed: int = 0,
        samples: int = 0,
    ) -> None:
        """Takes an engine (it may be loaded later) and the cards that are its reference."""
        self.engine = engine
        self.seed = seed
        self.samples = samples
        """Further answers drawn by other seeds, so that confidence can go by agreement too."""
        self.load_ms = 0.0
        """Set by whoever loads the engine; told in each answer."""
        self._reference = reference

    @cached_property
    def _resolver(self) -> Resolver:
        return builtin_resolver() if self._reference is None else Resolver(self._reference)

    def resolve(self, question: str) -> Resolution:
        """Which card a question names, without asking the model."""
        return self._resolver.resolve(checked_question(question))

    def cancel(self) -> None:
        """Stops the running answer; what has arrived is kept and marked."""
        self.engine.cancel()

    def ask(self, question: str) -> Iterator[Delta | Finished]:
        """Answers one question; the last event is `Finished`.

        Raises:
            UsageError: the question can't be asked (see `checked_question`).
            MedLLMError: the engine can't go on.
        """
        asked = checked_question(question)
        resolution = self._resolver.resolve(asked)
        info = self.engine.info()
        if resolution.card is None and knows_cards_only(info):
            yield from self._unknown(asked, resolution, info)
            return
        warnings = _warnings(resolution, info)
        pieces: list[str] = []
        logprobs: list[float] = []
        done: Done | None = None
        request = self._request(asked, resolution, info)
        for event in self.engine.stream(request):
            if isinstance(event, Token):
                pieces.append(event.text)
                if event.logprob is not None:
                    logprobs.append(event.logprob)
                yield Delta(event.text)
            else:
                done = event
        assert done is not None, "an engine's stream ends with Done"
        text = "".join(pieces)
        sure = (
            None if done.reason == "cancelled" else self._confidence(info, request, text, logprobs)
        )
        yield Finished(self._answer(asked, resolution, info, text, done, warnings, sure))

    def _request(self, asked: str, resolution: Resolution, info: ModelInfo) -> Request:
        # A near spelling, and a model that knows nothing but names, get the term itself.
        by_term = resolution.card is not None and (
            resolution.kind == "fuzzy" or resolution.leftover or knows_cards_only(info)
        )
        question = prompts.ask(resolution.card.term) if by_term and resolution.card else asked
        return Request(
            messages=prompts.messages(
                question, prompts.SYSTEM if info.template_has_system else None
            ),
            grammar=cards.grammar(),
            openings=cards.openings(),
            seed=self.seed,
        )

    def _confidence(
        self, info: ModelInfo, request: Request, text: str, logprobs: list[float]
    ) -> confidence.Level | None:
        """How sure the model is, where a curve was fitted for it."""
        mean = confidence.mean_logprob(logprobs)
        curve = confidence.read(info, prompts.VERSION)
        if curve is None or mean is None:
            return None
        others = self._others(request) if curve.joint else []
        return curve.level(mean, confidence.agreement(text, others))

    def _others(self, request: Request) -> list[str]:
        """Answers to the same by other seeds; none where one of them did not come to its end."""
        found: list[str] = []
        for seed in range(1, self.samples + 1):
            drawn = replace(request, temperature=confidence.TEMPERATURE, seed=seed)
            try:
                events = list(self.engine.stream(drawn))
            except EngineError:  # the answer itself is there
                return []
            if any(isinstance(e, Done) and e.reason == "cancelled" for e in events):
                return []
            found.append("".join(e.text for e in events if isinstance(e, Token)))
        return found

    def _answer(
        self,
        asked: str,
        resolution: Resolution,
        info: ModelInfo,
        text: str,
        done: Done,
        warnings: list[str],
        sure: confidence.Level | None,
    ) -> Answer:
        text = text.strip()
        stopped = done.reason == "cancelled"
        known = resolution.card
        source: Source = "model"
        card = _card_of(text)
        if known and not stopped:
            reason = fidelity.strays(card, known.card) if card else "it is no card"
            if reason:
                warnings.append(
                    f"The model's answer strayed from the reference ({reason}), "
                    "so the reference card stands here instead."
                )
                card, text, source, sure = known.card, known.text, "reference", None
            elif card == known.card:
                source = "reference"
        if stopped:
            warnings.append("Stopped before its end; this is a part of the answer.")
        elif card is None:
            warnings.append("The answer does not have the four parts of a card.")
        return Answer(
            question=asked,
            term=known.term if known else None,
            concept=concept_of(known) if known else None,
            source=source,
            card=card,
            text=text,
            adherent=cards.adherent(text),
            nearest=(),
            provenance={
                **self._provenance(info, known),
                **({"confidence": sure} if sure and not stopped else {}),
            },
            timings=Timings(self.load_ms, done.first_token_ms, done.tokens, done.tokens_per_second),
            refused=getattr(self.engine, "refused", 0),
            warnings=tuple(warnings),
            stopped=stopped,
        )

    def _unknown(
        self, asked: str, resolution: Resolution, info: ModelInfo
    ) -> Iterator[Delta | Finished]:
        text = "This is not in the built-in reference, so there is no answer rather than a guess."
        if resolution.nearest:
            text += f" Nearest terms: {', '.join(resolution.nearest)}."
        text += f" {FULL_MODEL_HINT}"
        yield Delta(text)
        yield Finished(
            Answer(
                question=asked,
                term=None,
                concept=None,
                source="none",
                card=None,
                text=text,
                adherent=False,
                nearest=resolution.nearest,
                provenance=self._provenance(info, None),
                timings=Timings(self.load_ms),
                refused=getattr(self.engine, "refused", 0),
                warnings=(),
            )
        )

    def _provenance(self, info: ModelInfo, known: ReferenceCard | None) -> dict[str, Any]:
        return {
            "model": info.name,
            "sha256": info.sha256,
            "quantization": info.quantization,
            "seed": self.seed,
            "prompt_version": prompts.VERSION,
            "card": known.id if known else None,
            "reviewed": known.reviewed if known else None,
        }


def knows_cards_only(info: ModelInfo) -> bool:
    """Whether the model is the mini model, which has read nothing but the built-in cards."""
    return info.metadata.get("medllm.recipe") == "mini"


def concept_of(card: ReferenceCard) -> str:
    """The card's concept id: its first code, or one of our own."""
    return card.codes[0] if card.codes else f"MED:{card.id}"


def _card_of(text: str) -> Card | None:
    try:
        return cards.parse(text)
    except CardError:
        return None


def _warnings(resolution: Resolution, info: ModelInfo) -> list[str]:
    found = []
    if resolution.card is None:
        found.append("Not in the reference: this is the model's own knowledge, unchecked.")
        return found
    term = resolution.card.term
    if resolution.kind == "fuzzy":
        found.append(f'Taken as "{term}". Ask again if you meant something else.')
    if resolution.also:
        found.append(
            f"This explains {term}. Ask for these by themselves: {', '.join(resolution.also)}."
        )
    if resolution.leftover and knows_cards_only(info):
        found.append(f"This explains the term {term}; it does not answer the rest of the question.")
    return found
