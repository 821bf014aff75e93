"""Contact sheet of search results: the query at the left, the ranked hits beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from ..._typing import ImageArray
from ...drawing.colors import FAINT, INK, LINE, PAPER, color_of
from ...drawing.text import cut, fit, font
from ...errors import GalleryError
from ..image_io import as_image, decode_image
from ..records import ENROLLED
from ..times import date_and_time
from .atomic_file import atomic_write

MAX_HITS = 24

_COLUMNS = 8
# Pixels.
_MARGIN, _HEAD, _FOOT, _GAP = 28, 74, 30, 18
CROP, _CELL = (132, 216), (168, 366)
_QUERY = (220, 350)
_EMPTY, _OUTLINE = "#f0f1f3", "#d5d9de"
_MIN_COLUMNS = 3
_MAX_SHOWN_PROBABILITY = 0.99


@dataclass(frozen=True)
class Hit:
    """One search result to draw.

    Attributes:
        rank: Rank, from 1.
        identity: The `identity_id`.
        name: Its name; empty if it has none.
        camera: Name of the camera; `ENROLLED` for an enrolled image.
        time: Time of the sighting, seconds since 1970 (UTC).
        probability: Probability that this visit shows the query's individual, in [0, 1]; NaN if uncalibrated.
        similarity: Cosine similarity, in [-1, 1].
        crop: JPEG bytes; empty where crops aren't stored.
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
    path: str | Path,
    query: ImageArray | str | Path | None,
    hits: Sequence[Hit],
    *,
    max_hits: int = MAX_HITS,
    title: str = "",
) -> None:
    """Draw search results as a contact sheet.

    Times are local, with their offset from UTC.

    Args:
        path: The `.png` to write, in an existing folder; written atomically.
        query: Query image, `(H, W, 3)` uint8 BGR or a file; None where the query was no image.
        hits: Hits by rank; may be empty.
        max_hits: Maximum number of hits to draw, 1 or more; the sheet states how many are omitted.
        title: Heading; if empty, the number of hits.

    Raises:
        GalleryError: If `max_hits` is out of range, the query can't be read, or the file can't be written.
    """
    if max_hits < 1:
        raise GalleryError(f"max_hits must be 1 or more, got {max_hits!r}")
    shown, query_image = hits[:max_hits], None if query is None else as_image(query)
    sheet = _blank(len(shown))
    pen = ImageDraw.Draw(sheet)
    heading = title or (f"{len(hits):,} found" if hits else "Nothing found")
    write_line(pen, (_MARGIN, _MARGIN - 6), heading, 24, sheet.width - 2 * _MARGIN, bold=True)
    _draw_query(sheet, pen, query_image)
    for n, hit in enumerate(shown):
        _draw_hit(sheet, pen, _place(n), hit)
    if more := len(hits) - len(shown):
        at = _place(0)[0], sheet.height - _MARGIN - 18
        write_line(pen, at, f"and {more:,} more of lower rank", 15, _QUERY[0] + 400, ink=FAINT)
    with atomic_write(path, (".png",)) as part:
        sheet.save(part, format="PNG")


def _blank(hits: int) -> Image.Image:
    columns, rows = min(max(hits, _MIN_COLUMNS), _COLUMNS), max(1, -(-hits // _COLUMNS))
    width = _place(0)[0] + columns * _CELL[0] - _GAP + _MARGIN
    return Image.new("RGB", (width, _MARGIN + _HEAD + rows * _CELL[1] + _FOOT), PAPER)


def _place(n: int) -> tuple[int, int]:
    """Upper left corner of the `n`-th hit, from 0."""
    left = _MARGIN + _QUERY[0] + 2 * _GAP
    return left + n % _COLUMNS * _CELL[0], _MARGIN + _HEAD + n // _COLUMNS * _CELL[1]


def _draw_query(sheet: Image.Image, pen: ImageDraw.ImageDraw, query: ImageArray | None) -> None:
    top = _MARGIN + _HEAD
    write_line(pen, (_MARGIN, top - 28), "query", 15, _QUERY[0], ink=FAINT)
    if query is None:
        _draw_placeholder(pen, (_MARGIN, top), _QUERY, ("no query", "image"))
    else:
        sheet.paste(fit(Image.fromarray(query[..., ::-1]), *_QUERY), (_MARGIN, top))
    line = _MARGIN + _QUERY[0] + _GAP
    pen.line((line, top - 24, line, sheet.height - _MARGIN), fill=LINE, width=2)


def _draw_hit(sheet: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], hit: Hit) -> None:
    left, top = at
    draw_crop(sheet, pen, at, hit.crop)
    top, width = top + CROP[1] + 6, CROP[0] + _GAP - 4
    write_line(pen, (left, top), f"{hit.rank}.  {percent(hit.probability)}", 17, width, bold=True)
    label = f"id {hit.identity} · {hit.name}" if hit.name else f"id {hit.identity}"
    write_line(pen, (left, top + 24), label, 14, width, ink=color_of(hit.identity), bold=True)
    lines = hit.camera if hit.camera != ENROLLED else "enrolled", *date_and_time(hit.time)
    for n, line in enumerate((*lines, f"similarity {hit.similarity:.2f}")):
        write_line(pen, (left, top + 43 + 17 * n), line, 13, width, ink=FAINT if n else INK)


def draw_crop(sheet: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], crop: bytes) -> None:
    """Draw a stored crop, a JPEG, into a box of `CROP` pixels; what is missing there as an outline."""
    if not crop:
        _draw_placeholder(pen, at, CROP, ("crop not", "stored"))
        return
    image = decode_image(crop)
    if image is None:
        _draw_placeholder(pen, at, CROP, ("crop not", "readable"))
        return
    sheet.paste(fit(Image.fromarray(image[..., ::-1]), *CROP), at)


def _draw_placeholder(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], size: tuple[int, int], reason: tuple[str, ...]
) -> None:
    """Draw the outline of a person in place of an image, with the reason below."""
    (left, top), (width, height) = at, size
    middle, head = left + width // 2, width // 7
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=_EMPTY)
    high = top + height // 5
    pen.ellipse((middle - head, high, middle + head, high + 2 * head), fill=_OUTLINE)
    body = middle - 2 * head, high + 2 * head + head // 3, middle + 2 * head, high + 5 * head
    pen.rounded_rectangle(body, radius=head, fill=_OUTLINE)
    for n, line in enumerate(reversed(reason)):
        pen.text((middle, top + height - 14 - 19 * n), line, fill=FAINT, font=font(14), anchor="ms")


def percent(probability: float) -> str:
    """Format a probability in whole percent, limited to `< 1 %` and `> 99 %`; NaN as `-`."""
    if math.isnan(probability):
        return "-"
    if probability > _MAX_SHOWN_PROBABILITY:
        return "> 99 %"
    return "< 1 %" if probability < 1 - _MAX_SHOWN_PROBABILITY else f"{100 * probability:.0f} %"


def write_line(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    width: int,
    *,
    ink: str = INK,
    bold: bool = False,
) -> None:
    """Write a line of text, cut to a width in pixels."""
    pen.text(at, cut(text, size, width, bold=bold), fill=ink, font=font(size, bold=bold))
