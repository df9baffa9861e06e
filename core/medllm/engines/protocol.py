"""What every engine offers, and the events it streams."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from medllm.prompts import Message


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a loaded model."""

    name: str
    path: str
    """File, or name at a server."""
    sha256: str
    size_bytes: int
    architecture: str
    quantization: str
    """As llama.cpp names it, `Q4_K_M`."""
    parameters: int
    context: int
    """Tokens that prompt and answer may take together."""
    template_has_system: bool
    """Whether the chat template renders a system turn (the mini model's does not)."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The model file's own general metadata."""


@dataclass(frozen=True, slots=True)
class Request:
    """One generation."""

    messages: tuple[Message, ...]
    grammar: str | None = None
    """GBNF; the answer is held to it. Engines without that power (those that do not say
    `holds_grammar = True`) write freely."""
    openings: tuple[str, ...] = ()
    """Literals of the grammar, in order, that an engine writes by itself when the
    model wants to stop too early or a part has spent `part_tokens`; so that a
    constrained answer always ends. Engines without that power ignore them."""
    part_tokens: int = 160
    """Tokens between two openings before the next is written."""
    max_tokens: int = 640
    temperature: float = 0.0
    """0 takes the likeliest token."""
    top_p: float = 0.95
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer, as soon as it is whole UTF-8."""

    text: str
    logprob: float | None
    """Natural logarithm of the model's probability; None for text written by the engine itself."""


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer."""

    reason: Literal["stop", "length", "cancelled"]
    prompt_tokens: int
    """Tokens of the whole prompt."""
    reused_tokens: int
    """Prompt tokens whose state was still warm."""
    tokens: int
    """Tokens of the answer, those written by the engine included."""
    first_token_ms: float
    """From the request to the first token."""
    total_ms: float
    """From the request to the end."""

    @property
    def tokens_per_second(self) -> float:
        """Rate after the first token; 0 where there was no second one."""
        seconds = (self.total_ms - self.first_token_ms) / 1000
        return (self.tokens - 1) / seconds if self.tokens > 1 and seconds > 0 else 0.0


Event = Token | Done
Progress = Callable[[float], None]
"""Called with the share that is loaded, 0 to 1."""


class Engine(Protocol):
    """What turns a prompt into tokens. One request at a time; `cancel` from any thread."""

    def load(self, progress: Progress | None = None) -> ModelInfo:
        """Makes the model ready; does nothing when it is.

        Raises:
            ModelError: there is no such model, or it can't be used.
        """
        ...

    def info(self) -> ModelInfo:
        """The loaded model. Raises EngineError before `load`."""
        ...

    def stream(self, request: Request) -> Iterator[Event]:
        """Yields tokens, then one `Done`.

        Raises:
            EngineError: the engine died or broke its protocol; `load` starts it again.
            UsageError: the prompt is longer than the context.
        """
        ...

    def cancel(self) -> None:
        """Stops the running request soon; its stream ends with `Done("cancelled")`."""
        ...

    def close(self) -> None:
        """Ends the engine at once, a running request included."""
        ...


class Scorer(Protocol):
    """What some engines offer beside `Engine`: how likely given beginnings of an answer are."""

    def score(
        self, messages: tuple[Message, ...], continuations: tuple[str, ...]
    ) -> tuple[float | None, ...]:
        """Log-probability of each continuation, right after the prompt of `messages`.

        Returns:
            Natural logarithms, in the order of `continuations`: of all their tokens where
            the engine sees the whole distribution; of the first token alone where a
            server lists but the likeliest ones, None for what is not among them.

        Raises:
            EngineError, UsageError: as `Engine.stream`.
        """
        ...
