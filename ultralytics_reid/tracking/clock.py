"""Seconds, not frames: what time it is in a video or a live stream."""

from __future__ import annotations

# Frames a second where neither the source nor the user says otherwise, as the host assumes too.
DEFAULT_FPS = 30.0


class Clock:
    """A tracker's clock.

    It ticks by `1 / fps` a frame, unless the frame's own time is known (`at`), as it is for live streams.

    Attributes:
        now: Seconds since the first frame's.
        fps: Frames a second.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.now = 0.0
        self._next: float | None = None
        self._origin: float | None = None

    def at(self, seconds: float) -> None:
        """Say when the next frame was taken, in seconds of any steady clock; time never runs backwards."""
        if self._origin is None:
            self._origin = seconds - self.now
        self._next = seconds - self._origin

    @property
    def upcoming(self) -> float:
        """When the next frame was taken, as far as `at` told; the last frame's time otherwise."""
        return self.now if self._next is None else max(self.now, self._next)

    def tick(self) -> None:
        """Go on to the next frame."""
        if self._next is None:
            self.now += 1 / self.fps
        else:
            self.now, self._next = max(self.now, self._next), None

    def restart(self) -> None:
        """Go back to 0; the frame rate stays."""
        self.now, self._next, self._origin = 0.0, None, None
