"""How near a GGUF's vectors are to those of the encoder it was made from.

The encoder runs in transformers and PEFT, its tokens' vectors pooled here as
sentence-transformers does, and each GGUF in llama.cpp as `medllm.embedding` runs it.
Given is the cosine between the two vectors of a text, the least and the mean over terms,
definitions and whole cards that no tuning saw. It runs in a process of its own:

    python -m medconvert.verify.vectors SPECIFICATION.json
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from medllm.errors import ConversionError
from medllm.reference import builtin_cards

from medconvert import child, original, pooling
from medconvert.checkpoint import Floats
from medconvert.verify.divergence import Specification, compared, held_texts

_CARDS = 16


def texts() -> list[str]:
    """Terms, definitions and a few whole cards of the test split, and a text without a word."""
    cards = [card for card in builtin_cards() if card.split == "test"]
    chosen = cards[:: max(1, len(cards) // _CARDS)][:_CARDS]
    short = [text for card in chosen for text in (card.term, card.definition)]
    return [*short, *held_texts(), ""]


def measure(specification: Specification, scratch: Path, progress: child.Progress) -> list[Any]:
    """Runs this module; one dict a file, with `least`, `mean` and `texts`.

    Raises:
        ConversionError: the original or a file can't be run.
    """
    scratch.write_text(json.dumps(asdict(specification)), encoding="utf-8")
    module = "medconvert.verify.vectors"
    answer = child.run(module, [str(scratch)], "comparing vectors", progress)
    if error := answer.get("error"):
        raise ConversionError(str(error))
    found: list[Any] = answer["files"]
    return found


def cosines(original: Floats, other: Floats) -> dict[str, float]:
    """Compares vectors of the same texts, of any length; shapes (texts, numbers)."""
    lengths = np.linalg.norm(original, axis=1) * np.linalg.norm(other, axis=1)
    each = (original * other).sum(axis=1) / np.maximum(lengths, 1e-12)
    return {"least": float(each.min()), "mean": float(each.mean()), "texts": len(each)}


def pooled(states: Floats, mode: str) -> Floats:
    """One vector of the tokens' vectors, shape (tokens, numbers)."""
    if mode == "mean":
        mean: Floats = states.mean(axis=0)
        return mean
    row: Floats = states[0] if mode == "cls" else states[-1]
    return row


def _originals(specification: Specification, wanted: Sequence[str]) -> Floats:
    import torch

    base = Path(specification.base)
    model = original.load(
        specification.base, specification.adapter, specification.four_bit, specification.dtype
    )
    tokenizer, mode = original.load_tokenizer(specification.base), pooling.mode_of(base)
    longest, found = int(model.config.max_position_embeddings), []
    for done, text in enumerate(wanted):
        child.report(done, len(wanted) * (1 + len(specification.files)))
        read = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
        with torch.no_grad():
            states = model(**read).last_hidden_state[0].float().numpy()
        found.append(pooled(states, mode))
    return np.stack(found)


def _compare(specification: Specification) -> dict[str, Any]:
    from medllm.engines.encoder import Encoder

    wanted = texts()
    originals = _originals(specification, wanted)
    files = []
    for number, file in enumerate(specification.files, 1):
        encoder = Encoder(Path(file), os.cpu_count() or 1, pooled=True)
        got, _ = encoder.encode(wanted)
        if not np.isfinite(got).all():
            return {"error": "The converted model makes vectors of NaN or infinity."}
        files.append(cosines(originals, got))
        child.report((1 + number) * len(wanted), (1 + len(specification.files)) * len(wanted))
    return {"files": files}


if __name__ == "__main__":
    from medllm import guard

    guard.install()
    child.answer(compared(_compare, Path(sys.argv[1])))
