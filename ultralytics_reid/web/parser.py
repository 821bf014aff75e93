"""Argument parser of `ultralytics-reid serve`; slow imports wait until it runs."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..gallery.commands.parser import add_command, add_gallery_options, add_model_options
from . import HOST, PORT

_EXAMPLES = (
    "--gallery site.db\n--gallery site.db --detector yolo11n.pt --background door=door.mp4\n"
    "--gallery postgresql://localhost/site --read-only --port 0"
)


def add_serve(commands: Any) -> None:
    """Add the command.

    Args:
        commands: The result of `ArgumentParser.add_subparsers`.
    """
    text = "look at, search and correct a gallery in a browser"
    command = add_command(commands, "serve", text, _EXAMPLES)
    command.set_defaults(run=serve_gallery, interrupted="stopped")
    add_gallery_options(command)
    text = f"address to listen on (default: {HOST}, this machine only)"
    command.add_argument("--host", default=HOST, metavar="ADDRESS", help=text)
    text = f"port to listen on; 0 takes a free one (default: {PORT})"
    command.add_argument("--port", type=int, default=PORT, metavar="N", help=text)
    text = "name by which browsers reach it, beside --host and localhost; repeatable"
    command.add_argument("--allow-host", action="append", default=[], metavar="NAME", help=text)
    command.add_argument("--read-only", action="store_true", help="leave out all pages that change something")
    text = "a camera's image for heat maps: an image file, or a video, of which the first frame is used; repeatable"
    command.add_argument("--background", action="append", default=[], metavar="CAMERA=FILE", help=text)
    text = "travel times and shared views of cameras, which the review keeps to (default: any time, none)"
    command.add_argument("--topology", type=Path, metavar="FILE", help=text)
    text = "file for a line for each search and change (default: GALLERY.audit.jsonl; of a server: standard error)"
    command.add_argument("--audit-log", type=Path, metavar="FILE", help=text)
    add_model_options(command)


def serve_gallery(args: Namespace) -> None:
    """Serve a gallery until Ctrl-C.

    Args:
        args: Of the command `serve`.
    """
    from ..embedders import CropOptions
    from .options import ServeOptions
    from .server import serve

    options = ServeOptions(
        gallery=args.gallery,
        index=args.index,
        host=args.host,
        port=args.port,
        names=tuple(args.allow_host),
        read_only=args.read_only,
        model=args.model,
        weights=args.weights,
        head=args.head,
        detector=args.detector,
        crops=CropOptions(normalize=args.normalize, channels=args.channels),
        backgrounds=dict(_background(text) for text in args.background),
        topology=args.topology,
        audit=args.audit_log,
    )
    serve(options, lambda line: print(line, flush=True))


def _background(text: str) -> tuple[str, Path]:
    camera, equals, file = text.partition("=")
    if not equals or not file:
        raise ConfigError(f"--background must be CAMERA=FILE, got {text!r}")
    return camera, Path(file)
