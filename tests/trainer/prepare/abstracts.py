"""Generated abstracts: no two of them alike, and copies with a few words changed."""

import json
from pathlib import Path
from random import Random

_SYLLABLES = "ka lo mi ne ru ta vi so pe du chro gly hem neu pa the bra ly os ep".split()


def _vocabulary() -> list[str]:
    draw = Random(0)
    return ["".join(draw.choices(_SYLLABLES, k=draw.randint(2, 4))) for _ in range(20_000)]


_WORDS = _vocabulary()


def text(number: int, words: int = 60) -> str:
    """An abstract of made-up words."""
    return " ".join(Random(f"abstract {number}").choices(_WORDS, k=words)).capitalize() + "."


def write(file: Path, count: int, copies: int = 0) -> Path:
    """`count` abstracts with questions; `copies` of the first ones follow, a word changed."""
    with open(file, "w", encoding="utf-8") as stream:
        for number in range(count + copies):
            content = text(number % count)
            if number >= count:
                content = content.replace(content.split()[30], "otherwise", 1)
            row = {"prompt": f"{content}\n\nWhat was found?", "completion": content[:80]}
            stream.write(json.dumps(row) + "\n")
    return file
