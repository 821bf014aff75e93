"""IDF1 as it would be if one kind of loss were repaired perfectly, and nothing else changed.

ids merged          every id that is on somebody at all is renamed to its majority
                    person: the one it is on most, false ids too. Where several boxes of
                    a frame would have one name, the box on the person keeps it, else
                    that of the id that is on them more; the others keep ids of their
                    own. Switches inside ids stay.
no switches         every matched box on another person than its id's majority person is
                    renamed to the id that is on that person most, of those that are on
                    them most (a new id if there is none). If that id is in the frame
                    already, on nobody, that box gets an id of its own. Pieces stay.
no false boxes      boxes of the output without a match are removed.
nothing held back   every box of the truth that is held back is added to the output,
                    under the id that is on its person most, of those that are on them
                    most; under a new id of the person's if there is none, or if it is
                    in that frame already.
nothing missed      the same for boxes that are undetected or of a low score.
every box shown     both: the same for all boxes of the truth without a match.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ultralytics_reid._typing import Bools
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.idf1 import idf1

from .losses import NOBODY, Fate, IdRecord, JudgedFrame, id_records, ids_of_people

# A box that is on its person keeps a name before any other.
_ON_PERSON = 1 << 40


def counterfactuals(frames: Sequence[JudgedFrame]) -> dict[str, float]:
    """Compute IDF1, as it is and with each loss repaired, as defined above.

    Args:
        frames: What `judge` gave.

    Returns:
        Percent: `idf1`, `merged`, `unswitched`, `no_false`, `all_shown`, and, where detections are known,
        `none_held_back` and `none_missed`.
    """
    truth, records = [f.truth for f in frames], id_records(frames)
    repaired = {
        "idf1": [f.output for f in frames],
        "merged": merge_ids(frames, records),
        "unswitched": undo_switches(frames, records),
        "no_false": [_select(f.output, f.people != NOBODY) for f in frames],
    }
    if not any((f.fates == Fate.UNSHOWN).any() for f in frames):
        repaired["none_held_back"] = show(frames, records, [Fate.HELD_BACK])
        repaired["none_missed"] = show(frames, records, [Fate.LOW_SCORE, Fate.UNDETECTED])
    repaired["all_shown"] = show(frames, records, [fate for fate in Fate if fate != Fate.MATCHED])
    return {name: 100 * idf1(truth, output) for name, output in repaired.items()}


def merge_ids(frames: Sequence[JudgedFrame], records: Mapping[int, IdRecord]) -> list[FrameBoxes]:
    """Rename each id to its majority person, called by the person's id; see above."""
    chosen = ids_of_people(records, false=True)

    def name(i: int, _: int) -> int:
        person = records[i].majority
        return i if person is None else chosen[person].id

    def claim(i: int, on: int) -> int:
        person = records[i].majority
        return 0 if person is None else records[i].people[person] + _ON_PERSON * (on == person)

    return [_renamed(f, name, claim) for f in frames]


def undo_switches(frames: Sequence[JudgedFrame], records: Mapping[int, IdRecord]) -> list[FrameBoxes]:
    """Rename each box on another person than its id's majority person to that person's id; see above."""
    chosen = ids_of_people(records, false=True)

    def name(i: int, on: int) -> int:
        if on in (NOBODY, records[i].majority):
            return i
        return chosen[on].id if on in chosen else _new_id(on)

    return [_renamed(f, name, lambda _, on: int(on != NOBODY)) for f in frames]


def show(frames: Sequence[JudgedFrame], records: Mapping[int, IdRecord], fates: Sequence[Fate]) -> list[FrameBoxes]:
    """Add boxes of the truth to the output, under the ids that their people have; see above."""
    chosen = ids_of_people(records, false=True)
    return [_with_boxes(frame, np.isin(frame.fates, fates), chosen) for frame in frames]


def _with_boxes(frame: JudgedFrame, rows: Bools, chosen: Mapping[int, IdRecord]) -> FrameBoxes:
    ids = frame.output.ids.tolist()
    for person in frame.truth.ids[rows].tolist():
        known = chosen[person].id if person in chosen else _new_id(person)
        ids.append(_new_id(person) if known in ids else known)
    return FrameBoxes(np.array(ids, np.int64), np.concatenate([frame.output.xyxy, frame.truth.xyxy[rows]]))


def _renamed(frame: JudgedFrame, name: Callable[[int, int], int], claim: Callable[[int, int], int]) -> FrameBoxes:
    """Rename boxes, by id and person; where several have one name, all but that of the highest claim get their own."""
    boxes = list(zip(frame.output.ids.tolist(), frame.people.tolist(), strict=True))
    names = [name(*box) for box in boxes]
    holder: dict[int, int] = {}
    for k in sorted(range(len(boxes)), key=lambda k: -claim(*boxes[k])):
        holder.setdefault(names[k], k)
    kept = [names[k] if holder[names[k]] == k else _own_id(boxes[k][0]) for k in range(len(boxes))]
    return FrameBoxes(np.array(kept, np.int64), frame.output.xyxy)


def _select(frame: FrameBoxes, rows: Bools) -> FrameBoxes:
    return FrameBoxes(frame.ids[rows], frame.xyxy[rows])


def _own_id(i: int) -> int:
    """An id that no tracker gives, for boxes of an id that can't keep its name: even and negative."""
    return -2 * i - 2


def _new_id(person: int) -> int:
    """An id that no tracker gives, for a person without any: odd and negative."""
    return -2 * person - 3
