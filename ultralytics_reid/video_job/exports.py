"""Boxes with their final ids as files: MOTChallenge, CSV, JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import __version__
from .._typing import Doubles
from ..gallery.export.atomic_file import atomic_write
from .options import SUFFIXES
from .tracked import CLASS, CONFIDENCE, FRAME, ID, X1, X2, Y1, Y2, IdentityTrack, TrackedVideo

# Decimals of pixels, confidences and seconds.
_PIXELS, _SHARES, _SECONDS = 2, 4, 3
_HEAD = ("frame", "time", "id", "class", "class_name", "confidence", "left", "top", "right", "bottom")


def write_mot(path: Path, tracked: TrackedVideo) -> None:
    """Write MOTChallenge results: `frame,id,left,top,width,height,confidence,-1,-1,-1`, frames from 1.

    Args:
        path: The `.txt` to write.
        tracked: The tracked video.

    Raises:
        GalleryError: If it can't be written.
    """
    with atomic_write(path, (SUFFIXES["mot"],)) as part, part.open("w", encoding="ascii") as file:
        for row in tracked.rows:
            size = row[X2] - row[X1], row[Y2] - row[Y1]
            box = ",".join(f"{value:.{_PIXELS}f}" for value in (row[X1], row[Y1], *size))
            head = f"{tracked.source_frame(int(row[FRAME]))},{int(row[ID])}"
            file.write(f"{head},{box},{row[CONFIDENCE]:.{_SHARES}f},-1,-1,-1\n")


def write_csv(path: Path, tracked: TrackedVideo) -> None:
    """Write a table with a header, a box a line; seconds are those of the tracker's clock.

    Args:
        path: The `.csv` to write.
        tracked: The tracked video.

    Raises:
        GalleryError: If it can't be written.
    """
    with atomic_write(path, (SUFFIXES["csv"],)) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_HEAD)
        for row in tracked.rows:
            frame, cls = int(row[FRAME]), int(row[CLASS])
            table.writerow(
                (
                    *(tracked.source_frame(frame), f"{tracked.time_of(frame):.{_SECONDS}f}", int(row[ID])),
                    *(cls, tracked.class_name(cls), f"{row[CONFIDENCE]:.{_SHARES}f}"),
                    *(f"{value:.{_PIXELS}f}" for value in row[X1 : Y2 + 1]),
                )
            )


def write_json(path: Path, tracked: TrackedVideo) -> None:
    """Write one JSON object: the video, `identities`, `changes`, `events` and, a line each, `frames` with boxes.

    After a second pass there are no `events`: they name ids before it.

    Args:
        path: The `.json` to write.
        tracked: The tracked video.

    Raises:
        GalleryError: If it can't be written.
    """
    head: dict[str, Any] = {
        "version": __version__,
        "source": tracked.name,
        "fps": round(tracked.fps, _SECONDS),
        "width": tracked.size[0],
        "height": tracked.size[1],
        "classes": {str(cls): name for cls, name in tracked.class_names.items()},
        "identities": [_identity(track, tracked) for track in tracked.identities],
        "changes": [asdict(change) for change in tracked.changes],
    }
    if tracked.before is None:
        head["events"] = [{"event": type(event).__name__, **asdict(event)} for event in tracked.events]
    with atomic_write(path, (SUFFIXES["json"],)) as part, part.open("w", encoding="utf-8") as file:
        file.write("{\n")
        file.writelines(f"{_dumps(key)}: {_dumps(value)},\n" for key, value in head.items())
        file.write('"frames": [\n')
        # A long video's boxes don't all become Python objects at once.
        file.write(",\n".join(_frames(tracked)))
        file.write("\n]\n}\n")


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _identity(track: IdentityTrack, tracked: TrackedVideo) -> dict[str, Any]:
    return {
        "id": track.identity,
        "class": track.cls,
        "class_name": tracked.class_name(track.cls),
        "boxes": len(track.rows),
        "first": round(track.first, _SECONDS),
        "last": round(track.last, _SECONDS),
        "seconds": round(track.seconds, _SECONDS),
        "absences": [[round(begin, _SECONDS), round(end, _SECONDS)] for begin, end in track.absences],
    }


def _frames(tracked: TrackedVideo) -> Iterator[str]:
    for frame, rows in enumerate(tracked.by_frame(), 1):
        boxes = [_box(row) for row in rows]
        time = round(tracked.time_of(frame), _SECONDS)
        yield _dumps({"frame": tracked.source_frame(frame), "time": time, "boxes": boxes})


def _box(row: Doubles) -> dict[str, Any]:
    return {
        "id": int(row[ID]),
        "xyxy": [round(float(value), _PIXELS) for value in row[X1 : Y2 + 1]],
        "confidence": round(float(row[CONFIDENCE]), _SHARES),
        "class": int(row[CLASS]),
    }


WRITERS: Mapping[str, Callable[[Path, TrackedVideo], None]] = {"mot": write_mot, "csv": write_csv, "json": write_json}
