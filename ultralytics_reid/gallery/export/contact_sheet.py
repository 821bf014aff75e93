"""A contact sheet of what a search found: the query at the left, the hits beside it, the likeliest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from ..._typing import ImageArray
from ...drawing.colors import FAINT, INK, LINE, PAPER, color_of
from ...drawing.text import cut, fitted, font
from ...errors import GalleryError
from ..image_io import as_picture, decoded
from ..records import ENROLLED
from ..times import date_and_time
from .atomic_file import whole

MOST = 24

_COLUMNS = 8
# Pixels.
_MARGIN, _HEAD, _FOOT, _GAP = 28, 74, 30, 18
_CROP, _CELL = (132, 216), (168, 366)
_QUERY = (220, 350)
_EMPTY, _OUTLINE = "#f0f1f3", "#d5d9de"
_FEWEST, _SURE = 3, 0.99


@dataclass(frozen=True)
class Hit:
    """What is shown of one thing found.

    Attributes:
        rank: 1 for the likeliest.
        identity: The `identity_id`.
        name: Empty if it has none.
        camera: Where it was seen, `ENROLLED` for an enrolled picture.
        time: When, seconds since 1970 (UTC).
        probability: That it is whom the query shows, in [0, 1]; NaN if that can't be judged.
        similarity: Cosine, in [-1, 1].
        crop: A JPEG; empty where crops aren't stored.
    """

    rank: int
    identity: int
    name: str
    camera: str
    time: float
    probability: float
    similarity: float
    crop: bytes = b""


def save_results(
    path: str | Path, query: ImageArray | str | Path | None, hits: Sequence[Hit], *, most: int = MOST, title: str = ""
) -> None:
    """Draw what a search found.

    Times are this machine's local ones, with their offset from UTC.

    Args:
        path: The `.png` to write, in a folder that exists; replaced where it is there, and not there before it is
            whole.
        query: What was searched for, `(H, W, 3)` uint8 BGR or an image file; None where it was no picture.
        hits: In the order in which they are drawn; may be none.
        most: Hits to draw, 1 or more; of the others it says how many there are.
        title: A heading; if empty, how many hits there are.

    Raises:
        GalleryError: If `most` is out of range, the query can't be read, or the file can't be written.
    """
    if most < 1:
        raise GalleryError(f"most must be 1 or more, got {most!r}")
    shown, asked = hits[:most], None if query is None else as_picture(query)
    sheet = _blank(len(shown))
    pen = ImageDraw.Draw(sheet)
    heading = title or (f"{len(hits):,} found" if hits else "Nothing found")
    _write(pen, (_MARGIN, _MARGIN - 6), heading, 24, sheet.width - 2 * _MARGIN, bold=True)
    _draw_query(sheet, pen, asked)
    for n, hit in enumerate(shown):
        _draw_hit(sheet, pen, _place(n), hit)
    if more := len(hits) - len(shown):
        at = _place(0)[0], sheet.height - _MARGIN - 18
        _write(pen, at, f"and {more:,} more, further down the ranks", 15, _QUERY[0] + 400, ink=FAINT)
    with whole(path, (".png",)) as part:
        sheet.save(part, format="PNG")


def _blank(hits: int) -> Image.Image:
    """A sheet of the right size."""
    columns, rows = min(max(hits, _FEWEST), _COLUMNS), max(1, -(-hits // _COLUMNS))
    width = _place(0)[0] + columns * _CELL[0] - _GAP + _MARGIN
    return Image.new("RGB", (width, _MARGIN + _HEAD + rows * _CELL[1] + _FOOT), PAPER)


def _place(n: int) -> tuple[int, int]:
    """Upper left corner of a hit, counted from 0."""
    left = _MARGIN + _QUERY[0] + 2 * _GAP
    return left + n % _COLUMNS * _CELL[0], _MARGIN + _HEAD + n // _COLUMNS * _CELL[1]


def _draw_query(sheet: Image.Image, pen: ImageDraw.ImageDraw, query: ImageArray | None) -> None:
    top = _MARGIN + _HEAD
    _write(pen, (_MARGIN, top - 28), "searched for", 15, _QUERY[0], ink=FAINT)
    if query is None:
        _draw_nobody(pen, (_MARGIN, top), _QUERY, ("searched without", "a picture"))
    else:
        sheet.paste(fitted(Image.fromarray(query[..., ::-1]), *_QUERY), (_MARGIN, top))
    line = _MARGIN + _QUERY[0] + _GAP
    pen.line((line, top - 24, line, sheet.height - _MARGIN), fill=LINE, width=2)


def _draw_hit(sheet: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], hit: Hit) -> None:
    left, top = at
    _draw_crop(sheet, pen, at, hit.crop)
    top, width = top + _CROP[1] + 6, _CROP[0] + _GAP - 4
    _write(pen, (left, top), f"{hit.rank}.  {per_cent(hit.probability)}", 17, width, bold=True)
    _write(pen, (left, top + 24), _called(hit), 14, width, ink=color_of(hit.identity), bold=True)
    lines = hit.camera if hit.camera != ENROLLED else "enrolled", *date_and_time(hit.time)
    for n, line in enumerate((*lines, f"similarity {hit.similarity:.2f}")):
        _write(pen, (left, top + 43 + 17 * n), line, 13, width, ink=FAINT if n else INK)


def _called(hit: Hit) -> str:
    return f"id {hit.identity} · {hit.name}" if hit.name else f"id {hit.identity}"


def _draw_crop(sheet: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], crop: bytes) -> None:
    if not crop:
        _draw_nobody(pen, at, _CROP, ("crops aren't", "stored"))
        return
    picture = decoded(crop)
    if picture is None:
        _draw_nobody(pen, at, _CROP, ("the crop can't", "be read"))
        return
    sheet.paste(fitted(Image.fromarray(picture[..., ::-1]), *_CROP), at)


def _draw_nobody(pen: ImageDraw.ImageDraw, at: tuple[int, int], size: tuple[int, int], why: tuple[str, ...]) -> None:
    """Somebody's outline in the place of a picture, and why there is none."""
    (left, top), (width, height) = at, size
    middle, head = left + width // 2, width // 7
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=_EMPTY)
    high = top + height // 5
    pen.ellipse((middle - head, high, middle + head, high + 2 * head), fill=_OUTLINE)
    body = middle - 2 * head, high + 2 * head + head // 3, middle + 2 * head, high + 5 * head
    pen.rounded_rectangle(body, radius=head, fill=_OUTLINE)
    for n, line in enumerate(reversed(why)):
        pen.text((middle, top + height - 14 - 19 * n), line, fill=FAINT, font=font(14), anchor="ms")


def per_cent(probability: float) -> str:
    """A probability as nobody takes it for certainty: 1 % to 99 % in whole numbers; - where it isn't known."""
    if math.isnan(probability):
        return "-"
    if probability > _SURE:
        return "> 99 %"
    return "< 1 %" if probability < 1 - _SURE else f"{100 * probability:.0f} %"


def _write(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    width: int,
    *,
    ink: str = INK,
    bold: bool = False,
) -> None:
    pen.text(at, cut(text, size, width, bold=bold), fill=ink, font=font(size, bold=bold))
