"""Which sense an abbreviation has in a sentence.

Data: dev.json (or test.json), train.json and senses.json of GLADIS (Chen, Varoquaux and
Suchanek 2023, EACL), https://github.com/tigerchen52/GLADIS. Its dictionary covers the
test set alone; the senses of other abbreviations are all long forms that the files give
them. Senses are lower-cased and de-duplicated: the spelling gives answers away. Beside the
engine stands what the ranking of `medllm.terminology.abbreviations` makes of the same options.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medllm.errors import DataError
from medllm.terminology.abbreviations import Abbreviations as Ranking
from medllm.terminology.lexicon import Lexicon, Sense

from medeval.choice import LETTERS, ChoiceTask, lettered
from medeval.reading import field, needed, one_file, read_lines, read_object
from medeval.sample import Answer, Judgement, Sample
from medeval.task import Measure

_WHAT = "the folder with dev.json or test.json, train.json and senses.json"


class Abbreviations(ChoiceTask):
    """Asked by the likeliest letter; at most 26 senses, the right one among them."""

    name = "abbreviations"
    about = "sense of an abbreviation in a sentence, by log-probability of the letters"
    takes = _WHAT
    needs_data = True
    wrong = "wrong sense"
    measures = (
        *ChoiceTask.measures,
        Measure("accuracy of the ranking without a model", ("ranked",)),
    )

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
            ranked = _ranked_first(short, text, options)
            question = f"{text}\n\nWhat does {short} stand for in this sentence?"
            sample = self.sample(
                f"{number}-{short}",
                lettered(question, options),
                LETTERS[: len(options)],
                LETTERS[options.index(gold)],
            )
            found.append(replace(sample, facts={**sample.facts, "ranked": ranked == gold}))
        if not found:
            raise DataError(f"No abbreviation of {file} has two senses.", "Name GLADIS's files.")
        return found

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """The engine's answer, and whether the ranking was right."""
        judged = super().judge(sample, answer)
        ranked = float(sample.facts["ranked"])
        return replace(judged, values={**judged.values, "ranked": ranked})


def _ranked_first(short: str, text: str, options: Sequence[str]) -> str:
    """The option that the ranking puts first; it knows nothing of how common they are."""
    senses = [Sense(short, f"MED:{number}", long) for number, long in enumerate(options)]
    best = Ranking(Lexicon((), senses, ordered=False)).senses(short, text).best
    return best.expansion if best else ""


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
