"""Names in the form in which they are compared."""

import re
import unicodedata

# haemo-, anaem-, oedema, oesophagus, oestrogen, foetus, coeliac, -rrhoea, -pnoea; not "does".
_BRITISH = re.compile(r"(?<=[^aeiou])ae(?=[a-z])|oe(?=dem|soph|str|tus|tal|liac|a$)")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
        "sigma tau upsilon phi chi psi omega".split(),
        strict=True,
    )
)
"""Letters, small, and their names."""
_GREEK_LETTER = re.compile(r"(?<![^\W\d_])[α-ρσ-ωΑ-ΡΣ-Ω](?![^\W\d_])")
"""One that is no letter of a longer word: of β-blocker and α1, not of μg."""


def words(text: str) -> list[str]:
    """Words of `text`, compatibility forms resolved, case kept; hyphens separate words.

    A Greek letter is its name: `β-blocker` is beta, blocker.
    """
    plain = unicodedata.normalize("NFKC", text)
    if not plain.isascii():
        plain = _GREEK_LETTER.sub(lambda m: f" {GREEK[m.group().lower()]} ", plain)
    return [word.replace("’", "'") for word in _WORD.findall(plain)]


def fold(word: str) -> str:
    """One word without case, accents, possessive, and with American vowels (haema -> hema)."""
    bare = word.casefold().removesuffix("'s")
    if not bare.isascii():
        decomposed = unicodedata.normalize("NFKD", bare)
        bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _BRITISH.sub("e", bare)


def key(text: str) -> str:
    """The form in which names are looked up: folded words with single spaces."""
    return " ".join(fold(word) for word in words(text))


_PROPER = frozenset(
    "Crohn Alzheimer Parkinson Graves Hashimoto Cushing Addison Guillain-Barré Glasgow".split()
)


def sentence_case(name: str) -> str:
    """`name` as it stands inside a sentence: `Hypertension` -> `hypertension`, `MI` -> `MI`.

    Proper names keep their capital: only a first word that goes on in small
    letters alone is lowered, unless it is someone's name.
    """
    first, space, rest = name.partition(" ")
    if first in _PROPER or not first[1:2].islower() or not first[1:].islower():
        return name
    return first.lower() + space + rest
