"""What an embedder does to tracking: a video with ground truth, tracked with each model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace

import numpy as np

from .._typing import Doubles, as_floats
from ..errors import DatasetError
from ..evaluation.frames import FrameBoxes
from ..evaluation.idf1 import idf1
from ..evaluation.mot_files import FLAG, FRAME, ID, VISIBILITY, frames_of, read_truth
from ..evaluation.revivals import VISIBLE, Summary, observe, summarize
from ..video_job.host import check_model, check_tracker, class_names, load_model, private_tracker
from ..video_job.options import TrackOptions, class_indices
from ..video_job.source import VideoSource, open_source
from ..video_job.tracked import ID as SHOWN_ID
from ..video_job.tracked import X1, Y2, TrackedVideo
from ..video_job.tracking import track
from .options import ModelChoice, VideoChoice


@dataclass(frozen=True, eq=False)
class TrackingScores:
    """Figures of a tracked video.

    Attributes:
        model: What tables call the embedder.
        idf1: IDF1 by person, in [0, 1].
        people: People in the ground truth.
        revivals: Returns, newcomers and ids.
    """

    model: str
    idf1: float
    people: int
    revivals: Summary


@dataclass(frozen=True, eq=False)
class VideoTruth:
    """A video and its ground truth.

    Attributes:
        options: How it is tracked, but for the embedder.
        source: The video.
        rows: `(N, 9)` float64, rows of the ground truth that count; see `mot_files.Truth`.
    """

    options: TrackOptions
    source: VideoSource
    rows: Doubles


def load_video(choice: VideoChoice, detector: str) -> VideoTruth:
    """Check a video, its ground truth, tracker, detector and classes, before any slow work.

    Raises:
        ReIDError: If one is missing, or can't be used.
    """
    source = open_source(choice.source, f"--video {choice.source}")
    options = TrackOptions(choice.source, detector, choice.tracker, choice.classes, imgsz=choice.imgsz)
    check_tracker(choice.tracker)
    check_model(detector)
    # Libraries print while they load models; stdout is for the report.
    with redirect_stdout(sys.stderr):
        names = class_names(load_model(detector), detector)
    class_indices(names, choice.classes)
    rows = read_truth(choice.ground_truth, None).rows
    rows = rows[rows[:, FLAG] > 0]
    if not len(rows):
        raise DatasetError(f"{choice.ground_truth}: the flag is 0 on every line, so nothing counts")
    last = int(rows[:, FRAME].max())
    if source.frames is not None and last > source.frames:
        raise DatasetError(
            f"{choice.ground_truth} has the frame {last}, and {choice.source} has {source.frames}: "
            "is it another video's?"
        )
    return VideoTruth(options, source, rows)


def score_video(video: VideoTruth, name: str, model: ModelChoice) -> TrackingScores:
    """Track a video with an embedder, and compare with the ground truth.

    Args:
        video: The video.
        name: What tables call the embedder.
        model: The embedder.

    Raises:
        ReIDError: If the embedder or a key of the tracker's YAML can't be used.
        KeyboardInterrupt: If it was interrupted: figures of a part are no figures of the video.
    """
    keys = {"with_reid": True, **model.yaml_keys()}
    with private_tracker(video.options.tracker, keys) as yaml, redirect_stdout(sys.stderr):
        shown, recording = track(video.source, replace(video.options, tracker=yaml), None)
    if recording.interrupted:
        raise KeyboardInterrupt
    output = tuple(_boxes(shown))
    truth = frames_of(video.rows, len(output))
    seen = frames_of(video.rows[video.rows[:, VISIBILITY] >= VISIBLE], len(output))
    observer = observe(seen, output, shown.fps)
    people = len(np.unique(video.rows[:, ID]))
    return TrackingScores(name, idf1(truth, output), people, summarize(observer.appearances(), observer.ids))


def _boxes(shown: TrackedVideo) -> Iterator[FrameBoxes]:
    for rows in shown.by_frame():
        yield FrameBoxes(rows[:, SHOWN_ID].astype(np.int64), as_floats(rows[:, X1 : Y2 + 1]))
