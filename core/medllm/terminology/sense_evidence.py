"""What speaks for a sense, as numbers, and the weights with which they are added.

A log-linear model: the score of a sense is the sum of its evidence times the weights, and
the probability the softmax over the senses. The weights are fitted on the training
sentences of GLADIS by `python benchmarks/abbreviation_weights.py DATA [--embedder FILE]`, all
but that of commonness: the sentences are of abstracts, the lexicon's order is of notes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medllm.embedding import Embedder
from medllm.terminology.background import Background, cosine, stems
from medllm.terminology.lexicon import Lexicon, Sense
from medllm.terminology.mention_forms import has_initials
from medllm.terminology.sense_context import Context
from medllm.terminology.sense_shares import Share

Vector = NDArray[np.float32]
PARTS = ("commonness", "count", "profile", "named", "cues", "letters", "meaning")
"""Log share of the sense; log count of its name in the background; cosine of the context
with the name's surroundings; share of the name's words in the context; cues near by; whether
the abbreviation is the initials; cosine of sentence and long form. Count and letters are told
of uncurated lists alone: a curated one says what is common, and `OD` is the right eye too."""
FROM_CONTEXT = [PARTS.index(part) for part in ("profile", "named", "cues", "meaning")]
"""The parts that the surroundings give."""
FROM_WORDS = [PARTS.index(part) for part in ("profile", "named", "cues")]
"""Those of them that are 0 where the surroundings say nothing."""


@dataclass(frozen=True)
class Weights:
    """One weight for each of `PARTS`."""

    values: tuple[float, ...]
    sure: float
    """Least margin at which nineteen of twenty decisions were right."""


WITHOUT_EMBEDDER = Weights((1.0, 0.19, 34.41, 5.91, 6.28, 5.10, 0.0), sure=0.87)
WITH_EMBEDDER = Weights((1.0, 0.17, 27.83, 1.49, 5.07, 5.04, 11.07), sure=0.87)


def evidence(
    abbreviation: str,
    found: Sequence[Share],
    context: Context,
    lexicon: Lexicon,
    background: Background,
    meanings: "Meanings | None" = None,
) -> NDArray[np.float64]:
    """The evidence for each sense, (len(found), len(PARTS))."""
    vector = background.vector(context.words)
    likeness = [0.0] * len(found)
    if meanings and context.sentence and len(found) > 1:
        likeness = meanings.cosines(context.sentence, [entry.sense.expansion for entry in found])
    curated = lexicon.ordered
    rows = []
    for entry, like in zip(found, likeness, strict=True):
        sense = entry.sense
        names = lexicon.names(sense)
        profiles = [background.profile(name) for name in names]
        rows.append(
            (
                math.log(entry.share),
                0.0 if curated else math.log(sum(p.count for p in profiles) + 0.5),
                max(cosine(vector, p.vector) for p in profiles),
                max(_named(name, context.words, background) for name in names),
                _cues(sense, context),
                0.0 if curated else float(has_initials(sense.expansion, abbreviation)),
                like,
            )
        )
    return np.array(rows)


def probabilities(rows: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Softmax of the weighted sums of `rows`."""
    sums = rows @ np.array(weights.values)
    exps = np.exp(sums - sums.max())
    return np.asarray(exps / exps.sum())


def support(row: NDArray[np.float64], weights: Weights) -> float:
    """What the words around speak for one sense, whatever its rivals: 0 where they say nothing."""
    return float((row * np.array(weights.values))[FROM_WORDS].sum())


def _named(name: str, words: Mapping[str, float], background: Background) -> float:
    """Share of the weight of the name's words that stand in the context."""
    weights = {word: background.weight(word) for word in stems(name)}
    total = sum(weights.values())
    return sum(weights[w] * words.get(w, 0.0) for w in weights) / total if total else 0.0


def _cues(sense: Sense, context: Context) -> float:
    """Cues near by: the first counts fully, each further one less."""
    return math.log1p(sum(context.holds(cue) for cue in sense.cues))


class Meanings:
    """Likeness of sentences and long forms by an embedder; each long form is embedded once."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._known: dict[str, Vector] = {}

    def cosines(self, sentence: str, names: Sequence[str]) -> list[float]:
        """Cosine of the sentence with each of `names`."""
        missing = [name for name in dict.fromkeys(names) if name not in self._known]
        vectors = self.embedder.embed([sentence, *missing])
        self._known.update(zip(missing, vectors[1:], strict=True))
        return [float(self._known[name] @ vectors[0]) for name in names]
