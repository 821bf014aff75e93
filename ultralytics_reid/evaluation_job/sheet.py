"""Contact sheet of a search: the best and the worst queries, each with its first hits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .._typing import Doubles, Ints, as_doubles
from ..datasets.crop_set import CropSet, read_crop
from ..drawing.colors import BAD, FAINT, GOOD, INK, LINE, PAPER
from ..drawing.text import fit
from ..evaluation.embedding_scores import cosine, query_parts
from ..gallery.export.atomic_file import atomic_write
from ..gallery.export.contact_sheet import write_line
from .report import named
from .scoring import LabeledSet, Line

# Queries of either kind, and hits of each.
ROWS, HITS = 5, 8
# Pixels.
_MARGIN, _HEAD, _SECTION = 28, 66, 34
_CROP, _GAP, _CELL = (112, 176), 14, 230
_FRAME = 4


def save_sheet(path: Path, labeled: LabeledSet, line: Line, *, overwrite: bool) -> None:
    """Draw the queries with the highest and the lowest average precision, one of an identity.

    Args:
        path: The `.png` to write; written atomically. It shows images of people.
        labeled: The set.
        line: A model's figures on it.
        overwrite: Whether to replace an existing file.

    Raises:
        DatasetError: If an image can't be read.
        GalleryError: If the file can't be written.
    """
    worst, best = _chosen(labeled, line)
    width = 2 * _MARGIN + (HITS + 1) * (_CROP[0] + _GAP) + 2 * _GAP
    height = _MARGIN + _HEAD + (len(worst) + len(best)) * _CELL + 2 * _SECTION + _MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    title = f"{labeled.name} · {named(line)}"
    write_line(pen, (_MARGIN, _MARGIN - 6), title, 22, width - 2 * _MARGIN, bold=True)
    text = "query at the left, most similar images beside it; green: the same identity, red: another"
    write_line(pen, (_MARGIN, _MARGIN + 26), text, 14, width - 2 * _MARGIN, ink=FAINT)
    top = _MARGIN + _HEAD
    for heading, queries in (("worst queries", worst), ("best queries", best)):
        write_line(pen, (_MARGIN, top), heading, 16, width - 2 * _MARGIN, bold=True)
        top += _SECTION
        for query in queries:
            _draw_query(sheet, top, (labeled, line), query)
            top += _CELL
    with atomic_write(path, (".png",), overwrite=overwrite) as part:
        sheet.save(part, format="PNG")


def _chosen(labeled: LabeledSet, line: Line) -> tuple[list[int], list[int]]:
    """Queries by number: the worst, and the best of the others, one of an identity each; of equals by margin."""
    ranks = line.scores.ranks
    matched = np.flatnonzero(ranks.matched)
    order = matched[np.lexsort((_margins(labeled, line)[matched], ranks.average_precision[matched]))]
    identities = labeled.protocol.identities[labeled.protocol.queries]
    worst = _one_each(order, identities, set())
    return worst, _one_each(order[::-1], identities, {int(identities[n]) for n in worst})


def _margins(labeled: LabeledSet, line: Line) -> Doubles:
    """For each query, by how much its most similar match exceeds the most similar other image, `(Q,)`."""
    similarity, found = cosine(labeled.protocol, line.rows), [np.zeros(0)]
    for part in query_parts(labeled.protocol):
        same, usable = labeled.protocol.pairs(part)
        scores = similarity(part)
        match, other = (np.where(pairs & usable, scores, -2).max(axis=1) for pairs in (same, ~same))
        found.append(as_doubles(match - other))
    return np.concatenate(found)


def _one_each(order: Sequence[int] | Ints, identities: Ints, taken: set[int]) -> list[int]:
    chosen: dict[int, int] = {}
    for n in order:
        identity = int(identities[n])
        if identity not in taken:
            chosen.setdefault(identity, int(n))
        if len(chosen) == ROWS:
            break
    return list(chosen.values())


def _draw_query(sheet: Image.Image, top: int, of: tuple[LabeledSet, Line], number: int) -> None:
    labeled, line = of
    crops, protocol = labeled.crops, labeled.protocol
    part = slice(number, number + 1)
    same, usable = (pairs[0] for pairs in protocol.pairs(part))
    scores = np.where(usable, cosine(protocol, line.rows)(part)[0], -np.inf)
    hits = np.argsort(-scores, kind="stable")[: min(HITS, int(usable.sum()))]
    query = int(protocol.queries[number])
    ranks = line.scores.ranks
    text = f"match at {ranks.first[number]}", f"AP {100 * ranks.average_precision[number]:.0f} %"
    _draw_crop(sheet, (_MARGIN, top), crops.paths[query], INK, text)
    rule = _MARGIN + _CROP[0] + _GAP + 4
    ImageDraw.Draw(sheet).line((rule, top, rule, top + _CROP[1]), fill=LINE, width=2)
    for n, hit in enumerate(hits.tolist()):
        left = rule + _GAP + n * (_CROP[0] + _GAP)
        said = f"{n + 1}.  {scores[hit]:.2f}", _whose(crops, int(protocol.gallery[hit]))
        path = crops.paths[protocol.gallery[hit]]
        _draw_crop(sheet, (left, top), path, GOOD if same[hit] else BAD, said)


def _whose(crops: CropSet, image: int) -> str:
    identity = int(crops.identities[image])
    name = crops.names[identity] if identity >= 0 else "nobody"
    return f"{name} c{crops.cameras[image]}" if crops.has_cameras else name


def _draw_crop(sheet: Image.Image, at: tuple[int, int], path: Path, color: str, text: tuple[str, str]) -> None:
    pen, (left, top) = ImageDraw.Draw(sheet), at
    width, height = _CROP
    pixels = fit(Image.fromarray(read_crop(path)[..., ::-1]), width - 2 * _FRAME, height - 2 * _FRAME)
    pen.rectangle((left, top, left + width - 1, top + height - 1), outline=color, width=_FRAME // 2)
    sheet.paste(pixels, (left + (width - pixels.width) // 2, top + (height - pixels.height) // 2))
    for n, line in enumerate(text):
        write_line(pen, (left, top + height + 4 + 17 * n), line, 13, width + _GAP - 4, ink=FAINT if n else INK)
