"""Which concept a mention in a text means, by another name of the concept.

Data: a file in PubTator format with concept ids, such as the NCBI disease corpus (Dogan,
Leaman and Lu 2014, J. Biomed. Inform. 47), or a folder with such a file and the
vocabulary.sqlite3 that `medtrain vocab` compiles: then the wrong names are those that the
linker of `medllm.terminology` proposes, and beside the engine stands what the linker itself
makes of the mention. Without data, synonyms of the built-in cards.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path

from medllm import paths
from medllm.errors import DataError
from medllm.reference import builtin_cards
from medllm.terminology.document import Document
from medllm.terminology.linker import Linker
from medllm.terminology.normalise import key
from medllm.terminology.store import Store
from rapidfuzz import fuzz, process

from medeval.choice import LETTERS, ChoiceTask, lettered
from medeval.sample import Answer, Judgement, Sample
from medeval.task import Measure

_OPTIONS = 8
_MENTION = re.compile(r"(\d+)\t(\d+)\t(\d+)\t([^\t]+)\t[^\t]*\t *(\S.*)")
_TEXT = re.compile(r"(\d+)\|([ta])\|(.*)")


@dataclass(frozen=True, slots=True)
class Proposed:
    """What the linker makes of a mention."""

    names: tuple[str, ...] = ()
    """Of the concepts that it is not, the likeliest first."""
    right: float = nan
    """1 where it links to the right concept, 0 where to another or to none."""


class Linking(ChoiceTask):
    """Asked by the likeliest letter; wrong are names proposed by the linker or spelled alike."""

    name = "linking"
    about = "which of eight concepts a mention means, by log-probability of the letters"
    takes = "a PubTator file, or a folder with one and vocabulary.sqlite3 (else the built-in cards)"
    wrong = "wrong sense"
    measures = (
        *ChoiceTask.measures,
        Measure("accuracy of the linker without a model", ("linked",)),
    )

    def samples(self, data: Path | None) -> list[Sample]:
        """Mentions whose concept has another name."""
        if data is None:
            return self._of_cards()
        if not data.is_dir():
            return self._of_file(data, None)
        files = sorted(data.glob("*.txt"))
        if len(files) != 1:
            raise DataError(f"{data} holds {len(files)} .txt files.", "Leave one PubTator file.")
        with ExitStack() as stack:
            store = data / paths.vocabulary_file().name
            linker = Linker(stack.enter_context(Store(store))) if store.is_file() else None
            return self._of_file(files[0], linker)

    def judge(self, sample: Sample, answer: Answer) -> Judgement:
        """The engine's answer, and whether the linker was right."""
        judged = super().judge(sample, answer)
        linked = sample.facts.get("linked")
        return replace(
            judged, values={**judged.values, "linked": nan if linked is None else linked}
        )

    def _of_cards(self) -> list[Sample]:
        names = {card.id: card.term for card in builtin_cards()}
        return [
            self._sample(f"{card.id}-{index}", synonym, "", card.id, names, Proposed())
            for card in builtin_cards()
            for index, synonym in enumerate(card.synonyms)
        ]

    def _of_file(self, file: Path, linker: Linker | None) -> list[Sample]:
        texts, mentions = _read(file)
        documents = {name: Document(text) for name, text in texts.items()}
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
            proposed = _proposed(linker, mention, documents[document], concept)
            found.append(self._sample(id_, mention, sentence, concept, names, proposed))
        if not found:
            raise DataError(
                f"{file} has no mentions with concept ids.", "Name a file in PubTator format."
            )
        return found

    def _sample(
        self,
        id_: str,
        mention: str,
        text: str,
        concept: str,
        names: dict[str, str],
        proposed: Proposed,
    ) -> Sample:
        gold = names[concept]
        others = {c: n for c, n in names.items() if c != concept and key(n) != key(gold)}
        near = process.extract(mention, others, scorer=fuzz.WRatio, limit=_OPTIONS - 1)
        options = _options(gold, [*proposed.names, *(name for name, _, _ in near)])
        place = (
            f"{text}\n\nWhich of these is the same as" if text else "Which of these is the same as"
        )
        letters = LETTERS[: len(options)]
        found = self.sample(
            id_,
            lettered(f'{place} "{mention}"?', options),
            letters,
            letters[options.index(gold)],
        )
        if isnan(proposed.right):
            return found
        return replace(found, facts={**found.facts, "linked": proposed.right})


def _options(gold: str, wrong: Sequence[str]) -> list[str]:
    """The right name and the first wrong ones, each once, in alphabetical order."""
    by_key = {key(gold): gold}
    for name in wrong:
        if len(by_key) < _OPTIONS:
            by_key.setdefault(key(name), name)
    return sorted(by_key.values(), key=key)


def _proposed(linker: Linker | None, mention: str, document: Document, concept: str) -> Proposed:
    """What the linker proposes for a mention of `concept`, a MeSH id or another code."""
    if linker is None:
        return Proposed()
    code = concept if ":" in concept else f"MESH:{concept}"
    candidates = linker.candidates(mention, document)
    best = linker.link(mention, document)
    right = best is not None and code in linker.store.codes(best.concept)
    wrong = [c for c in candidates if code not in linker.store.codes(c.concept)]
    names = tuple(linker.store.preferred(c.concept) for c in wrong)
    return Proposed(names, float(right))


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
