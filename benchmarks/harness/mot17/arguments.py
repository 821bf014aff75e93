"""Options of the mot17 run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..contenders.base import THRESHOLDS
from ..contenders.host import THRESHOLD_KEYS
from ..data.layout import ALL, DETECTORS, SPLITS
from ..data.recipe import NONE, SIMULATED
from ..errors import ChoiceError
from ..jobs import cores
from ..options import MOT17, add_shared, default_cache, need, new_file, whole

# Blocks of docs/benchmarks/mot17.md.
BLOCKS = ("mot17", "mot17-published", "mot17-others")


def add_arguments(parser: ArgumentParser) -> None:
    """Add all options."""
    add_shared(parser)
    _add_data(parser)
    _add_inputs(parser)
    _add_trackers(parser)
    _add_outputs(parser)


def resolve(args: Namespace) -> None:
    """Fill in what depends on several options.

    Args:
        args: Gets `thresholds` by name, `embedders` to run, and `is_default`: whether without `--data`.

    Raises:
        ChoiceError: If `--out` is a file.
    """
    if args.out.exists() and not args.out.is_dir():
        raise ChoiceError(f"--out {args.out} is no folder")
    args.thresholds = {t: v for t in THRESHOLDS if (v := getattr(args, t)) is not None}
    args.is_default = args.data is None
    if args.is_default:
        args.data = args.shared / "data" / MOT17
        need(args.data)
    both = [args.only] if args.only else [NONE, SIMULATED]
    args.embedders = [args.embedder] if args.embedder else both if args.is_default else [NONE]


def _add_data(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    text = "MOT17, MOT15, MOT16, MOT20, DanceTrack, SportsMOT: the root, a split's folder, or one sequence"
    group.add_argument("--data", type=Path, metavar="DIR", help=f"{text} (default: mot17-val in the shared folder)")
    text = "val-half is ByteTrack's, of the training sequences; test has no ground truth: files for the server"
    group.add_argument("--split", choices=tuple(SPLITS), default="val-half", help=f"{text} (default: val-half)")
    text = "by name, by name without the detector, or by number (default: all)"
    group.add_argument("--sequences", nargs="+", default=[], metavar="NAME", help=text)
    text = "which of MOT17's three copies of a sequence (default: FRCNN, else what is there)"
    group.add_argument("--public", choices=(*DETECTORS, ALL), help=text)
    group.add_argument("--partial", action="store_true", help="cut a sequence to those images that are there")


def _add_inputs(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("inputs of all trackers")
    text = "a folder of NAME.txt, or given, public: the sequences' own det/det.txt (default: --detector's, else given)"
    group.add_argument("--detections", metavar="DIR|given|public", help=text)
    group.add_argument("--detector", metavar="MODEL", help="a YOLO model, for detections or for --embedder auto")
    group.add_argument("--imgsz", type=whole, default=640, metavar="PIXELS", help="of the detector (default: 640)")
    group.add_argument("--conf", type=float, default=0.1, metavar="SCORE", help="least of its scores (default: 0.1)")
    text = "its classes that are tracked; none: all (default: 0)"
    group.add_argument("--classes", type=int, nargs="*", default=[0], metavar="N", help=text)
    text = "none, simulated, auto (of --detector), or what a tracker YAML's `model` takes (default: none)"
    group.add_argument("--embedder", metavar="NAME", help=text)
    group.add_argument("--weights", default="", metavar="FILE", help="of the embedder, as the YAML's `weights`")
    group.add_argument("--seeds", type=whole, default=2, metavar="N", help="of simulated appearance (default: 2)")
    group.add_argument("--device", help="for detector and embedder, as Ultralytics takes it")
    group.add_argument("--only", choices=(NONE, SIMULATED), help="one part instead of both, without --data")


def _add_trackers(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("trackers")
    text = "by name, by YAML, boxmot/NAME, roboflow/NAME, with commas between; botsort:with_reid=True,track_buffer=60"
    group.add_argument("--trackers", nargs="+", metavar="A,B", help=text)
    for name, key in THRESHOLD_KEYS.items():
        text = f"{key} of all trackers, or what comes nearest to it (default: each one's own)"
        group.add_argument(f"--{name}", type=float, metavar="SCORE", help=text)
    group.add_argument("--baseline", metavar="LABEL", help="what others are compared with (default: botsort)")
    group.add_argument("--draws", type=whole, default=5000, metavar="N", help="of sequences, for intervals")
    group.add_argument("--jobs", type=whole, default=cores(), metavar="N", help="processes (default: all cores)")


def _add_outputs(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("outputs")
    group.add_argument("--out", type=Path, default=Path("mot17-output"), metavar="DIR", help="default: mot17-output")
    text = "keeps detections, embeddings, camera motion and tracks"
    group.add_argument("--cache", type=Path, default=default_cache() / "mot", metavar="DIR", help=text)
    group.add_argument("--json", type=new_file, metavar="FILE", help="write the figures there too")
    text = f"publish the tables in docs/benchmarks/mot17.md too, in the block of that name: {', '.join(BLOCKS)}"
    group.add_argument("--write", nargs="?", const=BLOCKS[0], choices=BLOCKS, metavar="BLOCK", help=text)
