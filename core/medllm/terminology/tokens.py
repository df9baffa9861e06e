"""Words of a text with their places in it, and the forms in which names are compared.

Two forms: `form` keeps the order of the words and drops number ("breast cancers" is
"breast cancer"); `bag` drops order, function words and endings as well ("cancer of the
breast" is "breast cancer"). Both are kept as 64-bit hashes in the vocabulary store.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from medllm.terminology.normalise import fold

_MARKS = "\u0300-\u036f"  # combining accents; a decomposed letter stays one letter
_WORD = re.compile(rf"(?:[^\W_][{_MARKS}]*)+(?:['’](?:[^\W_][{_MARKS}]*)+)*")
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z0-9]+)*")
JOINTS = "-\u2010\u2011\u2012\u2013/'’.&+_@"
"""What joins words to one token: `IL-6`, `D/C`, `T&A`."""
_TOKEN = re.compile(rf"[^\W_]+(?:[{JOINTS}][^\W_]+)*")

FUNCTION_WORDS = frozenset("a an and as at by due for from in nos of on or the to with".split())
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7"}
# Words that name the same thing in a name of a disease.
_EQUIVALENT = {
    "tumor": "neoplasm", "tumour": "neoplasm", "cancer": "neoplasm", "cancerous": "neoplasm",
    "malignancy": "neoplasm", "neoplasia": "neoplasm", "neoplastic": "neoplasm",
    "disorder": "disease", "illness": "disease",
    "hereditary": "familial", "inherited": "familial", "inheritable": "familial",
    "kidney": "renal", "liver": "hepatic", "stomach": "gastric", "heart": "cardiac",
    "lung": "pulmonary", "brain": "cerebral", "skin": "cutaneous", "muscle": "muscular",
    "mammary": "breast", "ovary": "ovarian", "prostatic": "prostate", "nerve": "neural",
    "intestine": "intestinal", "bowel": "intestinal", "defective": "deficiency",
    "deficient": "deficiency", "absence": "deficiency", "deformity": "malformation",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it stands: `text[start:end]`."""

    start: int
    end: int
    folded: str


def words_at(text: str) -> list[Word]:
    """Words of `text` with character offsets into `text` as it was given."""
    pattern = _ASCII_WORD if text.isascii() else _WORD
    return [Word(m.start(), m.end(), folded(m.group())) for m in pattern.finditer(text)]


def split(text: str) -> list[str]:
    """Words of `text` as they stand."""
    found: list[str] = (_ASCII_WORD if text.isascii() else _WORD).findall(text)
    return found


def name_words(name: str) -> list[str]:
    """Folded words of a name; an acronym is one word however it is written (A-T, AT)."""
    words = [folded(word) for word in split(name)]
    return ["".join(words)] if len(words) > 1 and is_acronym(name) else words


@lru_cache(maxsize=1 << 16)
def folded(word: str) -> str:
    """`normalise.fold`, remembered."""
    return fold(unicodedata.normalize("NFKC", word).replace("’", "'"))


@lru_cache(maxsize=1 << 16)
def singular(word: str) -> str:
    """A folded word without its plural ending; both sides of a comparison go through it."""
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is", "itis")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A folded word without inflection and common adjective endings."""
    bare = singular(word)
    bare = _ROMAN.get(bare, _EQUIVALENT.get(bare, bare))
    for ending, put in _ENDINGS_BY_LETTER.get(bare[-1:], ()):
        if bare.endswith(ending) and len(bare) - len(ending) >= 4:
            return bare[: -len(ending)] + put
    return bare


# The longest first. "hemophilic" and "hemophilia", "dystrophic" and "dystrophy" meet.
_ENDINGS = (
    ("otic", "os"), ("osis", "os"), ("oses", "os"), ("ical", ""), ("emic", "em"), ("emia", "em"),
    ("itic", "it"), ("itis", "it"), ("ated", "at"), ("ation", "at"), ("ions", "ion"),
    ("ous", ""), ("ias", ""), ("ic", ""), ("al", ""), ("ar", ""), ("ia", ""), ("ed", ""),
    ("ing", ""), ("ly", ""), ("y", ""), ("a", ""), ("e", ""),
)  # fmt: skip
_ENDINGS_BY_LETTER = {
    last: tuple(row for row in _ENDINGS if row[0].endswith(last))
    for last in {ending[-1] for ending, _ in _ENDINGS}
}


def form(folded_words: Iterable[str]) -> str:
    """Words in their order, in the singular."""
    return " ".join(map(singular, folded_words))


def bag(folded_words: Sequence[str]) -> str:
    """Stems in alphabetical order, each once, without function words."""
    kept = {stem(word) for word in folded_words if word not in FUNCTION_WORDS}
    return " ".join(sorted(kept or set(folded_words)))


def digest(text: str) -> int:
    """64-bit hash of a form, as SQLite's signed integer."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def acronyms_at(text: str) -> Iterator[re.Match[str]]:
    """Whole tokens of `text` that are written as acronyms: in `IL-6 of MI` these two."""
    for match in _TOKEN.finditer(text):
        token = match.group()
        if len(token) <= 8 and not token.islower() and is_acronym(token):
            yield match


def is_acronym(name: str) -> bool:
    """Whether a name is written as an acronym: short, mostly capitals, one word (IBD, HbS)."""
    if not 2 <= len(name) <= 8 or " " in name or not any(c.isalpha() for c in name):
        return False
    capitals = sum(c.isupper() for c in name)
    small = sum(c.islower() for c in name)
    return capitals >= 2 and capitals > small
