"""Numbers of a site's flow: ways between cameras, dwell, visitors an hour, entrances and exits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ..gallery.journeys import Dwell, Journey, Transition, dwell, transitions
from ..gallery.visit_columns import VisitColumns
from .zones import Zone

# An absence of so many seconds ends a person's tour of the site: after it, one enters anew.
MAX_ABSENCE = 1800.0
_MAX_BUCKETS = 24 * 14


@dataclass(frozen=True)
class Gate:
    """How often people entered and left the site at a camera."""

    camera: str
    entrances: int
    exits: int


@dataclass(frozen=True)
class Bucket:
    """People who were there in an hour or a day.

    Attributes:
        start: When it begins, seconds since 1970.
        people: Number of identities.
        text: The time, in the viewer's zone.
    """

    start: float
    people: int
    text: str


@dataclass(frozen=True)
class Flow:
    """A site's flow.

    Attributes:
        people: Number of identities.
        ways: Between cameras, the most frequent first.
        dwell: By camera.
        gates: By camera.
        buckets: By time.
        unit: What a bucket is: `hour` or `day`.
    """

    people: int
    ways: tuple[Transition, ...]
    dwell: tuple[Dwell, ...]
    gates: tuple[Gate, ...]
    buckets: tuple[Bucket, ...]
    unit: str

    def sankey(self) -> dict[str, list[dict[str, object]]]:
        """Nodes and links of a Sankey diagram: where people came from at the left, where they went at the right.

        Two columns, as people walk to and fro, and a Sankey diagram has no cycles.
        """
        links = [(f"from {w.before}", f"to {w.after}", w.count) for w in self.ways]
        links += [("entered", f"to {g.camera}", g.entrances) for g in self.gates if g.entrances]
        links += [(f"from {g.camera}", "left", g.exits) for g in self.gates if g.exits]
        names = list(dict.fromkeys(name for source, target, _ in links for name in (source, target)))
        nodes: list[dict[str, object]] = [{"name": name} for name in names]
        return {"nodes": nodes, "links": [{"source": s, "target": t, "value": n} for s, t, n in links]}


def flow_of(journeys: Sequence[Journey], visits: VisitColumns, zone: Zone) -> Flow:
    """Count.

    Args:
        journeys: Of the people to count.
        visits: Their visits to cameras.
        zone: In whose hours and days people are counted.
    """
    buckets, unit = count_people(visits, zone)
    ways = tuple(transitions(journeys, MAX_ABSENCE))
    return Flow(len(journeys), ways, tuple(dwell(journeys)), tuple(gates(journeys)), tuple(buckets), unit)


def gates(journeys: Iterable[Journey]) -> list[Gate]:
    """Count entrances and exits by camera: where a tour of the site begins, and where it ends."""
    entrances, exits = Counter[str](), Counter[str]()
    for journey in journeys:
        latest = None
        for stay in journey.stays:
            if latest is None or stay.first - latest.last > MAX_ABSENCE:
                entrances[stay.camera] += 1
                exits.update([] if latest is None else [latest.camera])
            latest = stay if latest is None or stay.last >= latest.last else latest
        exits.update([] if latest is None else [latest.camera])
    return [Gate(camera, entrances[camera], exits[camera]) for camera in sorted({*entrances, *exits})]


def count_people(visits: VisitColumns, zone: Zone) -> tuple[list[Bucket], str]:
    """Count the people who were there in each hour, or each day of a long time; one who stays counts in each."""
    if not len(visits):
        return [], "hour"
    first, last = float(visits.firsts.min()), float(visits.lasts.max())
    unit = "hour" if (last - first) / 3600 < _MAX_BUCKETS else "day"
    edges = _edges(zone.local(first), last, timedelta(hours=1) if unit == "hour" else timedelta(days=1))
    starts = np.array([edge.timestamp() for edge in edges])
    begins = np.searchsorted(starts, visits.firsts, side="right") - 1
    ends = np.searchsorted(starts, visits.lasts, side="right") - 1
    spans = ends - begins + 1
    rows = np.repeat(np.arange(len(visits)), spans)
    bucket = begins[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(spans) - spans, spans)
    pairs = np.unique(np.stack([bucket, visits.identities[rows]], axis=1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=len(edges))
    texts = [_text(edge, unit) for edge in edges]
    return [Bucket(float(s), int(n), t) for s, n, t in zip(starts, counts, texts, strict=True)], unit


def _text(edge: datetime, unit: str) -> str:
    """A bucket's time; the day too where it begins."""
    if unit == "day":
        return f"{edge.day} {edge:%b}"
    return f"{edge.day} {edge:%b %H:%M}" if edge.hour == 0 else f"{edge:%H:%M}"


def _edges(first: datetime, last: float, step: timedelta) -> list[datetime]:
    """Full hours or days from a time on, in a zone whose days may have 23 or 25 hours."""
    is_day = step.days > 0
    edge = first.replace(hour=0 if is_day else first.hour, minute=0, second=0, microsecond=0)
    edges = []
    while edge.timestamp() <= last:
        edges.append(edge)
        following = edge.timestamp() + step.total_seconds()
        edge = edge + step if is_day else datetime.fromtimestamp(following, edge.tzinfo)
    return edges
