"""Search: by an uploaded image, a visit or a person; results are visits, the most similar first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ...gallery.commands.parser import MIN_PROBABILITY
from ...gallery.image_embedder import checked_box
from ...gallery.image_io import as_jpeg
from ...gallery.records import LAST_ID
from ...gallery.search import Likeness
from ...gallery.views import Match
from ...gallery.whole_numbers import parse_whole
from ..choice import Choice
from ..forms import Form, form_route, whole
from ..site import Site, camera_label, label, site_of
from ..uploads import Upload, decode
from .people import card_of

KINDS = {"learned": "learned metric", "cosine": "cosine", "euclidean": "Euclidean"}
_COUNTS = ("20", "50", "100")
_MAX_PIXEL = 99_999
_SHOWN_QUALITY = 90


@dataclass(frozen=True)
class Result:
    """A visit that was found.

    Attributes:
        rank: From 1.
        match: What the gallery says.
        label: How the page calls its person.
        camera: How it calls its camera.
        seconds: When it was seen, seconds since 1970.
    """

    rank: int
    match: Match
    label: str
    camera: str
    seconds: float


@dataclass(frozen=True)
class Query:
    """What is searched for.

    Attributes:
        kind: `upload`, `visit` or `identity`.
        text: In words.
        image: Address of its image.
        of: Id of the visit or the identity.
        upload: The uploaded image.
        box: Where it shows the individual, xyxy in pixels.
    """

    kind: str
    text: str
    image: str
    of: int = 0
    upload: Upload | None = None
    box: tuple[int, ...] = ()


def search_page(request: Request) -> Response:
    """The form, and the results of what the address asks for."""
    site = site_of(request)
    choice = site.choice(request)
    query = _query(site, choice)
    by = cast(Likeness, choice.one_of("by", KINDS))
    found = [] if query is None else _found(site, choice, query, by)
    least = 0.0 if choice.get("all") == "yes" else MIN_PROBABILITY
    shown = [m for m in found if not m.probability < least]
    snapshot = site.directory.get()
    return site.render(
        request,
        "search.html",
        zone=choice.zone,
        choice=choice,
        query=query,
        by=by,
        kinds=KINDS,
        counts=_COUNTS,
        results=[_result(n, m) for n, m in enumerate(shown, 1)],
        hidden=len(found) - len(shown),
        calibrated=not found or found[0].probability == found[0].probability,
        cameras=snapshot.cameras,
        can_embed=site.can_embed,
        recipe=site.gallery.recipe,
        empty=not len(snapshot.visits),
    )


def _result(rank: int, m: Match) -> Result:
    named = m.name or f"Person {m.identity_id}"
    return Result(rank, m, named, camera_label(m.camera_id), m.time.timestamp())


def _query(site: Site, choice: Choice) -> Query | None:
    if name := choice.get("upload"):
        upload = site.uploads.get(name)
        box = _box(choice.get("box"), upload)
        return Query("upload", "the uploaded image", f"/search/upload/{name}", upload=upload, box=box)
    if text := choice.get("visit"):
        visit = whole("visit", text)
        return Query("visit", f"visit {str(visit)[-6:]}", f"/visits/{visit}/image", visit)
    if text := choice.get("identity"):
        identity = min(whole("identity", text), LAST_ID)
        snapshot = site.knowing(identity)
        face = card_of(snapshot, identity).face
        return Query("identity", label(snapshot.names, identity), f"/visits/{face}/image", identity)
    return None


def _box(text: str, upload: Upload) -> tuple[int, ...]:
    """A box of an image, given as `x1,y1,x2,y2`; what the detector found where none is given."""
    if not text:
        # Outward to whole pixels, so that a thin box isn't empty; the image's sides are whole.
        left, top = np.floor(upload.found[:2]).astype(int).tolist()
        right, bottom = np.ceil(upload.found[2:]).astype(int).tolist()
        return left, top, right, bottom
    corners = [parse_whole(part, _MAX_PIXEL) for part in text.split(",")]
    box = tuple(corner for corner in corners if corner is not None)
    if len(corners) != len("xyxy") or len(box) != len(corners):
        raise HTTPException(400, f"the box must be x1,y1,x2,y2 in pixels, got {text[:60]!r}")
    return box


def _found(site: Site, choice: Choice, query: Query, by: Likeness) -> list[Match]:
    count = int(choice.one_of("k", _COUNTS))
    about = {"by": by, "k": count, **({"of": str(query.of)} if query.upload is None else {})}
    site.audit.note("search", kind=query.kind, **about)
    if query.upload is not None:
        image, camera = query.upload.image, choice.get("seen_on")
        with site.embedding:
            return site.gallery.search(image, count, choice.where, by=by, camera=camera, box=query.box)
    if query.kind == "visit":
        return site.gallery.search_visit(query.of, count, choice.where, by=by)
    return site.gallery.search(query.of, count, choice.where, by=by)


def upload(request: Request, form: Form) -> Response:
    """Take an image, find the individual in it, and go on to the results."""
    site = site_of(request)
    if not site.can_embed:
        raise HTTPException(409, "Images can't be compared: name the cameras' model when you start `serve`.")
    data = form.files.get("image", b"")
    if not data:
        raise HTTPException(400, "Choose an image first.")
    image = decode(data)
    with site.embedding:
        region = site.gallery.locate(image)
    note = str(region) if region.what or region.sought else ""
    name = site.uploads.add(image, region.xyxy, note)
    return RedirectResponse(f"/search?{urlencode({'upload': name})}", 303)


def upload_image(request: Request) -> Response:
    """An uploaded image, back to who uploaded it."""
    held = site_of(request).uploads.get(request.path_params["name"])
    return Response(as_jpeg(held.image, _SHOWN_QUALITY), media_type="image/jpeg")


def enrol(request: Request, form: Form) -> Response:
    """Put the individual of an uploaded image into the gallery, under a name: now it is stored."""
    site, name = site_of(request), form.text("name").strip()
    held = site.uploads.get(form.text("upload"))
    box = _box(form.text("box"), held)
    checked_box(box, held.image)
    if not name:
        raise HTTPException(400, "Give a name: an image is stored under a name only.")
    with site.changing, site.embedding:
        site.audit.note("enrol")
        identity = site.gallery.enrol(name, [held.image], boxes=[box], store_crops=form.text("store") == "yes")
    return site.changed(f"/people/{identity}")


# With --read-only, uploads are searched for and never enrolled.
ROUTES = [
    Route("/search", search_page),
    Route("/search/upload", form_route(upload), methods=["POST"]),
    Route("/search/upload/{name}", upload_image),
]
CHANGES = [Route("/search/enrol", form_route(enrol), methods=["POST"])]
