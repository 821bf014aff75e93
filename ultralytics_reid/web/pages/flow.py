"""Flow: ways between cameras, dwell, visitors an hour, entrances and exits; heat maps and paths; CSV and PNG."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..._typing import ImageArray
from ...gallery.commands.backgrounds import background_of
from ...gallery.export.heatmap import draw_heatmap, draw_paths
from ...gallery.export.tabular import save_journeys, save_visits
from ...gallery.journeys import journeys
from ...gallery.records import Filter
from ...gallery.visit_columns import VisitColumns
from ..choice import Choice
from ..directory import Snapshot
from ..downloads import csv_download, download
from ..flow import Flow, flow_of
from ..site import Site, label, site_of

_DAY = 86_400.0
_MAX_DRAWN = 20_000


def _chosen(site: Site, request: Request) -> tuple[Choice, Snapshot, Filter]:
    """The filter; without a time, the last day with visits."""
    choice, snapshot = site.choice(request), site.directory.get()
    where, seen = choice.where, snapshot.on_camera
    if where.since is None and where.until is None and seen.any() and choice.get("time") != "all":
        last = float(snapshot.visits.lasts[seen].max())
        where = replace(where, since=last - _DAY, until=last)
    return choice, snapshot, where


def flow_page(request: Request) -> Response:
    """The page: filters and pictures; the charts are loaded after it."""
    site = site_of(request)
    choice, snapshot, where = _chosen(site, request)
    return site.render(
        request,
        "flow.html",
        zone=choice.zone,
        choice=choice,
        where=where,
        people={i: label(snapshot.names, i) for i in sorted(where.identities or ())},
        cameras=snapshot.cameras,
        drawn=[c for c in snapshot.cameras if where.cameras is None or c in where.cameras],
        classes=snapshot.classes,
        backgrounds=site.options.backgrounds,
        empty=not snapshot.on_camera.any(),
    )


def _counted(site: Site, request: Request) -> tuple[Choice, Flow]:
    choice, snapshot, where = _chosen(site, request)
    mask = snapshot.matching(where) & snapshot.on_camera
    counted = journeys(snapshot.as_visits(mask), names=snapshot.names)
    return choice, flow_of(counted, snapshot.visits.take(mask), choice.zone)


def charts_part(request: Request) -> Response:
    """Charts and their tables: a part of the page."""
    choice, flow = _counted(site_of(request), request)
    return site_of(request).render(request, "charts.html", zone=choice.zone, choice=choice, flow=flow)


def table(request: Request) -> Response:
    """A table of the flow as CSV."""
    site, kind = site_of(request), request.path_params["kind"]
    made = _rows(site, request, kind) if kind in ("visits", "stays") else _numbers(site, request, kind)
    site.audit.note("export", table=kind)
    return made


def _numbers(site: Site, request: Request, kind: str) -> Response:
    choice, flow = _counted(site, request)
    ways = ["from", "to", "count", "overlapping", "shortest", "median", "longest"]
    dwelt = ["camera", "people", "stays", "seconds", "median", "longest"]
    tables: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = {
        "ways": (ways, [astuple(w) for w in flow.ways]),
        "dwell": (dwelt, [astuple(d) for d in flow.dwell]),
        "visitors": ([flow.unit, "people"], [(choice.zone.local(b.start).isoformat(), b.people) for b in flow.buckets]),
        "gates": (["camera", "entrances", "exits"], [astuple(g) for g in flow.gates]),
    }
    if kind not in tables:
        raise HTTPException(404, "There is no such table.")
    return csv_download(*tables[kind], f"{kind}.csv")


def _rows(site: Site, request: Request, kind: str) -> Response:
    """All visits, or all stays, that match: the gallery's own files."""
    _, snapshot, where = _chosen(site, request)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{kind}.csv"
        if kind == "visits":
            save_visits(path, site.gallery.visits(where), dict(snapshot.names), site.gallery.class_names)
        else:
            save_journeys(path, journeys(site.gallery.visits(where), names=snapshot.names))
        return download(path.read_bytes(), path.name, "text/csv")


async def heatmap(request: Request) -> Response:
    """A heat map of dwell time on a camera's image."""
    return await _in_turn(request, draw_heatmap, "heatmap.png")


async def paths(request: Request) -> Response:
    """The paths on a camera's image."""
    return await _in_turn(request, draw_paths, "paths.png")


async def _in_turn(request: Request, draw: Callable[..., None], name: str) -> Response:
    """Draw one picture at a time, and none that nobody waits for any more."""
    async with site_of(request).drawing:
        if await request.is_disconnected():
            return Response(status_code=204)
        return await run_in_threadpool(_drawn, request, draw, name)


def _drawn(request: Request, draw: Callable[..., None], name: str) -> Response:
    site = site_of(request)
    choice, snapshot, where = _chosen(site, request)
    camera = choice.get("on")
    if camera not in snapshot.cameras:
        raise HTTPException(404, "There is no such camera.")
    where = replace(where, cameras=frozenset({camera}))
    one = next(iter(where.identities)) if where.identities and len(where.identities) == 1 else None
    visits = _latest(snapshot.visits.take(snapshot.matching(where)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        draw(
            path,
            site.gallery.visits(replace(where, visits=visits)),
            camera=camera,
            identity=one,
            background=_background(site, camera),
            names=dict(snapshot.names),
        )
        content = path.read_bytes()
    if choice.get("download") == "yes":
        site.audit.note("export", picture=name)
        return download(content, name, "image/png")
    return Response(content, media_type="image/png")


def _latest(visits: VisitColumns) -> frozenset[int] | None:
    """The latest visits, of more than can be drawn; None where all can."""
    if len(visits) <= _MAX_DRAWN:
        return None
    return frozenset(visits.ids[np.argsort(-visits.lasts)[:_MAX_DRAWN]].tolist())


def _background(site: Site, camera: str) -> ImageArray | None:
    """The camera's image that the command line names."""
    file = site.options.backgrounds.get(camera)
    return None if file is None else background_of(file)


ROUTES = [
    Route("/flow", flow_page),
    Route("/flow/charts", charts_part),
    Route("/flow/heatmap.png", heatmap),
    Route("/flow/paths.png", paths),
    Route("/flow/{kind}.csv", table),
]
