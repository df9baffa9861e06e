"""Abbreviations written out: `MI` becomes `myocardial infarction`.

At its first place in a text the abbreviation stays beside its long form, `myocardial infarction
(MI)`, so that both can be learned; at every further place the long form stands alone, so that
each mention of a concept is its name, wherever a text is cut. The long form is that of the
text's own definition, by its preferred name where that is put there too, else that of the sense.

What is not sure stays as it is, and so does what only looks like an abbreviation or is better
known by its letters: a part of a longer token, a plural, a unit or another quantity, a symbol of a
gene, an ordinary word, a word of a heading in capitals, the value after a sign, and what stands
alone in parentheses. So does what a sentence says beside its long form, and all of a text that asks
for the meaning of an abbreviation, which would give its own answer away.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from medllm.terminology import tokens
from medllm.terminology.lexicon import Lexicon
from medllm.terminology.mentions import Mention
from medllm.terminology.normalise import sentence_case
from medllm.terminology.sense_context import sentence_at
from medllm.terminology.wording import INSIDE, begins, fitted, sounds_open

GROUPS = frozenset("ANAT CHEM DEVI DISO PHYS PROC".split())
"""Semantic groups whose senses are written out; genes, units, people and places are not."""
_ASKING = re.compile(
    r"\b(?:abbreviat\w+|acronyms?|initialisms?|stands? for|short for|full form|long form"
    r"|spell(?:ed)? out|what (?:does|do) \S+ mean)\b",
    re.IGNORECASE,
)
_UNITS = frozenset("IU MIU BPM RPM CFU PFU MET METS GY CGY MBQ GBQ MHZ GHZ KDA MPA MOSM".split())
# In capitals for emphasis or in a heading these are words, and DNA is called by its letters.
_WORDS = frozenset(
    """
    ACT ADD AGE AID AIMS ALL ALSO AM AN AND ANY ARE ARM AS ASH AT BAD BAND BE BIG BUD BUT BY CAN CAT
    CHARGE CREST DID DNA DO DRESS DISH EAT FAST FIT FOR FROM GAS GAVE GO GUM HAD HAS HAT HE HER HIS
    HIT HOW IF IN IS IT ITS MAN MAY ME MEN MET MY NET NO NOT ODD OF OFF ON ONE OR OUR OUT OWN PAN
    PEA RAN RE RICE RNA SAD SEE SET SHE SIT SO STAT THE TIPS TO TOP TWO UP US USA USE WAS WE WHO WHY
    WITH YES YOU
    """.split()
)
_GENE = re.compile(
    r"[\s-]*(?:(?:onco)?genes?|mutations?|mutants?|mutated|alleles?|genotypes?|polymorphisms?"
    r"|promoters?|mRNA|exons?|loc(?:us|i)|amplifications?|methylation|knock-?(?:out|down))\b"
)
_JOINED_BEFORE = re.compile(rf"[\w^~:{re.escape(tokens.JOINTS)}]$")
_JOINED_AFTER = re.compile(r"[\w\-\u2010-\u2013/'’&+@^~(]|\.\w")
_CAPITALS_BEFORE = re.compile(r"\b([A-Z]{2,}) $")
_CAPITALS_AFTER = re.compile(r" ([A-Z]{2,})\b")
_SIGN = re.compile(r"[=<>≤≥±×*#%$]\s*$")
_ARTICLE = re.compile(r"(?:^|(?<=[\s(]))([Aa]n?)\s+$")
_NEAR = 60
"""Characters on each side that are looked at."""


@dataclass(frozen=True, slots=True)
class WrittenOut:
    """What stands in an abbreviation's place."""

    text: str
    article: str = ""
    """The article that has to stand before it, where another one does."""
    article_start: int = 0
    """Where that other one begins,"""
    article_end: int = 0
    """and ends."""


def asks(text: str) -> bool:
    """Whether a text asks what an abbreviation stands for, or tells it."""
    return _ASKING.search(text) is not None


