"""Which identity a tracklet shows, and how sure that is: a state with one transition function."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import Enum

from ..appearance.tracklet import Tracklet
from ..association.last_seen import LastSeen
from ..events import Revival
from .birth import Birth


class State(Enum):
    """How far it is decided which identity a tracklet shows; deep_sort's `TrackState` is the model."""

    UNDECIDED = "no identity yet, though perhaps a provisional id"
    REACTIVATED = "the host re-activated a lost track: motion says it is `reactivated_id`, appearance hasn't agreed yet"
    ON_PROBATION = "matched to a remembered identity, which can still be reverted"
    SETTLED = "decided"
    REVERIFYING = "was settled and no longer looks like its identity: matched again"


_OPEN = frozenset({State.UNDECIDED, State.REACTIVATED, State.REVERIFYING})
_SETTLED, _ON_PROBATION = State.SETTLED, State.ON_PROBATION  # looking a member up takes longer than comparing it
_DECIDED = frozenset({_SETTLED, _ON_PROBATION})
_TRANSITIONS = {
    State.UNDECIDED: _DECIDED | {State.UNDECIDED},
    State.REACTIVATED: _DECIDED | {State.UNDECIDED},
    State.REVERIFYING: _DECIDED | {State.UNDECIDED},
    State.ON_PROBATION: {State.SETTLED, State.UNDECIDED},
    State.SETTLED: {State.REVERIFYING},
}


@dataclass(frozen=True)
class Probation:
    """A revival that can be reverted: until it is sure, what its tracklet shows updates no memory.

    Attributes:
        before: Kalman state of the identity when it was last seen before the tracklet.
        until: Time from which on it is sure, seconds.
        by_appearance: Whether appearance alone made the match; where motion did, the tracklet's crops can be trusted
            to be of the same individual as those before.
    """

    before: LastSeen
    until: float
    by_appearance: bool


@dataclass(eq=False)
class Decision:
    """The identity of one tracklet. Only the recognizer writes it.

    Attributes:
        tracklet: The evidence.
        identity: The id that is shown; negative while none is.
        state: How far it is decided.
        reactivated_id: The identity that motion says it is, in the states REACTIVATED and REVERIFYING.
        revival: How the identity was revived, if it was.
        probation: Set in the state ON_PROBATION.
        best_match: The identity matched in the last frame; None for no match.
        streak: Frames in a row with that match.
        contradictions: Checks in a row in which it didn't look like its own identity.
        contradicted: Whether appearance speaks against `reactivated_id`.
        in_doubt: Whether it has no id yet and may be a part of somebody, a second box or nobody.
        seen_apart: Identities that were certainly elsewhere while this tracklet was visible, and when last, seconds.
        birth: Detection scores until it has an id.
        returning_log_odds: Log-odds of the likeliest absent identity, nats; -inf where none is in question or scores
            don't tell, once it is decided, and without a clean crop where nothing depends on it.
    """

    tracklet: Tracklet
    identity: int
    state: State = State.UNDECIDED
    reactivated_id: int | None = None
    revival: Revival | None = None
    probation: Probation | None = None
    best_match: int | None = None
    streak: int = 0
    contradictions: int = 0
    contradicted: bool = False
    returning_log_odds: float = -math.inf
    in_doubt: bool = False
    seen_apart: dict[int, float] = field(default_factory=dict)
    birth: Birth = field(default_factory=Birth)

    @property
    def settled(self) -> bool:
        """Whether it is decided, if only on probation."""
        return self.state is _SETTLED or self.state is _ON_PROBATION

    @property
    def unsure(self) -> bool:
        """Whether it may well show another individual, so that nothing is learned from it."""
        return self.probation is not None and self.probation.by_appearance

    @property
    def forced(self) -> bool:
        """Whether it has its identity only because a closed set left no other choice."""
        return self.revival is not None and self.revival.forced

    def transition(
        self,
        state: State,
        identity: int,
        *,
        reactivated_id: int | None = None,
        probation: Probation | None = None,
    ) -> None:
        """Go to another state; the one place where a state changes.

        Args:
            state: The next state.
            identity: The id from now on; negative for none.
            reactivated_id: For REVERIFYING, the identity in question.
            probation: For ON_PROBATION, its terms.

        Raises:
            ValueError: If the state can't follow the present one.
        """
        if state not in _TRANSITIONS[self.state]:
            raise ValueError(f"{state.name} can't follow {self.state.name}")
        self.state, self.identity = state, identity
        self.reactivated_id, self.probation = reactivated_id, probation
        if state not in _OPEN:
            self.returning_log_odds = -math.inf

    def reopen(self, provisional_id: int) -> None:
        """Revert to UNDECIDED with all the evidence there is, under another id for the time being."""
        self.transition(State.UNDECIDED, provisional_id)
        self.revival = None
        self._reset_counts()

    def reverify(self, since: float) -> None:
        """Match again which identity this is, with the clean crops since a time in seconds for evidence."""
        self.transition(State.REVERIFYING, self.identity, reactivated_id=self.identity)
        self.revival, self.contradicted = None, True
        self._reset_counts()
        self.seen_apart = {i: t for i, t in self.seen_apart.items() if t >= since}
        self.tracklet.restart(since)

    def rescale(self, x: float, y: float) -> None:
        """Go on in an image that is `x` times as wide and `y` times as high."""
        self.tracklet.rescale(x, y)
        if self.probation is not None:
            self.probation = replace(self.probation, before=self.probation.before.scaled(x, y))

    def _reset_counts(self) -> None:
        self.contradictions, self.streak, self.best_match = 0, 0, None

    def vote(self, identity: int | None) -> None:
        """Count this frame's match; None for no match."""
        agrees = self.streak > 0 and identity == self.best_match
        self.best_match, self.streak = identity, self.streak + 1 if agrees else 1

    def resumed(self, now: float, last: LastSeen) -> Decision:
        """Start the decision on the tracklet with which its re-activated track goes on."""
        reactivated_id = self.identity if self.settled else self.reactivated_id
        state = State.UNDECIDED if reactivated_id is None else State.REACTIVATED
        return Decision(self.tracklet.resumed(now, last), self.identity, state, reactivated_id, self.revival)
