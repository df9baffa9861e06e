"""The ways in which a mention may be read: expanded, without its qualifiers, split in two."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PARENTHESIS = re.compile(r"\s*\([^()]*\)")
_COORDINATION = re.compile(r"^(\S+?)(?:,? (?:and/or|and|or) |/|, )(\S+?)((?: \S+){1,3})$")
_WORD = re.compile(r"[^\s/,()]+")
# Words that narrow a mention without changing which disease of a vocabulary it is ("benign"
# and "malignant" change it), and words that add nothing.
_BEFORE = frozenset(
    """
    sporadic familial hereditary inherited classic classical typical atypical severe mild
    acute chronic primary human congenital isolated infantile juvenile adult childhood
    autosomal recessive dominant x-linked x linked partial complete advanced early late onset
    early-onset late-onset nonfamilial non-familial inherited bilateral unilateral multiple
    invasive metastatic progressive adult-onset
    """.split()
)
_AFTER = frozenset(
    """
    disease diseases disorder disorders syndrome syndromes phenotype phenotypes symptoms
    tumor tumors tumour tumours patients families trait traits susceptibility lesions
    """.split()
)
_CARCINOMA = re.compile(r"\b(?:adeno)?carcinomas?\b")
_PASSED_OVER = frozenset("of the and with to in type".split())
_GENERIC = _BEFORE | _AFTER | {"genetic", "defect", "defects"}
_STAGE = re.compile(r"^(?:stage|grade) \S+(?: (?:and|or|to) (?:stage |grade )?[IV\d]+)? ", re.I)
_HYPHENATED = re.compile(r"-(deficient|negative|related|associated|like)$")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text to look up in place of the mention, and how much of it stays certain."""

    text: str
    factor: float


def readings(mention: str, long_forms: Mapping[str, str]) -> Iterator[Reading]:
    """Readings of a mention, the surest first; the first is the mention, expanded.

    Args:
        mention: as it stands in the text.
        long_forms: the text's own abbreviations.
    """
    plain = " ".join(mention.split())
    bare = _PARENTHESIS.sub("", plain) if "(" in plain else plain
    text = expand(bare, long_forms)
    seen = {""}
    for reading in _all_readings(text):
        if reading.text not in seen:
            seen.add(reading.text)
            yield reading


def _all_readings(text: str) -> Iterator[Reading]:
    yield Reading(text, 1.0)
    coordinated = parts(text)
    yield from (Reading(part, 0.93) for part in coordinated)
    if not coordinated:
        yield from (Reading(part, 0.92) for part in _spelled(text))
    yield from _reduced(text)
    if _CARCINOMA.search(text):
        yield Reading(_CARCINOMA.sub("cancer", text), 0.8)


def expand(text: str, long_forms: Mapping[str, str]) -> str:
    """`text` with the abbreviations that the document defines written out."""
    if not long_forms:
        return text
    if text in long_forms:
        return long_forms[text]
    if text.endswith("s") and text[:-1] in long_forms:
        return long_forms[text[:-1]]
    return _WORD.sub(lambda m: long_forms.get(m.group(), m.group()), text)


def parts(text: str) -> list[str]:
    """Both of two coordinated things: "breast and ovarian cancer" -> "breast cancer", ..."""
    match = _COORDINATION.match(text)
    if match:
        one, other, head = match.groups()
        return [f"{one}{head}", f"{other}{head}"]
    halves = re.split(r",? (?:and/or|and|or) ", text)
    return [half for half in halves if len(half) > 3] if len(halves) == 2 else []


def has_initials(name: str, acronym: str) -> bool:
    """Whether the letters of `acronym` begin the words of `name`, in order, the first one first.

    Function words may be passed over; a word may give more than one letter.
    """
    letters = [c for c in acronym.lower() if c.isalpha()]
    words = [w for w in re.split(r"[^a-z0-9]+", name.lower()) if w]
    if not letters or len(words) < 2 or words[0][0] != letters[0]:
        return False

    def fits(letter: int, word: int) -> bool:
        if letter == len(letters):
            return word == len(words) or all(len(w) <= 3 or w in _AFTER for w in words[word:])
        if word == len(words):
            return False
        if words[word] in _PASSED_OVER and fits(letter, word + 1):
            return True
        at, taken = -1, letter
        while taken < len(letters):
            at = words[word].find(letters[taken], at + 1)
            if at < 0 or (taken == letter and at > 0):
                break
            taken += 1
            if fits(taken, word + 1):
                return True
        return False

    return fits(0, 0)


def _spelled(text: str) -> list[str]:
    """A deficient thing as its deficiency; a name whose disease or syndrome went unsaid."""
    found = []
    if _HYPHENATED.search(text):
        found.append(_HYPHENATED.sub(" deficiency" if "deficient" in text else "", text))
    if re.search(r"[A-Z][a-z]+(?:[- ][A-Z][a-z]+)*$", text):
        found += [f"{text} disease", f"{text} syndrome"]
    elif text.isascii() and text[-1:].isalpha() and not text.isupper():
        found += [f"{text} syndrome", f"{text} disease"]
    return found


def _reduced(text: str) -> list[Reading]:
    """The mention without words at its ends that seldom tell diseases apart."""
    words, found, factor = _STAGE.sub("", text).split(" "), [], 0.85
    if len(words) < text.count(" ") + 1:
        found.append(Reading(" ".join(words), factor))
    while len(words) > 1 and words[0].lower() in _BEFORE:
        words = words[1:]
        found.append(Reading(" ".join(words), factor))
        factor -= 0.04
    while len(words) > 1 and words[-1].lower() in _AFTER:
        words = words[:-1]
        found.append(Reading(" ".join(words), factor))
        factor -= 0.06
    return [reading for reading in found if not set(reading.text.lower().split()) <= _GENERIC]
