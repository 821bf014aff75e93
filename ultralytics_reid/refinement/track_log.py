from __future__ import annotations
from .tracks import Tracks
class TrackLog:
    def __init__(self, path: str | None = None) -> None: ...
    def read(self) -> Tracks: raise NotImplementedError
