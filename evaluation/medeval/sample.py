"""What is asked, what was answered, and how the answer was judged."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from medllm import card, prompts
from medllm.confidence import TEMPERATURE
from medllm.engines.protocol import Request
from medllm.prompts import Message

Problem = Literal["", "empty", "loop", "language", "too long", "no scores"]
"""What is wrong with an answer before anybody reads it; empty for nothing."""
Kind = Literal["invented fact", "shallow", "wrong sense", "false confidence", "format", "wrong"]
"""Kinds of errors that answers are sorted into."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question of a task."""

    id: str
    prompt: str
    """The whole user turn."""
    gold: str = ""
    """The right label, or the reference text."""
    choices: tuple[str, ...] = ()
    """Labels whose log-probabilities are asked for; none: an answer is written."""
    system: str | None = None
    """System turn, for models whose template has one."""
    grammar: bool = False
    """Whether the answer is held to the card's grammar."""
    max_tokens: int = 640
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else the judgement needs; plain JSON."""

    def messages(self, with_system: bool) -> tuple[Message, ...]:
        """The chat."""
        return prompts.messages(self.prompt, self.system if with_system else None)

    def request(self, with_system: bool, seed: int = 0) -> Request:
        """A greedy generation; with a seed other than 0, one drawn at a temperature."""
        return Request(
            messages=self.messages(with_system),
            grammar=card.grammar() if self.grammar else None,
            openings=card.openings() if self.grammar else (),
            max_tokens=self.max_tokens,
            temperature=TEMPERATURE if seed else 0.0,
            seed=seed,
        )

    def key(self, model: str, seed: int) -> str:
        """Name of the answer that this model gives: model, prompt version and all that is asked."""
        asked = [model, prompts.VERSION, self.system, self.prompt, self.choices, self.grammar]
        text = json.dumps([*asked, self.max_tokens, seed], ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def digest(self) -> str:
        """Hash of question and gold, so that two reports can tell whether they asked the same."""
        text = json.dumps([self.prompt, self.choices, self.gold, self.grammar])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine made of a sample."""

    text: str = ""
    scores: tuple[float | None, ...] = ()
    """Log-probability of each choice; None where the server did not list it."""
    logprob: float | None = None
    """Mean log-probability of the tokens that the model chose."""
    end: str = "stop"
    tokens: int = 0
    seconds: float = 0.0
    problem: Problem = ""
    others: tuple[str, ...] = ()
    """Answers drawn with other seeds, where a task asks for them."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer is worth."""

    values: Mapping[str, float]
    """By name; not a number where a value does not apply."""
    said: str = ""
    """What was understood of the answer: the label chosen."""
    kinds: tuple[Kind, ...] = ()
    note: str = ""
    """Why, in a few words."""
