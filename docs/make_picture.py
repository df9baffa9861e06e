"""Makes the README's picture of the terminal from the app itself, with a real answer.

    python docs/make_picture.py [--model FILE]

Writes docs/terminal.svg.
"""

import argparse
import asyncio
import re
from pathlib import Path

from medllm import files, paths
from medtui.app import MedTui
from medtui.session import Session, llama_cpp

QUESTION = "What is hypertension?"
SIZE = (92, 30)
TARGET = Path(__file__).with_name("terminal.svg")
# The exported picture names a font on the web; viewers have one of these.
_FONTS = "Menlo, Consolas, 'DejaVu Sans Mono', monospace"


async def picture(model: Path) -> str:
    """The screen after one answer, as SVG."""
    app = MedTui(Session(llama_cpp(model), None))
    async with app.run_test(size=SIZE) as pilot:
        await _until(pilot.pause, lambda: app.chat.status.state == "ready")
        app.chat.question.value = QUESTION
        await pilot.press("enter")
        await _until(pilot.pause, lambda: app.chat.transcript.turns and not app.answering)
        await pilot.pause(0.2)
        svg = app.export_screenshot(title="medtui")
    svg = re.sub(r"(?s)\s*@font-face \{.*?\}", "", svg)
    return svg.replace("Fira Code, monospace", _FONTS).replace("Fira Code", "monospace")


async def _until(pause, condition) -> None:  # type: ignore[no-untyped-def]
    for _ in range(6000):
        if condition():
            return
        await pause(0.01)
    raise SystemExit("The app did not get there within a minute.")


def main() -> None:
    """Writes the picture."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, default=paths.builtin_model())
    files.write_text(TARGET, asyncio.run(picture(options.parse_args().model)))
    print(f"{TARGET} written")


if __name__ == "__main__":
    main()
