"""Medical terms of the examples: preferred names, and changed copies to learn from.

What is changed is the user's last turn; preferred names are put into the answer too, and in both
abbreviations are written out, in the sense that the turns before and the question tell. The copies
are of training examples alone, and belong to the document of what they were made from.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from medllm import paths
from medllm.prompts import Message
from medllm.terminology import augment
from medllm.terminology.mentions import Annotator, Mention
from medllm.terminology.written_out import asks

from medtrain.examples import Example
from medtrain.settings import TerminologySettings


def is_asked(settings: TerminologySettings) -> bool:
    """Whether there is anything to do."""
    return settings.normalise or bool(settings.augment)


def make_ready() -> Path:
    """Compiles the vocabulary where there is none; gives its file."""
    file = paths.vocabulary_file()
    if not file.exists():
        from medllm.terminology import compiler

        compiler.build()
    return file


@lru_cache(maxsize=1)
def _annotator(vocabulary: Path) -> Annotator:
    from medllm.terminology.linker import Linker
    from medllm.terminology.store import Store

    return Annotator(Linker(Store(vocabulary), near=False))


def mentioned(examples: Iterable[Example], vocabulary: Path) -> Counter[str]:
    """In how many of the examples each concept is mentioned."""
    annotator = _annotator(vocabulary)
    counts: Counter[str] = Counter()
    for example in examples:
        mentions = annotator.mentions(example.prompt[-1]["content"], _earlier(example))
        counts.update({mention.link.concept for mention in mentions if mention.link})
    return counts


def normalised(example: Example, vocabulary: Path) -> Example:
    """The example with preferred names and with its abbreviations written out.

    Where the question is what an abbreviation stands for they stay, in the answer too.
    """
    annotator = _annotator(vocabulary)
    question, earlier = example.prompt[-1]["content"], _earlier(example)
    lexicon = None if asks(question) else annotator.abbreviations.lexicon

    def preferred(text: str, before: str) -> str:
        mentions = annotator.mentions(text, before)
        return augment.preferred(text, mentions, annotator.store, lexicon).text

    completion = preferred(example.completion, f"{earlier}\n{question}".strip())
    return replace(_asking(example, preferred(question, earlier)), completion=completion)


def copies(
    example: Example,
    settings: TerminologySettings,
    rare: frozenset[str],
    seed: int,
    vocabulary: Path,
) -> Iterator[tuple[Example, dict[str, Any]]]:
    """Changed copies, each with what was changed; a kind that changes nothing makes none."""
    if not settings.augment:
        return
    annotator = _annotator(vocabulary)
    text = example.prompt[-1]["content"]
    mentions = annotator.mentions(text, _earlier(example))
    for kind in settings.augment:
        random = Random(f"{seed} {kind} {example.document} {text}")
        made = _made(kind, text, mentions, annotator, settings, rare, random)
        if made.changes:
            copy = replace(_asking(example, made.text), kind=f"{example.kind}, {kind}")
            yield copy, {"kind": kind, "text": made.text, **_places(made)}


def _made(
    kind: str,
    text: str,
    mentions: list[Mention],
    annotator: Annotator,
    settings: TerminologySettings,
    rare: frozenset[str],
    random: Random,
) -> augment.Example:
    store = annotator.store
    if kind == "preferred":
        return augment.preferred(text, mentions, store, annotator.abbreviations.lexicon)
    if kind == "synonym":
        return augment.with_synonyms(text, mentions, store, random)
    if kind == "mask":
        return augment.masked(text, mentions, store, settings.groups)
    return augment.masked(text, mentions, store, concepts=rare)


def _places(made: augment.Example) -> dict[str, Any]:
    told = asdict(made)
    return {"spans": told["spans"], "changes": told["changes"]}


def _earlier(example: Example) -> str:
    """What was said before the last turn."""
    turns = example.prompt[:-1]
    return "\n".join(turn["content"] for turn in turns if turn["role"] != "system")


def _asking(example: Example, asked: str) -> Example:
    last: Message = {"role": example.prompt[-1]["role"], "content": asked}
    return replace(example, prompt=[*example.prompt[:-1], last])
