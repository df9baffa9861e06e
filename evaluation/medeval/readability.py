"""How hard a text is to read: Flesch-Kincaid and SMOG, with pyphen's syllables.

textstat would ask the network for a word list at first use; pyphen carries its
hyphenation patterns with it, so this runs offline.

    python -m medeval.readability "The heart pumps blood."
"""

import re
import sys
from functools import cache
from math import sqrt

_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_SENTENCE_END = re.compile(r"[.!?]+(?:\s|$)")


@cache
def _hyphenator():  # type: ignore[no-untyped-def]
    import pyphen

    return pyphen.Pyphen(lang="en_US")


def words(text: str) -> list[str]:
    """The words of `text`: runs of letters, with an apostrophe inside where there is one."""
    return _WORD.findall(text)


def syllables(word: str) -> int:
    """Syllables of one word, counted as pyphen would hyphenate it; at least 1."""
    return len(_hyphenator().positions(word.lower())) + 1


def flesch_kincaid_grade(text: str) -> float:
    """US school grade of `text`.

    0.39 * words/sentences + 11.8 * syllables/words - 15.59
    (Kincaid, Fishburne, Rogers and Chissom 1975, Naval Technical Training Command).

    Raises:
        ValueError: `text` holds no word.
    """
    found = words(text)
    if not found:
        raise ValueError("no word to grade in the text")
    sentences = _sentences(text)
    count = sum(syllables(word) for word in found)
    return 0.39 * len(found) / sentences + 11.8 * count / len(found) - 15.59


def smog_grade(text: str) -> float:
    """US school grade of `text` by its words of three syllables and more.

    1.0430 * sqrt(long words * 30 / sentences) + 3.1291 (McLaughlin 1969, Journal of
    Reading 12). Meant for 30 sentences; shorter texts give a rougher figure.

    Raises:
        ValueError: `text` holds no word.
    """
    found = words(text)
    if not found:
        raise ValueError("no word to grade in the text")
    long = sum(syllables(word) >= 3 for word in found)
    return 1.0430 * sqrt(long * 30 / _sentences(text)) + 3.1291


def _sentences(text: str) -> int:
    return max(1, len(_SENTENCE_END.findall(text)))


if __name__ == "__main__":
    print(f"{flesch_kincaid_grade(' '.join(sys.argv[1:])):.1f}")
