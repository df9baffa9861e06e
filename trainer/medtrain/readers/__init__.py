"""Readers: each a data set's published format, streamed as examples with source and licence."""

from functools import cache
from importlib import import_module

from medllm.errors import UsageError
from rapidfuzz import process

from medtrain.readers.reader import Reader
from medtrain.settings import SourceSettings

_MODULES = (
    "cards pairs dialogues jsonl chat pubmedqa flashcards medmcqa medqa ehr_ds_qa pmc_patients "
    "bioread clicr healthqa chexpert"
).split()


@cache
def readers() -> dict[str, type[Reader]]:
    """All readers by name."""
    found = (import_module(f"medtrain.readers.{module}").READER for module in _MODULES)
    return {reader.name: reader for reader in found}


def open_reader(source: SourceSettings) -> Reader:
    """The reader that the recipe names.

    Raises:
        UsageError: there is none of that name.
    """
    known = readers()
    if source.reader not in known:
        nearest = process.extractOne(source.reader, list(known))
        raise UsageError(
            f"There is no reader {source.reader!r}; did you mean {nearest[0]}?",
            f"There are: {', '.join(known)}.",
        )
    return known[source.reader](source)
