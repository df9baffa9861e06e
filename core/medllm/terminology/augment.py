"""Training texts with their terms normalised, masked or replaced by synonyms.

Every produced example keeps the places of its mentions and says what was done to it.
The same texts, vocabulary and seed give the same bytes.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from random import Random
from typing import Literal

from medllm.terminology import tokens
from medllm.terminology.facts import Scope
from medllm.terminology.lexicon import Lexicon
from medllm.terminology.mentions import Mention
from medllm.terminology.schwartz_hearst import definitions
from medllm.terminology.store import Store
from medllm.terminology.wording import fitted
from medllm.terminology.written_out import WrittenOut, asks, written_out

Kind = Literal["preferred", "mask", "synonym", "rare-mask"]
EXACT_SCORE = 0.99
"""Least score of a preferred or exact name; narrower, broader and related names score less."""
UNKNOWN_GROUP = "TERM"
"""Mask of a concept whose semantic group no vocabulary tells."""


@dataclass(frozen=True, slots=True)
class Change:
    """One replacement: `before` stood at `source_start`, `after` stands at `start`."""

    kind: Kind
    concept: str
    """Empty for an article, and for an abbreviation of no known concept."""
    before: str
    after: str
    source_start: int
    start: int


@dataclass(frozen=True, slots=True)
class Span:
    """A mention in the new text: `text[start:end]`."""

    start: int
    end: int
    concept: str


@dataclass(frozen=True, slots=True)
class Example:
    """A produced text."""

    text: str
    spans: tuple[Span, ...]
    changes: tuple[Change, ...]


Replace = Callable[[Mention, str], str | WrittenOut | None]
"""Given a mention and the text before it, what shall stand in its place; None: leave it."""


class _Pieces:
    """A text that is made anew, from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._pieces, self._end, self._length = text, list[str](), 0, 0

    def put(self, start: int, end: int, new: str) -> int:
        """`new` in place of `text[start:end]`; gives where it stands."""
        self._pieces += (self._text[self._end : start], new)
        place = self._length + start - self._end
        self._end, self._length = end, place + len(new)
        return place

    def whole(self) -> str:
        """The new text, with what is left of the old one."""
        return "".join(self._pieces) + self._text[self._end :]


def rewrite(text: str, mentions: Iterable[Mention], kind: Kind, replace: Replace) -> Example:
    """`text` with mentions replaced, every linked mention's place carried along."""
    made, spans, changes = _Pieces(text), [], []
    for mention in sorted(mentions, key=lambda m: m.start):
        after = replace(mention, text[: mention.start])
        if after is None and mention.link is None:
            continue
        concept = mention.link.concept if mention.link else ""
        if isinstance(after, WrittenOut):
            if after.article:
                start, end = after.article_start, after.article_end
                place = made.put(start, end, after.article)
                changes.append(Change(kind, "", text[start:end], after.article, start, place))
            after = after.text
        new = mention.text if after is None else after
        place = made.put(mention.start, mention.end, new)
        if new != mention.text:
            changes.append(Change(kind, concept, mention.text, new, mention.start, place))
        if concept:
            spans.append(Span(place, place + len(new), concept))
    return Example(made.whole(), tuple(spans), tuple(changes))


def preferred(
    text: str, mentions: Iterable[Mention], store: Store, lexicon: Lexicon | None = None
) -> Example:
    """Every mention that is surely linked by its preferred name.

    Args:
        text: the text of the mentions.
        mentions: from an Annotator.
        store: tells the preferred names.
        lexicon: of the annotator's abbreviations, which are written out where their sense is
            sure, see `written_out`; None: they stay.
    """
    found = list(mentions)
    if asks(text) or not any(mention.ranked for mention in found):
        lexicon = None
    shown = {pair.short for pair in definitions(text)} if lexicon else set[str]()

    def replace(mention: Mention, before: str) -> str | WrittenOut | None:
        name = store.preferred(mention.link.concept) if mention.link and _is_exact(mention) else ""
        name = "" if tokens.is_acronym(name) else name
        if mention.ranked and lexicon:
            long = written_out(text, mention, lexicon, shown, name)
            if long and long.text.endswith(")"):
                shown.add(mention.text)
            return long
        return fitted(name, mention.text, before) if name and _is_full(mention) else None

    return rewrite(text, found, "preferred", replace)


def masked(
    text: str,
    mentions: Iterable[Mention],
    store: Store,
    groups: Collection[str] = (),
    concepts: Collection[str] | None = None,
) -> Example:
    """Mentions replaced by their semantic group, `[DISO]`.

    Args:
        text: the text of the mentions.
        mentions: from an Annotator.
        store: tells the semantic groups.
        groups: only these groups; empty: all.
        concepts: only these concepts, for the targeted masking of rare ones; None: all.
    """

    def replace(mention: Mention, _: str) -> str | None:
        concept = mention.link.concept if mention.link else ""
        if not concept or (concepts is not None and concept not in concepts):
            return None
        group = next(iter(sorted(store.notes(concept, "group"))), UNKNOWN_GROUP)
        return f"[{group}]" if not groups or group in groups else None

    return rewrite(text, mentions, "mask" if concepts is None else "rare-mask", replace)


def with_synonyms(text: str, mentions: Iterable[Mention], store: Store, random: Random) -> Example:
    """Surely linked mentions by an exact synonym, drawn by `random`.

    Acronyms are neither replaced nor put in; what a negation holds stays as it is, and
    so does a name that is not exactly the vocabulary's (a plural, another order).
    """

    def replace(mention: Mention, before: str) -> str | None:
        if not _is_sure(mention) or mention.negation or mention.link is None:
            return None
        own = tokens.form(tokens.name_words(mention.text))
        fitting = sorted(
            name
            for entry in store.names(mention.link.concept)
            if entry.scope <= Scope.EXACT
            and not tokens.is_acronym(entry.text)
            and not any(tokens.is_acronym(word) for word in entry.text.split())
            and tokens.form(tokens.name_words(entry.text)) != own
            and (name := fitted(entry.text, mention.text, before))
        )
        return random.choice(fitting) if fitting else None

    return rewrite(text, mentions, "synonym", replace)


def _is_sure(mention: Mention) -> bool:
    """Whether the vocabulary has just this name, written out and of exact scope."""
    return _is_exact(mention) and _is_full(mention)


def _is_exact(mention: Mention) -> bool:
    """Whether what stands there, or is defined there, is an exact name of the vocabulary."""
    link = mention.link
    return link is not None and link.how == "exact" and link.score >= EXACT_SCORE


def _is_full(mention: Mention) -> bool:
    """Whether a mention is no short form: IBD, MetS, HbA1c."""
    mixed = " " not in mention.text and any(c.isupper() for c in mention.text[1:])
    return not mixed and not tokens.is_acronym(mention.text)
