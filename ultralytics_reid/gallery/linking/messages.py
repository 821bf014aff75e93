"""What a camera's tracker tells its gallery, and what it hears back; times are seconds of the tracker's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..._typing import Floats
from ...appearance.evidence import LearnedStatistics


@dataclass(frozen=True, eq=False)
class Query:
    """Somebody is new to this camera: who is it?

    Attributes:
        identity: The id that they have here.
        embedding: `(D,)` raw mean of their clean crops.
        crops: How many.
        cls: Class index.
        first: When they were first seen.
        last: When they were last seen.
        beside: Ids of those who are visible beside them, and so are somebody else.
    """

    identity: int
    embedding: Floats
    crops: int
    cls: int
    first: float
    last: float
    beside: frozenset[int]


@dataclass(frozen=True, eq=False)
class PrototypeUpdate:
    """What an identity looked like for a stretch of time, as memory was taught it.

    Attributes:
        identity: The id.
        embedding: `(D,)` raw mean of clean crops.
        crops: How many.
        time: When.
        cls: Class index.
    """

    identity: int
    embedding: Floats
    crops: int
    time: float
    cls: int


@dataclass(frozen=True, eq=False)
class Observation:
    """One box of those who are visible.

    Attributes:
        identity: The id.
        cls: Class index.
        confidence: Of the detection, in [0, 1].
        box: Left, top, right and bottom as shares of the picture.
        crop: `(H, W, 3)` uint8 BGR; None if it isn't to be stored.
        sharpness: How good a picture the crop is, to choose the best by.
    """

    identity: int
    cls: int
    confidence: float
    box: tuple[float, float, float, float]
    crop: npt.NDArray[np.uint8] | None = None
    sharpness: float = 0.0


@dataclass(frozen=True)
class Observations:
    """Who is visible.

    Attributes:
        time: When.
        glimpses: Their boxes.
    """

    time: float
    glimpses: tuple[Observation, ...]


@dataclass(frozen=True)
class Merge:
    """Two identities of this camera turned out to be one.

    Attributes:
        gone: The id that is no more.
        kept: The one that both have.
    """

    gone: int
    kept: int


@dataclass(frozen=True)
class Split:
    """What was shown under an identity for a while was somebody else.

    Attributes:
        identity: The identity.
        since: Since when.
        to: The id under which they go on.
    """

    identity: int
    since: float
    to: int


@dataclass(frozen=True)
class Reject:
    """An answer couldn't be used: that identity was visible on another box.

    Attributes:
        identity: The id that was asked about, and stays.
    """

    identity: int


@dataclass(frozen=True, eq=False)
class EvidenceUpdate:
    """What the camera has learned of how embeddings differ.

    Attributes:
        evidence: All of it; it replaces what was told before.
    """

    evidence: LearnedStatistics


Message = Query | PrototypeUpdate | Observations | Merge | Split | Reject | EvidenceUpdate


@dataclass(frozen=True)
class Answer:
    """Who somebody is.

    Attributes:
        identity: The id that was asked about.
        known: Their identity in the gallery; None for somebody new, who keeps the id.
        similarity: Cosine under the common metric to the closest of what is known of them.
        probability: That it is them, in [0, 1].
        gap: Seconds since they were last seen anywhere; 0 where that was later, and for somebody enrolled.
        camera: Where that was.
        late: Whether the gallery was away when it was asked.
        new: Whether nobody knew them, and `known` is an id of the gallery's for who had a local one.
        looks: `(K, D)` some of what is known of them, as it would look on this camera, the most alike first.
    """

    identity: int
    known: int | None
    similarity: float = 0.0
    probability: float = 1.0
    gap: float = 0.0
    camera: str = ""
    late: bool = False
    new: bool = False
    looks: Floats | None = None


@dataclass(frozen=True)
class Outage:
    """The gallery can't be reached, or can again.

    Attributes:
        why: The reason; empty when it is back.
        lost: Visits that could not be kept meanwhile.
    """

    why: str = ""
    lost: int = 0


Reply = Answer | Outage


@dataclass(frozen=True)
class Settings:
    """How a gallery is used, of a tracker YAML; see `Config`.

    Attributes:
        false_rate: How often somebody new may be taken for somebody known.
        match_class: Whether an identity keeps its class.
        keep_days: Days after which what was seen is deleted; 0 for never.
        family: Kind of embedder; see `family_of`.
        recipe: How the embeddings are made, for those who search the gallery later.
    """

    false_rate: float
    match_class: bool
    keep_days: float
    family: str
    recipe: Mapping[str, str] = field(default_factory=dict)
