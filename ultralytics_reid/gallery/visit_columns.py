"""Visits in columns: all of a gallery's at once, for lists and counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Doubles, Ints
from .records import ENROLLED


@dataclass(frozen=True, eq=False)
class VisitColumns:
    """Visits without their paths and crops, `V` of them.

    Attributes:
        ids: `(V,)` int64, ascending.
        identities: `(V,)` int64.
        names: Names of cameras, sorted; `ENROLLED` for images.
        cameras: `(V,)` int64, places in `names`.
        classes: `(V,)` int64 class indices.
        firsts: `(V,)` float64, seconds since 1970 (UTC).
        lasts: `(V,)` float64, the same, no less than `firsts`.
        probabilities: `(V,)` float64 in [0, 1]; see `Visit.probability`.
    """

    ids: Ints
    identities: Ints
    names: tuple[str, ...]
    cameras: Ints
    classes: Ints
    firsts: Doubles
    lasts: Doubles
    probabilities: Doubles

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Ints | Bools) -> VisitColumns:
        """Some visits, by place or by a mask."""
        return VisitColumns(
            self.ids[rows],
            self.identities[rows],
            self.names,
            self.cameras[rows],
            self.classes[rows],
            self.firsts[rows],
            self.lasts[rows],
            self.probabilities[rows],
        )

    def on(self, camera: str) -> Bools:
        """`(V,)`, which visits are on a camera."""
        code = self.names.index(camera) if camera in self.names else -1
        return np.asarray(self.cameras == code, bool)


@dataclass(frozen=True)
class Together:
    """Two identities on one camera at the same time.

    Attributes:
        camera: Its name.
        identities: Both, the one that came first first.
        first: Since when, seconds since 1970 (UTC).
        last: Until when.
    """

    camera: str
    identities: tuple[int, int]
    first: float
    last: float


def together(visits: VisitColumns) -> list[Together]:
    """When different identities were on one camera at once, by camera and time; enrolled images are on none."""
    seen = visits.take(~visits.on(ENROLLED))
    seen = seen.take(np.lexsort((seen.firsts, seen.cameras)))
    columns = (seen.cameras, seen.identities, seen.firsts, seen.lasts)
    found: list[Together] = []
    latest: dict[int, tuple[int, float]] = {}
    for camera, identity, first, last in zip(*(c.tolist() for c in columns), strict=True):
        other, until = latest.get(camera, (identity, -np.inf))
        if other != identity and until > first:
            found.append(Together(seen.names[camera], (other, identity), first, min(until, last)))
        if last > until:
            latest[camera] = identity, last
    return found
