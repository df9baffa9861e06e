"""All checks of a conversion, run on the files before they get their names.

- tokens: the GGUF cuts text as the model's own tokenizer does (`medconvert.parity`).
- template: chats are the same tokens in transformers, here and in Ollama, begin with one BOS
  and end with a token that stops (`chats`).
- divergence: it predicts what the merged model predicts (`divergence`).
- answers: it loads, answers, stops by itself and keeps the format (`answers`).
- vectors: of an encoder, in place of the last three: its texts' vectors are the original's
  (`vectors`).

The first two must pass; the third must stay under a limit that no faithful conversion comes
near, and the vectors within one; of the answers it must load and answer, the rest is reported.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError

from medconvert import original, parity
from medconvert.plan import Plan
from medconvert.pooling import ENCODERS
from medconvert.quants import BF16, Quant, quant
from medconvert.source import read_json
from medconvert.verify import answers, chats, divergence, vectors

Progress = Callable[[str, int, int], None]
"""Called with the phase, the steps done and the steps that there are (0: unknown)."""
_LOST = "Nothing was written. With --no-verify it would be, unchecked."
_NO_CHAT = "an encoder makes vectors and does not chat"
_FOUR_BITS = ("q4", "q5", "q6", "q8", "iq4", "mxfp4", "nvfp4")


def limit(kind: Quant) -> float:
    """The mean divergence, in nats a token, above which something else than rounding is wrong."""
    if kind.plain is not None:
        return 0.05 if kind.plain == BF16 else 0.01
    return 1.0 if kind.name.startswith(_FOUR_BITS) else math.inf


def least_cosine(kind: Quant) -> float:
    """The cosine with the original's vectors below which something else than rounding is wrong."""
    if kind.plain is not None:
        return 0.999 if kind.plain == BF16 else 0.9999
    return 0.9 if kind.name.startswith(_FOUR_BITS) else -1.0


def verify(
    plan: Plan, parts: Mapping[str, Path], scratch: Path, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Checks every output.

    Args:
        plan: what was converted.
        parts: the files, by the name of their quantization.
        scratch: a file that may be written.
        progress: is told what is being done.

    Returns:
        The `verify` section of each output's record, by quantization.

    Raises:
        ConversionError: a check failed; the message says which and how.
    """
    progress("Comparing tokens", 0, 0)
    first = next(iter(parts.values()))
    tokens = {"passed": True, **asdict(parity.check(plan.source.base, first))}
    if plan.arch in ENCODERS:
        alike = _vectors(plan, parts, scratch, progress)
        none = {"skipped": _NO_CHAT}
        return {
            name: {"tokens": tokens, "vectors": found, "template": none, "answers": none}
            for name, found in zip(parts, alike, strict=True)
        }
    progress("Comparing chats", 0, 0)
    template = _template(plan, first)
    divergences = _divergences(plan, parts, scratch, progress)
    found: dict[str, dict[str, Any]] = {}
    for (name, file), diverging in zip(parts.items(), divergences, strict=True):
        progress(f"Asking {name}", 0, 0)
        found[name] = {
            "tokens": tokens,
            "template": template,
            "divergence": diverging,
            "answers": _answers(plan, file, chats="skipped" not in template),
        }
    return found


def _template(plan: Plan, file: Path) -> dict[str, Any]:
    trained = plan.source.record
    found = chats.check(plan.source.base, file, trained.chat_family if trained else None)
    if found.failure:
        raise ConversionError(found.failure, _LOST)
    if not found.chats:
        return {"skipped": "no chat template; the model only completes text"}
    return {"passed": True, **asdict(found), "said": found.said()}


def _divergences(
    plan: Plan, parts: Mapping[str, Path], scratch: Path, progress: Progress
) -> list[dict[str, Any]]:
    found, dtype = _measured(
        plan,
        parts,
        scratch,
        divergence.measure,
        lambda done, total: progress("Comparing predictions", done, total),
    )
    if not dtype:
        return found
    for name, figures in zip(parts, found, strict=True):
        if figures["mean_kl"] > limit(quant(name)):
            raise ConversionError(
                f"The {name} file predicts unlike the model it was made from: "
                f"{figures['mean_kl']:.3f} nats a token apart.",
                _LOST,
            )
        figures.update(passed=True, dtype=dtype)
    return found


def _vectors(
    plan: Plan, parts: Mapping[str, Path], scratch: Path, progress: Progress
) -> list[dict[str, Any]]:
    found, dtype = _measured(
        plan,
        parts,
        scratch,
        vectors.measure,
        lambda done, total: progress("Comparing vectors", done, total),
    )
    if not dtype:
        return found
    for name, figures in zip(parts, found, strict=True):
        if figures["least"] < least_cosine(quant(name)):
            raise ConversionError(
                f"The {name} file's vectors are unlike those of the model it was made from: a "
                f"cosine of {figures['least']:.4f}.",
                _LOST,
            )
        figures.update(passed=True, dtype=dtype)
    return found


Measure = Callable[[divergence.Specification, Path, Callable[[int, int], None]], list[Any]]


def _measured(
    plan: Plan,
    parts: Mapping[str, Path],
    scratch: Path,
    measure: Measure,
    progress: Callable[[int, int], None],
) -> tuple[list[dict[str, Any]], str]:
    """What `measure` finds of each file, and the type that the original was run in.

    That is empty where there is no room for the original.
    """
    dtype, reason = original.affordable(
        plan.parameters, read_json(plan.source.base / "config.json")
    )
    if not dtype:
        return [{"skipped": reason} for _ in parts], ""
    specification = divergence.Specification(
        base=str(plan.source.base),
        adapter=str(plan.source.adapter or ""),
        four_bit=plan.options.four_bit or "",
        dtype=dtype,
        files=tuple(str(file) for file in parts.values()),
    )
    try:
        return measure(specification, scratch, progress), dtype
    finally:
        scratch.unlink(missing_ok=True)


def _answers(plan: Plan, file: Path, *, chats: bool) -> dict[str, Any]:
    if read_json(plan.source.base / "config.json").get("is_encoder_decoder"):
        return {"skipped": "llama.cpp's chat does not run encoder-decoder models"}
    if not chats:
        return {"skipped": "no chat template; the model only completes text"}
    found = answers.ask(file)
    if found is None:
        return {"skipped": "its context is too short for the questions"}
    return {"passed": True, **asdict(found)}
