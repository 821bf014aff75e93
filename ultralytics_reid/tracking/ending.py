"""The end of a loop of frames, which only the user knows."""

from __future__ import annotations

from typing import Any

from ..errors import ReIDError
from .closing_line import log_closing_lines
from .stream_names import LOOPS


def finish(model: Any, *, wait: bool = True) -> tuple[str, ...]:
    """Say that a video is over whose frames were given one by one, as `model.track(frame, persist=True)`.

    Identities in view are linked and stored in the gallery, if there is one, and the closing line is logged, unless
    `verbose=False`. The next frame begins another visit; ids and memory go on.

    Args:
        model: The host's model, as `YOLO(...)`.
        wait: Whether to wait, ten seconds at most, until the gallery has everything.

    Returns:
        How many individuals the gallery knew, in words, a line a camera; empty without a gallery.

    Raises:
        ReIDError: If the model hasn't tracked anything by `reid_botsort`.
    """
    predictor: Any = getattr(model, "predictor", None)
    trackers = getattr(predictor, "trackers", [])
    own = [t for t in trackers if getattr(t, "attaches_identities", False)]
    if not own:
        raise ReIDError("there is nothing to finish: call finish(model) after model.track(...) by reid_botsort")
    log_closing_lines(getattr(predictor, "_reid_tallies", ()), predictor.args)
    LOOPS.release(predictor)
    return tuple(line for line in [tracker.finish(wait=wait) for tracker in own] if line)
