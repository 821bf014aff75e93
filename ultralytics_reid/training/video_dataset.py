"""Make labeled crops out of videos: tracked, refined, and cut out where it is sure who is seen."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from .._typing import Floats
from ..datasets.crop_set import CropSet
from ..datasets.writer import LabeledCrop, in_order, write_crops
from ..errors import DatasetError, ReIDError
from ..gallery.commands.terminal import progress
from ..refinement.tracks import Tracks
from ..video_job.host import check_model, check_tracker, private_tracker
from ..video_job.options import TrackOptions
from ..video_job.source import VideoSource, open_source
from ..video_job.tracking import track
from .stored_embeddings import write_embeddings
from .tracklets import VideoLabels, label_tracks


@dataclass(eq=False)
class _Collected:
    """What is known after the crops: embeddings in their order, and pairs of different identities."""

    embeddings: list[Floats] = field(default_factory=list)
    different: list[tuple[str, str]] = field(default_factory=list)
    fingerprints: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def dataset_of_videos(
    sources: Sequence[str], options: TrackOptions, out: Path, *, form: str, max_crops: int, refined: bool = True
) -> CropSet:
    """Track videos, and write clean crops of sure tracklets, spread in time.

    Each source is a camera. Identities are those of the second pass over a video, cut where looks change; crops at
    encounters are left out. Identities of one video differ where they were visible together; of all other pairs
    nothing is known, and the manifest says so. The tracker's embeddings are written beside the crops.

    Args:
        sources: Videos or folders of images.
        options: Of tracking; the source is replaced.
        out: Folder to make.
        form: A form of `write_crops`.
        max_crops: Of an identity.
        refined: Whether to take over what the second pass linked.

    Raises:
        ReIDError: If a source, the model or the tracker's YAML is unusable, or nobody was seen for long enough.
    """
    videos = [open_source(source, source, stride=options.stride) for source in sources]
    if not all(video.is_repeatable for video in videos):
        raise ReIDError("SOURCES must be videos or folders of images, which can be read twice")
    check_model(options.model)
    check_tracker(options.tracker)
    collected = _Collected()

    def crops() -> Iterator[LabeledCrop]:
        for camera, video in enumerate(videos, 1):
            yield from _of_video(video, camera, options, collected, (max_crops, refined))

    found = write_crops(out, crops(), different=_pairs(collected), form=form)
    if len(collected.fingerprints) == 1:
        write_embeddings(out, in_order(found), np.concatenate(collected.embeddings), collected.fingerprints.pop())
    return found


def _pairs(collected: _Collected) -> Iterator[tuple[str, str]]:
    """Read after the crops."""
    yield from (pair for pair in collected.different if collected.names.issuperset(pair))


def _of_video(
    video: VideoSource, camera: int, options: TrackOptions, collected: _Collected, how: tuple[int, bool]
) -> Iterator[LabeledCrop]:
    with private_tracker(options.tracker) as yaml, redirect_stdout(sys.stderr):
        _, recording = track(video, replace(options, source=video.uri, tracker=yaml, refine=True), None)
    log = recording.log
    if recording.interrupted:
        raise KeyboardInterrupt
    if log is None:
        raise DatasetError(f"{video.name}: nothing was tracked")
    tracks = log.read()
    labels = label_tracks(tracks, max_crops=how[0], refined=how[1])
    if not len(labels.rows):
        raise DatasetError(f"{video.name}: nobody was seen clearly for long enough, without others in front")
    collected.fingerprints.add(log.embedder)
    names = [(f"{camera}-{a}", f"{camera}-{b}") for a, b in labels.different.tolist()]
    collected.different += names
    yield from _cut(video, camera, tracks, labels, collected)


def _cut(
    video: VideoSource, camera: int, tracks: Tracks, labels: VideoLabels, collected: _Collected
) -> Iterator[LabeledCrop]:
    by_frame: dict[int, list[int]] = {}
    for n in np.argsort(tracks.frame[labels.rows], kind="stable").tolist():
        by_frame.setdefault(int(tracks.frame[labels.rows[n]]), []).append(n)
    last = max(by_frame)
    for frame, image in enumerate(progress(islice(video.images(), last), f"cutting out of {video.name}", last), 1):
        for n in by_frame.get(frame, ()):
            row = labels.rows[n]
            left, top, right, bottom = tracks.xyxy[row].clip(0).astype(int)
            crop = image[top : bottom + 1, left : right + 1]
            if crop.size:
                collected.embeddings.append(tracks.crops_of(labels.rows[n : n + 1]))
                name = f"{camera}-{labels.identities[n]}"
                collected.names.add(name)
                yield LabeledCrop(crop, name, camera, float(tracks.time[row]), frame)
