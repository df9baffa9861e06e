"""Mentions of concepts in running text: the longest names, left to right, without overlap.

What an abbreviation means is asked of the ranking of its senses: the text's own definition
first, then what stands around it. Where that is not sure there is no link, but the senses to
choose from.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from medllm.terminology import mention_forms, negation, tokens
from medllm.terminology.abbreviations import Abbreviations, Ranked
from medllm.terminology.document import Document
from medllm.terminology.lexicon import Sense
from medllm.terminology.linker import Candidate, Linker
from medllm.terminology.sense_shares import Imported
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
    ranked: Ranked | None = None
    """What it may stand for, where it is an abbreviation of which senses are known."""


class Annotator:
    """Finds and links the mentions of a vocabulary's names in texts."""

    def __init__(self, linker: Linker, abbreviations: Abbreviations | None = None) -> None:
        """Takes a linker over an open store.

        Args:
            linker: links names.
            abbreviations: ranks the senses of abbreviations; by default without an embedder,
                with the frequencies that the store holds.
        """
        self.linker, self.store = linker, linker.store
        self.abbreviations = abbreviations or Abbreviations(imported=Imported.of_store(self.store))
        self._lead = lru_cache(1 << 18)(self._longest_after)
        self._link = lru_cache(1 << 16)(self.linker.link)
        self._of_sense = lru_cache(1 << 14)(self._concept_of)
        self._is_disputed = lru_cache(1 << 14)(self._differs)
        self._is_abbreviation = lru_cache(1 << 16)(self._has_concept)

    def mentions(self, text: str, before: str = "") -> list[Mention]:
        """All mentions of `text`, in its order.

        Args:
            text: what is looked through; all places are offsets into it.
            before: what was said before it, which may tell what an abbreviation stands for.
        """
        document = Document(f"{before}\n{text}" if before else text)
        offset = len(document.text) - len(text)
        scopes = negation.scopes(text)
        found = []
        known: dict[str, tuple[Candidate | None, Ranked | None]] = {}
        for start, end in self._spans(text, document):
            surface = text[start:end]
            meant = known.get(surface) or self._meant(surface, document, offset + start)
            link, ranked = meant
            if ranked is None or _holds_everywhere(ranked):
                known[surface] = meant
            cue = negation.negating(scopes, start, end)
            found.append(Mention(start, end, surface, link, cue, ranked))
        return found

    def _meant(
        self, surface: str, document: Document, at: int
    ) -> tuple[Candidate | None, Ranked | None]:
        """The concept of a name at a place, and what it may stand for as an abbreviation."""
        if not tokens.is_acronym(surface):
            inside = bool(document.long_forms)
            return self.linker.link(surface, document) if inside else self._link(surface), None
        ranked = self.abbreviations.senses_in(document, surface, at)
        if ranked.best is None:
            long_form = mention_forms.expand(surface, document.long_forms)
            return _of_the_whole(self.linker.link(surface, document), long_form), None
        if not ranked.sure:
            return None, ranked
        found = None
        if ranked.source == "defined in the text":
            long_form = mention_forms.expand(surface, document.long_forms)
            found = _of_the_whole(self.linker.link(surface, document), long_form)
        elif ranked.source == "frequency" and self._is_disputed(surface, ranked.best):
            return None, ranked
        if found is None and (of_sense := self._of_sense(ranked.best)):
            found = replace(of_sense, score=ranked.senses[0].score)
        return found, ranked

    def _concept_of(self, sense: Sense) -> Candidate | None:
        """The concept of a sense: by its codes, else by its name."""
        codes = self.abbreviations.lexicon.codes(sense)
        for code in sorted(codes, key=lambda code: (code != sense.concept, code)):
            concept = self.store.concept(code)
            name = self.store.preferred(concept)
            if name != concept and self.linker.is_usable(concept):
                return Candidate(concept, name, 1.0, "acronym")
        return _of_the_whole(self._link(sense.expansion), sense.expansion)

    def _differs(self, surface: str, sense: Sense) -> bool:
        """Whether the vocabulary knows the abbreviation, but not in this sense."""
        of_sense = self._of_sense(sense)
        own = {candidate.concept for candidate in self.linker.candidates(surface)}
        return bool(own) and (of_sense is None or of_sense.concept not in own)

    def _has_concept(self, token: str) -> bool:
        """Whether the lexicon has a sense of the abbreviation that can be linked."""
        lexicon = self.abbreviations.lexicon
        return any(
            self._of_sense(sense)
            for spelling in lexicon.spellings(token)
            for sense in lexicon.senses(spelling.abbreviation)
        )

    def _spans(self, text: str, document: Document) -> Iterator[tuple[int, int]]:
        words = tokens.words_at(text)
        singulars = [tokens.singular(word.folded) for word in words]
        defined = document.long_forms
        short = {
            match.start(): match.end()
            for match in tokens.acronyms_at(text)
            if not document.in_capitals
            and (match.group() in defined or self._is_abbreviation(match.group()))
        }
        place = 0
        while place < len(words):
            count = self._names_at(text, words, singulars, place)
            if not count and text[words[place].start : words[place].end] in defined:
                count = 1
            start = words[place].start
            end = words[place + count - 1].end if count else start
            if short.get(start, 0) > end:
                end, count = short[start], 1
                while place + count < len(words) and words[place + count].start < end:
                    count += 1
            if count:
                yield start, end
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


def _of_the_whole(link: Candidate | None, long_form: str) -> Candidate | None:
    """The link of a long form, unless it is only near it or one of the things that it joins.

    The National Institute of Neurological Disorders and Stroke is none of these.
    """
    in_part = link is not None and link.how == "reduced" and mention_forms.parts(long_form)
    return None if link is None or link.how == "near" or in_part else link


def _holds_everywhere(ranked: Ranked) -> bool:
    """Whether what an abbreviation means is the same at all its places in a text."""
    only = len(ranked.senses) == 1 and ranked.source == "context"
    return only or ranked.source == "defined in the text"
