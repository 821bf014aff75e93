"""Losses over known pairs, by pytorch-metric-learning: unknown pairs are in no numerator and no denominator."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from .._typing import Bools
from ..errors import ConfigError

LOSSES = ("supcon", "triplet", "circle")
_TEMPERATURE = 0.1  # of SupCon (Khosla et al. 2020)
_MARGIN = 0.3  # of the triplet loss, in cosine distance
_CIRCLE = {"m": 0.25, "gamma": 64}  # for re-identification (Sun et al. 2020)

PairLoss = Callable[[Any, Bools, Bools], Any]


def need_train() -> None:
    """Raise ConfigError, with the extra to install, if a package that training needs is missing."""
    for package in ("pytorch_metric_learning", "safetensors"):
        if find_spec(package) is None:
            raise ConfigError(f"training needs {package}; pip install '.[train]' in the checkout")


def pair_loss(name: str) -> PairLoss:
    """Make a loss of embeddings and known pairs.

    Args:
        name: One of `LOSSES`: "supcon", "triplet" (batch-hard), "circle".

    Returns:
        A function of `(n, d)` embeddings, `(n, n)` which pairs show the same individual, and which two; it gives a
        scalar tensor, 0 without known pairs of both kinds.

    Raises:
        ConfigError: If there is no such loss, or pytorch-metric-learning isn't installed.
    """
    need_train()
    from pytorch_metric_learning import losses

    if name == "supcon":
        return _of_pairs(losses.SupConLoss(temperature=_TEMPERATURE))
    if name == "circle":
        return _of_pairs(losses.CircleLoss(**_CIRCLE))
    if name == "triplet":
        return _batch_hard()
    raise ConfigError(f"--loss must be {', '.join(LOSSES)}, got {name!r}")


def _of_pairs(loss: Any) -> PairLoss:
    """Hand known pairs to a loss as its miner's output; what isn't in there is left out of the denominator too."""
    import torch

    def value(embeddings: Any, same: Bools, different: Bools) -> Any:
        pairs = (*torch.from_numpy(same).nonzero().T, *torch.from_numpy(different).nonzero().T)
        # With pairs given, labels only say how many rows there are.
        labels = torch.zeros(len(same), dtype=torch.long)
        return loss(embeddings, labels, tuple(p.to(embeddings.device) for p in pairs))

    return value


def _batch_hard() -> PairLoss:
    """Triplet loss with each crop's least similar same and most similar known other (Hermans et al. 2017).

    The library's own miner takes every pair of two labels for different individuals; here some aren't known.
    """
    import torch
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.reducers import MeanReducer

    loss = TripletMarginLoss(margin=_MARGIN, distance=CosineSimilarity(), reducer=MeanReducer())

    def value(embeddings: Any, same: Bools, different: Bools) -> Any:
        device = embeddings.device
        positive, negative = (torch.from_numpy(m).to(device) for m in (same, different))
        with torch.no_grad():
            unit = torch.nn.functional.normalize(embeddings.float(), dim=1)
            cosine = unit @ unit.T
            hardest = cosine.masked_fill(~positive, 2).argmin(dim=1), cosine.masked_fill(~negative, -2).argmax(dim=1)
            anchors = (positive.any(dim=1) & negative.any(dim=1)).nonzero()[:, 0]
        if not len(anchors):
            return embeddings.sum() * 0
        labels = torch.zeros(len(same), dtype=torch.long, device=device)
        return loss(embeddings, labels, (anchors, *(h[anchors] for h in hardest)))

    return value
