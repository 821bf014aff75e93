"""Timeline of identities as SVG: a row an identity, a bar where it was in view."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..drawing.colors import color_of
from ..gallery.times import duration
from .tracked import IdentityTrack, TrackedVideo

# Pixels.
_WIDTH, _SIDE, _EDGE, _ROW, _BAR, _AXIS, _LETTERS = 1080, 130, 16, 20, 12, 26, 12
_MIN_BAR = 2.0
# Letters that fit beside a bar.
_LABEL = 16
# Steps of the time axis, seconds; of about so many marks.
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400)
_MAX_MARKS = 10


def timeline_svg(tracked: TrackedVideo) -> str:
    """Draw when each identity was in view; a thin line is an absence after which it came back under the same id.

    Args:
        tracked: The tracked video, with final ids.

    Returns:
        An `<svg>` element for a page with the CSS colors `--line` and `--faint`; its texts are escaped.
    """
    begin, end = float(tracked.times[0]), float(tracked.times[-1])
    axis = _Axis(begin, max(end, begin + 1e-3))
    bottom = _AXIS + _ROW * len(tracked.identities)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {bottom + 4}" role="img" aria-label="Timeline of identities" '
        f'font-size="{_LETTERS}" xmlns="http://www.w3.org/2000/svg">'
    ]
    parts += [_mark(axis.x(seconds), bottom, duration(seconds)) for seconds in axis.marks()]
    parts += [_row(n, track, tracked, axis) for n, track in enumerate(tracked.identities)]
    return "\n".join([*parts, "</svg>"])


class _Axis:
    def __init__(self, begin: float, end: float) -> None:
        self._begin, self._end = begin, end
        self._scale = (_WIDTH - _SIDE - _EDGE) / (end - begin)

    def x(self, seconds: float) -> float:
        return _SIDE + (seconds - self._begin) * self._scale

    def marks(self) -> Sequence[int]:
        """Round times, whole seconds."""
        step = next((s for s in _STEPS if (self._end - self._begin) / s <= _MAX_MARKS), _STEPS[-1])
        first = -(-int(self._begin) // step)
        return [n * step for n in range(first, int(self._end // step) + 1) if n * step >= self._begin]


def _mark(x: float, bottom: int, text: str) -> str:
    line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_AXIS - 6}" y2="{bottom}" stroke="var(--line)"/>'
    return f'{line}<text x="{x:.1f}" y="{_AXIS - 12}" text-anchor="middle" fill="var(--faint)">{text}</text>'


def _row(n: int, track: IdentityTrack, tracked: TrackedVideo, axis: _Axis) -> str:
    top, color = _AXIS + n * _ROW + (_ROW - _BAR) / 2, color_of(track.identity)
    full = f"{track.identity} {tracked.class_name(track.cls) if tracked.has_classes else ''}".rstrip()
    name, short = escape(full), escape(full if len(full) <= _LABEL else f"{full[:_LABEL]}…")
    parts = [f'<text x="{_SIDE - 10}" y="{top + _BAR - 2:g}" text-anchor="end" fill="currentColor">{short}</text>']
    middle = f"{top + _BAR / 2:g}"
    for begin, end in track.absences:
        ends = f'x1="{axis.x(begin):.1f}" x2="{axis.x(end):.1f}" y1="{middle}" y2="{middle}"'
        line = f'data-id="{track.identity}" {ends} stroke="{color}"'
        parts.append(f'<line {line} stroke-dasharray="2 3"><title>{_said(name, begin, end, "away")}</title></line>')
    for begin, end in track.spans:
        box = f'data-id="{track.identity}" x="{axis.x(begin):.1f}" y="{top:g}" height="{_BAR}" rx="2" fill="{color}"'
        width = max(_MIN_BAR, axis.x(end) - axis.x(begin))
        parts.append(f'<rect {box} width="{width:.1f}"><title>{_said(name, begin, end, "in view")}</title></rect>')
    return "".join(parts)


def _said(name: str, begin: float, end: float, what: str) -> str:
    return f"{name}: {what} {duration(begin)} to {duration(end)} ({duration(end - begin)})"
