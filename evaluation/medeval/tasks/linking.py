"""Which concept a mention in a text means, by another name of the concept.

Data: a file in PubTator format with concept ids, such as the NCBI disease corpus (Dogan,
Leaman and Lu 2014, J. Biomed. Inform. 47). Without data, synonyms of the built-in cards.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path

from medllm.errors import DataError
from medllm.reference import builtin_cards
from medllm.terminology.normalise import key
from rapidfuzz import fuzz, process

from medeval.choice import LETTERS, ChoiceTask, lettered
from medeval.sample import Sample

_OPTIONS = 8
_MENTION = re.compile(r"(\d+)\t(\d+)\t(\d+)\t([^\t]+)\t[^\t]*\t *(\S.*)")
_TEXT = re.compile(r"(\d+)\|([ta])\|(.*)")


class Linking(ChoiceTask):
    """Asked by the likeliest letter; the wrong names are those that look most like the mention."""

    name = "linking"
    about = "which of eight concepts a mention means, by log-probability of the letters"
    takes = "a PubTator file such as the NCBI disease corpus (else the built-in cards)"
    wrong = "wrong sense"

    def samples(self, data: Path | None) -> list[Sample]:
        """Mentions whose concept has another name."""
        return self._of_file(data) if data else self._of_cards()

    def _of_cards(self) -> list[Sample]:
        names = {card.id: card.term for card in builtin_cards()}
        return [
            self._sample(f"{card.id}-{index}", synonym, "", card.id, names)
            for card in builtin_cards()
            for index, synonym in enumerate(card.synonyms)
        ]

    def _of_file(self, file: Path) -> list[Sample]:
        texts, mentions = _read(file)
        by_concept: dict[str, Counter[str]] = defaultdict(Counter)
        for _, mention, concept in mentions:
            by_concept[concept][mention] += 1
        found, seen = [], set()
        for document, mention, concept in mentions:
            others = [m for m, _ in by_concept[concept].most_common() if key(m) != key(mention)]
            if not others or (document, mention) in seen:
                continue
            seen.add((document, mention))
            names = {c: ms.most_common(1)[0][0] for c, ms in by_concept.items()}
            names[concept] = others[0]
            sentence = _sentence(texts[document], mention)
            id_ = f"{document}-{len(seen)}"
            found.append(self._sample(id_, mention, sentence, concept, names))
        if not found:
            raise DataError(
                f"{file} has no mentions with concept ids.", "Name a file in PubTator format."
            )
        return found

    def _sample(
        self, id_: str, mention: str, text: str, concept: str, names: dict[str, str]
    ) -> Sample:
        gold = names[concept]
        others = {c: n for c, n in names.items() if c != concept and key(n) != key(gold)}
        near = process.extract(mention, others, scorer=fuzz.WRatio, limit=_OPTIONS - 1)
        options = sorted([gold, *(name for name, _, _ in near)], key=key)
        place = (
            f"{text}\n\nWhich of these is the same as" if text else "Which of these is the same as"
        )
        letters = LETTERS[: len(options)]
        return self.sample(
            id_,
            lettered(f'{place} "{mention}"?', options),
            letters,
            letters[options.index(gold)],
        )


def _read(file: Path) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Texts by document, and mentions as (document, text, concept)."""
    texts: dict[str, str] = defaultdict(str)
    mentions = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} can't be read: {error}.", "Name a PubTator file.") from error
    for line in lines:
        if match := _TEXT.fullmatch(line):
            texts[match[1]] += match[3] + " "
        elif match := _MENTION.fullmatch(line):
            concept = match[5].strip()
            if "|" not in concept and "+" not in concept:
                mentions.append((match[1], match[4], concept))
    return texts, mentions


def _sentence(text: str, mention: str) -> str:
    found = [s for s in re.split(r"(?<=[.!?]) +(?=[A-Z])", text) if mention in s]
    return found[0].strip() if found else mention


TASKS = (Linking(),)
