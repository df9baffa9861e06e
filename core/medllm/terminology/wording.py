"""A name as it fits into a sentence: its first letter, and the article before it."""

import re

from medllm.terminology import tokens

_LIKE_YOU = re.compile(r"eu|one|u(?:ni|ri|re|te|ro|se|su)", re.IGNORECASE)
INSIDE = "the "
"""What a name that stands inside a sentence may stand after."""


def begins(before: str) -> bool:
    """Whether a sentence begins after `before`."""
    stripped = before.rstrip()
    return not stripped or stripped[-1] in ".!?:"


def sounds_open(name: str) -> bool:
    """Whether a name begins with the sound of a vowel."""
    return name[0].lower() in "aeiou" and not _LIKE_YOU.match(name)


def fitted(name: str, replaced: str, before: str) -> str | None:
    """`name` in the case of what it replaces; None where the article before it would be wrong."""
    article = before.rstrip().rpartition(" ")[2].lower()
    if article in ("a", "an") and sounds_open(name) != sounds_open(replaced):
        return None
    first, rest = name[0], name[1:]
    if replaced[0].isupper() and begins(before):
        return first.upper() + rest
    plain = replaced[0].islower() or tokens.is_acronym(replaced.split(maxsplit=1)[0])
    if first.isupper() and not begins(before) and plain:
        lowered = name.split(" ", 1)[0]
        return first.lower() + rest if lowered[1:].islower() and name == name.capitalize() else name
    return name
