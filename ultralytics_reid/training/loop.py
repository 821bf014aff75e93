"""The loop over epochs: held-out verification, the best state, resuming, and what to do when a loss isn't finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import Ints
from ..embedders.head import read_safetensors
from ..errors import ConfigError
from .held_out import Crops, Gain, gain_of, identity_tars
from .images import CropImages
from .network import Network, NetworkOptions
from .result import save_tensors

# Share of the identities with two crops or more that are held out, and crops of them that are verified at most.
HELD_OUT_SHARE = 0.1
_MIN_HELD_OUT = 3
_MAX_CROPS = 1500
_RESUME = "resume"


@dataclass(eq=False)
class Trained:
    """The best state so far.

    Attributes:
        weights: State dict as arrays.
        epoch: Its number; 0 for the start.
        gain: Of verification on held-out identities, from the start to it.
        epochs: Epochs trained, in all.
        stopped: Why it stopped early; empty if it didn't.
    """

    weights: dict[str, Any]
    epoch: int
    gain: Gain
    epochs: int = 0
    stopped: str = ""


@dataclass(frozen=True, eq=False)
class Watch:
    """Held-out crops that epochs are compared on.

    Attributes:
        images: Their images.
        crops: Labels; `rows` are not used.
        seed: Draws crops.
    """

    images: CropImages
    crops: Crops
    seed: int = 0

    def __call__(self, network: Network) -> dict[int, float]:
        """TAR at 1 % FAR by held-out identity."""
        seen = network.embed(self.images(np.arange(len(self.images.paths))))
        return identity_tars(replace(self.crops, rows=seen), lambda rows: rows, np.ones(len(seen), bool), self.seed)


def held_out_rows(identities: Ints, seed: int) -> tuple[Ints, Ints]:
    """Split crops by identity: those to train on and those held out.

    Args:
        identities: `(N,)` identities, 0 … I-1.
        seed: The same seed gives the same split.

    Raises:
        ConfigError: If there are too few identities.
    """
    count = int(identities.max(initial=-1)) + 1
    several = np.flatnonzero(np.bincount(identities, minlength=count) > 1)
    if len(several) < 2 * _MIN_HELD_OUT:
        text = f"training needs {2 * _MIN_HELD_OUT} identities with two images or more"
        raise ConfigError(f"{text}, to hold some out, got {len(several)} of {count} identities")
    wanted = max(_MIN_HELD_OUT, round(HELD_OUT_SHARE * len(several)))
    chosen = np.random.default_rng(seed).permutation(several)[:wanted]
    out = np.isin(identities, chosen)
    usable = np.isin(identities, several)
    kept = np.flatnonzero(out)
    return np.flatnonzero(~out & usable), kept[np.linspace(0, len(kept) - 1, min(len(kept), _MAX_CROPS)).astype(int)]


def train_network(
    network: Network,
    watch: Watch,
    options: NetworkOptions,
    checkpoint: Path,
    *,
    data: str,
    resume: bool = False,
    report: Callable[[str], None] = lambda _: None,
    shown: Callable[[list[Ints], str], Iterator[Ints]] = lambda rows, _: iter(rows),
) -> Trained:
    """Train, and keep the state that verifies held-out identities best.

    A loss that isn't finite stops training; what was best until then is kept. After each epoch a checkpoint is
    written, from which the same command goes on with `resume`.

    Args:
        network: To train.
        watch: Held-out crops.
        options: What the user says.
        checkpoint: File that is written after each epoch.
        data: Fingerprint of the labeled crops, by which a checkpoint knows its data.
        resume: Whether to go on from the checkpoint.
        report: Takes a line an epoch.
        shown: Iterates over batches, with a progress bar of that label.

    Raises:
        ConfigError: If there is no checkpoint to resume from, or it is another run's.
        GalleryError: If the checkpoint can't be written.
    """
    run = _Run(_comparable(options), data)
    first, best, before = _resumed(network, checkpoint, run) if resume else _started(network, watch)
    report(f"held-out identities: {best.gain.identities}, TAR at 1 % FAR {np.mean(list(before.values())):.3f}")
    for number in range(first, options.epochs + 1):
        label = f"epoch {number} of {options.epochs}"

        def bar(rows: list[Ints], label: str = label) -> Iterator[Ints]:
            return shown(rows, label)

        loss = network.train_epoch(number, bar)
        if math.isnan(loss):
            best.stopped = f"the loss was not finite in epoch {number}; the state of epoch {best.epoch} is kept"
            return best
        gain = gain_of(before, watch(network))
        report(f"epoch {number}: loss {loss:.3f}, TAR at 1 % FAR {gain.after:.3f}")
        best = _better(best, network, gain, number)
        _save(network, best, before, run, checkpoint)
    return best


def _started(network: Network, watch: Watch) -> tuple[int, Trained, dict[int, float]]:
    """First epoch, state to be exceeded, and TAR at the start."""
    before = watch(network)
    if not before:
        raise ConfigError("no held-out identity has two crops that can be compared: more images are needed")
    return 1, Trained(network.weights(), 0, gain_of(before, before)), before


def _better(best: Trained, network: Network, gain: Gain, number: int) -> Trained:
    best.epochs = number
    return Trained(network.weights(), number, gain, number) if gain.after > best.gain.after else best


@dataclass(frozen=True)
class _Run:
    """What a checkpoint and the run that goes on from it must have in common."""

    options: dict[str, Any]
    data: str


@dataclass(frozen=True)
class _State:
    """What a checkpoint's card says."""

    kind: str
    epoch: int
    best_epoch: int
    before: dict[str, float]
    gain: dict[str, Any]
    options: dict[str, Any]
    data: str


