"""Which term a definition explains, out of four of the built-in cards: for calibration.

Needs no data of anybody's, so that ECE, Brier score and AURC can be had everywhere.
"""

import hashlib
from pathlib import Path

from medllm.reference import ReferenceCard, builtin_cards

from medeval.choice import LETTERS, ChoiceTask, lettered
from medeval.sample import Sample


def by_hash(entries: list[ReferenceCard], salt: str) -> list[ReferenceCard]:
    """`entries` in an order that depends on `salt` and their ids alone."""
    return sorted(entries, key=lambda e: hashlib.sha256(f"{salt}:{e.id}".encode()).digest())


class Definitions(ChoiceTask):
    """Asked by the likeliest letter."""

    name = "calibration"
    about = "which of four terms a card's definition explains, with ECE, Brier score and AURC"

    def samples(self, data: Path | None) -> list[Sample]:
        """One question a card; the other terms are of its category."""
        entries, found = builtin_cards(), []
        for entry in entries:
            others = [e for e in entries if e.category == entry.category and e.id != entry.id]
            options = by_hash([entry, *by_hash(others, entry.id)[:3]], f"order:{entry.id}")
            text = entry.definition
            for name in sorted(entry.names(), key=len, reverse=True):
                text = text.replace(name, "this").replace(name.lower(), "this")
            question = f"Which term is defined here?\n{text}"
            found.append(
                self.sample(
                    entry.id,
                    lettered(question, [o.term for o in options]),
                    LETTERS[:4],
                    LETTERS[options.index(entry)],
                )
            )
        return found


TASKS = (Definitions(),)
