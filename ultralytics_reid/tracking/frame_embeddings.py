"""Embeddings of a frame's detections: handed over, or of which crops by which embedder; checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ultralytics.utils import LOGGER

from .._typing import Floats, Ints
from ..appearance.embedding import as_features, unit
from ..config import Config
from ..embedders import CropOptions, Embedder, build_embedder, embed
from ..embedders.head import HeadedEmbedder, LinearHead, load_head
from ..errors import EmbeddingError
from ..memory.bank import MemoryBank
from .frame import Frame


@dataclass(frozen=True)
class FrameEmbeddings:
    """Embeddings of one frame.

    Attributes:
        rows: `(N, D)` float32, a row of zeros for a detection without one; None where there are none (yet).
        on_demand: Whether crops are embedded later, once it is known which of them may decide a match.
        embedded: Crops that were embedded for it.
    """

    rows: Floats | None = None
    on_demand: bool = False
    embedded: int = 0


class EmbeddingSource:
    """Where one tracker's embeddings come from.

    Args:
        config: Names the embedder.
        low_thresh: Detection score up to which a detection is never tracked, and so not embedded.
        device: Where the embedder runs, as the host says.

    Attributes:
        dim: Dimension of all embeddings so far; None before the first.
        features_by: Fingerprint of what gives embeddings that are handed over; empty where it isn't known.
    """

    def __init__(self, config: Config, low_thresh: float, device: Any) -> None:
        self._config = config
        self._low_thresh = low_thresh
        self._device = device
        self._embedder: Embedder | None = None
        self._was_set = False
        self._warned = False
        self.dim: int | None = None
        self.features_by = ""

    def __getstate__(self) -> dict[str, Any]:
        """A copy loads the config's embedder when it first needs it; one that was set is copied as it can be."""
        return vars(self) | ({} if self._was_set else {"_embedder": None})

    @property
    def embedder(self) -> Embedder | None:
        """What embeds crops, loaded when first asked for; None where embeddings come with the detections."""
        if self._embedder is None and self._config.with_reid:
            config = self._config
            options = CropOptions.of(config)
            self._embedder = self._with_head(build_embedder(config.model, config.weights, self._device, options))
        return self._embedder

    @embedder.setter
    def embedder(self, value: Embedder | None) -> None:
        self._embedder, self._was_set = self._with_head(value), value is not None

    @cached_property
    def head(self) -> LinearHead | None:
        """The config's head, loaded when first asked for; None without one."""
        return load_head(self._config.head) if self._config.head and self._config.with_reid else None

    def _with_head(self, embedder: Embedder | None) -> Embedder | None:
        if embedder is None or self.head is None or isinstance(embedder, HeadedEmbedder):
            return embedder
        return HeadedEmbedder(embedder, self.head)

    def of(self, frame: Frame, feats: Any, bank: MemoryBank, features_by: str) -> FrameEmbeddings:
        """Get a frame's embeddings.

        Args:
            frame: The frame, of `N` detections.
            feats: `(N, D)` embeddings that were handed over; None to use the embedder.
            bank: Refuses embeddings of another embedder than it holds.
            features_by: Fingerprint of what gave `feats`; empty for the attribute's.

        Raises:
            EmbeddingError: If `feats` has another number of rows, or another dimension than before, or is of another
                embedder than what is remembered.
            ConfigError: If the embedder or the head can't be loaded, or the head is another embedder's.
        """
        if not self._config.with_reid:
            return FrameEmbeddings()
        if feats is not None and (len(feats) or len(frame)):
            return self._handed_over(feats, len(frame), bank, features_by or self.features_by)
        if not len(frame) or not self._can_embed(frame):
            return FrameEmbeddings()
        return FrameEmbeddings(on_demand=True) if self._config.fuses else self._embed_all(frame, bank)

    def _handed_over(self, feats: Any, rows: int, bank: MemoryBank, features_by: str) -> FrameEmbeddings:
        """Check embeddings that were handed over, and apply the head to them."""
        if self.head is not None:
            self.head.check_base(features_by)
            features_by = self.head.over(features_by or self.head.base)
            checked = as_features(feats, rows)
            feats = self.head(checked) if checked.any() else checked
        bank.embedded_by(features_by)
        return FrameEmbeddings(self._checked(feats, rows))

    def _can_embed(self, frame: Frame) -> bool:
        if self.embedder is None:
            self.warn_no_features("the detector gives none")
        elif frame.image is None:
            self.warn_no_features("no image was given")
        return self.embedder is not None and frame.image is not None

    def _embed_all(self, frame: Frame, bank: MemoryBank) -> FrameEmbeddings:
        """Embed the crops of all detections that may be tracked."""
        picked = np.flatnonzero(frame.conf > self._low_thresh)
        some = self.embed(frame, picked, bank)
        if some is None:
            return FrameEmbeddings(embedded=len(picked))
        rows = np.zeros((len(frame), some.shape[1]), np.float32)
        rows[picked] = some
        return FrameEmbeddings(rows, embedded=len(picked))

    def embed(self, frame: Frame, picked: Ints | Sequence[int], bank: MemoryBank) -> Floats | None:
        """Embed some of a frame's crops, `(P, D)`; None if there are none or they say nothing."""
        if not len(picked):
            return None
        assert self.embedder is not None
        bank.embedded_by(getattr(self.embedder, "fingerprint", ""))
        crops = frame.regions.take(np.asarray(picked, np.int64))
        return self._checked(embed(self.embedder, frame.image, crops), len(picked))

    def _checked(self, feats: Any, rows: int) -> Floats | None:
        """Check shape and dimension; None if all are zeros, which have not even a dimension."""
        checked = as_features(feats, rows)
        if not checked.any():
            return None
        if self.dim not in (None, checked.shape[1]):
            raise EmbeddingError(f"embeddings had {self.dim} dimensions until now, got {checked.shape[1]}")
        self.dim = checked.shape[1]
        # Stock's own association, which is used where appearance isn't fused, normalizes by itself.
        return unit(checked) if self._config.fuses else checked

    def warn_no_features(self, why: str) -> None:
        """Warn, once, that there are no embeddings, and so no revivals."""
        if not self._warned:
            LOGGER.warning(
                f"reid_botsort has no embeddings ({why}), so no identity will be recognized after an absence of more "
                "than track_buffer frames; for model: auto use a PyTorch detector (.pt), or set model to a ReID model "
                "(osnet_x0_25, a .onnx file), or pass feats to update()"
            )
        self._warned = True

    def silence_warning(self) -> None:
        """Don't warn about missing embeddings: another stream's tracker has."""
        self._warned = True
