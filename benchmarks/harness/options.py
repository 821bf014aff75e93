"""Command-line options that several runs have, and where data lies."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Collection
from pathlib import Path

PETS, TUD, MOT17 = "pets09-s2l1", "tud-stadtmitte", "mot17-val"
CAMPUS = ("epfl-campus4-c0", "epfl-campus4-c1")
# The clips of most runs, and their headings.
CLIP_TITLES = {
    PETS: "PETS by person",
    TUD: "TUD-Stadtmitte",
    CAMPUS[0]: "EPFL campus4, camera 0, by person",
    CAMPUS[1]: "EPFL campus4, camera 1, by person",
}
# Folders below data/ of clips that lie elsewhere than their name says.
_FOLDERS = {CAMPUS[0]: "epfl-campus4/campus4-c0", CAMPUS[1]: "epfl-campus4/campus4-c1"}
CHECKOUT = Path(__file__).parents[2]
ASSETS = CHECKOUT / "docs" / "assets"


def add_shared(parser: ArgumentParser) -> None:
    """Add `--shared`, the folder of videos, ground truth and models."""
    default = Path(os.environ.get("REID_SHARED", CHECKOUT.parent / "shared"))
    text = "folder with data/ and models/ (default: $REID_SHARED, else ../shared beside the checkout)"
    parser.add_argument("--shared", type=Path, default=default, metavar="DIR", help=text)


def add_features(parser: ArgumentParser) -> None:
    """Add `--features`, the folder that keeps computed embeddings and camera motion."""
    text = f"folder that keeps computed embeddings and camera motion (default: {default_cache()})"
    parser.add_argument("--features", type=Path, default=default_cache(), metavar="DIR", help=text)


def add_jobs(parser: ArgumentParser) -> None:
    """Add `--jobs`, the number of processes."""
    parser.add_argument("--jobs", type=whole, default=1, metavar="N", help="processes (default: 1)")


def add_json(parser: ArgumentParser, content: str = "the figures") -> None:
    """Add `--json`, a file for the figures."""
    parser.add_argument("--json", type=new_file, metavar="FILE", help=f"write {content} there too")


def add_write(parser: ArgumentParser) -> None:
    """Add `--write`, which asks for `report.publish`."""
    parser.add_argument("--write", action="store_true", help="publish the tables in docs/benchmarks too")


def default_cache() -> Path:
    """Return the folder where benchmarks keep what takes long to compute."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ultralytics-reid-benchmarks"


def new_file(text: str) -> Path:
    """Parse the path of a file to write, whose folder must exist."""
    path = Path(text)
    if not path.parent.is_dir():
        raise ArgumentTypeError(f"{path}: there is no folder {path.parent}")
    return path


def whole(text: str) -> int:
    """Parse a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Make a parser of names separated by commas.

    Args:
        known: The names that may be given.
    """

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise ArgumentTypeError(f"must be of {', '.join(known)}, got {name!r}")
        return names

    return parse


def need(*paths: Path) -> None:
    """Leave with exit code 2 and the names of those paths that don't exist, if any."""
    missing = [p for p in paths if not p.exists()]
    for path in missing:
        print(f"not found: {path}", file=sys.stderr)
    if missing:
        print("point --shared or $REID_SHARED to the folder that holds data/ and models/", file=sys.stderr)
        sys.exit(2)


def need_clips(shared: Path, clips: Collection[str]) -> None:
    """Leave with exit code 2 if a clip or its cached detections are missing."""
    need(*(clip_folder(shared, clip) for clip in clips), *(cached_path(shared, clip) for clip in clips))


def clip_folder(shared: Path, clip: str) -> Path:
    """Return the folder of a clip's ground truth."""
    return shared / "data" / _FOLDERS.get(clip, clip)


def cached_path(shared: Path, clip: str) -> Path:
    """Return the file of a clip's cached detections and embeddings."""
    return shared / "data" / "cache" / f"{clip}.npz"
