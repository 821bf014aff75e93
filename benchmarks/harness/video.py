"""The demo's video: boxes, ids, traces, and for two seconds how long somebody was away."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import supervision as sv

from ultralytics_reid import identities

Image = npt.NDArray[np.uint8]

# Told apart on most pictures, and dark enough for white letters.
COLOURS = (
    *("#d62828", "#1d6fb8", "#2a8f4f", "#8e44ad", "#c45a00", "#00808a"),
    *("#b5176c", "#5c6b00", "#4b3fae", "#8a1c1c", "#1b4965", "#7f5539"),
)
_TOLD_SECONDS = 2.0
# A shorter gap is a doubt that was settled, or a lamp post.
_AWAY_SECONDS = 1.0
_TRACE_SECONDS = 4.0
_INK, _PAPER = (31, 41, 51), (255, 255, 255)


class Annotator:
    """Writes tracking results, with what this package knows of each box, as a video.

    Args:
        path: The `.mp4` to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sink: Any = None
        self._seen: set[int] = set()

    def __enter__(self) -> Annotator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._sink is not None:
            self._sink.__exit__(kind, error, tb)

    def add(self, result: Any, seconds: float, fps: float) -> None:
        """Draw a result and write it.

        Args:
            result: A result of this package's tracker, as `YOLO.track` gave it.
            seconds: Its time in the video.
            fps: Frames a second of the video to write; the first one counts.
        """
        if self._sink is None:
            self._open(result.orig_shape, fps)
        self._sink.write_frame(self._draw(result, seconds))

    def _open(self, shape: tuple[int, int], fps: float) -> None:
        height, width = shape
        self._sink = sv.VideoSink(str(self._path), sv.VideoInfo(width, height, fps)).__enter__()
        line, self._scale = max(2, round(min(shape) / 400)), max(0.4, min(shape) / 1200)
        by = {"color": sv.ColorPalette.from_hex(list(COLOURS)), "color_lookup": sv.ColorLookup.TRACK}
        trace = {"trace_length": max(2, round(_TRACE_SECONDS * fps)), "position": sv.Position.BOTTOM_CENTER}
        self._trace = sv.TraceAnnotator(thickness=line, **trace, **by)
        self._box = sv.BoxAnnotator(thickness=line, **by)
        self._back = sv.BoxCornerAnnotator(thickness=3 * line, corner_length=5 * line, **by)
        text = {"text_scale": self._scale, "text_padding": round(8 * self._scale), "smart_position": True}
        self._label = sv.LabelAnnotator(text_color=sv.Color.WHITE, **text, **by)

    def _draw(self, result: Any, seconds: float) -> Image:
        picture = result.orig_img.copy()
        found = sv.Detections.from_ultralytics(result)
        if result.boxes.id is not None:
            told = [_told(i, seconds) for i in identities(result)]
            self._seen.update(map(int, result.boxes.id))
            picture = self._box.annotate(self._trace.annotate(picture, found), found)
            back = np.array(["back" in text for text in told], bool)
            picture = self._label.annotate(self._back.annotate(picture, found[back]), found, told)
        return self._head(picture, f"{seconds:5.1f} s   {len(self._seen)} ids so far")

    def _head(self, picture: Image, text: str) -> Image:
        font, scale = cv2.FONT_HERSHEY_SIMPLEX, 1.2 * self._scale
        (width, height), _ = cv2.getTextSize(text, font, scale, 1)
        cv2.rectangle(picture, (0, 0), (width + height, 2 * height), _PAPER, -1)
        cv2.putText(picture, text, (height // 2, round(1.5 * height)), font, scale, _INK[::-1], 1, cv2.LINE_AA)
        return picture


def _told(identity: Any, seconds: float) -> str:
    """A box's label: the id, a question mark while it may change, and after a revival how long somebody was away."""
    if identity is None:
        return ""
    text = f"{identity.identity_id}{'?' if identity.provisional else ''}"
    revival = identity.revival
    fresh = revival is not None and revival.gap >= _AWAY_SECONDS and seconds - revival.time <= _TOLD_SECONDS
    return f"{text}  back after {revival.gap:.0f} s" if fresh else text
