"""Charts as inline SVG; colours come from the page's style, so that they follow light and dark."""

from collections.abc import Sequence
from html import escape

from medllm.confidence import HIGH, MEDIUM

from medeval.comparison import Curve, Difference
from medeval.results import Figure, shown

_WIDTH = 560
_LEFT, _RIGHT = 180, 60
_LONGEST = 28  # characters of a name that fit beside a chart
_ROW = 44


def intervals(differences: Sequence[Difference]) -> str:
    """Shares of both runs as points with their intervals, a row a measure."""
    rows = [d for d in differences if d.base.share]
    if not rows:
        return ""
    height = _ROW * len(rows) + 28
    marks = [_axis(height)]
    for index, item in enumerate(rows):
        top = _ROW * index + 14
        marks.append(_text(_LEFT - 10, top + 17, _short(item.base.name), "end"))
        marks.append(_point(item.base, top + 6, "base"))
        marks.append(_point(item.tuned, top + 20, "tuned"))
    return _svg(_WIDTH, height, "Shares with 95% intervals, base above tuned", marks)


def kinds(counts: dict[str, tuple[int, int]]) -> str:
    """Errors by kind as bars, base above tuned."""
    if not counts:
        return ""
    most = max(max(pair) for pair in counts.values()) or 1
    marks = []
    for index, (kind, pair) in enumerate(counts.items()):
        top = _ROW * index + 8
        marks.append(_text(_LEFT - 10, top + 18, kind, "end"))
        for offset, run, count in ((0, "base", pair[0]), (14, "tuned", pair[1])):
            width = max(1.0, (_WIDTH - _LEFT - _RIGHT) * count / most)
            marks.append(
                f'<rect class="{run}" x="{_LEFT}" y="{top + offset}" width="{width:.1f}" '
                f'height="11" rx="2"/>'
            )
            marks.append(_text(_LEFT + width + 6, top + offset + 10, str(count), "start"))
    return _svg(_WIDTH, _ROW * len(counts) + 8, "Errors by kind, base above tuned", marks)


def reliability(curves: dict[str, Curve]) -> str:
    """Share right against mean confidence; on the diagonal, confidence can be taken at its word."""
    points = {run: [(c, r) for c, r, _ in curve.reliability] for run, curve in curves.items()}
    marks = ['<line class="guide" x1="50" y1="250" x2="290" y2="10"/>']
    for run, found in points.items():
        marks += [_line(found, run), *(_dot(x, y, run) for x, y in found)]
    return _square(marks, "confidence", "share right", "Calibration: share right by confidence")


def risk_coverage(curves: dict[str, Curve]) -> str:
    """Share of errors against the share answered, the surest first."""
    marks = [_line(list(curve.risk_coverage), run) for run, curve in curves.items()]
    return _square(marks, "share answered", "share of errors", "Risk by coverage")


def fitted(curves: dict[str, Curve]) -> str:
    """What users are shown: the fitted probability of being right, with the levels' borders."""
    marks = []
    for share, level in ((HIGH, "high"), (MEDIUM, "medium")):
        y = 250 - 240 * share
        marks.append(f'<line class="guide" x1="50" y1="{y:.1f}" x2="290" y2="{y:.1f}"/>')
        marks.append(_text(54, y - 3, level, "start"))
    for run, curve in curves.items():
        if curve.fit:
            marks.append(_line([(0.0, curve.fit[0][1]), *curve.fit, (1.0, curve.fit[-1][1])], run))
    return _square(marks, "token probability", "shown as right", "Confidence as it is shown")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _point(figure: Figure, y: float, run: str) -> str:
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    return (
        f'<line class="{run}" x1="{_x(low):.1f}" y1="{y}" x2="{_x(high):.1f}" y2="{y}"/>'
        f'<circle class="{run}" cx="{_x(figure.value):.1f}" cy="{y}" r="4">'
        f"<title>{escape(str(figure))}</title></circle>"
        + _text(_WIDTH - _RIGHT + 12, y + 4, shown(figure.value, True), "start")
    )


def _x(share: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(1.0, max(0.0, share))


def _axis(height: float) -> str:
    marks = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _x(share)
        marks.append(f'<line class="guide" x1="{x}" y1="4" x2="{x}" y2="{height - 20}"/>')
        marks.append(_text(x, height - 5, f"{share:.0%}", "middle"))
    return "".join(marks)


def _square(marks: Sequence[str], across: str, up: str, title: str) -> str:
    frame = [
        '<line class="guide" x1="50" y1="250" x2="290" y2="250"/>',
        '<line class="guide" x1="50" y1="10" x2="50" y2="250"/>',
        _text(50, 266, "0", "middle"),
        _text(290, 266, "1", "middle"),
        _text(44, 254, "0", "end"),
        _text(44, 16, "1", "end"),
        _text(170, 280, across, "middle"),
        f'<text transform="translate(20 130) rotate(-90)" text-anchor="middle">{escape(up)}</text>',
    ]
    return _svg(310, 290, title, [*frame, *marks])


def _line(points: Sequence[tuple[float, float]], run: str) -> str:
    path = " ".join(f"{50 + 240 * x:.1f},{250 - 240 * y:.1f}" for x, y in points)
    return f'<polyline class="{run}" points="{path}"/>'


def _dot(x: float, y: float, run: str) -> str:
    return (
        f'<circle class="{run}" cx="{50 + 240 * x:.1f}" cy="{250 - 240 * y:.1f}" r="3.5">'
        f"<title>{x:.2f}, {y:.2f}</title></circle>"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, title: str, marks: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" style="max-width:{width}px" role="img" '
        f'aria-label="{escape(title, quote=True)}"><title>{escape(title)}</title>'
        f"{''.join(marks)}</svg>"
    )
