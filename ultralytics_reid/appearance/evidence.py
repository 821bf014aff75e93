"""Statistics of embeddings that a camera has learned, in the form in which a gallery keeps them for other cameras."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from .._typing import Floats
from ..errors import GalleryError
from .calibration import ScoreModel
from .metric import Metric

# Pairs and means that are kept: enough to calibrate on, few enough to exchange often.
_MAX_PAIRS, _MAX_MEANS = 128, 128
# Crops that the scatter counts as at most, so that light and season of long ago don't outweigh today's.
_MAX_CROPS = 8192
# Bounds of what is read: crops counted, the scatter's largest value, bytes of an archive beside its values.
_MANY, _LARGE, _HEADERS = 2**31, 1e12, 8192
_ARRAYS = ("scatter", "genuine", "impostor", "means")
# What NumPy and zipfile raise for bytes that are no archive, a damaged one, or one of other things.
_UNREADABLE = (
    *(OSError, EOFError, LookupError, AttributeError, TypeError, ValueError, RuntimeError, SyntaxError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True, eq=False)
class LearnedStatistics:
    """Within-identity and between-identity statistics of one camera's embeddings.

    Attributes:
        scatter: `(D, D)` float32, within-tracklet scatter, summed over crops.
        crops: Number of those crops.
        genuine: `(N, 2, D)` float32 raw pairs of the same identity.
        impostor: `(N, 2, D)` float32 raw pairs of different identities.
        means: `(K, D)` float32 mean embeddings of identities.
    """

    scatter: Floats
    crops: int
    genuine: Floats
    impostor: Floats
    means: Floats

    @classmethod
    def of(cls, metric: Metric, model: ScoreModel, means: Floats) -> LearnedStatistics | None:
        """Collect what a tracker's metric and score model have learned; None before there is anything.

        Args:
            metric: The learned metric.
            model: The calibration of its similarities.
            means: `(K, D)` mean embeddings of the identities in memory.
        """
        if metric.scatter is None:
            return None
        scatter, crops = metric.scatter
        share = min(1.0, _MAX_CROPS / crops)
        none = np.zeros((0, 2, len(scatter)), np.float32)
        genuine, impostor = (none if p is None else _spread(p) for p in model.pairs)
        kept = np.asarray(means[-_MAX_MEANS:], np.float32).reshape(-1, len(scatter))
        return cls(np.asarray(share * scatter, np.float32), round(share * crops), genuine, impostor, kept)

    def dump(self) -> bytes:
        """Serialize in half precision, and half of the symmetric matrix: all of it is averages of noisy crops."""
        scale = float(np.abs(self.scatter).max(initial=0)) or 1.0
        upper = self.scatter[np.triu_indices(len(self.scatter))] / scale
        arrays = {"scatter": upper, "genuine": self.genuine, "impostor": self.impostor, "means": self.means}
        halves = {name: np.asarray(array, np.float16) for name, array in arrays.items()}
        with io.BytesIO() as file:
            np.savez(file, scale=np.float64(scale), crops=np.int64(self.crops), **halves)  # type: ignore[arg-type]
            return file.getvalue()

    @classmethod
    def load(cls, data: bytes, dim: int) -> LearnedStatistics:
        """Read what `dump` returned; `dim` is `D` of the embeddings.

        Raises:
            GalleryError: If it is other data, or of another dimension.
        """
        try:
            _check_size(data, dim)
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                upper, genuine, impostor, means = (np.asarray(file[name], np.float32) for name in _ARRAYS)
                scale, crops = float(file["scale"]), int(file["crops"])
        except _UNREADABLE as error:
            raise GalleryError(f"the evidence of a camera can't be read: {error or type(error).__name__}") from error
        found = upper.shape, genuine.shape[1:], impostor.shape[1:], means.shape[1:]
        if found != ((dim * (dim + 1) // 2,), (2, dim), (2, dim), (dim,)):
            raise GalleryError(f"the evidence of a camera isn't of dimension {dim}")
        if (
            not 1 <= crops < _MANY
            or not abs(scale) < _LARGE
            or not all(np.isfinite(a).all() for a in (upper, genuine, impostor, means, np.float64(scale)))
        ):
            raise GalleryError("the evidence of a camera can't be read: its numbers are out of range")
        return cls(_symmetric(upper * np.float32(scale), dim), crops, genuine, impostor, means)


def _check_size(data: bytes, dim: int) -> None:
    """Refuse an archive that would unpack to more than `dump` ever writes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(part.file_size for part in archive.infolist())
    values = dim * (dim + 1) // 2 + (4 * _MAX_PAIRS + _MAX_MEANS) * dim
    if size > 2 * values + _HEADERS:
        raise ValueError(f"it would unpack to {size} bytes")


def _symmetric(upper: Floats, dim: int) -> Floats:
    full = np.zeros((dim, dim), np.float32)
    rows, columns = np.triu_indices(dim)
    full[rows, columns] = upper
    full[columns, rows] = upper
    return full


def _spread(pairs: Floats) -> Floats:
    """Take `_MAX_PAIRS` of pairs, or all if there are fewer, `(N, 2, D)`: from all of the time that they are of."""
    rows = np.linspace(0, len(pairs) - 1, min(len(pairs), _MAX_PAIRS)).astype(np.int64)
    return np.asarray(pairs[rows], np.float32)
