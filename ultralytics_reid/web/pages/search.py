"""Search: by an uploaded image, a visit or a person; results are visits, the most similar first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..._typing import ImageArray
from ...gallery.image_embedder import checked_box, cut_out
from ...gallery.records import LAST_ID
from ...gallery.search import Likeness
from ...gallery.views import Match
from ..choice import Choice
from ..forms import Form, form_route, whole
from ..site import Site, camera_label, label, site_of
from ..uploads import Upload, as_jpeg_file, decode
from .people import card_of

KINDS = {"learned": "learned metric", "cosine": "cosine", "euclidean": "Euclidean"}
MIN_PROBABILITY = 0.05
_COUNTS = ("20", "50", "100")


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
        upload: The uploaded image.
        box: Where it shows the individual, xyxy in pixels.
    """

    kind: str
    text: str
    image: str
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
        return Query("upload", "the uploaded image", f"/search/upload/{name}", upload, box)
    if text := choice.get("visit"):
        visit = whole("visit", text)
        return Query("visit", f"visit {str(visit)[-6:]}", f"/visits/{visit}/image")
    if text := choice.get("identity"):
        identity = min(whole("identity", text), LAST_ID)
        snapshot = site.knowing(identity)
        face = card_of(snapshot, identity).face
        return Query("identity", label(snapshot.names, identity), f"/visits/{face}/image")
    return None


def _box(text: str, upload: Upload) -> tuple[int, ...]:
    """A box of an image, given as `x1,y1,x2,y2`; what the detector found where none is given."""
    if not text:
        return tuple(round(float(x)) for x in upload.found)
    parts = text.split(",")
    if len(parts) != len("xyxy") or not all(p.isascii() and p.isdecimal() and len(p) < len("1" * 6) for p in parts):
        raise HTTPException(400, f"the box must be x1,y1,x2,y2 in pixels, got {text[:60]!r}")
    return tuple(map(int, parts))


def _found(site: Site, choice: Choice, query: Query, by: Likeness) -> list[Match]:
    count = int(choice.one_of("k", _COUNTS))
    about = {"by": by, "k": count, **({"of": choice.get(query.kind)} if query.upload is None else {})}
    site.audit.note("search", kind=query.kind, **about)
    if query.upload is not None:
        checked_box(query.box, query.upload.image)
        box = [float(x) for x in query.box]
        with site.embedding:
            return site.gallery.search(query.upload.image, count, choice.where, by=by, camera=_seen_on(choice), box=box)
    if query.kind == "visit":
        return site.gallery.search_visit(whole("visit", choice.get("visit")), count, choice.where, by=by)
    return site.gallery.search(int(choice.get("identity")), count, choice.where, by=by)


def _seen_on(choice: Choice) -> str:
    return choice.get("seen_on")


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
    xyxy = region.xyxy.clip(0)
    note = str(region) if region.what or region.sought else ""
    name = site.uploads.add(image, xyxy, note)
    kept = [(k, form.text(k)) for k in ("by", "k", "from", "to", "tz", "seen_on") if form.text(k)]
    kept += [("camera", camera) for camera in form.texts("camera")]
    return RedirectResponse(f"/search?{urlencode([('upload', name), *kept])}", 303)


def upload_image(request: Request) -> Response:
    """An uploaded image, back to who uploaded it."""
    held = site_of(request).uploads.get(request.path_params["name"])
    return Response(as_jpeg_file(held.image), media_type="image/jpeg")


def enrol(request: Request, form: Form) -> Response:
    """Put the individual of an uploaded image into the gallery, under a name: now it is stored."""
    site, name = site_of(request), form.text("name").strip()
    held = site.uploads.get(form.text("upload"))
    box = checked_box(_box(form.text("box"), held), held.image)
    crop: ImageArray = held.image if site.gallery.recipe.get("model", "auto") == "auto" else cut_out(held.image, box)
    if not name:
        raise HTTPException(400, "Give a name: an image is stored under a name only.")
    with site.changing, site.embedding:
        site.audit.note("enrol")
        identity = site.gallery.enrol(name, [crop], store_crops=form.text("store") == "yes")
    return site.changed(f"/people/{identity}")


def routes(read_only: bool) -> list[Route]:
    """Its addresses; with `read_only`, uploads are searched for and never enrolled."""
    listed = [
        Route("/search", search_page),
        Route("/search/upload", form_route(upload), methods=["POST"]),
        Route("/search/upload/{name}", upload_image),
    ]
    return listed if read_only else [*listed, Route("/search/enrol", form_route(enrol), methods=["POST"])]
