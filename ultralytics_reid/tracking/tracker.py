"""BoT-SORT with a memory bank: the host's hooks, in the order in which a frame passes through them.

detections -> embeddings (`frame_embeddings.py`) -> BoT-SORT's stages, with appearance fused into the cost matrix
(`association/fusion.py`) -> revival (`Recognizer.step`, `match_returning` in `revival/matching.py`) -> output.

`update` calls the host's once; the Kalman prediction and the stages are the host's, and what follows are its hooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from ultralytics.trackers.basetrack import TrackState
from ultralytics.trackers.utils import matching as host_matching
from ultralytics.trackers.utils.gmc import GMC
from ultralytics.trackers.utils.reid import build_encoder
from ultralytics.trackers.utils.stracks import multi_gmc, parse_bboxes
from ultralytics.utils import LOGGER

from .._typing import Bools, Floats, Ints
from ..appearance.embedding import as_features
from ..association.fusion import ambiguous_pairs, fuse_appearance
from ..association.last_seen import LastSeen
from ..association.overlap import overlap_share
from ..config import Config, keys
from ..embedders import AUTO, Embedder, family_of
from ..events import Events
from ..refinement.log_format import Header
from ..refinement.track_log import TrackLog
from ..revival.decision import Decision
from ..revival.id_pool import IdPool
from ..revival.initiation import VisibleBoxes
from ..revival.recognizer import Recognizer
from ..tuning import (
    APART_SHARE,
    HARDLY_LOG_ODDS,
    LIKELY_HOLD_SECONDS,
    LIKELY_LOG_ODDS,
    NEAR_MISSED_SECONDS,
    Tuning,
)
from . import callbacks
from .blas import single_threaded_blas
from .camera_link import CameraLink
from .camera_motion import NO_MOTION, CameraMotion
from .clock import DEFAULT_FPS, Clock
from .crop_selection import CropSelector
from .frame import MAX_CLASS, MAX_PIXELS, Batch, Frame, make_frame, sound_detections
from .frame_embeddings import EmbeddingSource, FrameEmbeddings
from .low_frame_rate import LowFrameRateBOTSORT
from .results import BoxIdentity, Shown
from .retired_ids import RetiredIds
from .track import ReIDTrack
from .track_arrays import iou_cost, kalman_states, measurements, output_rows, sightings_of, track_boxes
from .track_logging import log_frame
from .tracker_yaml import read_tracker_yaml


class ReIDBOTSORT(LowFrameRateBOTSORT):
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
        clock: The time in the video, seconds; `clock.at(seconds)` before a frame says when it was taken.
        events: Revivals and what else happened; iterate over it, or `events.subscribe(function)`.
        embeddings: Where embeddings come from.
        crop_selector: Which detections are embedded.
        recognizer: Memory, and decisions on identities.
        batch: What the host's predictor knows of the frames to come; None where the tracker is driven directly.
        camera: The link to the gallery.
        log: The track log, for `refine`; None to keep none. A reset begins the next one, `tracks-2.reid`.
        class_names: Names by class index, for the log; the host's predictor gives them, and whoever drives a tracker
            directly can.
        removed_stracks_frame: Tracks whose ids never come back, as memory has forgotten them; the host's solutions drop
            what they keep of these.
        attaches_identities: Marks trackers whose results `callbacks.after_update` completes.
    """

    attaches_identities = True

    def __init__(self, args: Any, tuning: Tuning | None = None) -> None:
        self.config = Config.from_args(args, tuning)
        host_args = copy(args)
        host_args.model = AUTO  # the host would load an encoder of its own, once a stream
        super().__init__(host_args)
        self.args = args
        self.gmc = self._camera_motion()
        self.clock = Clock(DEFAULT_FPS)
        self.events = Events()
        self.embeddings = EmbeddingSource(self.config, args.track_low_thresh, getattr(args, "device", None))
        self.batch: Batch | None = None
        self.removed_stracks_frame: list[ReIDTrack] = []
        self._shape: tuple[int, int] | None = None
        self._ended: list[ReIDTrack] = []
        self._frame: Frame | None = None
        self._frame_embeddings = FrameEmbeddings()
        self._warned_unsound = False
        self.camera = CameraLink(self.config, self.events)
        self.log = TrackLog(self.config.track_log) if self.config.track_log else None
        self.class_names: dict[int, str] = {}
        if isinstance(self.config.fps, float | int):
            self.fps = float(self.config.fps)
        self._forget()

    @classmethod
    def from_yaml(cls, path: str | Path | None = None, **changes: Any) -> ReIDBOTSORT:
        """Make a tracker of a YAML file, to drive it directly.

        Args:
            path: A tracker YAML, or the name of a shipped one; None for the defaults, those of `reid_botsort.yaml`.
            **changes: Values of keys in place of the file's, such as `memory_seconds=600`.

        Raises:
            ConfigError: If the file can't be read, or is no tracker YAML; if a key is unknown, missing, of the wrong
                type or out of range.

        Example:
            ```python
            tracker = ReIDBOTSORT.from_yaml(gallery="site.db", camera_id="door")
            tracker.fps = 25
            ```
        """
        content = {key.name: key.default for key in keys()} if path is None else read_tracker_yaml(path)
        return cls(SimpleNamespace(**content | changes))

    def __getstate__(self) -> dict[str, Any]:
        """What a copy, by `copy.deepcopy` or `pickle`, has: all but the gallery's thread, listeners, models, and log.

        It goes on where this tracker is, by itself. With a gallery it connects when it next tracks a frame; it loads
        the config's embedder when it needs it. OpenCV's detectors (`gmc_method: orb | sift`) start anew.
        """
        gone: dict[str, Any] = {"batch": None, "encoder": None, "_frame": None, "log": None}
        gone["_frame_embeddings"] = FrameEmbeddings()
        return vars(self) | gone | ({"gmc": None} if self.gmc.method in ("orb", "sift") else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.encoder = build_encoder(self.args.with_reid, AUTO, None)
        if state["gmc"] is None:
            self.gmc = self._camera_motion()

    # --- One frame: the host calls these hooks in this order ---

    def update(self, results: Any, img: Any = None, feats: Any = None, **kwargs: Any) -> npt.NDArray[np.float32]:  # noqa: ARG002
        """Track one frame.

        Args:
            results: The host's `Boxes` or `OBB` on the CPU as NumPy, `N` of them. Those with a box, score or class that
                is not finite or absurdly large are left out, with one warning.
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
        sound = sound_detections(results)
        if not sound.all():
            return self._update_sound(np.flatnonzero(sound), results, img, feats)
        return self._update(results, img, feats)

    def _update_sound(self, sound: Ints, results: Any, img: Any, feats: Any) -> npt.NDArray[np.float32]:
        """Track those detections of a frame that can be tracked; see `sound_detections`."""
        if not self._warned_unsound:
            self._warned_unsound = True
            LOGGER.warning(
                f"reid_botsort leaves out {len(results) - len(sound)} of {len(results)} detections: box and score must "
                f"be finite, edges within {MAX_PIXELS:g} pixels, classes within {MAX_CLASS}; this is said once"
            )
        if feats is not None:
            feats = as_features(feats, len(results))[sound]
        if self.batch is not None:
            self.batch.keep(sound)
        rows = self._update(results[sound], img, feats)
        if len(rows):
            rows[:, -1] = sound[rows[:, -1].astype(int)]
        return rows

    def _update(self, results: Any, img: Any, feats: Any) -> npt.NDArray[np.float32]:
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
            self._follow_shape(frame.shape)
            if self.config.remembers and self.clock.stood_still(self.args.track_buffer):
                self._end_tracks()
            self._frame_embeddings = self.embeddings.of(frame, feats, bank, batch.features_by)
            self.crop_selector.note(self._frame_embeddings.embedded, self._frame_embeddings.embedded)
            rows = np.asarray(super().update(results, img, feats=self._frame_embeddings.rows))
            if self.log is not None:
                seen = [t for t in self.tracked_stracks if t.is_activated and t.frame_id == self.frame_id]
                header = Header(bank.fingerprint, 0, self.fps, frame.shape or (0, 0), self.class_names)
                log_frame(self.log, seen, frame, header)
            self._frame, self._frame_embeddings = None, FrameEmbeddings()
            self._retire()
        if self.batch is not None:  # only the host's callbacks collect it
            self.batch.shown.append(Shown(self.identities(), self._shown_embeddings()))
        return rows

    def _camera_motion(self) -> GMC:
        """What estimates camera motion; the host's where the association is to be the host's."""
        method = self.args.gmc_method
        return CameraMotion(method) if self.config.fuses else GMC(method)

    def _retire(self) -> None:
        """Tell as removed, in `removed_stracks_frame`, only tracks whose ids never come back."""
        if self.config.remembers:
            for track in self.removed_stracks_frame:
                self._retired.hold(track)
            tracks = (*self.tracked_stracks, *self.lost_stracks)
            self.removed_stracks_frame = self._retired.release(self.clock.now, self.recognizer.bank, tracks)

    def _follow_shape(self, shape: tuple[int, int] | None) -> None:
        """Scale what is remembered in pixels where the image's size changes, as after a camera's reconnect."""
        before, self._shape = self._shape, shape or self._shape
        if shape is None or before in (None, shape) or not all((*before, *shape)):
            return
        x, y = shape[1] / before[1], shape[0] / before[0]
        for track in {id(t): t for t in (*self.tracked_stracks, *self.lost_stracks)}.values():
            track.rescale(x, y)
        self.recognizer.bank.rescale(x, y)
        self.gmc.reset_params()

    def _end_tracks(self) -> None:
        """End all tracks after a stand-still: memory decides who is who, not the place in the image."""
        self._ended = [*self.tracked_stracks, *self.lost_stracks]
        for track in self._ended:
            track.mark_removed()
        self.tracked_stracks.clear()
        self.lost_stracks.clear()
        self.gmc.reset_params()

    def _remove_stale_lost(self, removed: list[ReIDTrack]) -> None:
        """Host hook: tracks that end in this frame, those of a stand-still before it too."""
        removed += self._ended
        self._ended = []
        super()._remove_stale_lost(removed)

    def _input_for(self, img: Any, feats: Any, mask: Bools) -> Floats | None:  # noqa: ARG002
        """Host hook: the embeddings of those detections that are made tracks of next; never the image."""
        return None if feats is None else feats[mask]

    def init_track(self, results: Any, img: Any = None) -> list[ReIDTrack]:
        """Host hook: tracks of detections; `img` holds their embeddings, or None."""
        if not len(results):
            return []
        if not self.config.fuses:
            boxes = zip(parse_bboxes(results), results.conf, results.cls, strict=True)
            feats = [None] * len(results) if img is None or not self.config.with_reid else img
            return [ReIDTrack(*box, feat) for box, feat in zip(boxes, feats, strict=True)]
        tracks = ReIDTrack.lean_batch(parse_bboxes(results), results.conf, results.cls)
        if img is not None:
            for n in np.flatnonzero(img.any(axis=1)).tolist():  # zeros say nothing
                tracks[n].curr_feat = img[n]
        return tracks

    def _pre_first_associate(self, strack_pool: Any, unconfirmed: Any, img: Any, results_high: Any) -> None:
        """Host hook, after the Kalman prediction: compensate camera motion, if there is any."""
        if not self.config.fuses:
            super()._pre_first_associate(strack_pool, unconfirmed, img, results_high)
        elif self.gmc.method is not None and img is not None:
            try:
                warp = self.gmc.apply(img, results_high.xyxy)
            except (cv2.error, ValueError) as error:
                LOGGER.warning(f"camera motion can't be estimated in frame {self.frame_id}, none is assumed: {error}")
                return
            if not np.array_equal(warp, NO_MOTION):
                multi_gmc(strack_pool, warp)
                multi_gmc(unconfirmed, warp)

    def _first_association(self, strack_pool: Any, detections: Any, activated: Any, refind: Any) -> Any:
        """Host hook, after the Kalman prediction: embed those crops of which it pays, then associate."""
        assert self._frame is not None
        clean = self._frame.clean.tolist()
        for detection in detections:
            detection.clean = clean[int(detection.idx)]
        if self._frame_embeddings.on_demand:
            distance = iou_cost(strack_pool, detections)
            picked = self.crop_selector.pick(strack_pool, detections, distance, self._frame.time)
            rows = [int(detections[n].idx) for n in picked]
            embeddings = self.embeddings.embed(self._frame, rows, self.recognizer.bank)
            for n, embedding in zip(picked, () if embeddings is None else embeddings, strict=embeddings is not None):
                detections[n].set_embedding(embedding)
        return super()._first_association(strack_pool, detections, activated, refind)

    def _apply_matches(self, matches: Any, pool: Any, detections: Any, activated: Any, refind: Any) -> None:
        """Host hook: matched tracks take their detections, with one Kalman update for all of them."""
        if not self.config.fuses or self._oriented(detections):
            super()._apply_matches(matches, pool, detections, activated, refind)
            return
        tracks, found = [pool[t] for t, _ in matches], [detections[d] for _, d in matches]
        means, covariances = self.kalman_filter.multi_update(*kalman_states(tracks), measurements(found))
        missed = self._missed_frames(tracks, pool)
        for track, detection, mean, covariance in zip(tracks, found, means, covariances, strict=True):
            (activated if track.state == TrackState.Tracked else refind).append(track)
            track.go_on(detection, mean, covariance, self.frame_id, missed.get(track.track_id, 0))

    def _missed_frames(self, tracks: Sequence[ReIDTrack], pool: Sequence[ReIDTrack]) -> dict[int, int]:
        """Frames that each lost track may have missed and its tracklet still go on, by id: fewer where others are near.

        Args:
            tracks: Those that were matched.
            pool: All that they might have been taken for, where they are expected.
        """
        lost = {t.track_id for t in tracks if t.state != TrackState.Tracked}
        if not lost:
            return {}
        near = np.any(overlap_share(track_boxes(pool)) > APART_SHARE, axis=1).tolist()
        most = int(self.config.tuning.missed_seconds * self.fps)
        few = min(most, int(NEAR_MISSED_SECONDS * self.fps))
        return {t.track_id: few if other else most for t, other in zip(pool, near, strict=True) if t.track_id in lost}

    @staticmethod
    def _oriented(tracks: Sequence[ReIDTrack]) -> bool:
        """Whether boxes have an angle, which the host's own path follows."""
        return any(t.angle is not None for t in tracks[:1])

    def get_dists(self, tracks: list[ReIDTrack], detections: list[ReIDTrack]) -> npt.NDArray[np.float32]:
        """Host hook: the first association's cost matrix `(T, N)`: IoU after the Kalman prediction, and appearance."""
        if not self.config.fuses:
            return np.asarray(super().get_dists(tracks, detections))
        cost = iou_cost(tracks, detections)
        if self.args.fuse_score:
            cost = np.asarray(host_matching.fuse_score(cost, detections), np.float32)
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
        own = self.config.fuses and not self._oriented(self.tracked_stracks)
        rows = output_rows([t for t in self.tracked_stracks if t.is_activated]) if own else super()._format_output()
        return rows[rows[:, -4] > 0] if len(rows) else rows  # ids below 0 are not shown yet

    def _revive(self) -> None:
        """Collect this frame's evidence, match and decide (`Recognizer.step`), and show the identities' ids."""
        assert self._frame is not None
        now, when = self._frame.time, (self._frame.index, self._frame.time)
        tracks = [t for t in self.tracked_stracks if t.frame_id == self.frame_id]
        seen, votes = sightings_of(tracks, now, self.fps), self.config.tuning.class_votes
        decisions = [t.observe(LastSeen.of(row), now, class_votes=votes) for t, row in zip(tracks, seen, strict=True)]
        self.recognizer.crop_scores.learn([d.tracklet for d in decisions], now)
        for decision in decisions:
            decision.tracklet.blend(now)
        if not self.config.remembers:
            return
        for decision in decisions:
            decision.tracklet.take(now)
        if self.camera.connection is not None:
            self.camera.receive(self.recognizer, self.embeddings.dim, self._decisions(), when)
        confirmed = [t for t in tracks if t.is_activated]
        boxes = VisibleBoxes(track_boxes(confirmed), np.array([t.score for t in confirmed]))
        self.recognizer.step([t.decision for t in confirmed], when, self._frame.area, boxes)
        for track in confirmed:
            self._show(track, now)
        self.camera.report(confirmed, self._frame)

    def _show(self, track: ReIDTrack, now: float) -> None:
        """Give a track the id of its identity; an undecided one may wait for it."""
        decision = track.decision
        assert decision is not None
        waits = decision.in_doubt or now - decision.tracklet.born < self._hold(decision)
        if self.config.provisional != "hide" or not waits:
            self.recognizer.show_id(decision)
        if track.track_id != decision.identity:
            self._retired.hold(track)
            track.track_id = decision.identity
            # The host drops tracks that share an id with a lost or removed one: the old ones are gone for good.
            for pool in (self.lost_stracks, self.removed_stracks):
                pool[:] = [t for t in pool if t.track_id != track.track_id]

    def _hold(self, decision: Decision) -> float:
        """Seconds that an undecided box waits for the id it may have: longer where a return is likely.

        They are no fewer than a decision takes.
        """
        if not self.config.hold_seconds or decision.returning_log_odds <= HARDLY_LOG_ODDS:
            return 0.0
        likely = decision.returning_log_odds > LIKELY_LOG_ODDS and decision.reactivated_id is None
        least = (self.config.tuning.confirm_frames + 1) / self.fps
        return max(self.config.hold_seconds, least, LIKELY_HOLD_SECONDS if likely else 0.0)

    # --- What users and the host's predictor ask of a tracker ---

    def identities(self) -> dict[int, BoxIdentity]:
        """Return the identities of the last frame's boxes, by id."""
        return {t.track_id: self._identity(t) for t in self._shown_tracks()}

    def _shown_tracks(self) -> list[ReIDTrack]:
        return [t for t in self.tracked_stracks if t.is_activated and t.track_id > 0]

    def held_tracks(self) -> list[ReIDTrack]:
        """Return the confirmed tracks with a box in the last frame that is held back until their id is known."""
        return [t for t in self.tracked_stracks if t.is_activated and t.track_id < 0 and t.frame_id == self.frame_id]

    def _shown_embeddings(self) -> dict[int, Floats]:
        tracks = self._shown_tracks()
        found = {t.track_id: t.smooth_feat if t.appearance is None else t.appearance for t in tracks}
        return {identity: raw for identity, raw in found.items() if raw is not None}

    def _identity(self, track: ReIDTrack) -> BoxIdentity:
        decision = track.decision
        revival = None if decision is None else decision.revival
        provisional = decision is not None and self.config.remembers and not decision.settled
        link = self.camera.links.get(track.track_id)
        now = tuple(event is not None and event.frame == self.frame_id for event in (revival, link))
        return BoxIdentity(track.track_id, provisional, revival, now[0], link, now[1])

    def finish(self, *, wait: bool = False) -> str:
        """Tell the gallery, if there is one, that the video is over.

        Args:
            wait: Whether to wait, ten seconds at most, until it has everything.

        Returns:
            How many individuals it knew, in words; empty if there is nothing to tell.
        """
        return self.camera.close(self._decisions(), (self.frame_id, self.clock.now), wait=wait)

    def _decisions(self) -> list[Decision]:
        """Decisions of all tracks, lost ones too."""
        return [t.decision for t in (*self.tracked_stracks, *self.lost_stracks) if t.decision is not None]

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
        self.clock.fps, self.clock.fixed = float(value), True

    @property
    def fps_known(self) -> bool:
        """Whether the frame rate was set, by the key `fps` or as `tracker.fps`."""
        return self.clock.fixed

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
        self._shape, self._ended = None, []
        self.events.clear()
        if self.log is not None and self.log.begun:
            self.log.close()
            self.log = self.log.numbered(self.log.number + 1)
        self._forget()

    def _forget(self) -> None:
        self.crop_selector = CropSelector(self.config.reid_interval, self.config.remembers)
        self.finish()
        self.camera.forget()
        self._identity_ids = IdPool(self._next_id, self.config.max_identities)
        self._retired = RetiredIds()
        self.embeddings.dim = None
        self.recognizer = Recognizer(self.config, self._identity_ids, self.events)
        self.recognizer.assume(family_of(self.config.model, self.config.head))

    def _next_id(self) -> int:
        connection = self.camera.connection
        return int(next(self._ids)) if connection is None else connection.next_id()

    @classmethod
    def setup_predictor(cls, predictor: Any) -> None:
        """Host hook, after the trackers are made: install what they need of the predictor."""
        callbacks.setup(predictor)

    @classmethod
    def compute_frame_extras(cls, predictor: Any) -> None:
        """Host hook, before a batch is tracked: features, frame times, folders of images."""
        callbacks.before_update(predictor)
