"""Asking the converted model: does it load, answer, stop by itself, and keep the format?

It is asked as `medtui` asks: by the same engine, with its own chat template, greedy and
without a grammar.
"""

from dataclasses import dataclass
from pathlib import Path

from medllm import card, prompts
from medllm.engines.llamacpp import LlamaCppEngine
from medllm.engines.protocol import Done, Request, Token
from medllm.errors import ConversionError, MedLLMError, UsageError

QUESTIONS = ("What is hypertension?", "Explain the medical term: Anemia")
MOST_TOKENS = 320
CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Answers:
    """How the questions were answered."""

    asked: int
    stopped: int
    """Answers that ended before `MOST_TOKENS`."""
    adherent: int
    """Answers that parse as a card."""
    tokens_per_second: float


def ask(file: Path) -> Answers | None:
    """Asks the model in `file`; None where its context is too short for the questions.

    Raises:
        ConversionError: it can't be loaded, or gives no token.
    """
    engine = LlamaCppEngine(file, CONTEXT)
    ends: list[Done] = []
    adherent = 0
    try:
        info = engine.load()
        for question in QUESTIONS:
            system = prompts.SYSTEM if info.template_has_system else None
            request = Request(prompts.messages(question, system), max_tokens=MOST_TOKENS)
            text = ""
            for event in engine.stream(request):
                if isinstance(event, Token):
                    text += event.text
                else:
                    ends.append(event)
            adherent += card.adherent(text.strip())
    except UsageError:
        return None
    except MedLLMError as error:
        raise ConversionError(f"The converted model can't be used: {error.message}") from error
    finally:
        engine.close()
    if not any(end.tokens for end in ends):
        raise ConversionError("The converted model answers with nothing.")
    return Answers(
        asked=len(QUESTIONS),
        stopped=sum(end.reason == "stop" for end in ends),
        adherent=adherent,
        tokens_per_second=round(max(end.tokens_per_second for end in ends), 1),
    )
