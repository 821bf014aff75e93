"""Argument parser of the commands on videos; slow imports are deferred until a command runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ..gallery.commands.parser import add_command

_NOTHING_WRITTEN = "interrupted; no file is half written"
_TRACK = (
    "street.mp4\nstreet.mp4 --video tracked.mp4 --report report.html\n"
    "street.mp4 --refine --log tracks.reid --video tracked.mp4\n"
    "street.mp4 --classes person car --mot tracks.txt --csv tracks.csv --json tracks.json\n0 --show"
)
_REFINE = (
    "tracks.reid --mot tracks.txt\ntracks.reid --source street.mp4 --video tracked.mp4 --report report.html\n"
    "door.reid --gallery gallery.db --csv door.csv"
)


def add_video(commands: Any) -> None:
    """Add the commands on videos.

    Args:
        commands: The result of `ArgumentParser.add_subparsers`.
    """
    _add_track(commands)
    _add_refine(commands)


def add_tracking(command: ArgumentParser, tracker: str) -> None:
    """Add what says how a video is tracked.

    Args:
        command: The command.
        tracker: Text of `--tracker`, without its default.
    """
    text = "YOLO model; Ultralytics downloads those that it knows by name (default: yolo11n.pt)"
    command.add_argument("--model", default="yolo11n.pt", metavar="FILE", help=text)
    text = f"{tracker} (default: reid_botsort.yaml)"
    command.add_argument("--tracker", default="reid_botsort.yaml", metavar="YAML", help=text)
    add_classes(command)
    command.add_argument("--imgsz", type=int, metavar="N", help="input size of the model (default: the model's own)")


def add_classes(command: ArgumentParser) -> None:
    """Add which classes are tracked."""
    text = "indices or names of the classes to track (default: 0, which is person in COCO's; none: all)"
    command.add_argument("--classes", nargs="*", default=["0"], metavar="C", help=text)


def _add_track(commands: Any) -> None:
    text = "track a video with reid_botsort, and write tables, an annotated video and a report"
    command = add_command(commands, "track", text, _TRACK)
    command.set_defaults(run=_track, interrupted=_NOTHING_WRITTEN)
    text = "video, folder of images, camera number or URL"
    command.add_argument("source", metavar="SOURCE", help=text)
    add_tracking(command, "YAML of the reid_botsort tracker")
    text = "minimum confidence of detections, 0 to 1 (default: the tracker's own choice, 0.1)"
    command.add_argument("--conf", type=float, metavar="P", help=text)
    command.add_argument(
        "--device", default="", metavar="D", help="such as cpu, 0 or mps (default: Ultralytics' choice)"
    )
    text = "take one of so many frames of a video or stream (default: 1, all)"
    command.add_argument("--vid-stride", type=int, default=1, metavar="N", dest="stride", help=text)
    _add_outputs(command)
    text = "write the track log, which `refine` takes"
    command.add_argument("--log", type=Path, metavar="REID", help=text)
    text = "decide who is who by a second pass over the whole video"
    command.add_argument("--refine", action="store_true", help=text)
    text = "show the video while it is tracked, with the ids known until then; q ends it"
    command.add_argument("--show", action="store_true", help=text)


def _add_refine(commands: Any) -> None:
    text = "decide who is who in a tracked video by a second pass over its track log"
    command = add_command(commands, "refine", text, _REFINE)
    command.set_defaults(run=_refine, interrupted=_NOTHING_WRITTEN)
    text = "track log, as `track --log` or the YAML's key `track_log` writes it"
    command.add_argument("log", type=Path, metavar="REID", help=text)
    text = "the video or folder that was tracked; needed for --video and --report"
    command.add_argument("--source", default="", metavar="SOURCE", help=text)
    text = "--vid-stride of the run that wrote the log (default: 1)"
    command.add_argument("--vid-stride", type=int, default=1, metavar="N", dest="stride", help=text)
    text = "gallery that the video was tracked with; ids are the identities that it has by now, as after `relink`"
    command.add_argument("--gallery", default="", metavar="URI", help=text)
    _add_outputs(command)


def _add_outputs(command: ArgumentParser) -> None:
    text = "write boxes as MOTChallenge results: frame,id,left,top,width,height,confidence,-1,-1,-1"
    command.add_argument("--mot", type=Path, metavar="TXT", help=text)
    command.add_argument("--csv", type=Path, metavar="CSV", help="write boxes as a table, with times and class names")
    command.add_argument("--json", type=Path, metavar="JSON", help="write identities, events and boxes")
    command.add_argument("--video", type=Path, metavar="MP4", help="write the video with boxes and their final ids")
    text = "write a page with a timeline, crops and events; it holds images of people"
    command.add_argument("--report", type=Path, metavar="HTML", help=text)
    command.add_argument("--overwrite", action="store_true", help="replace existing files")


def _track(args: Namespace) -> None:
    from .options import Outputs, TrackOptions
    from .run import INTERRUPTED, run

    outputs = Outputs(args.mot, args.csv, args.json, args.video, args.report, args.log)
    given = {name: getattr(args, name) for name in ("model", "tracker", "conf", "imgsz", "device", "stride")}
    classes, switches = tuple(args.classes), {"overwrite": args.overwrite, "refine": args.refine, "show": args.show}
    if not run(TrackOptions(args.source, classes=classes, outputs=outputs, **given, **switches)):
        args.interrupted = INTERRUPTED
        raise KeyboardInterrupt


def _refine(args: Namespace) -> None:
    from .options import Outputs
    from .refining import refine_log

    outputs = Outputs(args.mot, args.csv, args.json, args.video, args.report)
    given = {"stride": args.stride, "gallery": args.gallery, "overwrite": args.overwrite}
    refine_log(args.log, outputs, args.source, **given)
