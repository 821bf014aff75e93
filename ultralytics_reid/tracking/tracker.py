"""BoT-SORT with a memory bank: the host's hooks, in the order in which a frame passes through them.

detections -> embeddings (`frame_embeddings.py`) -> BoT-SORT's stages, with appearance fused into the cost matrix
(`association/fusion.py`) -> revival (`revival/recognizer.py`, `revival/matching.py`) -> output.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from ultralytics.trackers.bot_sort import BOTSORT
from ultralytics.trackers.utils import matching
from ultralytics.trackers.utils.stracks import parse_bboxes

from .._typing import Bools, Floats
from ..association.fusion import ambiguous_pairs, fuse_appearance
from ..config import Config
from ..embedders import AUTO, Embedder, family_of
from ..events import Events
from ..gallery.linking.client import GalleryCamera, shares
from ..gallery.linking.connection import Connection
from ..gallery.linking.messages import Observation
from ..gallery.linking.worker import Channel
from ..revival.decision import Decision
from ..revival.id_pool import IdPool
from ..revival.recognizer import Recognizer
from ..tuning import Tuning
from . import callbacks
from .blas import single_threaded_blas
from .clock import DEFAULT_FPS, Clock
from .crop_selection import CropSelector
from .frame import Batch, Frame, make_frame
from .frame_embeddings import EmbeddingSource, FrameEmbeddings
from .results import BoxIdentity
from .track import ReIDTrack

# What a camera is called whose source has no name.
_SOME_CAMERA = "camera"


class ReIDBOTSORT(BOTSORT):
    """BoT-SORT whose identities outlive its tracks.

    Lost tracks are revived from a long-term appearance memory bank: embedding similarity and Kalman motion, fused and
    assigned by the Hungarian algorithm. Drive it as any Ultralytics tracker, through
    `model.track(tracker="reid_botsort.yaml")` or directly: `tracker.update(boxes, image, feats=embeddings)`, with
    `tracker.fps` set.

    Args:
        args: The namespace of a tracker YAML; see `Config`.
        tuning: Constants in place of the shipped ones, for ablations and tests.

    Raises:
        ConfigError: If a key is unknown, of the wrong type or out of range.

    Attributes:
        config: The validated keys.
        clock: The time in the video, seconds.
        events: Revivals and what else happened; iterate over it, or `events.subscribe(function)`.
        embeddings: Where embeddings come from.
        crop_selector: Which detections are embedded.
        recognizer: Memory, and decisions on identities.
        fps_known: Whether `fps` was set.
        batch: What the host's predictor knows of the frames to come; None where the tracker is driven directly.
        camera_id: The camera's name in the gallery.
        starts_at: When its clock was 0, seconds since 1970; None if unknown.
        recipe: How its embeddings are made, for later searches of the gallery.
        connection: The way to the gallery, which all cameras of a process share; None without one.
        attaches_identities: Marks trackers whose results `callbacks.after_update` completes.
    """

    attaches_identities = True

    def __init__(self, args: Any, tuning: Tuning | None = None) -> None:
        self.config = Config.from_args(args, tuning)
        host_args = copy(args)
        host_args.model = AUTO  # the host would load an encoder of its own, once a stream
        super().__init__(host_args)
        self.args = args
        self.clock = Clock(DEFAULT_FPS)
        self.events = Events()
        self.embeddings = EmbeddingSource(self.config, args.track_low_thresh, getattr(args, "device", None))
        self.fps_known = False
        self.batch: Batch | None = None
        self._frame: Frame | None = None
        self._embeddings = FrameEmbeddings()
        self.camera_id = (self.config.cameras or (_SOME_CAMERA,))[0]
        self.starts_at = self.config.starts
        self.recipe = {"model": self.config.model, "weights": self.config.weights}
        self.connection = Connection(self.config, family_of(self.config.model)) if self.config.gallery else None
        self._gallery: GalleryCamera | None = None
        self._channel: Channel | None = None
        if isinstance(self.config.fps, float | int):
            self.fps = float(self.config.fps)
        self._forget()

    # --- One frame: the host calls these hooks in this order ---

    def update(self, results: Any, img: Any = None, feats: Any = None, **kwargs: Any) -> npt.NDArray[np.float32]:
        """Track one frame.

        Args:
            results: The host's `Boxes` or `OBB` on the CPU as NumPy, `N` of them.
            img: The frame, `(H, W, 3)` uint8 BGR; None without one.
            feats: `(N, D)` embeddings, one row a detection, any real dtype and norm; None to take the YAML's `model`.
            **kwargs: What other trackers of the host take; ignored.

        Returns:
            The host's rows, `(T, 8)` or `(T, 9)` for OBB, whose ids are identities; `(0,)` without any.

        Raises:
            EmbeddingError: If `feats` has another number of rows, or another dimension than before; if the image is
                none that an encoder takes, or the embedder isn't the one whose embeddings are remembered.
            ConfigError: If the YAML's `model` can't be loaded; that happens when it is first needed.
        """
        with single_threaded_blas():
            self.clock.tick()
            batch, bank = self.batch or Batch(), self.recognizer.bank
            frame = make_frame(
                results,
                img,
                index=self.frame_id + 1,
                time=self.clock.now,
                outlines=batch.outlines,
                config=self.config,
                min_conf=self.args.track_high_thresh,
            )
            self._frame = frame
            self._embeddings = self.embeddings.of(frame, feats, bank, batch.features_by)
            self.crop_selector.note(self._embeddings.embedded, self._embeddings.embedded)
            rows = np.asarray(super().update(results, img, feats=self._embeddings.rows, **kwargs))
            self._frame, self._embeddings = None, FrameEmbeddings()
        batch.shown.append(self.identities())
        return rows

    def _input_for(self, img: Any, feats: Any, mask: Bools) -> Floats | None:  # noqa: ARG002
        """Host hook: the embeddings of those detections that are made tracks of next; never the image."""
        return None if feats is None else feats[mask]

    def init_track(self, results: Any, img: Any = None) -> list[ReIDTrack]:
        """Host hook: tracks of detections; `img` holds their embeddings, or None."""
        if not len(results):
            return []
        boxes = zip(parse_bboxes(results), results.conf, results.cls, strict=True)
        if not self.config.fuses:
            feats = [None] * len(results) if img is None or not self.config.with_reid else img
            return [ReIDTrack(*box, feat) for box, feat in zip(boxes, feats, strict=True)]
        tracks = [ReIDTrack.lean(*box) for box in boxes]
        for track, embedding in zip(tracks, () if img is None else img, strict=img is not None):
            track.set_embedding(embedding)
        return tracks

    def _first_association(self, strack_pool: Any, detections: Any, activated: Any, refind: Any) -> Any:
        """Host hook, after the Kalman prediction: embed those crops of which it pays, then associate."""
        assert self._frame is not None
        for detection in detections:
            detection.clean = bool(self._frame.clean[int(detection.idx)])
        if self._embeddings.on_demand:
            distance = matching.iou_distance(strack_pool, detections)
            picked = self.crop_selector.pick(strack_pool, detections, distance, self._frame.time)
            rows = [int(detections[n].idx) for n in picked]
            embeddings = self.embeddings.embed(self._frame, rows, self.recognizer.bank)
            for n, embedding in zip(picked, () if embeddings is None else embeddings, strict=embeddings is not None):
                detections[n].set_embedding(embedding)
        return super()._first_association(strack_pool, detections, activated, refind)

    def get_dists(self, tracks: list[ReIDTrack], detections: list[ReIDTrack]) -> npt.NDArray[np.float32]:
        """Host hook: the first association's cost matrix `(T, N)`: IoU after the Kalman prediction, and appearance."""
        if not self.config.fuses:
            return np.asarray(super().get_dists(tracks, detections))
        iou_cost = matching.iou_distance(tracks, detections)
        cost = matching.fuse_score(iou_cost, detections) if self.args.fuse_score else iou_cost
        cost = np.asarray(cost, np.float32)
        return fuse_appearance(cost, self._appearance_affinity(tracks, detections, cost)) if cost.size else cost

    def _appearance_affinity(
        self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack], cost: Floats
    ) -> Floats:
        """Return what appearance says, `(T, N)`, wherever it can change the assignment; 0 elsewhere."""
        affinity = np.zeros_like(cost)
        matters = ambiguous_pairs(cost, self.args.match_thresh)
        rows = [n for n in np.flatnonzero(matters.any(axis=1)).tolist() if tracks[n].appearance is not None]
        columns = [n for n in np.flatnonzero(matters.any(axis=0)).tolist() if detections[n].embedding is not None]
        if rows and columns:
            appearances = np.array([tracks[n].appearance for n in rows], np.float32)
            crops = np.array([detections[n].embedding for n in columns], np.float32)
            affinity[np.ix_(rows, columns)] = self.recognizer.crop_scores.appearance_affinity(appearances, crops)
        return affinity

    def _init_new_tracks(self, u_detection: Any, detections: Any, activated: Any, refind: Any = None) -> None:
        """Host hook: detections that no track claimed become tracks, without an id until one is needed."""
        if self.config.remembers:
            for n in u_detection:
                detections[n].next_id = self._identity_ids.pending
        super()._init_new_tracks(u_detection, detections, activated, refind)

    def _format_output(self) -> npt.NDArray[np.float32]:
        """Host hook, after all stages: revive, then output the boxes that have an id to show."""
        if self.config.fuses or self.config.remembers:
            self._revive()
        rows = np.asarray(super()._format_output())
        return rows[rows[:, -4] > 0] if len(rows) else rows  # ids below 0 are not shown yet

    def _revive(self) -> None:
        """Collect this frame's evidence, decide which identities tracks show, and show their ids."""
        assert self._frame is not None
        now, when = self._frame.time, (self._frame.index, self._frame.time)
        tracks = [t for t in self.tracked_stracks if t.frame_id == self.frame_id]
        decisions = [t.observe(now, self.fps, class_votes=self.config.tuning.class_votes) for t in tracks]
        self.recognizer.crop_scores.learn([d.tracklet for d in decisions], now)
        for decision in decisions:
            decision.tracklet.blend(now)
        if not self.config.remembers:
            return
        for decision in decisions:
            decision.tracklet.take(now)
        self._hear_from_gallery(now)
        confirmed = [t for t in tracks if t.is_activated]
        self.recognizer.step([t.decision for t in confirmed], when, self._frame.area)
        for track in confirmed:
            self._show(track, now)
        self._tell_gallery(confirmed, now)

    def _show(self, track: ReIDTrack, now: float) -> None:
        """Give a track the id of its identity; an undecided one may wait for it."""
        decision = track.decision
        assert decision is not None
        waits = self.config.provisional == "hide" and decision.may_be_returning
        if not waits or now - decision.tracklet.born >= self._hold:
            self.recognizer.show_id(decision)
        if track.track_id != decision.identity:
            track.track_id = decision.identity
            # The host drops tracks that share an id with a lost or removed one: the old ones are gone for good.
            for pool in (self.lost_stracks, self.removed_stracks):
                pool[:] = [t for t in pool if t.track_id != track.track_id]

    @property
    def _hold(self) -> float:
        """Seconds that an undecided box waits: as many as were asked for, but no fewer than a decision takes."""
        least = (self.config.tuning.confirm_frames + 1) / self.fps
        return max(self.config.hold_seconds, least) if self.config.hold_seconds else 0.0

    # --- The gallery ---

    def _hear_from_gallery(self, now: float) -> None:
        """Take the gallery's answers; it is opened when it is known what embeddings there will be."""
        if self.connection is None or self.embeddings.dim is None:
            return
        link = self.connection.link(self.embeddings.dim, self.recognizer.bank.fingerprint, self.recipe)
        if self._gallery is not None and self._gallery.line.camera != self.camera_id:
            self.finish()
        if self._gallery is None:
            line = link.open_channel(self.camera_id, self.starts_at, self._channel)
            since = now if self._channel is not None else -np.inf
            self._gallery = GalleryCamera(link, line, self.recognizer, self.events, since)
        if self.config.gallery_wait:
            link.settle(self.config.gallery_wait, until_back=False)
        self._gallery.answer(self._decisions(), (self.frame_id, now))

    def _tell_gallery(self, confirmed: Sequence[ReIDTrack], now: float) -> None:
        if self._gallery is None:
            return
        tracks = {id(t.decision): t for t in confirmed}
        visible = [t.decision for t in confirmed if t.decision is not None]
        self._gallery.tell(visible, now, lambda d: self._observation(tracks[id(d)], d))

    def _observation(self, track: ReIDTrack, decision: Decision) -> Observation:
        """Where an identity is, for the gallery, and its crop, if that is to be stored."""
        frame, tracklet = self._frame, decision.tracklet
        assert frame is not None
        box, score = np.asarray(track.xyxy, np.float32), float(track.score)
        where = (0.0, 0.0, 0.0, 0.0) if frame.shape is None else shares(box, frame.shape)
        if not self.config.store_crops or frame.image is None or not tracklet.clean:
            return Observation(decision.identity, tracklet.cls, score, where)
        left, top, right, bottom = np.maximum(box, 0).astype(int)
        crop = frame.image[top:bottom, left:right].copy()
        return Observation(decision.identity, tracklet.cls, score, where, crop, score * float(bottom - top))

    def finish(self, *, wait: bool = False) -> str:
        """Tell the gallery, if there is one, that the video is over.

        Args:
            wait: Whether to wait, ten seconds at most, until it has everything.

        Returns:
            How many individuals it knew, in words; empty if there is nothing to tell.
        """
        if self._gallery is None or self.connection is None:
            return ""
        gallery, self._gallery = self._gallery, None
        gallery.close()
        self._channel = gallery.line
        if wait:
            self.connection.settle()
            gallery.answer(self._decisions(), (self.frame_id, self.clock.now))
        return gallery.summary

    def _decisions(self) -> list[Decision]:
        """Decisions of all tracks, lost ones too."""
        return [t.decision for t in (*self.tracked_stracks, *self.lost_stracks) if t.decision is not None]

    # --- What users and the host's predictor ask of a tracker ---

    def identities(self) -> dict[int, BoxIdentity]:
        """Return the identities of the last frame's boxes, by id."""
        shown = [t for t in self.tracked_stracks if t.is_activated and t.track_id > 0]
        return {t.track_id: self._identity(t) for t in shown}

    def _identity(self, track: ReIDTrack) -> BoxIdentity:
        decision = track.decision
        revival = None if decision is None else decision.revival
        provisional = decision is not None and self.config.remembers and not decision.settled
        link = None if self._gallery is None else self._gallery.links.get(track.track_id)
        now = tuple(event is not None and event.frame == self.frame_id for event in (revival, link))
        return BoxIdentity(track.track_id, provisional, revival, now[0], link, now[1])

    @property
    def hides(self) -> bool:
        """Whether a confirmed track's box is held back until its id is known."""
        return any(t.is_activated and t.track_id < 0 for t in self.tracked_stracks)

    @property
    def fps(self) -> float:
        """Frames a second. Set it where you drive the tracker directly; it wins over what the source says."""
        return self.clock.fps

    @fps.setter
    def fps(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"fps must be above 0, got {value!r}")
        self.clock.fps, self.fps_known = float(value), True

    @property
    def embedder(self) -> Embedder | None:
        """What embeds crops, loaded when first asked for; None where embeddings come with the detections."""
        return self.embeddings.embedder

    @embedder.setter
    def embedder(self, value: Embedder | None) -> None:
        self.embeddings.embedder = value

    def reset(self) -> None:
        """Forget tracks, identities, past events and the time; the embedder, the frame rate and listeners stay."""
        if self.batch is not None and self.batch.goes_on:
            return
        super().reset()
        self.clock.restart()
        self.events.clear()
        self._forget()

    def _forget(self) -> None:
        self.crop_selector = CropSelector(self.config.reid_interval, self.config.remembers)
        self.finish()
        self._channel = None
        self._identity_ids = IdPool(self._next_id, self.config.max_identities)
        self.embeddings.dim = None
        self.recognizer = Recognizer(self.config, self._identity_ids, self.events)
        self.recognizer.assume(family_of(self.config.model))

    def _next_id(self) -> int:
        return int(next(self._ids)) if self.connection is None else self.connection.next_id()

    @classmethod
    def setup_predictor(cls, predictor: Any) -> None:
        """Host hook, after the trackers are made: install what they need of the predictor."""
        callbacks.setup(predictor)

    @classmethod
    def compute_frame_extras(cls, predictor: Any) -> None:
        """Host hook, before a batch is tracked: features, frame times, folders of images."""
        callbacks.before_update(predictor)
