"""Which sense an abbreviation has in a sentence.

Data: dev.json (or test.json) and senses.json of GLADIS (Chen, Varoquaux and Suchanek
2023, EACL), https://github.com/tigerchen52/GLADIS. Senses are lower-cased and
de-duplicated: the spelling in the dictionary gives answers away.
"""

import hashlib
from pathlib import Path

from medllm.errors import DataError

from medeval.choice import LETTERS, ChoiceTask, lettered
from medeval.reading import field, needed, one_file, read_lines, read_object
from medeval.sample import Sample

_WHAT = "the folder with dev.json and senses.json"


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
        senses = {
            short: sorted({str(sense[0]).lower() for sense in listed})
            for short, listed in read_object(file.with_name("senses.json")).items()
        }
        found = []
        for number, row in read_lines(file):
            short = str(field(row, "short_term", file, number))
            gold = str(field(row, "long_term", file, number)).lower()
            listed = [s for s in senses.get(short, ()) if s != gold]
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
            raise DataError(
                f"No abbreviation of {file} has two senses in senses.json.", "Name GLADIS's files."
            )
        return found


def _order(texts: list[str], salt: str) -> list[str]:
    return sorted(texts, key=lambda text: hashlib.sha256(f"{salt}:{text}".encode()).digest())


TASKS = (Abbreviations(),)
