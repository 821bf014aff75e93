"""Seconds, not frames: what time it is in a video or a live stream."""

from __future__ import annotations

import math
import time

# Frames a second where neither the source nor the user says otherwise, as the host assumes too.
DEFAULT_FPS = 30.0

# Share of the newest step in the usual one; a step counts for at most so many times the usual one.
_NEWEST, _MAX_GROWTH = 0.1, 4.0
# Seconds below which no step is a stand-still.
_MIN_STILL = 1.0
_MIN_FPS, _MAX_FPS = 0.01, 1000.0
_GIVEN, _STEADY = "given", "steady"


class Clock:
    """A tracker's clock.

    It ticks by `1 / fps` a frame, unless the frame's own time is known: because it was said (`at`), or because frames
    come live (`follow`). Then `fps` is measured, unless it is fixed.

    Attributes:
        now: Seconds since the first frame's.
        fps: Frames a second.
        fixed: Whether `fps` was set by the user.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.fixed = False
        self.now = 0.0
        self._by = ""
        self._origin = self._stood_still = 0.0
        self._next: float | None = None
        self._usual: float | None = None

    def at(self, seconds: float) -> None:
        """Say when the next frame was taken, in seconds of any steady clock; time never runs backwards.

        Call it before each frame; it wins over the frame rate and over what the source says.

        Raises:
            ValueError: If it is not finite.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"seconds must be finite, got {seconds!r}")
        self._tell(seconds, _GIVEN)

    def follow(self) -> None:
        """Take the next frame's time from the computer's steady clock, unless it was said; sleep counts."""
        if not self.told:
            which = getattr(time, "CLOCK_BOOTTIME", None)
            self._tell(time.monotonic() if which is None else time.clock_gettime(which), _STEADY)

    @property
    def given(self) -> bool:
        """Whether the user says when frames were taken."""
        return self._by == _GIVEN

    @property
    def told(self) -> bool:
        """Whether the next frame's time is known."""
        return self._next is not None

    def _tell(self, seconds: float, by: str) -> None:
        if by != self._by:
            # Another clock than that of the last frame, which was one frame ago.
            step = 1 / self.fps if self._by or self.now else 0.0
            self._by, self._origin = by, seconds - self.now - step
        self._next = seconds - self._origin

    @property
    def upcoming(self) -> float:
        """When the next frame was taken, as far as `at` told; the last frame's time otherwise."""
        return self.now if self._next is None else max(self.now, self._next)

    def tick(self) -> None:
        """Go on to the next frame."""
        self._stood_still = 0.0
        if self._next is None:
            self.now += 1 / self.fps
            return
        step, self._next = max(0.0, self._next - self.now), None
        self.now += step
        if step:
            self._measure(step)

    def _measure(self, step: float) -> None:
        if self._usual is None:
            self._usual = 1 / self.fps if self.fixed else step
        self._stood_still = step / self._usual if step >= _MIN_STILL else 0.0
        self._usual += _NEWEST * (min(step, _MAX_GROWTH * self._usual) - self._usual)
        if not self.fixed:
            self.fps = min(max(1 / self._usual, _MIN_FPS), _MAX_FPS)

    def stood_still(self, frames: float) -> bool:
        """Whether the last step took longer than so many frames usually do, as after an outage or sleep."""
        return self._stood_still > max(1.0, frames)

    def restart(self) -> None:
        """Go back to 0; the frame rate stays."""
        self.now, self._by, self._origin, self._stood_still = 0.0, "", 0.0, 0.0
        self._next = self._usual = None
