"""The command line: `ultralytics-reid demo`, `ultralytics-reid export`, and the gallery's commands."""

from __future__ import annotations

import io
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .demo.options import OURS, DemoOptions
from .embedders.export import FORMATS, export
from .errors import ReIDError
from .gallery.commands.parser import add_gallery, joined

_INTERRUPTED, _UNREAD = 130, 141
_NOTHING = "interrupted; nothing was written"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What follows the command's name; None for those this program was started with.

    Returns:
        The exit code: 1 if it failed, which stderr says why of; 130 if it was interrupted and left nothing; 141 if
        nobody read its output to the end.
    """
    _print_anything()
    args = build_parser().parse_args(joined(sys.argv[1:] if arguments is None else arguments))
    try:
        args.run(args)
        sys.stdout.flush()
    except ReIDError as error:
        print(f"ultralytics-reid: {' '.join(map(str.strip, str(error).splitlines()))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"ultralytics-reid: {args.interrupted}", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Or Python complains once more when it ends, as there is still something to print.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNREAD
    return 0


def _print_anything() -> None:
    """Names may have letters that a terminal or a file's encoding lacks: those are shown by their numbers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def build_parser() -> ArgumentParser:
    """Build the argument parser with all commands."""
    text = "Tools of the tracker reid_botsort, and of its gallery: who was seen, where and when."
    parser = ArgumentParser(prog="ultralytics-reid", description=text)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_demo(commands)
    _add_export(commands)
    add_gallery(commands)
    return parser


def _add_demo(commands: Any) -> None:
    command = commands.add_parser("demo", help="track a video with stock BoT-SORT and with reid_botsort, side by side")
    command.set_defaults(run=_demo, interrupted=_NOTHING)
    text = "a video, a folder of pictures, a camera's number or a URL (default: a generated scene)"
    command.add_argument("--source", metavar="SOURCE", help=text)
    text = "YOLO model (default: the package's own, which knows the people of generated scenes only)"
    command.add_argument("--model", metavar="FILE", help=text)
    command.add_argument("--imgsz", type=int, metavar="N", help="side of the model's input (default: the model's own)")
    command.add_argument("--classes", type=int, nargs="*", default=[0], metavar="N", help="default: 0; none: all")
    text = f"settings of our tracker, with other embeddings for one (default: {OURS})"
    command.add_argument("--tracker", default=OURS, metavar="YAML", help=text)
    text = "so much of the source, or of a scene (default: all; a scene of 75)"
    command.add_argument("--seconds", type=float, metavar="S", help=text)
    command.add_argument("--people", type=int, default=9, metavar="N", help="people in the scene (default: 9)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="another scene (default: 0)")
    command.add_argument("--out", type=Path, default=Path("demo-output"), metavar="DIR", help="default: demo-output")


def _add_export(commands: Any) -> None:
    command = commands.add_parser("export", help="a torchreid model to ONNX or OpenVINO, compared with PyTorch")
    command.set_defaults(run=_export, interrupted=_NOTHING)
    command.add_argument("--model", required=True, help="torchreid's name of the architecture, as osnet_x0_25")
    command.add_argument("--weights", default="", help="its .pth file (default: torchreid's download, of ImageNet)")
    command.add_argument("--format", choices=FORMATS, default="openvino", help="default: openvino")
    command.add_argument("--half", action="store_true", help="16-bit weights; OpenVINO computes in 16 bits if it can")
    text = "what to compare on: a folder with a picture of each crop, or a video (default: made-up crops)"
    command.add_argument("--crops", type=Path, metavar="DIR|VIDEO", help=text)
    command.add_argument("--detector", default="yolo11n.pt", help="finds people in the video (default: yolo11n.pt)")
    command.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")


def _demo(args: Namespace) -> None:
    from .demo.run import run_demo

    asked = {name: value for name, value in vars(args).items() if name not in {"run", "interrupted", "classes"}}
    print(run_demo(DemoOptions(classes=tuple(args.classes), **asked)))


def _export(args: Namespace) -> None:
    crops = {"crops": args.crops, "detector": args.detector}
    made = export(args.model, args.weights, kind=args.format, half=args.half, out=args.out, **crops)
    what = f"{made.crops} {'real' if made.real else 'made-up'} crops"
    print(f"{made.path}: cosine to PyTorch on {what}: lowest {made.lowest:.5f}, median {made.median:.5f}")
