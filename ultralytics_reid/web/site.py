"""What all pages share: the gallery, its directory, uploads, the audit log, and templates."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from .. import __version__
from ..drawing.colors import color_of
from ..errors import ConfigError
from ..gallery.edits import Edit
from ..gallery.gallery import Gallery
from ..gallery.linking.topology import Topology
from ..gallery.records import ENROLLED
from ..gallery.times import duration
from .audit import Audit
from .choice import Choice
from .directory import Directory, Snapshot
from .options import ServeOptions
from .review import PairFinder
from .uploads import Uploads
from .zones import Zone

HERE = Path(__file__).parent
ZONE_COOKIE = "tz"
_MAX_SHOWN = 0.99
_SEE_OTHER = 303


@dataclass(eq=False)
class Site:
    """One gallery's pages.

    Attributes:
        options: Of the server.
        gallery: The gallery.
        audit: The audit log.
        topology: Travel times between cameras, and which share a view, which the review keeps to; None for any, none.
        directory: Its visits and names in memory.
        uploads: Images that are searched for.
        skipped: Keys of links that the reviewer doesn't know about.
        changing: Held while something is changed: one at a time.
        embedding: Held while an image is embedded: models take one at a time.
        pairs: Looks for pairs of identities that may be one.
        drawing: Held while a picture is drawn: one at a time.
    """

    options: ServeOptions
    gallery: Gallery
    audit: Audit
    topology: Topology | None
    directory: Directory = field(init=False)
    pairs: PairFinder = field(init=False)
    uploads: Uploads = field(default_factory=Uploads)
    skipped: set[str] = field(default_factory=set)
    changing: threading.Lock = field(default_factory=threading.Lock)
    embedding: threading.Lock = field(default_factory=threading.Lock)
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Begin to follow the gallery."""
        self.directory = Directory(self.gallery)
        self.pairs = PairFinder(self.gallery, self.topology)
        loader = jinja2.FileSystemLoader(HERE / "templates")
        self._templates = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters.update(percent=percent, duration=duration, color=color_of, count=count, visits=visits)
        self._templates.globals.update(version=__version__, read_only=self.options.read_only)

    @property
    def can_embed(self) -> bool:
        """Whether the embedder of uploaded images is named."""
        return bool(self.options.model or self.options.detector)

    def choice(self, request: Request) -> Choice:
        """The filter of a page.

        Raises:
            GalleryError: If a value is out of range.
        """
        return Choice.of(request.query_params, request.cookies.get(ZONE_COOKIE))

    def render(self, request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
        """Make a page from a template; `zone` is the viewer's unless it is given."""
        known = {"zone": Zone.named(request.cookies.get(ZONE_COOKIE)), "path": request.url.path, "done": None}
        text = self._templates.get_template(template).render(known | context)
        return HTMLResponse(text, status)

    def knowing(self, *identities: int, now: bool = False) -> Snapshot:
        """A snapshot that has some identities.

        Args:
            identities: The identities.
            now: Whether it must be of now, as for previews of changes; it may have no others then.

        Raises:
            HTTPException: 404 if one isn't in the gallery.
        """
        snapshot = self.directory.now(identities) if now else self.directory.get()
        if not np.isin(identities, snapshot.visits.identities).all():
            snapshot = self.directory.current()
        for identity in identities:
            if not (snapshot.visits.identities == identity).any():
                raise HTTPException(404, f"There is no person {identity} in the gallery: merged or deleted meanwhile?")
        return snapshot

    def changed(self, url: str, edit: Edit | None = None) -> Response:
        """Go on to a page after a change, which it says, with its undo button."""
        self.directory.current()
        joined = ("&" if "?" in url else "?") + f"done={edit.key}" if edit is not None else ""
        return RedirectResponse(url + joined, _SEE_OTHER)

    def warm(self) -> None:
        """Read and compile what the first page would wait for.

        Raises:
            ConfigError: If a background is of no camera of the gallery, which has some.
            GalleryError: If the gallery can't be read.
        """
        for name in self._templates.list_templates():
            self._templates.get_template(name)
        _ = self.directory.current().people
        known = self.directory.current().cameras
        for camera, file in self.options.backgrounds.items():
            if known and camera not in known:
                raise ConfigError(f"--background {camera}={file}: no camera {camera!r}; there are: {', '.join(known)}")
        self.gallery.scorer()

    def close(self) -> None:
        """Stop following the gallery, and close it."""
        self.pairs.close()
        self.directory.close()
        self.gallery.close()


def site_of(request: Request) -> Site:
    """The site whose page is asked for."""
    site: Site = request.app.state.site
    return site


def label(names: Mapping[int, str], identity: int) -> str:
    """How a page calls an identity: its name, or its number."""
    return names.get(identity) or f"Person {identity}"


def camera_label(name: str) -> str:
    """How a page calls a camera."""
    return "enrolled image" if name == ENROLLED else name


def percent(probability: float | None) -> str:
    """A probability in whole percent, between `< 1 %` and `> 99 %`; a dash where there is none."""
    if probability is None or math.isnan(probability):
        return "–"
    if probability > _MAX_SHOWN:
        return "> 99 %"
    return "< 1 %" if probability < 1 - _MAX_SHOWN else f"{100 * probability:.0f} %"


def count(number: int) -> str:
    """A number with separators."""
    return f"{number:,}"


def visits(number: int) -> str:
    """A number of visits, in words."""
    return f"{number:,} visit" if number == 1 else f"{number:,} visits"
