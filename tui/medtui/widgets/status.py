"""The status line: model, speed, refused connections, state."""

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from medtui.text import visible


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
        width = self.content_size.width
        alarm = "$error bold" if self.refused else "$success"
        rate = f"{self.speed:.0f}" if self.speed else "–"
        between = Content.styled(" · ", "$foreground 60%")
        left = [Content.styled(self.state, "bold"), Content(visible(self.model) or "no model")]
        counted = Content.styled(f"refused connections: {self.refused}", alarm)
        line = between.join([*left, Content(f"{rate} tokens/s"), counted])
        if line.cell_length > width:
            right = between.join([Content(f"{rate} tok/s"), counted])
            line = Content("\n").join([between.join(left), right])
        self.update(line)
