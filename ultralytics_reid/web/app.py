"""The pages as one ASGI application, behind the checks of `security`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ..errors import GalleryUnavailable, ReIDError
from ..gallery.gallery import Gallery
from ..gallery.linking.topology import Topology
from .audit import Audit
from .options import ServeOptions
from .pages import corrections, flow, live, people, person, review, search
from .security import HEADERS, REPORTS, Guard, Session
from .site import HERE, Site, site_of

_LOGGER = logging.getLogger("ultralytics")
_PAGES = (people, person, corrections, search, flow, review, live)
_CHANGING = (corrections, search, review)
# Seconds between looks for what was deleted and can't be undone any more.
_EMPTY_EVERY = 30.0
# The latest of the browsers' reports that are held.
_MAX_REPORTS = 100
_CONFLICT, _NOT_FOUND, _UNAVAILABLE, _FAULT = 409, 404, 503, 500
_TITLES = {
    400: "That can't be done",
    404: "Not there",
    405: "That can't be done",
    409: "That can't be done",
    413: "Too large",
    503: "The gallery can't be reached",
}


def make_app(options: ServeOptions, session: Session, gallery: Gallery | None = None) -> Starlette:
    """Make the application.

    Args:
        options: Of the server.
        session: The secret that requests must bring.
        gallery: The gallery, if it is open already; it is closed when the application ends.

    Raises:
        ConfigError: If the topology can't be read.
        GalleryError: If the gallery can't be opened, or the audit log can't be written.
    """
    topology = None if options.topology is None else Topology.load(options.topology)
    gallery = gallery or open_gallery(options)
    site = Site(options, gallery, Audit(options.audit_file), topology)
    routes = [
        Route("/", lambda _: RedirectResponse("/people")),
        Route("/favicon.ico", lambda _: RedirectResponse("/static/silhouette.svg")),
        Mount("/static", _Static(directory=HERE / "static"), name="static"),
        Route(REPORTS, _report, methods=["POST"]),
    ]
    for page in _PAGES:
        routes += page.ROUTES
    for page in () if options.read_only else _CHANGING:
        routes += page.CHANGES
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=list(options.hosts), www_redirect=False),
        Middleware(Guard, session=session),
    ]
    handlers: dict[Any, Callable[..., Response]] = {HTTPException: _refused, ReIDError: _failed, Exception: _fault}
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers, lifespan=_lifespan)
    app.state.site = site
    app.state.reports = deque(maxlen=_MAX_REPORTS)
    return app


def open_gallery(options: ServeOptions) -> Gallery:
    """Open the gallery that is served.

    Raises:
        GalleryError: If it isn't there, or can't be opened.
    """
    gallery = Gallery(
        options.gallery,
        index=options.index,
        model=options.model,
        weights=options.weights,
        head=options.head,
        detector=options.detector,
        crops=options.crops,
    )
    _ = gallery.store  # raises if there is none yet
    return gallery


class _Static(StaticFiles):
    """Files of the package; a browser keeps them, and asks whether they changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See `StaticFiles`."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "private, no-cache"
        return response


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    """Empty the trash while the server runs, and wholly when it ends."""
    site: Site = app.state.site
    emptying = asyncio.create_task(_keep_emptying(site))
    try:
        yield
    finally:
        emptying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await emptying
        await asyncio.to_thread(_close, site)


async def _keep_emptying(site: Site) -> None:
    while not site.options.read_only:
        await asyncio.to_thread(_empty, site, corrections.UNDO_SECONDS)
        await asyncio.sleep(_EMPTY_EVERY)


def _empty(site: Site, seconds: float) -> None:
    try:
        with site.changing:
            if site.gallery.empty_trash(seconds):
                site.audit.note("erase")
    except ReIDError as error:
        _LOGGER.warning(f"what was deleted couldn't be erased: {error}")


def _close(site: Site) -> None:
    if not site.options.read_only:
        _empty(site, 0)
    site.close()


async def _report(request: Request) -> Response:
    """Note what the browser refused to load: nothing, unless a page has a fault."""
    report = (await request.body())[:2000]
    request.app.state.reports.append(report)
    _LOGGER.warning(f"a browser reports a violation of the content policy: {report!r}")
    return Response(status_code=204)


def _refused(request: Request, error: HTTPException) -> Response:
    if error.status_code == _NOT_FOUND and error.detail == "Not Found":
        return _error_page(request, _NOT_FOUND, "There is no such page.")
    return _error_page(request, error.status_code, str(error.detail))


def _failed(request: Request, error: ReIDError) -> Response:
    return _error_page(request, _UNAVAILABLE if isinstance(error, GalleryUnavailable) else _CONFLICT, str(error))


def _fault(request: Request, error: Exception) -> Response:
    _LOGGER.error(f"{request.method} {request.url.path}: {type(error).__name__}", exc_info=error)
    response = _error_page(request, _FAULT, "The server's log says what went wrong.")
    response.headers.update(HEADERS)  # made outside of the guard
    return response


def _error_page(request: Request, status: int, text: str) -> Response:
    """A page that says what was wrong; escaped, as all texts are."""
    title = _TITLES.get(status, "Something went wrong")
    message = text[:1].upper() + text[1:]
    return site_of(request).render(request, "error.html", status=status, title=title, message=message)
