"""Known lengths and counts of MOT17, to check data against."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ultralytics_reid._typing import Doubles
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.mot_files import CLASS, FLAG, ID

# The seven sequences that have ground truth. All of MOT16's and MOT17's are as long.
TRAIN = {"02": 600, "04": 1050, "05": 837, "09": 525, "10": 654, "11": 900, "13": 750}
TEST = {"01": 450, "03": 1500, "06": 1194, "07": 500, "08": 625, "12": 900, "14": 750}
# In the validation half, by ByteTrack's split, as `half` has it.
HALVES = {"02": 299, "04": 524, "05": 418, "09": 262, "10": 326, "11": 449, "13": 374}
_VARIANT = re.compile(r"(MOT1[67]-(\d\d))(?:-(DPM|FRCNN|SDP))?")


@dataclass(frozen=True)
class Counted:
    """Numbers of individuals and boxes that count: class 1, flag set."""

    ids: int
    boxes: int


_WHOLE_HALF = Counted(339, 53_890)
_COUNTED_HALVES = {"02": Counted(53, 9880), "04": Counted(69, 24178), "05": Counted(71, 3357), "11": Counted(44, 4517)}


def base_name(name: str) -> str:
    """A sequence's name without the public detector's: MOT17-02 for MOT17-02-FRCNN."""
    match = _VARIANT.fullmatch(name)
    return match[1] if match else name


def public_detector(name: str) -> str | None:
    """Return the public detector of a sequence of MOT17, None for any other."""
    match = _VARIANT.fullmatch(name)
    return match[3] if match else None


def number(name: str) -> str | None:
    """02 for MOT17-02 and MOT17-02-FRCNN; None for what is none of MOT16's or MOT17's sequences."""
    match = _VARIANT.fullmatch(name)
    return match[2] if match else None


def half(length: int) -> tuple[int, int]:
    """The validation half of a sequence by ByteTrack's split: 0-based first frame, and how many frames.

    >>> half(600)
    (301, 299)
    """
    start = length // 2 + 1
    return start, length - start


def is_half(name: str, length: int) -> bool:
    """Whether a sequence of MOT17 is the validation half already."""
    return HALVES.get(number(name) or "") == length


def need_length(name: str, length: int) -> None:
    """Raise `DatasetError` if a sequence of MOT16 or MOT17 has neither its own length nor its validation half's."""
    key = number(name) or ""
    whole = (TRAIN | TEST).get(key)
    if whole is not None and length not in (whole, HALVES.get(key)):
        halved = f", and its validation half {HALVES[key]}" if key in HALVES else ""
        raise DatasetError(f"{name} has {whole} frames{halved}, but its seqinfo.ini says seqLength={length}")


def counted(rows: Doubles, classes: bool = True) -> Counted:
    """Count individuals and boxes of a ground truth's rows `(N, 9)`."""
    kept = rows[(rows[:, FLAG] != 0) & ((rows[:, CLASS] == 1) | (not classes))]
    return Counted(len(np.unique(kept[:, ID])), len(kept))


def check_halves(found: Mapping[str, Counted]) -> list[str]:
    """Compare ground truth with what is known of MOT17's validation half.

    Args:
        found: What counts, by sequence.

    Returns:
        Sentences on what was compared and what is missing; empty if none of it is MOT17's.

    Raises:
        DatasetError: If something differs.
    """
    ours = {key: c for name, c in found.items() if name.startswith("MOT17") and (key := number(name)) in HALVES}
    for key, c in ours.items():
        if c != _COUNTED_HALVES.get(key, c):
            raise DatasetError(
                f"MOT17-{key}, validation half: {_warned(_COUNTED_HALVES[key])} are known, {_warned(c)} found"
            )
    total = Counted(sum(c.ids for c in ours.values()), sum(c.boxes for c in ours.values()))
    missing = [f"MOT17-{key}" for key in HALVES if key not in ours]
    if not missing and total != _WHOLE_HALF:
        raise DatasetError(f"MOT17's validation half has {_warned(_WHOLE_HALF)}, but {_warned(total)} were found")
    return [_sentence(total, len(ours), missing)] if ours else []


def _sentence(total: Counted, sequences: int, missing: Sequence[str]) -> str:
    if not missing:
        return f"MOT17's validation half is complete: {_warned(total)}, as known."
    there = f"{sequences} of the 7 sequences of MOT17's validation half: {_warned(total)} of {_warned(_WHOLE_HALF)}"
    return f"{there}; missing: {', '.join(missing)}, so figures can't be those of the whole."


def _warned(c: Counted) -> str:
    return f"{c.ids} individuals and {c.boxes:,} boxes"
