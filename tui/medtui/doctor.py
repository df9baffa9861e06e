"""`medtui doctor`: looks at everything that must work, and says what to do where it doesn't."""

import json
import sys
from pathlib import Path

from medtui import checks
from medtui.checks import Finding


def run(model: Path | None, as_json: bool) -> int:
    """Makes all checks and prints them; returns 0 where nothing is wrong, else 1.

    Args:
        model: a model file to look at beside those that are known.
        as_json: prints one JSON object instead of lines.
    """
    findings = checks.everything(model)
    problems = [finding for finding in findings if not finding.ok]
    if as_json:
        print(json.dumps(_report(findings), ensure_ascii=False, indent=2))
    else:
        _print(findings, problems)
    return 1 if problems else 0


def _report(findings: list[Finding]) -> dict[str, object]:
    return {
        "ok": all(finding.ok for finding in findings),
        "findings": [
            {
                "check": finding.check,
                "ok": finding.ok,
                "says": finding.says,
                "do": finding.do,
                "facts": finding.facts,
            }
            for finding in findings
        ],
    }


def _print(findings: list[Finding], problems: list[Finding]) -> None:
    colour = sys.stdout.isatty() and not checks.no_color()
    for finding in findings:
        mark = "ok" if finding.ok else "PROBLEM"
        shown = f"\x1b[{32 if finding.ok else 31}m{mark:<8}\x1b[0m" if colour else f"{mark:<8}"
        print(f"{shown}{finding.check:<13}{finding.says}")
        if finding.do:
            print(f"{'':<21}-> {finding.do}")
    if problems:
        print(f"\n{len(problems)} of {len(findings)} checks found a problem.")
    else:
        print("\nEverything is in order.")
