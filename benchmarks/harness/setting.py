"""What every benchmark asks first: where the data is, and what machine this is."""

from __future__ import annotations

import multiprocessing
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from ultralytics_reid.evaluation.markdown import facts, table

__all__ = ["CHECKOUT", "PETS", "TUD", "add_shared", "facts", "has", "need", "progress", "table", "whole"]

T = TypeVar("T")

PETS, TUD = "pets09-s2l1", "tud-stadtmitte"
CHECKOUT = Path(__file__).parents[2]


def add_shared(parser: ArgumentParser) -> None:
    """Add `--shared`, the folder of videos, ground truth and models."""
    default = Path(os.environ.get("REID_SHARED", CHECKOUT.parent / "shared"))
    text = "folder with data/ and models/ (default: $REID_SHARED, else ../shared beside the checkout)"
    parser.add_argument("--shared", type=Path, default=default, metavar="DIR", help=text)


def whole(text: str) -> int:
    """A whole number from 1 on, of a command line."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def need(*paths: Path) -> None:
    """Leave with exit code 2 and the names of those paths that don't exist, if any."""
    missing = [p for p in paths if not p.exists()]
    for path in missing:
        print(f"not found: {path}", file=sys.stderr)
    if missing:
        print("point --shared or $REID_SHARED to the folder that holds data/ and models/", file=sys.stderr)
        sys.exit(2)


def has(package: str) -> bool:
    """Whether a package could be imported."""
    return find_spec(package) is not None


def progress(rows: Iterable[T], label: str, total: int | None = None, unit: str = "frame") -> Iterable[T]:
    """Show a progress bar on stderr while rows pass through, where `tqdm` is installed; each worker has a line."""
    if not has("tqdm"):
        return rows
    from tqdm import tqdm  # type: ignore

    place: tuple[int, ...] = getattr(multiprocessing.current_process(), "_identity", ())
    told = {"desc": label.replace("*", ""), "unit": unit, "position": place[0] if place else None}
    bar: Iterable[T] = tqdm(rows, total=total, file=sys.stderr, leave=False, **told)
    return bar