def written_out(
    text: str,
    mention: Mention,
    lexicon: Lexicon,
    shown: Collection[str] = (),
    preferred: str = "",
) -> WrittenOut | None:
    """The long form of an abbreviation at its place in `text`; None where it shall stay.

    Args:
        text: where it stands.
        mention: of an abbreviation, with its ranked senses.
        lexicon: tells the semantic groups.
        shown: abbreviations that stood beside their long form already.
        preferred: what the text's long form is called elsewhere in it, if not by itself.
    """
    long = _long_form(text, mention, lexicon)
    if not long or not _stands_alone(text, mention, lexicon) or _is_said(text, mention, long):
        return None
    if preferred:
        long = fitted(preferred, long, INSIDE) or long
    before = text[: mention.start]
    name = long[0].upper() + long[1:] if begins(before) else long
    inside = before.rfind("(") > before.rfind(")") or before.rfind("[") > before.rfind("]")
    written = name if inside or mention.text in shown else f"{name} ({mention.text})"
    if article := _ARTICLE.search(before[-_NEAR:]):
        said, fitting = article.group(1), "an" if sounds_open(name) else "a"
        if fitting != said.lower():
            fitting = fitting.capitalize() if said[0] == "A" else fitting
            start = mention.start - len(article.group())
            return WrittenOut(written, fitting, start, start + len(said))
    return WrittenOut(written)


def _long_form(text: str, mention: Mention, lexicon: Lexicon) -> str:
    """The long form where it is sure and of a kind that is written out, else ""."""
    ranked, short = mention.ranked, mention.text
    if ranked is None or ranked.best is None or not ranked.sure or not tokens.is_acronym(short):
        return ""
    if short.upper() in _UNITS or set(short) <= set("IVX"):
        return ""
    concept = lexicon.concepts.get(ranked.best.concept)
    clinical = concept is not None and concept.group in GROUPS
    if ranked.source == "defined in the text":
        symbol = concept.group == "GENE" if concept else any(c.isdigit() for c in short)
        names = lexicon.names(ranked.best) if concept else ()
        whole = not symbol and _is_whole(ranked.defined)
        return _cased(ranked.defined, text, names) if whole else ""
    # The only sense that is known need not be the only one that there is.
    told = ranked.source == "context" or len(ranked.senses) > 1
    same = ranked.best.abbreviation == short and short.upper() not in _WORDS
    long = ranked.best.expansion
    return long if clinical and told and same and short not in long.split() else ""


def _is_whole(long: str) -> bool:
    """Whether a long form of the text can stand by itself: no "of the knee", no bracket's half."""
    first = long.split(" ", 1)[0].lower()
    return long[:1].isalnum() and first not in tokens.FUNCTION_WORDS and not set(long) & set("()[]")


def _cased(long: str, text: str, known: Collection[str]) -> str:
    """A long form of the text as it stands inside a sentence."""
    plain = " ".join(long.split())
    if not plain[0].isupper() or any(c.isupper() for c in plain[1:]):
        return plain
    for name in known:
        if name[:4].lower() == plain[:4].lower():
            return name[0] + plain[1:]
    at = text.find(long)
    return plain if at >= 0 and not begins(text[:at]) else sentence_case(plain)


def _stands_alone(text: str, mention: Mention, lexicon: Lexicon) -> bool:
    """Whether it is a word of running text, and no symbol of a gene, value or heading."""
    before = text[max(0, mention.start - _NEAR) : mention.start]
    after = text[mention.end : mention.end + _NEAR]
    if _JOINED_BEFORE.search(before) or _JOINED_AFTER.match(after) or _SIGN.search(before):
        return False
    if (before[-1:] in ("(", "[") and after[:1] in (")", "]")) or _GENE.match(after):
        return False
    beside = (_CAPITALS_BEFORE.search(before), _CAPITALS_AFTER.match(after))
    capitals = [match.group(1) for match in beside if match]
    return not any(word in _WORDS or (len(word) > 3 and word not in lexicon) for word in capitals)


def _is_said(text: str, mention: Mention, long: str) -> bool:
    """Whether the sentence has the long form already, or words that it would double."""
    if long.lower() in sentence_at(text, mention.start).lower():
        return True
    words = [tokens.singular(word) for word in tokens.name_words(long)]
    before = tokens.name_words(text[max(0, mention.start - _NEAR) : mention.start])[-1:]
    after = tokens.name_words(text[mention.end : mention.end + _NEAR])[:1]
    return before == words[:1] or [tokens.singular(word) for word in after] == words[-1:]
