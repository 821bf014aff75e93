"""Argument parser of `dataset` and `train`; slow imports are deferred until a command runs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import ReIDError
from ..gallery.commands.parser import add_command
from ..video_job.parser import add_tracking

_NOTHING_WRITTEN = "interrupted; nothing was written"
# Options of `dataset` that a gallery's crops don't depend on.
_OF_VIDEOS = ("model", "tracker", "classes", "imgsz", "max_crops", "no_refine")
_DATASET = (
    "yard.mp4 door.mp4 --model yolo11n.pt --out data/\n"
    "street.mp4 --tracker mine.yaml --classes car truck --out cars/ --form folders\n--gallery site.db --out data/"
)
_TRAIN = (
    "data/ --head-only --out mine.safetensors\n"
    "data/ --head-only --model osnet_x0_25 --weights osnet.pth --out mine.safetensors\n"
    "data/ --model osnet_x0_25 --weights osnet.pth --epochs 15 --out mine.safetensors"
)


def add_training(commands: Any) -> None:
    """Add `dataset` and `train`.

    Args:
        commands: The result of `ArgumentParser.add_subparsers`.
    """
    _add_dataset(commands)
    _add_train(commands)


def _add_dataset(commands: Any) -> None:
    text = "make labeled crops out of videos or a gallery, to train and to evaluate on"
    command = add_command(commands, "dataset", text, _DATASET)
    command.add_argument("sources", nargs="*", metavar="SOURCE", help="videos or folders of images, a camera each")
    text = "a gallery whose visits' crops are taken, with what people merged and split, in place of videos"
    command.add_argument("--gallery", metavar="URI", default="", help=text)
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    add_tracking(command, "YAML of the reid_botsort tracker, whose embeddings are stored too")
    command.add_argument("--max-crops", type=int, default=64, metavar="N", help="crops an identity (default: 64)")
    text = "only pieces of tracks that no encounter interrupts, without what the second pass linked"
    command.add_argument("--no-refine", action="store_true", help=text)
    text = "names of the files: market1501, or folders, one an identity (default: market1501)"
    command.add_argument("--form", choices=("market1501", "folders"), default="market1501", help=text)
    defaults = {name: command.get_default(name) for name in _OF_VIDEOS}
    command.set_defaults(run=partial(_dataset, defaults=defaults), interrupted=_NOTHING_WRITTEN)


def _add_train(commands: Any) -> None:
    text = "learn an embedding from labeled crops: a head over any embedder, or a whole network"
    command = add_command(commands, "train", text, _TRAIN)
    command.set_defaults(run=_train, interrupted=_NOTHING_WRITTEN)
    command.add_argument("data", type=Path, metavar="DATA", help="folder of labeled crops, as `dataset` makes it")
    text = "file to write; a card of the same name, .json, is written beside it"
    command.add_argument("--out", type=Path, required=True, metavar="SAFETENSORS", help=text)
    text = "embedder, as `model` of a tracker YAML; for a whole network a torchreid name (default: auto)"
    command.add_argument("--model", default="auto", metavar="M", help=text)
    command.add_argument(
        "--weights", default="", metavar="W", help="its weights, as `weights` of a tracker YAML; not with --model auto"
    )
    text = "train a linear map over frozen embeddings, in minutes on a CPU; kept only if held-out data says so"
    command.add_argument("--head-only", action="store_true", help=text)
    text = "triplet (batch-hard), supcon or circle (default: triplet)"
    command.add_argument("--loss", choices=("triplet", "supcon", "circle"), default="", help=text)
    command.add_argument("--epochs", type=int, default=15, metavar="N", help="of a network, 1 to 1000 (default: 15)")
    text = "crops of an identity in a network's batch, 2 to 16; 2 makes Siamese pairs (default: 4)"
    command.add_argument("--images", type=int, default=4, metavar="K", help=text)
    command.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    command.add_argument("--device", default="", metavar="D", help="such as cpu or cuda:0 (default: a GPU if any)")
    command.add_argument("--resume", action="store_true", help="go on after the last whole epoch of the same command")
    command.add_argument("--overwrite", action="store_true", help="replace existing files")


def _dataset(args: Namespace, defaults: Mapping[str, object]) -> None:
    from .train import described

    if bool(args.sources) == bool(args.gallery):
        raise ReIDError("name videos, or --gallery: one of both")
    if args.gallery:
        given = [f"--{name.replace('_', '-')}" for name, default in defaults.items() if getattr(args, name) != default]
        if given:
            raise ReIDError(f"{given[0]} is for videos: --gallery takes the crops that its cameras stored, all of them")
        from .gallery_dataset import dataset_of_gallery

        found = dataset_of_gallery(args.gallery, args.out, form=args.form)
    else:
        found = _of_videos(args)
    print(f"wrote {args.out}: {described(found)}")


def _of_videos(args: Namespace) -> Any:
    from ..video_job.options import TrackOptions
    from .video_dataset import dataset_of_videos

    if args.max_crops < 2:  # noqa: PLR2004
        raise ReIDError(f"--max-crops must be 2 or more, got {args.max_crops}")
    given = {name: getattr(args, name) for name in ("model", "tracker", "imgsz")}
    options = TrackOptions(args.sources[0], classes=tuple(args.classes), **given)
    how = {"form": args.form, "max_crops": args.max_crops, "refined": not args.no_refine}
    return dataset_of_videos(args.sources, options, args.out, **how)


def _train(args: Namespace) -> None:
    from .train import TrainOptions, train

    if not args.head_only:
        args.interrupted = "interrupted; `--resume` goes on after the last whole epoch"
    names = ("data", "out", "model", "weights", "head_only", "loss", "epochs", "images", "seed", "device", "resume")
    train(TrainOptions(**{name: getattr(args, name) for name in names}, overwrite=args.overwrite))
