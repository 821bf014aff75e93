"""The command line: `ultralytics-reid export`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from .errors import ReIDError
from .exporting import FORMATS, export


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What follows the command's name; None for those this program was started with.

    Returns:
        The exit code: 1 if it failed, which stderr says why of.
    """
    try:
        _export(_parser().parse_args(arguments))
    except ReIDError as error:
        print(f"ultralytics-reid: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="ultralytics-reid", description="Tools of the tracker reid_botsort.")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("export", help="a torchreid model to ONNX or OpenVINO, compared with PyTorch")
    command.add_argument("--model", required=True, help="torchreid's name of the architecture, as osnet_x0_25")
    command.add_argument("--weights", default="", help="its .pth file (default: torchreid's download, of ImageNet)")
    command.add_argument("--format", choices=FORMATS, default="openvino", help="default: openvino")
    command.add_argument("--half", action="store_true", help="16-bit weights; OpenVINO computes in 16 bits if it can")
    text = "what to compare on: a folder with a picture of each crop, or a video (default: made-up crops)"
    command.add_argument("--crops", type=Path, metavar="DIR|VIDEO", help=text)
    command.add_argument("--detector", default="yolo11n.pt", help="finds people in the video (default: yolo11n.pt)")
    command.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")
    return parser


def _export(args: Namespace) -> None:
    crops = {"crops": args.crops, "detector": args.detector}
    made = export(args.model, args.weights, kind=args.format, half=args.half, out=args.out, **crops)
    what = f"{made.crops} {'real' if made.real else 'made-up'} crops"
    print(f"{made.path}: cosine to PyTorch on {what}: lowest {made.lowest:.5f}, median {made.median:.5f}")
