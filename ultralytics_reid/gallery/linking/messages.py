"""Messages between a camera's tracker and the gallery's thread. Times are seconds of the tracker's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..._typing import Floats
from ...appearance.evidence import LearnedStatistics

# Classes that a gallery can store: SQL's integers.
_MAX_CLASS = 2**63 - 1
# Channels of an image that JPEG can hold, once OpenCV has dropped the fourth.
_JPEG_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Open:
    """A camera's run begins; the first message of a channel."""


@dataclass(frozen=True, eq=False)
class Query:
    """An identity is new to this camera: which identity of the gallery is it?

    Attributes:
        identity: The id on this camera.
        embedding: `(D,)` raw mean of its clean crops.
        crops: Number of those crops.
        cls: Class index.
        first: Time of the first box.
        last: Time of the last box.
        beside: Ids visible at the same time, which therefore are other identities.
        asked: How often this was asked before, with fewer crops.
        decided: Whether the camera has decided that it is none of those it remembers. Before, only an identity that
            was never on this camera is an answer; there is none otherwise.
    """

    identity: int
    embedding: Floats
    crops: int
    cls: int
    first: float
    last: float
    beside: frozenset[int]
    asked: int = 0
    decided: bool = True


@dataclass(frozen=True, eq=False)
class PrototypeUpdate:
    """Mean appearance of an identity over a short stretch of time, as the memory bank learned it.

    Attributes:
        identity: The id.
        embedding: `(D,)` raw mean of clean crops.
        crops: Number of those crops.
        time: Time of the last one.
        cls: Class index.
    """

    identity: int
    embedding: Floats
    crops: int
    time: float
    cls: int


@dataclass(frozen=True, eq=False)
class Observation:
    """One visible box.

    Attributes:
        identity: The id.
        cls: Class index.
        confidence: Of the detection, in [0, 1].
        box: Left, top, right and bottom as shares of the image, in [0, 1].
        crop: `(H, W, 3)` uint8 BGR; None if it isn't to be stored.
        crop_quality: Ranks an identity's crops: the visit keeps the crop with the highest; 0 or more.
    """

    identity: int
    cls: int
    confidence: float
    box: tuple[float, float, float, float]
    crop: npt.NDArray[np.uint8] | None = None
    crop_quality: float = 0.0


@dataclass(frozen=True)
class Observations:
    """All visible boxes of a frame.

    Attributes:
        time: Time of the frame.
        boxes: One observation a box.
    """

    time: float
    boxes: tuple[Observation, ...]


@dataclass(frozen=True)
class Merge:
    """Two identities of this camera turned out to be one.

    Attributes:
        gone: The id that is no more.
        kept: The id of both.
    """

    gone: int
    kept: int


@dataclass(frozen=True)
class Split:
    """The boxes of an identity since some time turned out to be another's.

    Attributes:
        identity: The identity under which they were shown.
        since: Time from which on they were wrong.
        to: The id under which they go on.
    """

    identity: int
    since: float
    to: int


@dataclass(frozen=True)
class Reject:
    """An answer couldn't be used: the identity was visible on another box.

    Attributes:
        identity: The id that the query was about; it stays.
    """

    identity: int


@dataclass(frozen=True, eq=False)
class EvidenceUpdate:
    """What the camera has learned of how embeddings differ.

    Attributes:
        evidence: All of it; replaces what was sent before.
    """

    evidence: LearnedStatistics


@dataclass(frozen=True)
class Forgotten:
    """The camera has forgotten identities that were deleted from the gallery.

    Attributes:
        identities: Their ids.
    """

    identities: frozenset[int]


@dataclass(frozen=True)
class ClockCorrection:
    """The wall clock by which the camera's times are told was wrong since its run began, and is right now.

    Attributes:
        origin: When the tracker's clock was 0, seconds since 1970 (UTC).
    """

    origin: float


@dataclass(frozen=True)
class Close:
    """A camera's run is over; the last message of a channel."""


SessionMessage = (
    Query
    | PrototypeUpdate
    | Observations
    | Merge
    | Split
    | Reject
    | EvidenceUpdate
    | Forgotten
    | ClockCorrection
    | Close
)
Message = Open | SessionMessage


@dataclass(frozen=True, eq=False)
class Answer:
    """Which identity of the gallery a query's identity is.

    Attributes:
        identity: The id that the query was about.
        known: Its identity in the gallery; None for one that is new there and keeps its id.
        similarity: Cosine under the common metric to the closest sighting of it, in [-1, 1].
        probability: That it is this identity, in [0, 1], by similarity alone; see `Scorer.same_individual`.
        gap: Seconds since it was last seen on any camera; 0 if that was later, or it was enrolled from an image.
        camera: The camera of that.
        late: Whether the gallery was away at the time of the query.
        new: Whether `known` is an id of its own: in place of a local one, or as a link of it turned out to be wrong.
        prototypes: `(K, D)` embeddings of its sightings, mapped to this camera's appearance, the closest first.
    """

    identity: int
    known: int | None
    similarity: float = 0.0
    probability: float = 1.0
    gap: float = 0.0
    camera: str = ""
    late: bool = False
    new: bool = False
    prototypes: Floats | None = None


@dataclass(frozen=True)
class Outage:
    """The gallery can't be reached, or can be again.

    Attributes:
        why: The reason; empty when the gallery is back.
        lost: Number of visits that could not be kept meanwhile.
    """

    why: str = ""
    lost: int = 0


@dataclass(frozen=True)
class Forget:
    """Identities were deleted from the gallery: nothing of them may be written from memory.

    Attributes:
        identities: Their ids.
    """

    identities: frozenset[int]


Reply = Answer | Outage | Forget


@dataclass(frozen=True)
class Settings:
    """How a gallery is used: keys of a tracker YAML, see `Config`.

    Attributes:
        false_rate: At most this share of new people is matched to a known identity (open-set FPIR).
        match_class: Whether an identity keeps its class.
        keep_days: Days after which sightings are deleted; 0 for never.
        family: Kind of embedder; see `family_of`.
        recipe: How the embeddings are made, kept in the gallery for searches by image.
    """

    false_rate: float
    match_class: bool
    keep_days: float
    family: str
    recipe: Mapping[str, str] = field(default_factory=dict)


def refusal(message: Query | PrototypeUpdate | Observation) -> str:
    """Return why a gallery can't store a message; empty if it can. The crop of an observation is another matter."""
    if not -_MAX_CLASS <= message.cls <= _MAX_CLASS:
        return f"a class must be within 64 bits, got {message.cls!r}"
    if isinstance(message, Observation):
        finite = np.isfinite([*message.box, message.confidence])
        return "" if finite.all() else f"a box and its confidence must be finite, got {message.box!r}"
    embedding = np.asarray(message.embedding, np.float32)
    usable = np.isfinite(embedding).all() and embedding.any()
    return "" if usable else "an embedding must be finite and not zero"


def without_odd_crop(observation: Observation) -> tuple[Observation, str]:
    """Return an observation that can be stored, and why its crop can't be; empty if it can."""
    crop = observation.crop
    if crop is None or (crop.ndim == 3 and crop.shape[2] in _JPEG_CHANNELS and crop.dtype == np.uint8):  # noqa: PLR2004
        return observation, ""
    odd = f"a crop must be of 8 bits and 1, 3 or 4 channels, got {crop.dtype} of the shape {crop.shape}"
    return replace(observation, crop=None), odd
