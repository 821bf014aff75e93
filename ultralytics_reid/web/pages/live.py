"""Live: cameras with when they last wrote, and who is there now; and the gallery's status."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...gallery.file_names import DECIDED, EDITED
from ..directory import Snapshot
from ..site import label, site_of

# A visit is still going on if it was written so many seconds ago or fewer: trackers write every few seconds.
NOW_SECONDS = 20.0
_MAX_SHOWN = 12
_DAY = 86_400.0


@dataclass(frozen=True)
class Here:
    """Somebody who is there now."""

    identity: int
    label: str
    visit: int
    since: float


@dataclass(frozen=True)
class CameraNow:
    """A camera.

    Attributes:
        name: Its name.
        last: When it last wrote, seconds since 1970.
        state: `live`, `quiet` (nobody is there) or `idle` (nobody was there for a day).
        here: Who is there now.
        more: How many more.
        today: Number of people in the last 24 hours.
    """

    name: str
    last: float
    state: str
    here: tuple[Here, ...]
    more: int
    today: int


def cameras_now(snapshot: Snapshot, now: float) -> list[CameraNow]:
    """What is going on, the camera that wrote last first."""
    found = []
    for name in snapshot.cameras:
        own = snapshot.visits.take(snapshot.visits.on(name))
        last = float(own.lasts.max())
        there = own.take(own.lasts > now - NOW_SECONDS)
        there = there.take(np.unique(there.identities, return_index=True)[1])
        columns = zip(there.identities.tolist(), there.ids.tolist(), there.firsts.tolist(), strict=True)
        here = tuple(Here(i, label(snapshot.names, i), visit, first) for i, visit, first in columns)
        age = now - last
        state = "live" if age < NOW_SECONDS else "quiet" if age < _DAY else "idle"
        today = len(np.unique(own.identities[own.lasts > now - _DAY]))
        found.append(CameraNow(name, last, state, here[:_MAX_SHOWN], max(0, len(here) - _MAX_SHOWN), today))
    return sorted(found, key=lambda c: (-c.last, c.name))


def live_page(request: Request) -> Response:
    """The page, which asks for its part every few seconds."""
    return _live(request, "live.html")


def live_part(request: Request) -> Response:
    """What changes of the page."""
    return _live(request, "live_now.html")


def _live(request: Request, template: str) -> Response:
    site, now = site_of(request), time.time()
    return site.render(request, template, cameras=cameras_now(site.directory.get(), now), now=now)


def status_page(request: Request) -> Response:
    """The page; what a server takes long to count comes after it."""
    return site_of(request).render(request, "status.html")


def status_part(request: Request) -> Response:
    """Engine, counts, retention, embedder, size, health."""
    site = site_of(request)
    snapshot = site.directory.get()
    visits, seen = snapshot.visits, snapshot.on_camera
    counts = [(name, int(visits.on(name).sum())) for name in snapshot.cameras]
    calibrated = site.gallery.scorer().is_discriminative
    return site.render(
        request,
        "status_facts.html",
        health=site.gallery.store.health(),
        uri=site.gallery.store.uri,
        identities=len(np.unique(visits.identities)),
        named=len(snapshot.names),
        enrolled=int((~seen).sum()),
        cameras=counts,
        since=float(visits.firsts[seen].min()) if seen.any() else None,
        until=float(visits.lasts[seen].max()) if seen.any() else None,
        dim=site.gallery.store.dim,
        fingerprint=site.gallery.store.fingerprint,
        recipe=site.gallery.recipe,
        calibrated=calibrated,
        can_embed=site.can_embed,
        audit=site.options.audit_file,
        decisions=site.gallery.store.count_blobs(DECIDED),
        changes=site.gallery.store.count_blobs(EDITED),
    )


ROUTES = [
    Route("/live", live_page),
    Route("/live/now", live_part),
    Route("/status", status_page),
    Route("/status/facts", status_part),
]
