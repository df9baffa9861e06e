"""What is published: the files with their names, sizes and SHA-256, and what is asked of whom."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medconvert.publish.target import Target

Progress = Callable[[str, int, int], None]
"""Called with the phase, what is done of it, and what there is to do, in bytes."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file as it will lie at the target."""

    name: str
    size: int
    """In bytes."""
    sha256: str
    file: Path | None = None
    """Where it lies here; None for one that is written for the publication."""
    text: str = ""
    """Its content, where it has no file."""

    @classmethod
    def of_text(cls, name: str, text: str) -> "Item":
        """A small file that is written for the publication, UTF-8."""
        data = text.encode()
        return cls(name, len(data), hashlib.sha256(data).hexdigest(), None, text)


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request that will be made."""

    method: str
    address: str
    purpose: str


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """One model to create in Ollama."""

    name: str
    item: Item
    """Its weights."""
    settings: dict[str, Any]
    """`template`, `system`, `parameters`, `license` of /api/create."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A publication, ready to go. Nothing has been sent or asked yet."""

    target: Target
    items: tuple[Item, ...]
    requests: tuple[Request, ...]
    models: tuple[OllamaModel, ...] = ()
    """For Ollama."""
    private: bool = False
    """A repository that is made for it is hidden from others."""
    push: bool = False
    """Ollama sends the models on to its library."""
    notes: tuple[str, ...] = field(default=())
    """What should be known before it goes out."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(item.size for item in self.items)

    def as_json(self) -> dict[str, Any]:
        """The plan for --json; no path of this machine is in it."""
        return {
            "target": str(self.target),
            "server": self.target.server,
            "files": [
                {"name": item.name, "bytes": item.size, "sha256": item.sha256}
                for item in self.items
            ],
            "models": [
                {"name": model.name, "file": model.item.name, **model.settings}
                for model in self.models
            ],
            "requests": [
                {"method": request.method, "address": request.address, "purpose": request.purpose}
                for request in self.requests
            ],
            "private": self.private,
            "push": self.push,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"To {self.target} at {self.target.server}, {self.size / 1e6:,.1f} MB:"]
        width = max((len(item.name) for item in self.items), default=0)
        lines += [
            f"  {item.name:<{width}}  {item.size:>14,} bytes  SHA-256 {item.sha256}"
            for item in self.items
        ]
        for model in self.models:
            lines.append(f"  as {model.name}, with {', '.join(model.settings)}")
        lines.append("Requests:")
        lines += [f"  {r.method:<4} {r.address}: {r.purpose}" for r in self.requests]
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)
