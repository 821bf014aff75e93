"""A head: an affine map over the embeddings of a frozen embedder, learned by `ultralytics-reid train`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._typing import Floats, ImageArray, as_floats
from ..appearance.embedding import unit
from ..appearance.metric import Projection
from ..errors import ConfigError
from .crops import Regions

CARD = "ultralytics_reid"
HEAD, NETWORK = "head", "network"
_MARK = "+head:"
_DIGEST_LETTERS = 8
_MAX_DIM = 16_000
_MAX_BYTES = 2**31


@dataclass(frozen=True, eq=False)
class LinearHead:
    """An affine map of unit embeddings to a space in which cosine separates individuals better.

    Attributes:
        center: `(D,)` float32, subtracted from unit embeddings.
        matrix: `(D, d)` float32.
        base: Fingerprint of the embedder that it was learned on.
        card: What is recorded of it: data, scores, date; JSON values.
    """

    center: Floats
    matrix: Floats
    base: str
    card: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, rows: Floats) -> Floats:
        """Map embeddings.

        Args:
            rows: `(N, D)` float32 of any norm.

        Returns:
            `(N, d)` float32 unit rows; a row of zeros stays zero.

        Raises:
            ConfigError: If the embeddings have another dimension than the head takes.
        """
        if rows.shape[1] != len(self.center):
            raise ConfigError(f"head: takes embeddings of dimension {len(self.center)}, got {rows.shape[1]}")
        return Projection(self.center, self.matrix).project(unit(rows))

    @property
    def digest(self) -> str:
        """Short hash of center and matrix."""
        total = hashlib.sha256(self.center.tobytes())
        total.update(self.matrix.tobytes())
        return total.hexdigest()[:_DIGEST_LETTERS]

    @property
    def fingerprint(self) -> str:
        """Of the embedder with this head; an export of both at full precision has the same."""
        return self.over(self.base)

    def over(self, base: str) -> str:
        """Fingerprint of an embedder with this head.

        Args:
            base: The embedder's: a name, or `name/crops/dimension`; empty where it isn't known.
        """
        name, *rest = base.split("/")
        if rest:
            rest[-1] = str(self.matrix.shape[1])
        return "/".join([f"{name}{_MARK}{self.digest}", *rest])

    def check_base(self, fingerprint: str) -> None:
        """Refuse another embedder than the one it was learned on.

        Args:
            fingerprint: Of the embedder; empty where it isn't known, which is taken.

        Raises:
            ConfigError: If it is another.
        """
        if fingerprint and fingerprint != self.base:
            raise ConfigError(f"head: it was trained on embeddings by {self.base}, and these are by {fingerprint}")


class HeadedEmbedder:
    """An embedder with a head.

    Args:
        embedder: The embedder; an `Embedder` or a `RegionEmbedder`.
        head: Learned on its embeddings.

    Raises:
        ConfigError: If the head was learned on another embedder's.

    Attributes:
        fingerprint: Identifies both.
    """

    def __init__(self, embedder: Any, head: LinearHead) -> None:
        base = str(getattr(embedder, "fingerprint", ""))
        head.check_base(base)
        self._embedder, self._head = embedder, head
        self.fingerprint = head.over(base)

    def __call__(self, image: npt.NDArray[Any], xyxy: Floats) -> Floats:
        """See `Embedder`."""
        return self._mapped(self._embedder(image, xyxy))

    def embed(self, image: ImageArray, regions: Regions) -> Floats:
        """See `RegionEmbedder`; an embedder that takes boxes only gets upright boxes."""
        takes_regions = getattr(self._embedder, "embed", None)
        return self._mapped(takes_regions(image, regions) if takes_regions else self._embedder(image, regions.xyxy))

    def _mapped(self, rows: Floats) -> Floats:
        """No detection with a crop: some embedders then give rows of no dimension."""
        return self._head(rows) if rows.any() else np.zeros((len(rows), self._head.matrix.shape[1]), np.float32)


def base_name(fingerprint: str) -> str:
    """Name of the embedder below a head, without crop size and dimension; empty for an embedder without a head."""
    name, mark, _ = fingerprint.partition(_MARK)
    return name if mark else ""


def load_head(path: str | Path) -> LinearHead:
    """Read a head.

    Args:
        path: A `.safetensors` file that `ultralytics-reid train --head-only` wrote.

    Raises:
        ConfigError: If it is missing, no head, or damaged, or safetensors isn't installed.
    """
    tensors, card = read_safetensors(path, "head")
    if card.get("kind") != HEAD:
        kind = card.get("kind")
        hint = "; a trained network goes into 'weights'" if kind == NETWORK else ""
        raise ConfigError(f"head: {path} is no head of `ultralytics-reid train --head-only`, got kind {kind!r}{hint}")
    center, matrix, base = tensors.get("center"), tensors.get("matrix"), card.get("base")
    if not isinstance(base, str) or center is None or matrix is None or not _fit(center, matrix):
        raise ConfigError(f"head: {path} is damaged: it must hold 'center' (D,), 'matrix' (D, d) and the base's name")
    return LinearHead(as_floats(center), np.ascontiguousarray(matrix, np.float32), base, card)


def _fit(center: npt.NDArray[Any], matrix: npt.NDArray[Any]) -> bool:
    shapes = center.ndim == 1 and matrix.ndim == 2 and len(center) == len(matrix)  # noqa: PLR2004
    sizes = shapes and all(0 < n <= _MAX_DIM for n in matrix.shape)
    return bool(sizes and np.isfinite(center).all() and np.isfinite(matrix).all())


def read_safetensors(path: str | Path, key: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read the tensors and the card of a file of ours; nothing in it is code.

    Args:
        path: A `.safetensors` file.
        key: What messages call it: a key of a tracker YAML, or an option.

    Returns:
        Arrays by name, and the card; empty where the file is of others.

    Raises:
        ConfigError: If the file is missing or damaged, or safetensors isn't installed.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"{key}: {path} is not a file")
    if find_spec("safetensors") is None:
        raise ConfigError(f"{key}: {path} needs safetensors; pip install '.[head]' in the checkout")
    from safetensors import SafetensorError, safe_open

    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{key}: {path} must have at most {_MAX_BYTES} bytes")
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        card = json.loads(metadata.get(CARD, "{}"))
    # TypeError: of a dtype that NumPy lacks.
    except (SafetensorError, OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{key}: {path} can't be read as safetensors: {error}") from error
    if not isinstance(card, dict):
        raise ConfigError(f"{key}: {path}: its metadata {CARD!r} must be a JSON object")
    return tensors, card
