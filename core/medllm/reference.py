"""The curated cards of `data/cards`: the built-in reference."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from medllm import paths
from medllm.card import Card, render, tidy_part
from medllm.errors import DataError, StorageError

Category = Literal[
    "terminology",
    "abbreviation",
    "disease mechanism",
    "anatomy & physiology",
    "diagnostic test",
]
Split = Literal["train", "test", "extra"]


Speciality = Literal[
    "cardiology",
    "neurology",
    "pulmonology",
    "gastroenterology",
    "nephrology",
    "endocrinology",
    "hematology",
    "oncology",
    "infectious disease",
    "rheumatology",
    "dermatology",
    "psychiatry",
    "ophthalmology",
    "otolaryngology",
    "obstetrics & gynecology",
    "urology",
    "orthopedics",
    "medical genetics",
    "immunology",
    "emergency medicine",
    "general medicine",
]


class WordPart(BaseModel):
    """A building block of a term: `hyper-`, "above, too much"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: str = Field(min_length=1)
    meaning: str = Field(min_length=1)


class ReferenceCard(BaseModel):
    """One line of a card file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Stable name of the card: the term in small letters, words joined by hyphens."""
    term: str = Field(min_length=1)
    """Preferred name, as it would stand at the start of a sentence."""
    category: Category
    split: Split
    """`test` is kept out of tuning, for evaluation; content is asked back of `train` alone."""
    speciality: Speciality
    """The field of medicine that it belongs to most."""
    synonyms: tuple[str, ...] = ()
    abbreviation: str | None = None
    codes: tuple[str, ...] = ()
    """CURIEs (`DOID:10763`, `UMLS:C0020538`), each confirmed against a public vocabulary."""
    definition: str
    explanation: str
    clinical_relevance: str
    safety_note: str
    plain: str
    """The explanation at reading grade 8 or below."""
    word_parts: tuple[WordPart, ...] = Field(min_length=1)
    see_also: tuple[str, ...] = ()
    """Ids of other cards."""
    reviewed: bool
    """Whether a second reader checked the card's facts."""

    @field_validator("definition", "explanation", "clinical_relevance", "safety_note", "plain")
    @classmethod
    def _is_a_part(cls, text: str) -> str:
        if not text or tidy_part(text) != text:
            raise ValueError("must be text without headings, controls and outer white space")
        return text

    @property
    def card(self) -> Card:
        """The four parts."""
        return Card(self.definition, self.explanation, self.clinical_relevance, self.safety_note)

    @property
    def text(self) -> str:
        """The card as it is shown."""
        return render(self.card)

    def names(self) -> tuple[str, ...]:
        """Term, abbreviation and synonyms: everything that the card may be asked by."""
        short = (self.abbreviation,) if self.abbreviation else ()
        return (self.term, *short, *self.synonyms)


def read_cards(file: Path) -> Iterator[ReferenceCard]:
    """Reads one card file, a card a line.

    Raises:
        StorageError: the file can't be read.
        DataError: a line is not JSON or breaks the schema; names file and line.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"The card file {file} can't be read: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield ReferenceCard.model_validate(json.loads(line))
        except (ValidationError, ValueError) as error:
            first = str(error).replace("\n", " ")
            raise DataError(
                f"{file}, line {number}: {first}", "Mend or remove the line."
            ) from error


@cache
def builtin_cards() -> tuple[ReferenceCard, ...]:
    """All cards that come with the project, in file order."""
    return tuple(
        card for file in sorted(paths.cards_dir().glob("*.jsonl")) for card in read_cards(file)
    )
