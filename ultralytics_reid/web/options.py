"""Options of the web page's server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from ..embedders import CropOptions
from ..embedders.crops import NOTHING_ELSE
from ..errors import ConfigError, GalleryError
from . import HOST, PORT

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
_MAX_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Options of `ultralytics-reid serve`.

    Attributes:
        gallery: A path (SQLite) or `postgresql://…`.
        index: `milvus://…` that searches it; empty for the gallery itself.
        host: Address to listen on.
        port: Port to listen on, 0 to 65535; 0 for a free one.
        names: Names by which browsers may reach it, beside `host` and those of the loopback address.
        read_only: Whether the pages that change something are left out.
        model: Embedder of uploaded images, as `model` of a tracker YAML; empty where none are searched for.
        weights: As `weights` of a tracker YAML.
        head: As `head` of a tracker YAML.
        detector: YOLO model that finds the individual in an uploaded image.
        crops: Crop options, as in the cameras' tracker YAML.
        backgrounds: An image or a video by camera, which heat maps are drawn on.
        topology: Travel times between cameras and shared views, which the review keeps to; None: any, none.
        audit: File of the audit log; None for `GALLERY.audit.jsonl` beside a SQLite gallery, else standard error.
    """

    gallery: str
    index: str = ""
    host: str = HOST
    port: int = PORT
    names: tuple[str, ...] = ()
    read_only: bool = False
    model: str = ""
    weights: str = ""
    head: str = ""
    detector: str = ""
    crops: CropOptions = NOTHING_ELSE
    backgrounds: Mapping[str, Path] = field(default_factory=dict)
    topology: Path | None = None
    audit: Path | None = None

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: If the port is out of range, a name is missing or malformed, or a background isn't there.
        """
        if not 0 <= self.port <= _MAX_PORT:
            raise ConfigError(f"--port must be in [0, {_MAX_PORT}], got {self.port}")
        for name in self.names:
            if not name or any(c in name for c in "*/ :@") or not name.isprintable():
                raise ConfigError(f"--allow-host must be a host name or an IPv4 address, without a port, got {name!r}")
        if _is_any(self.host) and not self.names:
            raise ConfigError(
                f"--host {self.host} listens on every address: say with --allow-host by which name or address browsers "
                "reach this server; requests for any other host are refused"
            )
        for camera, file in self.backgrounds.items():
            if not file.is_file():
                raise GalleryError(f"--background {camera}={file}: there is no such file")

    @property
    def hosts(self) -> tuple[str, ...]:
        """Values of the Host header that are answered, without a port."""
        return tuple(dict.fromkeys((*LOOPBACK, self.host, *self.names)))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in LOOPBACK

    @property
    def audit_file(self) -> Path | None:
        """File of the audit log; None for standard error."""
        if self.audit is not None or "://" in self.gallery:
            return self.audit
        return Path(f"{self.gallery}.audit.jsonl")


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return not host
