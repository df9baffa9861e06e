"""The status line: model, speed, refused connections, state."""

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from medtui.text import visible

WIDE = 72
"""Columns from which on everything stands in one line."""


class Status(Static):
    """What the program is doing, and with what."""

    model: reactive[str] = reactive("")
    state: reactive[str] = reactive("starting")
    speed: reactive[float] = reactive(0.0)
    """Tokens a second of the running or last answer; 0 for none."""
    refused: reactive[int] = reactive(0)
    """Connections that the guard refused."""

    def __init__(self) -> None:
        super().__init__(id="status")

    def on_mount(self) -> None:
        for name in ("model", "state", "speed", "refused"):
            self.watch(self, name, self._write, init=False)
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        alarm = "$error bold" if self.refused else "$success"
        unit = "tokens/s" if self.size.width >= WIDE else "tok/s"
        speed = f"{self.speed:.0f} {unit}" if self.speed else f"– {unit}"
        left = [Content.styled(self.state, "bold"), Content(visible(self.model) or "no model")]
        right = [Content(speed), Content.styled(f"refused connections: {self.refused}", alarm)]
        between = Content.styled(" · ", "$foreground 60%")
        if self.size.width >= WIDE:
            self.update(between.join([*left, *right]))
        else:
            self.update(Content("\n").join([between.join(left), between.join(right)]))
