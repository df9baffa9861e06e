"""Mentions of concepts in running text: the longest names, left to right, without overlap."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from medllm.terminology import negation, tokens
from medllm.terminology.document import Document
from medllm.terminology.linker import Candidate, Linker
from medllm.terminology.tokens import Word

_GAP = re.compile(r"[\s\-‐-–/',’]{1,3}")
SHORTEST = 4
"""Letters of a name of one word that is no acronym; shorter ones are mostly other words."""
# Names of vocabularies that are ordinary words of any text.
_ORDINARY = frozenset(
    "disease disorder syndrome patient other finding normal deficiency death birth onset "
    "severe familial complete type family group control association".split()
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a text: `text[start:end]` is exactly what stands there."""

    start: int
    end: int
    text: str
    link: Candidate | None
    """None where it can't be told what is meant."""
    negation: str | None = None
    """The cue in whose scope it stands."""


class Annotator:
    """Finds and links the mentions of a vocabulary's names in texts."""

    def __init__(self, linker: Linker) -> None:
        """Takes a linker over an open store."""
        self.linker, self.store = linker, linker.store
        self._lead = lru_cache(1 << 18)(self._longest_after)
        self._link = lru_cache(1 << 16)(self.linker.link)

    def mentions(self, text: str) -> list[Mention]:
        """All mentions of `text`, in its order."""
        document = Document(text)
        scopes = negation.scopes(text)
        found = []
        for start, end in self._spans(text, document):
            surface = text[start:end]
            short = tokens.is_acronym(surface) or bool(document.long_forms)
            link = self.linker.link(surface, document) if short else self._link(surface)
            cue = negation.negating(scopes, start, end)
            found.append(Mention(start, end, surface, link, cue))
        return found

    def _spans(self, text: str, document: Document) -> Iterator[tuple[int, int]]:
        words = tokens.words_at(text)
        singulars = [tokens.singular(word.folded) for word in words]
        defined = document.long_forms
        place = 0
        while place < len(words):
            count = self._names_at(text, words, singulars, place)
            if not count and text[words[place].start : words[place].end] in defined:
                count = 1
            if count:
                yield words[place].start, words[place + count - 1].end
            place += count or 1

    def _names_at(self, text: str, words: list[Word], singulars: list[str], place: int) -> int:
        """Words of the longest name that begins at `place`; 0 for none."""
        longest = self._lead(*singulars[place : place + 2])
        reach = 1
        while reach < longest and place + reach < len(words):
            if not _GAP.fullmatch(text, words[place + reach - 1].end, words[place + reach].start):
                break
            reach += 1
        for count in range(min(reach, longest), 0, -1):
            entries = self.store.by_form(tokens.digest(" ".join(singulars[place : place + count])))
            if not entries:
                continue
            surface = text[words[place].start : words[place + count - 1].end]
            short = [tokens.is_acronym(entry.text) for entry in entries]
            if tokens.is_acronym(surface):
                if any(short):
                    return count
            elif not all(short) and (
                count > 1 or (len(surface) >= SHORTEST and singulars[place] not in _ORDINARY)
            ):
                return count
        return 0

    def _longest_after(self, first: str, second: str = "") -> int:
        """Most words of a name that begins with these; 0 for none."""
        alone = self.store.longest(tokens.digest(first))
        both = self.store.longest(tokens.digest(f"{first} {second}")) if second else 0
        return max(alone, both)
