"""What is printed at the end: frames, ids, returns, speed, files."""

from __future__ import annotations

from collections import Counter

from ..gallery.commands.tables import aligned
from ..gallery.commands.terminal import counted
from ..gallery.records import printable
from ..gallery.times import duration
from .tracked import TrackedVideo

# Returns listed; more are counted.
_MAX_RETURNS = 20


def summary(tracked: TrackedVideo, how: str) -> str:
    """Summarize a tracked video.

    Args:
        tracked: The tracked video, with final ids.
        how: What was done with so many frames.
    """
    frames = len(tracked.times)
    length = duration(frames / tracked.fps)
    parts = [f"{printable(tracked.name)}: {counted(frames, 'frame')} ({length}) {how}", _ids(tracked)]
    if tracked.changes:
        kinds = Counter(change.kind for change in tracked.changes)
        parts.append(f"second pass: {', '.join(f'{number:,} {kind}' for kind, number in kinds.items())}")
    return "\n".join([*parts, *_returns(tracked)])


def speed(frames: int, elapsed: float) -> str:
    """How long so many frames took, `elapsed` seconds, and how many that is per second."""
    return f"{duration(elapsed)}, {frames / max(elapsed, 1e-9):.1f} frames per second"


def _ids(tracked: TrackedVideo) -> str:
    counts = Counter(tracked.class_name(track.cls) for track in tracked.identities)
    if not counts:
        return "no ids: nothing was detected for long enough; check --model, --classes, --conf and --imgsz"
    classes = ", ".join(f"{number:,} {printable(name)}" for name, number in counts.most_common())
    return f"{counted(len(tracked.identities), 'id')} ({classes}) in {counted(len(tracked.rows), 'box', 'boxes')}"


def _returns(tracked: TrackedVideo) -> list[str]:
    found = sorted((end, begin, t.identity) for t in tracked.identities for begin, end in t.absences)
    if not found:
        return ["no id was out of view for a second or more and came back"] if tracked.identities else []
    rows = [[str(i), duration(begin), duration(end), duration(end - begin)] for end, begin, i in found[:_MAX_RETURNS]]
    lines = [f"| {' | '.join(cells)} |" for cells in (["id", "last seen", "back at", "away for"], ["---"] * 4, *rows)]
    more = [f"and {len(found) - _MAX_RETURNS:,} more"] if len(found) > _MAX_RETURNS else []
    return [f"{counted(len(found), 'time')} back under the same id:", "", aligned("\n".join(lines)), *more, ""]
