"""What cards, lexicon and vocabulary call the same as a name in a question."""

from collections.abc import Callable
from functools import cache

from medllm.retrieval import names, words
from medllm.retrieval.names import Named, form
from medllm.terminology import tokens
from medllm.terminology.facts import Scope
from medllm.terminology.lexicon import builtin_lexicon
from medllm.terminology.store import Store

SENSES = 4
"""Senses of an abbreviation that a question is widened by, the commonest."""
MOST = 16
"""Names of one concept that a question is widened by."""
CardNames = Callable[[str], tuple[str, ...]]
"""Gives the names of the cards that bear the name of a form."""


def in_question(question: str, cards: CardNames, vocabulary: Store | None) -> list[Named]:
    """The names that a question may hold, longer ones first; whether one is known is told later.

    Args:
        question: as it is asked.
        cards: gives the names of the cards that bear a name.
        vocabulary: what else knows synonyms.
    """
    found: dict[str, Named] = {}
    for said, compared in names.spans(question):
        if compared not in found:
            kept = known_as(said, compared, cards, vocabulary)
            found[compared] = Named(compared, tuple(words.terms(said)), kept)
    return list(found.values())


def known_as(
    said: str, compared: str, cards: CardNames, vocabulary: Store | None
) -> tuple[str, ...]:
    """Other names of what is called so, and what cards and lexicon call these in turn."""
    first = cards(compared) + of_lexicon(said, compared)
    if vocabulary:
        first += of_vocabulary(vocabulary, said, compared)
    found = {form(text): text for text in first}
    for text in tuple(found.values())[:MOST]:
        called = form(text)
        for other in cards(called) + of_lexicon(text, called):
            found.setdefault(form(other), other)
    found.pop(compared, None)
    return tuple(text for f, text in found.items() if len(f) >= names.SHORTEST)[:MOST]


def of_vocabulary(vocabulary: Store, said: str, compared: str) -> tuple[str, ...]:
    """Other names of the concepts that the vocabulary knows by this one."""
    acronym = tokens.is_acronym(said)
    found: dict[str, None] = {}
    for entry in vocabulary.by_form(tokens.digest(compared)):
        if entry.scope > Scope.EXACT and not (acronym and entry.scope == Scope.ACRONYM):
            continue
        if tokens.is_acronym(entry.text) != acronym:
            continue
        for other in vocabulary.names(vocabulary.concept(entry.code)):
            if other.scope <= Scope.EXACT and not tokens.is_acronym(other.text):
                found[other.text] = None
    return tuple(found)


def of_lexicon(said: str, compared: str) -> tuple[str, ...]:
    """Names that the built-in lexicon has for a name, or for the senses of an abbreviation.

    Of a name also its abbreviation, where no other sense of that is commoner.
    """
    lexicon = builtin_lexicon()
    if tokens.is_acronym(said):
        return tuple(name for s in lexicon.senses(said)[:SENSES] for name in lexicon.names(s))
    concepts, short = _of_names()
    found: tuple[str, ...] = ()
    for code in concepts.get(compared, ()):
        concept = lexicon.concepts[code]
        found += (concept.name, *concept.synonyms, *short.get(code, ()))
    return found


@cache
def _of_names() -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Concepts of the built-in lexicon by the forms of their names, and their abbreviations.

    Made in half a second.
    """
    lexicon = builtin_lexicon()
    found: dict[str, tuple[str, ...]] = {}
    for concept in lexicon.concepts.values():
        for name in {form(text) for text in (concept.name, *concept.synonyms)}:
            found[name] = (*found.get(name, ()), concept.id)
    short: dict[str, tuple[str, ...]] = {}
    for abbreviation in lexicon.abbreviations():
        code = lexicon.senses(abbreviation)[0].concept
        if tokens.is_acronym(abbreviation):
            short[code] = (*short.get(code, ()), abbreviation)
    return found, short
