"""One turn: the question, and its answer while it grows and when it is done.

The same few light widgets show both, so nothing jumps when an answer ends, and
a transcript of many turns stays quick. An answer is never read as markup: its
four headings are styled, all else is shown as it is.
"""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from medtui.shown import BADGES, Shown
from medtui.text import SAFETY, sections, visible

_BADGE_STYLES = {
    "reference": "$background on $success",
    "model": "$background on $warning",
    "none": "$background on $foreground 60%",
}


class Turn(Vertical):
    """A question and its answer."""

    class NearestChosen(Message):
        """A term that was offered is asked for."""

        def __init__(self, term: str) -> None:
            super().__init__()
            self.term = term

    def __init__(self, shown: Shown, entry: int | None = None) -> None:
        super().__init__()
        self.shown = shown
        self.entry = entry
        """Its number in the history, where it came from there."""
        self._parts = {name: Static(classes=name) for name in ("question", "body", "safety")}
        self._parts["foot"] = _Foot(classes="foot")
        self._contents: dict[str, Content] = {}

    def compose(self) -> ComposeResult:
        yield from self._parts.values()

    def on_mount(self) -> None:
        self._refresh_parts()

    def show(self, shown: Shown) -> None:
        """Shows the turn as it is now."""
        self.shown = shown
        if self.is_mounted:
            self._refresh_parts()

    def _refresh_parts(self) -> None:
        shown = self.shown
        texts = sections(shown.text)
        body = [part for part in texts if part[0] != SAFETY]
        safety = [part for part in texts if part[0] == SAFETY]
        contents = {
            "question": Content(visible(shown.question)),
            "body": _body(shown, body),
            "safety": _joined([_part(*part) for part in safety], "\n\n"),
            "foot": _foot(shown),
        }
        for name, content in contents.items():
            if not content.is_same(self._contents.get(name, Content(""))):
                self._parts[name].update(content)
            self._parts[name].display = bool(content.plain)
            self._contents[name] = content


class _Foot(Static):
    """What stands under an answer; its offered terms can be clicked."""

    def action_nearest(self, number: int) -> None:
        """Asks for a term that was offered; `number` counts from 0."""
        turn = self.parent
        if isinstance(turn, Turn):
            self.app.post_message(Turn.NearestChosen(turn.shown.nearest[number]))


def _body(shown: Shown, parts: list[tuple[str | None, str]]) -> Content:
    pieces = [_head(shown)] if shown.source else []
    if shown.stage == "waiting":
        pieces.append(Content.styled("…", "$foreground 60%"))
    pieces += [_part(*part) for part in parts]
    return _joined(pieces, "\n\n")


def _head(shown: Shown) -> Content:
    style = _BADGE_STYLES.get(shown.source, "$foreground 60%")
    badge = Content.styled(f" {BADGES.get(shown.source, shown.source)} ", style)
    return Content.assemble((f"{visible(shown.term)}  ", "bold") if shown.term else "", badge)


def _part(title: str | None, body: str) -> Content:
    if title is None:
        return Content(body)
    style = "$warning bold" if title == SAFETY else "$primary bold"
    return Content.assemble((title, style), "\n", Content(body))


def _foot(shown: Shown) -> Content:
    lines = []
    if shown.nearest:
        lines.append(Content("Did you mean:"))
        lines += [
            Content.from_markup(
                f"  [@click=nearest({number})][$primary bold]{number + 1}[/] [u]$term[/u][/]",
                term=visible(term),
            )
            for number, term in enumerate(shown.nearest)
        ]
    lines += [
        Content.styled(f"! {visible(note)}", "$error" if note == shown.error else "$warning")
        for note in shown.notes()
    ]
    if shown.provenance:
        if shown.nearest:
            lines.append(Content(""))
        lines.append(Content.styled(visible(shown.provenance), "$foreground 60%"))
    return _joined(lines, "\n")


def _joined(pieces: list[Content], between: str) -> Content:
    return Content(between).join(pieces)
