"""All checks of a conversion, run on the files before they get their names.

- tokens: the GGUF cuts text as the model's own tokenizer does (`medconvert.parity`).
- template: chats are the same tokens in transformers, here and in Ollama, begin with one BOS
  and end with a token that stops (`chats`).
- divergence: it predicts what the merged model predicts (`divergence`).
- answers: it loads, answers, stops by itself and keeps the format (`answers`).

The first two must pass; the third must stay under a limit that no faithful conversion comes
near; of the last it must load and answer, the rest is reported.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError

from medconvert import original, parity
from medconvert.plan import Plan
from medconvert.quants import BF16, Quant, quant
from medconvert.source import read_json
from medconvert.verify import answers, chats, divergence

Progress = Callable[[str, int, int], None]
"""Called with the phase, the steps done and the steps that there are (0: unknown)."""
_LOST = "Nothing was written. With --no-verify it would be, unchecked."
_FOUR_BITS = ("q4", "q5", "q6", "q8", "iq4", "mxfp4", "nvfp4")


def limit(kind: Quant) -> float:
    """The mean divergence, in nats a token, above which something else than rounding is wrong."""
    if kind.plain is not None:
        return 0.05 if kind.plain == BF16 else 0.01
    return 1.0 if kind.name.startswith(_FOUR_BITS) else math.inf


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
    dtype, reason = original.affordable(
        plan.parameters, read_json(plan.source.base / "config.json")
    )
    if not dtype:
        return [{"skipped": reason} for _ in parts]
    specification = divergence.Specification(
        base=str(plan.source.base),
        adapter=str(plan.source.adapter or ""),
        four_bit=plan.options.four_bit or "",
        dtype=dtype,
        files=tuple(str(file) for file in parts.values()),
    )
    try:
        found = divergence.measure(
            specification,
            scratch,
            lambda done, total: progress("Comparing predictions", done, total),
        )
    finally:
        scratch.unlink(missing_ok=True)
    for name, figures in zip(parts, found, strict=True):
        if figures["mean_kl"] > limit(quant(name)):
            raise ConversionError(
                f"The {name} file predicts unlike the model it was made from: "
                f"{figures['mean_kl']:.3f} nats a token apart.",
                _LOST,
            )
        figures.update(passed=True, dtype=dtype)
    return found


def _answers(plan: Plan, file: Path, *, chats: bool) -> dict[str, Any]:
    if read_json(plan.source.base / "config.json").get("is_encoder_decoder"):
        return {"skipped": "llama.cpp's chat does not run encoder-decoder models"}
    if not chats:
        return {"skipped": "no chat template; the model only completes text"}
    found = answers.ask(file)
    if found is None:
        return {"skipped": "its context is too short for the questions"}
    return {"passed": True, **asdict(found)}
