"""Which sense an abbreviation has in a sentence.

Data: dev.json (or test.json), train.json and senses.json of GLADIS (Chen, Varoquaux and
Suchanek 2023, EACL), https://github.com/tigerchen52/GLADIS. Its dictionary covers the
test set alone; the senses of other abbreviations are all long forms that the files give
them. Senses are lower-cased and de-duplicated: the spelling gives answers away.
"""

import hashlib
from collections import defaultdict
from pathlib import Path

from medllm.errors import DataError

from medeval.choice import LETTERS, ChoiceTask, lettered
from medeval.reading import field, needed, one_file, read_lines, read_object
from medeval.sample import Sample

_WHAT = "the folder with dev.json or test.json, train.json and senses.json"


class Abbreviations(ChoiceTask):
    """Asked by the likeliest letter; at most 26 senses, the right one among them."""

    name = "abbreviations"
    about = "sense of an abbreviation in a sentence, by log-probability of the letters"
    takes = _WHAT
    needs_data = True
    wrong = "wrong sense"

    def samples(self, data: Path | None) -> list[Sample]:
        """Every sentence whose abbreviation has at least two senses."""
        file = one_file(needed(data, self.name, _WHAT), "test.json", "dev.json")
        senses, found = _senses(file), []
        for number, row in read_lines(file):
            short = str(field(row, "short_term", file, number))
            gold = str(field(row, "long_term", file, number)).lower()
            listed = sorted(senses.get(short, set()) - {gold})
            if not listed:
                continue
            options = _order([gold, *_order(listed, f"{number}")[: len(LETTERS) - 1]], short)
            text = " ".join(field(row, "tokens", file, number))
            question = f"{text}\n\nWhat does {short} stand for in this sentence?"
            found.append(
                self.sample(
                    f"{number}-{short}",
                    lettered(question, options),
                    LETTERS[: len(options)],
                    LETTERS[options.index(gold)],
                )
            )
        if not found:
            raise DataError(f"No abbreviation of {file} has two senses.", "Name GLADIS's files.")
        return found


def _senses(file: Path) -> dict[str, set[str]]:
    """Every sense of each abbreviation, in small letters."""
    found: dict[str, set[str]] = defaultdict(set)
    for short, listed in read_object(file.with_name("senses.json")).items():
        found[short] |= {str(sense[0]).lower() for sense in listed}
    for other in (file, file.with_name("train.json")):
        if other.is_file():
            for number, row in read_lines(other):
                long = str(field(row, "long_term", other, number)).lower()
                found[str(field(row, "short_term", other, number))].add(long)
    return found


def _order(texts: list[str], salt: str) -> list[str]:
    return sorted(texts, key=lambda text: hashlib.sha256(f"{salt}:{text}".encode()).digest())


TASKS = (Abbreviations(),)
