"""Train a head or a network on a folder of labeled crops, and write the result with its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from .._typing import Ints
from ..datasets.crop_set import CropSet
from ..datasets.reader import read_crops
from ..embedders import AUTO
from ..embedders.encoder import digest
from ..embedders.head import HEAD, NETWORK, LinearHead
from ..embedders.torchreid import PREPROCESSING
from ..errors import ConfigError
from ..gallery.commands.terminal import counted, progress
from .embedded import embedded_set, labeled
from .head import LearnedHead, learn_head
from .held_out import Gain
from .images import CropImages
from .loop import Watch, held_out_rows, train_network
from .losses import LOSSES, need_train
from .network import Network, NetworkOptions
from .result import check_result, save_result

MIN_EPOCHS, MAX_EPOCHS = 1, 1000
MIN_IMAGES, MAX_IMAGES = 2, 16


@dataclass(frozen=True)
class TrainOptions:
    """What a user says of training.

    Attributes:
        data: Folder of labeled crops.
        out: The `.safetensors` to write.
        model: As `model` of a tracker YAML; for a whole network a torchreid architecture.
        weights: As `weights` of a tracker YAML.
        head_only: Whether to train a head over frozen embeddings.
        loss: One of `LOSSES`; empty for "triplet".
        epochs: Of a network.
        images: Crops of an identity in a batch of a network's training.
        seed: The same seed gives the same result on the same machine.
        device: Torch device; empty for the default.
        resume: Whether to go on from the last epoch's checkpoint.
        overwrite: Whether to replace existing files.
    """

    data: Path
    out: Path
    model: str = AUTO
    weights: str = ""
    head_only: bool = False
    loss: str = ""
    epochs: int = 15
    images: int = 4
    seed: int = 0
    device: str = ""
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: If one is out of range, or they don't go together.
        """
        _check("--epochs", self.epochs, MIN_EPOCHS, MAX_EPOCHS)
        _check("--images", self.images, MIN_IMAGES, MAX_IMAGES)
        _check("--seed", self.seed, 0, 2**31 - 1)
        if self.loss and self.loss not in LOSSES:
            raise ConfigError(f"--loss must be {', '.join(LOSSES)}, got {self.loss!r}")
        if not self.head_only and (self.model == AUTO or "." in self.model or ":" in self.model):
            text = "a whole network is trained by the name of a torchreid architecture, such as osnet_x0_25"
            raise ConfigError(f"--model {self.model}: {text}; for any other embedder train a head: --head-only")
        if self.model == AUTO and self.weights:
            text = "--model auto takes the embeddings that `dataset` stored; name the model that has them"
            raise ConfigError(f"--weights {self.weights}: {text}")
        if self.head_only and self.resume:
            raise ConfigError("--resume is of whole networks; a head takes minutes")


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name} must be a whole number in [{least}, {most}], got {value}")


def train(options: TrainOptions) -> None:
    """Train, print what held-out data says, and write the result and its card.

    Args:
        options: What the user says.

    Raises:
        ReIDError: If a package, the data, the model or the weights can't be used, or a file can't be written.
    """
    need_train()
    check_result(options.out, overwrite=options.overwrite or options.resume)
    found = read_crops(options.data)
    print(described(found), flush=True)
    (_train_head if options.head_only else _train_network)(options, found)


def described(found: CropSet) -> str:
    """A crop set in words: sizes, cameras, and what is known of pairs."""
    people = len(found.names)
    pairs = people * (people - 1) // 2
    cameras = counted(found.camera_count, "camera") if found.has_cameras else "no cameras"
    known = "all known to differ"
    if found.different is not None:
        known = f"{len(found.different)} of {pairs} pairs known to differ"
    return f"{counted(len(found), 'image')} of {counted(people, 'identity', 'identities')}, {cameras}; {known}"


