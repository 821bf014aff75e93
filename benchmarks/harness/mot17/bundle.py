"""Zips for the test server: a tracker's results, one file a sequence."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data.known import base_name, public_detector
from ..data.layout import DETECTORS


def bundle(path: Path, results: Sequence[Path], *, own_detections: bool) -> list[str]:
    """Put a tracker's results into a zip.

    MOT17's server wants each sequence under three names, by public detector. With detections of one's own it is the
    same result three times.

    Args:
        path: The zip.
        results: Files NAME.txt.
        own_detections: Whether the detections are the same for a sequence's three names.

    Returns:
        Names that the server wants and that aren't there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {name: file for file in results for name in _names(file.stem, own_detections)}
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(names.items()):
            archive.write(file, f"{name}.txt")
    part.replace(path)
    wanted = {name for file in results for name in _names(file.stem, True)}
    return sorted(wanted - set(names))


def _names(name: str, own_detections: bool) -> Iterator[str]:
    if own_detections and public_detector(name) is not None:
        yield from (f"{base_name(name)}-{detector}" for detector in DETECTORS)
    else:
        yield name
