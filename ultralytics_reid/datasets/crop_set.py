"""Labeled crops: which image shows which identity, on which camera, and which identities are known to differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._typing import Bools, Doubles, ImageArray, Ints, as_bools
from ..errors import DatasetError, GalleryError
from ..gallery.image_io import as_image

# In `CropSet.identities`: an image of nobody in `names`, which matches no other image.
DISTRACTOR = -1


@dataclass(frozen=True)
class CropSet:
    """Labeled crops, one image each.

    Attributes:
        paths: `N` image files.
        identities: `(N,)` index into `names`; `DISTRACTOR` for an image that matches no other, only where these were
            asked for.
        cameras: `(N,)` camera numbers; without cameras, each image has its own.
        names: Names of the identities.
        has_cameras: Whether the images say which camera they are of.
        times: `(N,)` seconds, NaN where unknown; None where no image has a time.
        different: `(M, 2)` pairs of identities known to differ, the lower index first; all other pairs are unknown.
            None for a closed set, in which all identities differ.
        queries: `(N,)` bool, the images that a benchmark searches for, in all others; None where it doesn't say.
        written: `N` paths in the folder, with forward slashes, at which the images were written: theirs, but for images
            that were renamed; empty texts for images that were added since.
    """

    paths: tuple[Path, ...]
    identities: Ints
    cameras: Ints
    names: tuple[str, ...]
    has_cameras: bool
    times: Doubles | None = None
    different: Ints | None = None
    queries: Bools | None = None
    written: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def camera_count(self) -> int:
        """Number of cameras; 0 where the images don't say which camera they are of."""
        return len(np.unique(self.cameras)) if self.has_cameras else 0

    def take(self, rows: Ints) -> CropSet:
        """Select images by index; the names, and what is known of them, stay."""
        return CropSet(
            tuple(self.paths[n] for n in rows.tolist()),
            self.identities[rows],
            self.cameras[rows],
            self.names,
            self.has_cameras,
            None if self.times is None else self.times[rows],
            self.different,
            None if self.queries is None else self.queries[rows],
            tuple(self.written[n] for n in rows.tolist()),
        )

    def known_different(self) -> Bools:
        """Which pairs of identities are known to differ, `(names, names)` bool, symmetric."""
        count = len(self.names)
        if self.different is None:
            return as_bools(~np.eye(count, dtype=np.bool_))
        known = np.zeros((count, count), np.bool_)
        known[self.different[:, 0], self.different[:, 1]] = True
        return as_bools(known | known.T)


def read_crop(path: Path) -> ImageArray:
    """Read the image of a crop, `(H, W, 3)` uint8 BGR.

    Raises:
        DatasetError: If the file is missing, too large or no image; the message names it.
    """
    try:
        return as_image(path)
    except (GalleryError, OSError) as error:
        raise DatasetError(f"{path} can't be read: {error}") from error
