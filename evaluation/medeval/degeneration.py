"""Answers that have gone wrong before anybody reads them: loops, another language."""

import re
import unicodedata
from collections import Counter

LOOP_REPEATS = 4
"""So many repetitions of a stretch at the end make a loop."""
LOOP_CHARACTERS = 120
"""And so many characters that the repetitions take together."""
LEAST_WORDS = 12
"""Shorter texts say too little about their language."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_FUNCTION_WORDS = {
    "English": "the of and to in is that for it as with on are be this or by an not from which",
    "German": "der die das und ist von den zu mit sich des auf für nicht ein eine im dem auch es",
    "French": "le la les de des et est du en un une que dans qui pour pas sur au ce par se",
    "Spanish": "el la los las de que y en un una es del por con no se para su como al lo",
    "Italian": "il la le di che e un una è per con non del della si sono nel dei gli lo da",
    "Portuguese": "o a os as de que e em um uma é do da para com não se por dos na no",
    "Dutch": "de het een en van is dat op te in voor met zijn niet aan er ook als bij",
    "Polish": "i w na z do się nie jest to że o jak po co dla od są przez ten lub",
}
_LANGUAGE_OF: dict[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()
}


def is_loop(text: str) -> bool:
    """Whether `text` ends in the same stretch over and over."""
    tail = text[-2000:].rstrip()
    most = len(tail) // LOOP_REPEATS
    for length in range(1, most + 1):
        stretch = tail[-length:]
        repeats = max(LOOP_REPEATS, -(-LOOP_CHARACTERS // length))
        if len(tail) >= repeats * length and tail.endswith(stretch * repeats):
            return True
    return False


def language(text: str) -> str | None:
    """The language of `text` if it is clearly not English; None otherwise.

    Letters of another script tell it by the script's name; in Latin letters the
    commonest function words do.
    """
    letters = Counter(_script(c) for c in text if c.isalpha())
    if letters and letters["LATIN"] < letters.total() / 2 and letters.total() >= LEAST_WORDS:
        return next(name for name, _ in letters.most_common() if name != "LATIN").title()
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < LEAST_WORDS:
        return None
    counts = {name: sum(w in known for w in words) for name, known in _LANGUAGE_OF.items()}
    best = max(counts, key=lambda name: counts[name])
    if best == "English" or counts[best] < max(3, 2 * counts["English"], len(words) / 10):
        return None
    return best


def _script(character: str) -> str:
    return unicodedata.name(character, "?").split()[0]
