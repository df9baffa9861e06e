"""Trying a converted model in a process of its own, since native code can end one.

The parent calls `run`; the module that it names ends with `answer`.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from medllm.errors import ConversionError

from medconvert import child, original
from medconvert.checkpoint import Floats
from medconvert.formats import choices
from medconvert.formats.options import Options, Progress
from medconvert.formats.whole import parameters_of
from medconvert.source import Source, read_json
from medconvert.verify.divergence import MOST_TOKENS, held_texts

_FULL = ("float32", "fp32")  # precisions that round nothing, as either runtime calls it


@dataclass(frozen=True, slots=True)
class Trial:
    """What is compared; paths as text, so that it goes through JSON."""

    base: str
    adapter: str
    """Empty: none."""
    four_bit: str
    """How the base is rounded before the adapter is merged; empty: not at all."""
    dtype: str
    """torch's name of the type that the original is computed in."""
    made: str
    """The file or folder that was made."""
    exact: bool
    """Whether nothing is rounded below float32."""
    base_made: str = ""
    """The base in the same format, where an adapter was made."""


class Runtime(Protocol):
    """A converted decoder."""

    def read(self, tokens: list[int]) -> Floats:
        """Logits of a text that is read anew, (len(tokens), vocabulary)."""
        ...

    def go_on(self, tokens: list[int]) -> list[int]:
        """The greedy continuation of a text, `choices.CONTINUE` tokens, EOS or not."""
        ...


@dataclass(frozen=True, slots=True)
class Tried:
    """A converted decoder and its original on the same texts."""

    texts: list[list[int]]
    got: Floats
    """Logits of the converted model, (tokens of all texts, vocabulary)."""
    wanted: Floats
    """Of the original."""
    found: choices.Agreement


def of_whole(
    module: str, doing: str, source: Source, made: Path, options: Options, progress: Progress
) -> dict[str, Any]:
    """The `verify` section of a whole model that was made; `skipped` where memory lacks.

    Args:
        module: what compares, in a process of its own.
        doing: what a user is told meanwhile.
        source: what it was made from.
        made: the folder.
        options: how.
        progress: told how far it is.

    Raises:
        ConversionError: the converted model is not what it should be, or can't be run.
    """
    config = read_json(source.base / "config.json")
    dtype, reason = original.affordable(parameters_of(source.base), config)
    if not dtype:
        return {"generation": {"skipped": reason}}
    asked = Trial(
        base=str(source.base),
        adapter=str(source.adapter or ""),
        four_bit=options.four_bit or "",
        dtype=dtype,
        made=str(made),
        exact=options.precision in _FULL and dtype == "float32",
    )
    return run(module, asked, doing, progress)


def run(module: str, trial: Trial, doing: str, progress: Progress) -> dict[str, Any]:
    """The `verify` section that `module` finds.

    Raises:
        ConversionError: the converted model is not what it should be, or can't be run.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as asked:
        json.dump(asdict(trial), asked)
        asked.flush()
        found = child.run(
            module,
            [asked.name],
            doing,
            lambda done, total: progress("Comparing predictions", done, total),
        )
    if error := found.get("error"):
        raise ConversionError(str(error), "Nothing was written.")
    return found


def answer(compare: Callable[[Trial], dict[str, Any]]) -> None:
    """The main function of a child: reads the trial that is named, prints what it finds."""
    from medllm import guard

    guard.install()
    trial = Trial(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    try:
        found = compare(trial)
    except ConversionError as error:
        found = {"error": error.message}
    except Exception as error:  # whatever the libraries raise, the user gets one line
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        found = {"error": f"{Path(trial.made).name} can't be tried: {said}"}
    child.answer(found)


def texts_of(tokenizer: Any) -> list[list[int]]:
    """Medical text, as tokens with BOS and EOS as the model wants them."""
    return [list(tokenizer(text)["input_ids"])[:MOST_TOKENS] for text in held_texts()]


def try_runtime(
    runtime: Runtime, texts: Sequence[list[int]]
) -> tuple[list[Floats], list[list[int]]]:
    """Logits of each text, and the continuation of its beginning."""
    got, chosen = [], []
    for done, ids in enumerate(texts):
        got.append(runtime.read(ids))
        chosen.append(runtime.go_on(ids[: choices.BEGIN]))
        child.report(done + 1, 2 * len(texts))
    return got, chosen


def against(
    model: Any, texts: list[list[int]], got: list[Floats], chosen: list[list[int]], dtype: str
) -> Tried:
    """What `try_runtime` found, beside the original in transformers.

    Args:
        dtype: torch's name of the type that `model` computes in.
    """
    wanted, found = [], choices.NONE
    for done, (ids, more) in enumerate(zip(texts, chosen, strict=True)):
        begin = ids[: choices.BEGIN]
        wanted.append(predict(model, ids))
        before = predict(model, begin + more)[len(begin) - 1 : -1]
        found += choices.agreement(before, more, dtype)
        child.report(len(texts) + done + 1, 2 * len(texts))
    every = np.concatenate(wanted)
    return Tried(texts, np.concatenate(got)[:, : every.shape[1]], every, found)


def predict(model: Any, tokens: list[int]) -> Floats:
    """The original's logits of a text, (len(tokens), vocabulary)."""
    import torch

    with torch.no_grad():
        logits: Floats = model(torch.tensor([tokens])).logits[0].float().numpy()
    return logits
