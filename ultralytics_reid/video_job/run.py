"""Track a source, settle who is who, and write what was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from .._typing import ImageArray
from ..errors import ReIDError
from ..gallery.commands.terminal import progress
from ..refinement.solver import refine
from .corrections import corrected_rows, with_held_back
from .crops import CropCollector
from .exports import WRITERS
from .host import check_model, check_tracker
from .options import Outputs, TrackOptions
from .report import write_report
from .source import open_source
from .spool import Spool
from .summary import speed, summary
from .tracked import FRAME, ID, TrackedVideo
from .tracking import Recording, track
from .video import AnnotatedVideo, annotated_video

INTERRUPTED = "interrupted: what was tracked until then was written"


def run(options: TrackOptions) -> bool:
    """Track a source, print a summary and write the files that were asked for, each complete or not at all.

    After an interrupt (Ctrl-C) while tracking, it finishes with the frames so far.

    Args:
        options: Options of the run.

    Returns:
        Whether the source was tracked to its end; a stream, which has none, always is.

    Raises:
        ReIDError: If the source, the model, a class or the tracker's YAML is unusable, or a file can't be written.
        KeyboardInterrupt: If it was interrupted before the first frame, or while files were written.
    """
    source = open_source(options.source, options.source, stride=options.stride)
    options.outputs.check(options.source, overwrite=options.overwrite)
    check_model(options.model)
    check_tracker(options.tracker)
    with ExitStack() as stack:
        spool = None if source.is_repeatable else _spool(options.outputs, stack)
        # Libraries print while they load models; stdout is for the result.
        with redirect_stdout(sys.stderr):
            shown, recording = track(source, options, spool)
        tracked = with_final_ids(shown, recording, refines=options.refine)
        took = speed(len(tracked.times), recording.elapsed)
        print(summary(tracked, f"tracked in {took}"), flush=True)
        images = spool.images() if spool is not None else source.images()
        write_all(options.outputs, tracked, images, f"{options.model}, {options.tracker}")
    return not recording.interrupted or not source.is_repeatable


def _spool(outputs: Outputs, stack: ExitStack) -> Spool | None:
    path = outputs.video or outputs.report
    return None if path is None else stack.enter_context(Spool(path.parent))


def with_final_ids(shown: TrackedVideo, recording: Recording, *, refines: bool) -> TrackedVideo:
    """The one place where ids become final: all files and the summary show the rows that are made here."""
    told, tracklets = with_held_back(recording.all_rows(), recording.row_tracklets())
    corrected = corrected_rows(told, shown.times, shown.events, tracklets)
    if not refines or recording.log is None:
        return replace(shown, rows=corrected)
    found = refine(recording.log)
    # Ctrl-C may have come between the log of a frame and its result.
    there = found.rows[:, FRAME] <= len(shown.times)
    # The log has ids as they were shown; without a second pass they would have been corrected.
    first = dict(zip(map(tuple, told[:, [FRAME, ID]].tolist()), corrected[:, ID].tolist(), strict=True))
    rows, online = found.rows[there], found.before[there]
    before = [first.get(place, 0) for place in zip(rows[:, FRAME].tolist(), online.tolist(), strict=True)]
    return replace(shown, rows=rows, events=(), changes=tuple(found.changes), before=np.array(before, np.int64))


def write_all(outputs: Outputs, tracked: TrackedVideo, images: Iterator[ImageArray], how: str) -> None:
    """Write tables, then what takes the images once more; say which files were written.

    Args:
        outputs: The files.
        tracked: The tracked video, with final ids.
        images: The images that were tracked, read only where they are needed.
        how: How it was made, for the report.

    Raises:
        ReIDError: If a file can't be written, or there are fewer images than frames; the files before it are there.
    """
    for name, path in outputs:
        if name == "log":
            _print_written(path)
        elif name in WRITERS:
            WRITERS[name](path, tracked)
            _print_written(path)
    if not outputs.need_images:
        return
    crops = None if outputs.report is None else CropCollector(tracked)
    with annotated_video(outputs.video, tracked) as video:
        _replay(tracked, images, video, crops)
    if outputs.video is not None:
        _print_written(outputs.video)
    if outputs.report is not None and crops is not None:
        write_report(outputs.report, tracked, crops.crops, how)
        _print_written(outputs.report)


def _replay(
    tracked: TrackedVideo, images: Iterator[ImageArray], video: AnnotatedVideo | None, crops: CropCollector | None
) -> None:
    """Take the images once more, with their final rows."""
    by_frame, frame = tracked.by_frame(), 0
    label = "cutting out" if video is None else "drawing"
    for frame, image in enumerate(progress(islice(images, len(by_frame)), label, len(by_frame)), 1):
        if crops is not None:
            crops.add(image, frame)
        if video is not None:
            video.add(image, by_frame[frame - 1], tracked.time_of(frame))
    if frame < tracked.rows[:, FRAME].max(initial=0):
        what = f"of {len(by_frame)} frames only {frame} could be read once more"
        raise ReIDError(f"{tracked.name}: {what}, to draw the ids")


def _print_written(path: Path) -> None:
    print(f"wrote {path}", flush=True)
