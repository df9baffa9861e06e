"""A question with what came of it, as a screen shows it. No Textual here."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from medllm.assistant import Answer
    from medllm.history import Entry

Stage = Literal["waiting", "writing", "done", "stopped", "failed", "open"]
BADGES = {"reference": "reference", "model": "model", "none": "no answer"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One turn of the transcript."""

    question: str
    text: str = ""
    stage: Stage = "waiting"
    source: str = ""
    """`reference`, `model`, `none`, or empty while that is not known."""
    term: str = ""
    warnings: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()
    provenance: str = ""
    error: str = ""
    """One line, why there is no whole answer."""

    def grown(self, text: str) -> "Shown":
        """With more of the answer."""
        return replace(self, text=text, stage="writing")

    def ended(self, stage: Stage, error: str = "") -> "Shown":
        """Without a whole answer: what had arrived stays."""
        return replace(self, stage=stage, error=error)

    def notes(self) -> tuple[str, ...]:
        """Lines that stand under the answer, the most important first."""
        ends = {
            "stopped": "Stopped; what had arrived is kept.",
            "open": "Never finished: the program ended meanwhile.",
        }
        end = (ends[self.stage],) if self.stage in ends else ()
        # The assistant's own words for the same thing would stand there twice.
        warnings = tuple(w for w in self.warnings if not w.startswith("Stopped"))
        return (*((self.error,) if self.error else ()), *end, *warnings)


def of_answer(answer: "Answer") -> Shown:
    """What the assistant finished with."""
    return _of_dict(answer.question, answer.as_dict(), "stopped" if answer.stopped else "done")


def of_entry(entry: "Entry") -> Shown:
    """An entry of the history."""
    if entry.answer:
        return _of_dict(entry.question, entry.answer, entry.state)
    return Shown(entry.question, entry.text, entry.state)


def _of_dict(question: str, answer: dict[str, Any], stage: Stage) -> Shown:
    return Shown(
        question=question,
        text=str(answer.get("text", "")),
        stage=stage,
        source=str(answer.get("source", "")),
        term=str(answer.get("term") or ""),
        warnings=tuple(map(str, answer.get("warnings", ()))),
        nearest=tuple(map(str, answer.get("nearest", ()))),
        provenance=provenance_line(answer.get("provenance") or {}),
    )


def provenance_line(facts: dict[str, Any]) -> str:
    """Where an answer comes from, in one line."""
    pieces = [
        str(facts.get("model") or ""),
        str(facts.get("quantization") or ""),
        f"sha256 {str(facts['sha256'])[:8]}" if facts.get("sha256") else "",
        f"prompt {facts['prompt_version']}" if facts.get("prompt_version") else "",
        f"card {facts['card']}" if facts.get("card") else "",
        "card not yet reviewed" if facts.get("reviewed") is False else "",
        f"confidence {facts['confidence']}" if facts.get("confidence") else "",
    ]
    return " · ".join(piece for piece in pieces if piece)