def _save(network: Network, best: Trained, before: Mapping[int, float], run: _Run, checkpoint: Path) -> None:
    tensors = {f"best.{k}": v for k, v in best.weights.items()}
    for part, module in network.parts.items():
        tensors |= {f"{part}.{k}": v.cpu().numpy() for k, v in module.state_dict().items()}
    for n, moments in network.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{n}.{k}": v.cpu().numpy() for k, v in moments.items()}
    names = {str(k): v for k, v in before.items()}
    state = _State(_RESUME, best.epochs, best.epoch, names, asdict(best.gain), run.options, run.data)
    save_tensors(checkpoint, tensors, asdict(state))


def _comparable(options: NetworkOptions) -> dict[str, Any]:
    return {k: v for k, v in asdict(options).items() if k != "device"}


def _resumed(network: Network, checkpoint: Path, run: _Run) -> tuple[int, Trained, dict[int, float]]:
    """The same as `_started` gives, of a checkpoint."""
    import torch

    tensors, card = read_safetensors(checkpoint, "--resume")
    if card.get("kind") != _RESUME or card.get("options") != run.options:
        raise ConfigError(f"--resume: {checkpoint} is of a run with other options; repeat them, or start anew")
    if card.get("data") != run.data:
        raise ConfigError(f"--resume: {checkpoint} is of a run on other crops; name their folder, or start anew")
    state = _State(**card)
    arrays: dict[str, dict[str, Any]] = {}
    for name, array in tensors.items():
        part, _, rest = name.partition(".")
        arrays.setdefault(part, {})[rest] = array
    for part, module in network.parts.items():
        module.load_state_dict({k: torch.from_numpy(v) for k, v in arrays[part].items()})
    moments: dict[int, dict[str, Any]] = {}
    for name, array in arrays["optimizer"].items():
        number, _, key = name.partition(".")
        moments.setdefault(int(number), {})[key] = torch.from_numpy(array)
    whole = network.optimizer.state_dict() | {"state": moments}
    network.optimizer.load_state_dict(whole)
    best = Trained(arrays["best"], state.best_epoch, Gain(**state.gain), state.epoch)
    return state.epoch + 1, best, {int(k): v for k, v in state.before.items()}
