"""The second pass over a track log that is there."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from .._typing import Doubles
from ..errors import ConfigError, ReIDError
from ..gallery.commands.terminal import print_note
from ..gallery.gallery import Gallery
from ..refinement.solver import Refinement, refine
from ..refinement.track_log import TrackLog
from ..refinement.tracks import Tracks
from .options import Outputs
from .run import write_all
from .source import VideoSource, open_source
from .summary import speed, summary
from .tracked import TrackedVideo

# Frames by which a log and its source may differ, in number and as a share: what a file says of its length is a guess.
_SPARE_FRAMES, _SPARE_SHARE = 5, 0.01


def refine_log(
    path: Path, outputs: Outputs, source: str = "", *, stride: int = 1, gallery: str = "", overwrite: bool = False
) -> None:
    """Refine a track log, print a summary and write the files that were asked for, each complete or not at all.

    Args:
        path: The log.
        outputs: Files to write.
        source: Video or folder that was tracked; empty where no images are needed.
        stride: Every so many frames of the source one was tracked.
        gallery: Gallery whose identities the ids are to be; empty for none.
        overwrite: Whether to replace existing files.

    Raises:
        ReIDError: If the log, the source or the gallery is unusable, or a file can't be written.
    """
    if stride < 1:
        raise ConfigError(f"--vid-stride must be 1 or more, got {stride}")
    if outputs.need_images and not source:
        raise ReIDError("--video and --report need --source, the video or folder that was tracked")
    video = open_source(source, f"--source {source}", stride=stride) if source else None
    if video is not None and not video.is_repeatable:
        raise ReIDError("--source must be a video or a folder of images: a stream has gone by")
    outputs.check(source, overwrite=overwrite)
    tracks = TrackLog(path).read()
    size = (tracks.shape[1], tracks.shape[0]) if video is None else _matching_size(path.name, tracks, video)
    begin, times = time.perf_counter(), frame_times(tracks, 0 if video is None else video.frames or 0)
    if not len(times):
        raise ReIDError(f"{path.name}: there are no boxes in this track log")
    found = _refined(tracks, gallery)
    name, given = path.name if video is None else video.name, (tracks.fps, size, tracks.class_names)
    tracked = TrackedVideo(
        name, found.rows, times, *given, changes=tuple(found.changes), before=found.before, stride=stride
    )
    print(summary(tracked, f"refined in {speed(len(times), time.perf_counter() - begin)}"), flush=True)
    write_all(outputs, tracked, iter(()) if video is None else video.images(), f"second pass over {path.name}")


def _matching_size(name: str, tracks: Tracks, video: VideoSource) -> tuple[int, int]:
    """Width and height of the source, pixels, which must be the log's; another number of frames may have reasons."""
    size, logged = video.size(tracks.frames), (tracks.shape[1], tracks.shape[0])
    if tracks.is_shape_known and size != logged:
        images, boxes = (f"{wide} x {high}" for wide, high in (size, logged))
        raise ReIDError(
            f"--source {video.uri}: must be the video or folder that {name} was tracked in, of {boxes} pixels, "
            f"got one of {images}"
        )
    known, frames = tracks.frames, video.frames
    if known and frames is not None and abs(known - frames) > max(_SPARE_FRAMES, _SPARE_SHARE * frames):
        print_note(
            f"ultralytics-reid: {name} ends at frame {known:,}, and {video.name} has {frames:,} with --vid-stride "
            f"{video.stride}: if it wasn't interrupted, this is another source, or stride, than was tracked"
        )
    return size


def _refined(tracks: Tracks, gallery: str) -> Refinement:
    found = refine(tracks)
    if not gallery:
        return found
    with Gallery(gallery) as opened:
        return opened.identified(tracks, found)


def frame_times(tracks: Tracks, frames: int) -> Doubles:
    """Times of all frames, of which a log has those with boxes; the others lie between them, or at the frame rate.

    Args:
        tracks: The tracks.
        frames: Number of the source's frames, 0 if unknown; those that were tracked, up to the last box at least,
            have times anyway.

    Returns:
        `(F,)` float64, seconds.
    """
    every = np.arange(1, max(frames, tracks.frames, int(tracks.frame.max(initial=0))) + 1, dtype=np.float64)
    if not len(tracks):
        return every / tracks.fps
    known, first = np.unique(tracks.frame, return_index=True)
    seconds = tracks.time[first]
    times = np.interp(every, known, seconds)
    before, after = every < known[0], every > known[-1]
    times[before] = seconds[0] + (every[before] - known[0]) / tracks.fps
    times[after] = seconds[-1] + (every[after] - known[-1]) / tracks.fps
    return times
