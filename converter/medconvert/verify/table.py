"""The checks as a table of plain text."""

from collections.abc import Mapping
from typing import Any


def rows(verify: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and outcome of each check of one output, in one line each."""
    if not verify:
        return [
            ("verification", "left out (--no-verify): tokens, template and predictions unknown")
        ]
    return [(name, _outcome(name, found)) for name, found in verify.items()]


def text(verify: Mapping[str, Any]) -> str:
    """The table."""
    return "\n".join(f"  {name:<13} {outcome}" for name, outcome in rows(verify))


def _outcome(name: str, found: Mapping[str, Any]) -> str:
    if "skipped" in found:
        return f"skipped: {found['skipped']}"
    describe = {
        "tokens": _tokens,
        "divergence": _divergence,
        "answers": _answers,
        "vectors": _vectors,
    }.get(name)
    return describe(found) if describe else str(found["said"])


def _tokens(found: Mapping[str, Any]) -> str:
    return f"{found['tokens']} tokens alike in {found['texts']} texts"


def _divergence(found: Mapping[str, Any]) -> str:
    return (
        f"{found['mean_kl']:.4f} nats a token from the merged model, the same likeliest token "
        f"{found['same_top']:.1%} of {found['tokens']} times"
    )


def _vectors(found: Mapping[str, Any]) -> str:
    return (
        f"cosine with the original's at least {found['least']:.6f}, mean {found['mean']:.6f}, in "
        f"{found['texts']} texts"
    )


def _answers(found: Mapping[str, Any]) -> str:
    return (
        f"{found['stopped']} of {found['asked']} stop by themselves, {found['adherent']} keep "
        f"the four parts, {found['tokens_per_second']} tokens/s"
    )