def _train_head(options: TrainOptions, found: CropSet) -> None:
    embedded = embedded_set(options.data, found, options.model, options.weights, options.device or None)
    learned = learn_head(embedded.crops, loss=options.loss or "triplet", seed=options.seed, report=_report)
    for line in verdict(learned):
        print(line)
    scores = {n: _figures(getattr(learned, n)) for n in ("whitening", "identities", "times")}
    card = _card(options, found, HEAD) | {"base": embedded.fingerprint, "trained": learned.trained, "scores": scores}
    head = LinearHead(learned.center, learned.matrix, embedded.fingerprint)
    beside = save_result(
        options.out, {"center": head.center, "matrix": head.matrix}, card | {"fingerprint": head.fingerprint}
    )
    print(f"wrote {options.out} and {beside}; in the tracker YAML: head: {options.out}")


def verdict(learned: LearnedHead) -> list[str]:
    """What held-out data says of a head, in lines."""
    lines = [
        "TAR at 1 % FAR, mean by identity, on identities that were held out:",
        f"  whitening over plain cosine: {learned.whitening}",
        f"  training over whitening:     {learned.identities}",
    ]
    if learned.times.identities:
        lines.append(f"  training over whitening, on later crops of known identities: {learned.times}")
    if learned.trained:
        return [*lines, "training beats whitening by more than the bootstrap's error: the trained head is kept"]
    return [*lines, "training doesn't beat whitening by more than the bootstrap's error: whitening is kept"]


def _figures(gain: Gain) -> dict[str, float | int | None]:
    values = {"before": gain.before, "after": gain.after, "gain_at_least": gain.low}
    shown = {k: round(v, 4) if np.isfinite(v) else None for k, v in values.items()}
    return {**shown, "identities": gain.identities}


def _train_network(options: TrainOptions, found: CropSet) -> None:
    chosen = NetworkOptions(
        options.model,
        options.weights,
        options.epochs,
        options.images,
        options.loss or "triplet",
        options.seed,
        options.device or None,
    )
    # The network gives the embeddings, anew in each epoch.
    crops = labeled(found, np.zeros((len(found), 1), np.float32))
    rows, kept = held_out_rows(crops.known.identities, options.seed)
    network = Network(_images(found, rows), crops.known.take(rows), PREPROCESSING, chosen)
    watch = Watch(_images(found, kept), crops.take(kept), options.seed)
    checkpoint = options.out.with_suffix(".resume.safetensors")
    data = _fingerprint(options.data, found)
    trained = train_network(
        network, watch, chosen, checkpoint, data=data, resume=options.resume, report=_report, shown=_shown
    )
    if trained.stopped:
        print(trained.stopped)
    if not trained.epoch:
        checkpoint.unlink(missing_ok=True)
        raise ConfigError(f"no epoch verifies held-out identities better than {options.weights or 'the start'} does")
    print(f"epoch {trained.epoch} is best; TAR at 1 % FAR on held-out identities: {trained.gain}")
    base = f"{options.model}:{digest(Path(options.weights)) if options.weights else 'imagenet'}"
    card = _card(options, found, NETWORK) | {"base": base, "epoch": trained.epoch, "epochs": options.epochs}
    beside = save_result(options.out, trained.weights, card | {"scores": {"identities": _figures(trained.gain)}})
    checkpoint.unlink(missing_ok=True)
    print(f"wrote {options.out} and {beside}; in the tracker YAML: model: {options.model}, weights: {options.out}")


def _fingerprint(folder: Path, found: CropSet) -> str:
    """Hash of what training reads of a crop set: files by their paths in the folder, identities, and known pairs."""
    files = [path.relative_to(folder).as_posix() for path in found.paths]
    different = None if found.different is None else found.different.tolist()
    text = json.dumps([files, found.identities.tolist(), different])
    return hashlib.sha256(text.encode()).hexdigest()


def _images(found: CropSet, rows: Ints) -> CropImages:
    return CropImages([found.paths[n] for n in rows.tolist()], PREPROCESSING)


def _card(options: TrainOptions, found: CropSet, kind: str) -> dict[str, Any]:
    data = {"folder": options.data.name, "images": len(found), "identities": len(found.names)}
    data["known_different"] = None if found.different is None else len(found.different)
    return {
        "kind": kind,
        "model": options.model,
        "data": data,
        "loss": options.loss or "triplet",
        "seed": options.seed,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "version": __version__,
    }


def _report(line: str) -> None:
    print(line, flush=True)


def _shown(rows: list[Ints], label: str) -> Iterator[Ints]:
    return progress(rows, label, len(rows))
