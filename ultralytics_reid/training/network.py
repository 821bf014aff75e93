"""Train a whole network: OSNet and its like, by PK batches, a pair loss and, where identities are closed, classes.

The recipe is the field's strong baseline (Luo et al., "Bag of tricks and a strong baseline for deep person
re-identification", 2019): BNNeck, label smoothing, warm-up, random erasing, batch-hard triplets. The learning rate
follows a cosine. Embeddings are compared by cosine in the loss as they are in use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Floats, Ints, as_floats
from ..appearance.embedding import unit
from ..embedders.crops import Preprocessing
from ..embedders.encoder import torch_device
from ..embedders.torchreid import architecture
from ..errors import ConfigError
from .images import Augmentation, CropImages
from .known_pairs import KnownPairs
from .losses import pair_loss
from .sampler import PKSampler

_BATCH = 64  # crops in evaluation


@dataclass(frozen=True)
class NetworkTuning:
    """Constants of training a network.

    Attributes:
        batch: Crops of a batch, P * K.
        rate: AdamW's highest step.
        decay: Weight decay.
        warm_up: Share of the batches in which the step grows.
        smoothing: Of class labels.
    """

    batch: int = 32
    rate: float = 3.5e-4
    decay: float = 5e-4
    warm_up: float = 0.1
    smoothing: float = 0.1


@dataclass(frozen=True)
class NetworkOptions:
    """What a user says of training a network.

    Attributes:
        model: Architecture of torchreid.
        weights: State dict to start from; empty for torchreid's own of ImageNet.
        epochs: Number of epochs.
        images: K, crops of an identity in a batch; 2 makes Siamese pairs.
        loss: One of `LOSSES`.
        seed: Of batches and random changes.
        device: Torch device; None for the default.
    """

    model: str
    weights: str
    epochs: int = 15
    images: int = 4
    loss: str = "triplet"
    seed: int = 0
    device: str | None = None


class Network:
    """A network in training, with its neck, classifier and optimizer.

    Args:
        images: Crops to train on, at the network's input size.
        known: Their labels.
        size: The network's input.
        options: What the user says.
        tuning: Constants.

    Raises:
        ConfigError: If the model or its weights can't be loaded, or the device isn't there.
    """

    def __init__(
        self,
        images: CropImages,
        known: KnownPairs,
        size: Preprocessing,
        options: NetworkOptions,
        tuning: NetworkTuning | None = None,
    ) -> None:
        import torch

        self._tuning = tuning or NetworkTuning()
        self._images, self._known, self._size, self._options = images, known, size, options
        self.device = torch_device(options.device)
        net = architecture(options.model, options.weights)
        net.loss = "triplet"  # torchreid's switch for embeddings beside class scores, in training mode
        self.net = net.to(self.device, memory_format=torch.channels_last)
        dim = self.embed(np.zeros((2, size.height, size.width, 3), np.uint8)).shape[1]
        with torch.random.fork_rng():
            torch.manual_seed(options.seed)
            self.neck = torch.nn.BatchNorm1d(dim).to(self.device)
            self.neck.bias.requires_grad_(False)
            self.classes = torch.nn.Linear(dim, known.count, bias=False).to(self.device)
        identities = max(2, self._tuning.batch // options.images)
        self._sampler = PKSampler(known, min(identities, known.count), options.images, options.seed)
        self.parts = {"net": self.net, "neck": self.neck, "classes": self.classes}
        trained = [p for part in self.parts.values() for p in part.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=self._tuning.rate, weight_decay=self._tuning.decay)
        self._loss = pair_loss(options.loss)
        self._entropy = torch.nn.CrossEntropyLoss(label_smoothing=self._tuning.smoothing)
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.device.type == "cuda")
        self._change = Augmentation(size)

    def batches(self, epoch: int) -> list[Ints]:
        """Batches of an epoch, from 1: about as many crops as there are."""
        wanted = max(1, round(len(self._known.identities) / self._tuning.batch))
        found: list[Ints] = []
        part = 0
        while len(found) < wanted:
            found += self._sampler.epoch(1000 * epoch + part)
            part += 1
        return found[:wanted]

    def train_epoch(self, epoch: int, shown: Callable[[list[Ints]], Iterator[Ints]]) -> float:
        """Train an epoch.

        Args:
            epoch: Its number, from 1.
            shown: Iterates over the batches, with a progress bar.

        Returns:
            The mean loss; NaN where a batch's isn't finite, at which the epoch ends.
        """
        import torch

        batches, losses = self.batches(epoch), []
        with torch.random.fork_rng():
            torch.manual_seed(self._options.seed * 10_007 + epoch)
            self.net.train()
            for n, rows in enumerate(shown(batches)):
                share = (epoch - 1 + n / len(batches)) / self._options.epochs
                for group in self.optimizer.param_groups:
                    group["lr"] = self._tuning.rate * rate_at(share, self._tuning.warm_up)
                losses.append(self._step(rows))
                if not math.isfinite(losses[-1]):
                    return math.nan
        return float(np.mean(losses))

    def _step(self, rows: Ints) -> float:
        """One batch; returns its loss, and changes nothing where that isn't finite."""
        import torch

        crops = self._change(self._images(rows)).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, enabled=self.device.type == "cuda"):
            embeddings = embeddings_of(self.net(crops))
            loss = self._loss(embeddings.float(), *self._known.masks(rows))
            if self._known.closed:
                who = torch.from_numpy(self._known.identities[rows]).to(self.device)
                loss = loss + self._entropy(self.classes(self.neck(embeddings)), who)
        if not torch.isfinite(loss):
            return float("nan")
        self.optimizer.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self.optimizer)
        self._scaler.update()
        return float(loss.detach())

    def embed(self, crops: Any) -> Floats:
        """Embed crops without changes, `(n, height, width, 3)` uint8 BGR; `(n, D)` float32 unit rows."""
        import torch

        self.net.eval()
        parts = []
        with torch.inference_mode():
            for start in range(0, len(crops), _BATCH):
                batch = torch.from_numpy(self._size.normalize(crops[start : start + _BATCH]))
                parts.append(embeddings_of(self.net(batch.to(self.device))).float().cpu().numpy())
        return unit(as_floats(np.concatenate(parts)))

    def weights(self) -> dict[str, Any]:
        """The network's state dict as arrays, without torchreid's classifier."""
        state = self.net.state_dict()
        return {k: v.cpu().numpy().copy() for k, v in state.items() if not k.startswith("classifier.")}


def embeddings_of(output: Any) -> Any:
    """Embeddings of a torchreid network's output, which in training is class scores and embeddings.

    Raises:
        ConfigError: If it gives no embeddings.
    """
    found = output[-1] if isinstance(output, list | tuple) else output
    if getattr(found, "ndim", 0) != 2:  # noqa: PLR2004
        raise ConfigError("--model: this architecture gives no vector per crop in training")
    return found


def rate_at(share: float, warm_up: float) -> float:
    """Factor of the learning rate: linear warm-up, then a cosine to 0.

    Args:
        share: Of training done, in [0, 1].
        warm_up: Share of warming up.
    """
    if share < warm_up:
        return (share + 0.01) / (warm_up + 0.01)
    return 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))
