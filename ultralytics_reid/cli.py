"""Command-line interface: the demo, and commands on videos, embedders and galleries."""

from __future__ import annotations

import io
import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .demo.options import OURS, DemoOptions
from .embedders.export import FORMATS, export
from .errors import ConfigError, ReIDError
from .evaluation_job.parser import add_evaluate
from .gallery.commands.parser import CommandParser, add_command, add_gallery, bind_times
from .training.parser import add_training
from .video_job.parser import add_classes, add_video
from .web.parser import add_serve

# Exit codes of shells for SIGINT and SIGPIPE: 128 + the signal's number.
_INTERRUPTED, _BROKEN_PIPE = 130, 141
_NOTHING_WRITTEN = "interrupted; nothing was written"
_DEMO_EXAMPLES = "\n--source video.mp4 --model yolo11n.pt --seconds 60"
_EXPORT_EXAMPLES = "--model osnet_x0_25 --weights osnet.pth --crops video.mp4\n--model osnet_x0_25 --format onnx"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Command-line arguments; None for those of this process.

    Returns:
        Exit code: 0, or 1 for an error that is printed to stderr, 130 after an interrupt, 141 for a closed pipe.
    """
    # Names may contain letters that the encoding of a terminal or file lacks: those are escaped.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    args = build_parser().parse_args(bind_times(sys.argv[1:] if arguments is None else arguments))
    try:
        args.run(args)
        sys.stdout.flush()
    except ReIDError as error:
        print(f"ultralytics-reid: {_one_line(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"ultralytics-reid: {args.interrupted}", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Python would report the error again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return 0


def _one_line(message: str) -> str:
    """A message in one line, with control characters escaped: it may quote what a file says."""
    line = " ".join(map(str.strip, message.splitlines()))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def build_parser() -> ArgumentParser:
    """Build the argument parser with all commands."""
    text = "Tools for the tracker reid_botsort and its gallery of identities, visits and embeddings."
    more = "see `ultralytics-reid COMMAND --help` for options and examples"
    parser = ArgumentParser(prog="ultralytics-reid", description=text, epilog=more)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=CommandParser)
    _add_demo(commands)
    add_video(commands)
    _add_export(commands)
    add_evaluate(commands)
    add_training(commands)
    add_gallery(commands)
    add_serve(commands)
    return parser


def _add_demo(commands: Any) -> None:
    text = "track a video with stock BoT-SORT and with reid_botsort, side by side"
    command = add_command(commands, "demo", text, _DEMO_EXAMPLES)
    command.set_defaults(run=_demo, interrupted=_NOTHING_WRITTEN)
    text = "video, folder of images, camera number or URL (default: a generated scene)"
    command.add_argument("--source", metavar="SOURCE", help=text)
    text = "YOLO model (default: a small one for the people of generated scenes only)"
    command.add_argument("--model", metavar="FILE", help=text)
    command.add_argument("--imgsz", type=int, metavar="N", help="input size of the model (default: the model's own)")
    add_classes(command)
    text = f"YAML of the reid_botsort tracker, for example with another embedder (default: {OURS})"
    command.add_argument("--tracker", default=OURS, metavar="YAML", help=text)
    text = "seconds to track (default: the whole source; 75 of a scene)"
    command.add_argument("--seconds", type=float, metavar="S", help=text)
    command.add_argument("--people", type=int, default=9, metavar="N", help="people in the scene (default: 9)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the scene (default: 0)")
    command.add_argument(
        "--out", type=Path, default=Path("demo-output"), metavar="DIR", help="output folder (default: demo-output)"
    )
    text = "replace what a former run left in the output folder"
    command.add_argument("--overwrite", action="store_true", help=text)
    text = "serve the two cameras' gallery then, to look at in a browser; see `serve`"
    command.add_argument("--serve", action="store_true", help=text)


def _add_export(commands: Any) -> None:
    text = "export a torchreid model to ONNX or OpenVINO, and compare it with PyTorch"
    command = add_command(commands, "export", text, _EXPORT_EXAMPLES)
    command.set_defaults(run=_export, interrupted=_NOTHING_WRITTEN)
    command.add_argument("--model", required=True, help="torchreid architecture, such as osnet_x0_25")
    command.add_argument("--weights", default="", help="its .pth file (default: torchreid's ImageNet download)")
    text = "head that `train --head-only` learned on this model's embeddings; it becomes part of the export"
    command.add_argument("--head", default="", metavar="FILE", help=text)
    command.add_argument("--format", choices=FORMATS, default="openvino", help="file format (default: openvino)")
    command.add_argument(
        "--half", action="store_true", help="16-bit weights; OpenVINO also computes in 16 bits where supported"
    )
    text = "crops to compare on: a folder of crop images, or a video (default: synthetic crops)"
    command.add_argument("--crops", type=Path, metavar="DIR|VIDEO", help=text)
    command.add_argument(
        "--detector", default="yolo11n.pt", help="YOLO model that detects people in the video (default: yolo11n.pt)"
    )
    command.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="output folder (default: the current one)"
    )
    command.add_argument("--overwrite", action="store_true", help="replace an existing export")


def _demo(args: Namespace) -> None:
    from .demo.run import run_demo

    if args.serve and args.source:
        raise ConfigError("--serve shows the generated cameras' gallery: leave out --source, or track and `serve`")
    rest = {"run", "interrupted", "classes", "serve"}
    given = {name: value for name, value in vars(args).items() if name not in rest}
    report = run_demo(DemoOptions(classes=tuple(args.classes), **given))
    print(report)
    for command in report.commands:
        print(f"\n$ ultralytics-reid {shlex.join(command)}\n", flush=True)
        parsed = build_parser().parse_args(command)
        args.interrupted = parsed.interrupted
        parsed.run(parsed)
    if args.serve and report.cameras is not None and report.cameras.query is not None:
        args.interrupted = "stopped"
        _serve_demo(args.out, report.cameras.cameras, report.cameras.query.detector)


def _serve_demo(folder: Path, cameras: Sequence[str], detector: str) -> None:
    """Serve what the demo has written; on a free port, as it took minutes to come here."""
    from .demo.camera_report import GALLERY
    from .gallery.gallery import Gallery
    from .web.parser import serve_gallery

    # Of a run that was interrupted early, one camera may have seen nobody.
    with Gallery(folder / GALLERY) as gallery:
        seen = gallery.stats().cameras
    backgrounds = [f"--background={name}={folder / f'{name}.mp4'}" for name in cameras if name in seen]
    command = ["serve", "--gallery", str(folder / GALLERY), "--port", "0", "--detector", detector, *backgrounds]
    print(f"\n$ ultralytics-reid {shlex.join(command)}\n", flush=True)
    serve_gallery(build_parser().parse_args(command))


def _export(args: Namespace) -> None:
    names = ("half", "crops", "detector", "head", "out", "overwrite")
    made = export(args.model, args.weights, kind=args.format, **{name: getattr(args, name) for name in names})
    compared = f"{made.crops} {'real' if made.real else 'synthetic'} crops"
    print(f"{made.path}: cosine to PyTorch on {compared}: lowest {made.lowest:.5f}, median {made.median:.5f}")
