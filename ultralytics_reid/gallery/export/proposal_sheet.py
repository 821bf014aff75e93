"""Contact sheet of what relinking proposes: the visits that get another identity, and those that they join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from ...drawing.colors import FAINT, LINE, PAPER, color_of
from ..records import Visit
from ..times import date_and_time
from .atomic_file import atomic_write
from .contact_sheet import CROP, draw_crop, write_line

MAX_ROWS = 24
# Crops on either side.
MAX_CROPS = 4

# Pixels.
_MARGIN, _GAP, _HEAD, _CAPTION, _FOOT = 28, 14, 60, 34, 44
_ROW = _CAPTION + CROP[1] + 60 + _GAP
_SIDE = MAX_CROPS * (CROP[0] + _GAP)
_MIDDLE = 24


@dataclass(frozen=True)
class Row:
    """A proposal to draw.

    Attributes:
        text: What is proposed.
        moved: Visits that get another identity.
        others: Visits that they join, or that they leave.
    """

    text: str
    moved: Sequence[Visit]
    others: Sequence[Visit]


def save_proposals(path: str | Path, rows: Sequence[Row]) -> None:
    """Draw proposals as a contact sheet, a row each; at most 24, and the sheet states how many are omitted.

    Args:
        path: The `.png` to write, in an existing folder; written atomically.
        rows: The surest first; may be empty.

    Raises:
        GalleryError: If the file can't be written.
    """
    shown = rows[:MAX_ROWS]
    size = 2 * (_MARGIN + _SIDE) + _MIDDLE, _HEAD + max(1, len(shown)) * _ROW + _FOOT
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    heading = f"{len(rows):,} proposed" if rows else "Nothing proposed"
    write_line(pen, (_MARGIN, _MARGIN - 6), heading, 24, sheet.width - 2 * _MARGIN, bold=True)
    for n, row in enumerate(shown):
        _draw_row(sheet, pen, _HEAD + n * _ROW, row)
    if more := len(rows) - len(shown):
        at = _MARGIN, sheet.height - _FOOT
        write_line(pen, at, f"and {more:,} more of lower rank", 15, _SIDE, ink=FAINT)
    with atomic_write(path, (".png",)) as part:
        sheet.save(part, format="PNG")


def _draw_row(sheet: Image.Image, pen: ImageDraw.ImageDraw, top: int, row: Row) -> None:
    write_line(pen, (_MARGIN, top), row.text, 17, sheet.width - 2 * _MARGIN, bold=True)
    middle = _MARGIN + _SIDE + _MIDDLE // 2
    pen.line((middle, top + _CAPTION, middle, top + _CAPTION + CROP[1]), fill=LINE, width=2)
    for left, visits in ((_MARGIN, row.moved), (_MARGIN + _SIDE + _MIDDLE, row.others)):
        for n, visit in enumerate(_shown(visits)):
            _draw_visit(sheet, pen, (left + n * (CROP[0] + _GAP), top + _CAPTION), visit)


def _shown(visits: Sequence[Visit]) -> list[Visit]:
    """Those with a crop first, by time."""
    return sorted(sorted(visits, key=lambda v: not v.crop)[:MAX_CROPS], key=lambda v: v.first)


def _draw_visit(sheet: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], visit: Visit) -> None:
    left, top = at
    draw_crop(sheet, pen, at, visit.crop)
    label, below = f"id {visit.identity} · {visit.camera or 'enrolled'}", top + CROP[1] + 6
    write_line(pen, (left, below), label, 13, CROP[0], ink=color_of(visit.identity), bold=True)
    for n, line in enumerate(date_and_time(visit.first), 1):
        write_line(pen, (left, below + 17 * n), line, 12, CROP[0], ink=FAINT)
