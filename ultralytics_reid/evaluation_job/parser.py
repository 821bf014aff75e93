"""Argument parser of `evaluate`; slow imports are deferred until the command runs."""

from __future__ import annotations

from argparse import Action, ArgumentError, ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ..config import rule_of
from ..datasets.reader import FORMS
from ..evaluation.protocol import SAME_CAMERA
from ..gallery.commands.parser import add_command
from ..video_job.parser import add_classes

_EXAMPLES = (
    "market/ --model osnet_x0_25 --weights osnet.pth\n"
    "people/ cars/ --model osnet_x0_25 --weights osnet.pth --model other_openvino_model --out report\n"
    "--video street.mp4 --ground-truth gt.txt --detector yolo11n.pt --model auto --model osnet.onnx"
)


class _OfModel(Action):
    """Begin a model with `--model`, or set something of the last one."""

    def __call__(self, _: ArgumentParser, namespace: Namespace, values: Any, __: str | None = None) -> None:
        """See `argparse.Action`."""
        models: list[dict[str, Any]] = list(namespace.models or ())
        key = self.option_strings[0].lstrip("-").replace("-", "_")
        if key == "model":
            namespace.models = [*models, {"model": values}]
            return
        if not models:
            raise ArgumentError(self, "belongs to the --model before it, and there is none")
        namespace.models = [*models[:-1], {**models[-1], key: values}]


def add_evaluate(commands: Any) -> None:
    """Add the command.

    Args:
        commands: The result of `ArgumentParser.add_subparsers`.
    """
    text = "measure how well embedders tell individuals apart: labeled crops, or a video with ground truth"
    command = add_command(commands, "evaluate", text, _EXAMPLES)
    command.set_defaults(run=_evaluate, interrupted="interrupted; no file is half written", models=())
    text = "folder of labeled crops: Market-1501's names or its whole folder, a folder per identity, CUHK01's names, "
    command.add_argument("sets", type=Path, nargs="*", metavar="SET", help=f"{text}or CLASS_NUMBER_camN")
    _add_models(command)
    command.add_argument("--form", choices=FORMS, default="auto", help="form of the crops (default: by their names)")
    text = "images of the query's identity on its own camera: leave them out, or keep them as matches (default: auto, "
    text += "leave them out where identities are on several cameras)"
    command.add_argument("--same-camera", choices=SAME_CAMERA, default="auto", help=text)
    text = "search for the images of these cameras in those of the others (default: each image in all others)"
    command.add_argument("--query-cameras", type=int, nargs="+", default=[], metavar="N", help=text)
    command.add_argument("--flip", action="store_true", help="also average with the embedding of the mirrored crop")
    text = "also re-rank with k-reciprocal encoding, which needs all images at once"
    command.add_argument("--rerank", action="store_true", help=text)
    _add_video(command)
    text = "write report.md, scores.json and accuracy.png into this folder"
    command.add_argument("--out", type=Path, metavar="DIR", help=text)
    text = "with --out, also draw the best and the worst queries; these files show people"
    command.add_argument("--sheets", action="store_true", help=text)
    text = "keep embeddings in this folder, and take them from it (default: they are kept nowhere)"
    command.add_argument("--cache", type=Path, metavar="DIR", help=text)
    command.add_argument("--overwrite", action="store_true", help="replace existing files")


def _add_models(command: ArgumentParser) -> None:
    text = "embedder, as `model` of a tracker YAML; repeatable, and the options below belong to the one before them"
    command.add_argument("--model", action=_OfModel, dest="models", metavar="MODEL", help=text)
    text = "its weights, as `weights` of a tracker YAML"
    command.add_argument("--weights", action=_OfModel, dest="models", metavar="FILE", help=text)
    text = "its colors, as `normalize` of a tracker YAML (default: as the model says)"
    command.add_argument("--normalize", action=_OfModel, dest="models", choices=rule_of("normalize").words, help=text)
    text = "their order, as `channels` of a tracker YAML (default: as the model says)"
    command.add_argument("--channels", action=_OfModel, dest="models", choices=rule_of("channels").words, help=text)
    for side in ("height", "width"):
        text = f"{side} of its crops, pixels (default: as the model says)"
        command.add_argument(f"--crop-{side}", action=_OfModel, dest="models", type=int, metavar="N", help=text)
    text = "its head, as `ultralytics-reid train --head-only` writes it"
    command.add_argument("--head", action=_OfModel, dest="models", metavar="FILE", help=text)
    text = "what tables call it (default: the name of its file)"
    command.add_argument("--label", action=_OfModel, dest="models", metavar="NAME", help=text)


def _add_video(command: ArgumentParser) -> None:
    text = "also track this video with each model; with --ground-truth and --detector"
    command.add_argument("--video", metavar="SOURCE", help=text)
    text = "its ground truth, MOTChallenge's gt.txt, with one id for all appearances of a person"
    command.add_argument("--ground-truth", type=Path, metavar="TXT", help=text)
    text = "YOLO model that detects in the video, and whose features `--model auto` takes"
    command.add_argument("--detector", default="", metavar="FILE", help=text)
    command.add_argument("--imgsz", type=int, metavar="N", help="input size of the detector (default: its own)")
    add_classes(command)
    text = "YAML whose other keys are used (default: reid_botsort.yaml)"
    command.add_argument("--tracker", default="reid_botsort.yaml", metavar="YAML", help=text)


def _evaluate(args: Namespace) -> None:
    from ..errors import ConfigError
    from .options import EvaluationOptions, ModelChoice, VideoChoice
    from .run import evaluate

    if (args.video is None) != (args.ground_truth is None):
        raise ConfigError("--video and --ground-truth are given both or not at all")
    video = None
    if args.video is not None:
        video = VideoChoice(args.video, args.ground_truth, args.tracker, tuple(args.classes), args.imgsz)
    names = ("form", "same_camera", "detector", "flip", "rerank", "cache", "out", "sheets", "overwrite")
    evaluate(
        EvaluationOptions(
            models=tuple(ModelChoice(**given) for given in args.models),
            sets=tuple(args.sets),
            query_cameras=tuple(args.query_cameras),
            video=video,
            **{name: getattr(args, name) for name in names},
        )
    )
