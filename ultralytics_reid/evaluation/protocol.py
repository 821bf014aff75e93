"""Which images are searched for, in which others, and which pairs of them count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Ints, as_bools

AUTO, LEAVE_OUT, KEEP = "auto", "leave-out", "keep"
SAME_CAMERA = (AUTO, LEAVE_OUT, KEEP)


@dataclass(frozen=True, eq=False)
class SearchProtocol:
    """A search of labeled images in labeled images.

    An image is never compared with itself.

    Attributes:
        identities: `(N,)` index of each image's identity; below 0 for an image that matches no other.
        cameras: `(N,)`.
        queries: `(Q,)` indices of the images that are searched for, none of which has an identity below 0.
        gallery: `(G,)` indices of those that are searched.
        leaves_out: Whether images of the query's identity on its own camera are left out, as Market-1501's benchmark
            does.
        has_cameras: Whether the images say which camera they are of.
        different: `(K, K)` bool, pairs of identities known to differ; pairs of the others are left out. None where all
            differ.
    """

    identities: Ints
    cameras: Ints
    queries: Ints
    gallery: Ints
    leaves_out: bool
    has_cameras: bool = True
    different: Bools | None = None

    def pairs(self, part: slice) -> tuple[Bools, Bools]:
        """Pairs of one identity, and pairs that count, of a part of the queries: two of `(q, G)` bool."""
        queries, gallery = self.queries[part], self.gallery
        ours, theirs = self.identities[queries][:, None], self.identities[gallery][None]
        same = ours == theirs
        usable = queries[:, None] != gallery[None]
        if self.leaves_out:
            usable &= ~(same & (self.cameras[queries][:, None] == self.cameras[gallery][None]))
        if self.different is not None:
            # The last row and column stand for images that match no other.
            known = np.pad(self.different, (0, 1), constant_values=True)
            usable &= same | known[ours, theirs]
        return same, as_bools(usable)

    @property
    def is_across_cameras(self) -> bool:
        """Whether all matches are of another camera than the query."""
        return self.leaves_out or self._has_disjoint_cameras

    @property
    def _has_disjoint_cameras(self) -> bool:
        return self.has_cameras and not np.isin(self.cameras[self.queries], self.cameras[self.gallery]).any()

    @property
    def camera_rule(self) -> str:
        """What is done with the query's own camera, in words."""
        if not self.has_cameras:
            return "no cameras known: each image counts as its own camera's"
        if self._has_disjoint_cameras:
            return "queries are of other cameras than the images searched"
        if self.leaves_out:
            return "same camera left out: no image of the query's identity on its own camera is a match"
        return "same camera kept: images of the query's identity on its own camera are matches"


def protocol_of(
    identities: Ints,
    cameras: Ints,
    *,
    has_cameras: bool = True,
    same_camera: str = AUTO,
    queries: Bools | None = None,
    different: Bools | None = None,
) -> SearchProtocol:
    """Make the protocol of a set of images.

    Args:
        identities: `(N,)` index of each image's identity; below 0 for an image that matches no other.
        cameras: `(N,)`.
        has_cameras: Whether `cameras` are known.
        same_camera: `LEAVE_OUT` or `KEEP` images of the query's identity on its own camera; `AUTO` leaves them out
            where an identity is on several cameras, and else keeps them.
        queries: `(N,)` bool, images that are searched for, in all others; None to search for each in all others.
        different: As in `SearchProtocol`.
    """
    all_rows = np.arange(len(identities))
    asked = all_rows if queries is None else np.flatnonzero(queries)
    gallery = all_rows if queries is None else np.flatnonzero(~queries)
    leaves_out = has_cameras and (
        same_camera == LEAVE_OUT or (same_camera == AUTO and on_several_cameras(identities, cameras))
    )
    asked = asked[identities[asked] >= 0]
    return SearchProtocol(identities, cameras, asked, gallery, leaves_out, has_cameras, different)


def on_several_cameras(identities: Ints, cameras: Ints) -> bool:
    """Whether any identity has images of two cameras or more."""
    known = identities >= 0
    pairs = np.unique(np.stack([identities[known], cameras[known]]), axis=1)
    return bool(len(np.unique(pairs[0])) < pairs.shape[1])
