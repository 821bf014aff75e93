"""BoT-SORT with a memory: hook overrides that call the rest of this package."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from ultralytics.trackers.bot_sort import BOTSORT
from ultralytics.trackers.utils import matching
from ultralytics.trackers.utils.stracks import parse_bboxes
from ultralytics.utils import LOGGER

from .._typing import Bools, Floats, Ints
from ..appearance.crop_quality import clean_crops
from ..appearance.embedding import as_features, unit
from ..appearance.tracklet import Tracklet
from ..association.fusion import ambiguous_pairs, fuse_appearance
from ..association.last_seen import LastSeen
from ..config import Config
from ..embedders import AUTO, CropOptions, Embedder, Regions, build_embedder, embed, family_of
from ..errors import EmbeddingError
from ..events import Events
from ..gallery.linking.client import GalleryCamera, shares
from ..gallery.linking.connection import Connection
from ..gallery.linking.messages import Observation
from ..gallery.linking.worker import Channel
from ..revival.id_pool import Ids
from ..revival.recognizer import Recognizer
from . import callbacks as wiring
from .blas import SingleThreadedBlas
from .clock import DEFAULT_FPS, Clock
from .crop_selection import CropSelector
from .results import BoxIdentity
from .track import ReIDTrack

# What a camera is called whose source has no name.
_SOME_CAMERA = "camera"


class ReIDBOTSORT(BOTSORT):
    """BoT-SORT whose identities outlive its tracks.

    Drive it as any Ultralytics tracker, through `model.track(tracker="reid_botsort.yaml")` or directly:
    `tracker.update(boxes, image, feats=embeddings)`, with `tracker.fps` set.

    Args:
        args: The namespace of a tracker YAML; see `Config`.

    Raises:
        ConfigError: If a key is unknown, of the wrong type or out of range.

    Attributes:
        config: The validated keys.
        clock: The time in the video, seconds.
        events: What was revived; iterate over it, or `events.subscribe(function)`.
        recognizer: The memory.
        attention: Which detections were worth an encoder's time.
        fps_known: Whether somebody has set `fps`.
        keep_through_reset: Whether the host's next resets are of images in one folder, which go on.
        batch: Who the frames of the host's batch show; None outside of one.
        features_by: Fingerprint of what gives the embeddings that `update` is handed; empty where it isn't known.
        masks: The outlines of each frame's detections in that batch, or None; empty where `mask_crops` is off.
        camera_id: The camera's name in the gallery.
        starts_at: When its clock was 0, seconds since 1970; None where nobody knows.
        recipe: How its embeddings are made, for those who search the gallery later.
        connection: The way to the gallery, which all cameras of a process share; None where there is none.
        attaches_identities: Marks trackers whose results `callbacks.after_update` completes.
    """

    attaches_identities = True

    def __init__(self, args: Any) -> None:
        self.config = Config.from_args(args)
        host_args = copy(args)
        host_args.model = AUTO  # the host would load an encoder of its own, once a stream
        super().__init__(host_args)
        self.args = args
        self.clock = Clock(DEFAULT_FPS)
        self.events = Events()
        self.fps_known = False
        self.keep_through_reset = False
        self.batch: list[dict[int, BoxIdentity]] | None = None
        self.features_by = ""
        self.masks: list[list[npt.NDArray[np.float32]] | None] = []
        self._embedder: Embedder | None = None
        self._warned = False
        self._one_thread = SingleThreadedBlas()
        self._waiting: tuple[Any, Regions] | None = None
        self._picture: Any = None
        self.camera_id = (self.config.cameras or (_SOME_CAMERA,))[0]
        self.starts_at = self.config.starts
        self.recipe = {"model": self.config.model, "weights": self.config.weights}
        self.connection = Connection(self.config, family_of(self.config.model)) if self.config.gallery else None
        self._gallery: GalleryCamera | None = None
        self._channel: Channel | None = None
        if isinstance(self.config.fps, float | int):
            self.fps = float(self.config.fps)
        self._forget()

    def _forget(self) -> None:
        self.attention = CropSelector(self.config.reid_interval, self.config.remembers)
        self.finish()
        self._channel = None
        self._identity_ids = Ids(self._next_id, self.config.max_identities)
        self._dim: int | None = None
        self._clean: Bools = np.zeros(0, bool)
        self.recognizer = Recognizer(self.config, self._identity_ids, self.events)
        self.recognizer.assume(family_of(self.config.model))

    def _next_id(self) -> int:
        return int(next(self._ids)) if self.connection is None else self.connection.next_id()

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
        self._channel = gallery.channel
        if wait:
            self.connection.settle()
            gallery.receive(self._tracklets(), (self.frame_id, self.clock.now))
        return gallery.summary

    def _tracklets(self) -> list[Tracklet]:
        """Of all tracks there are, those that are lost too."""
        tracklets = (t.tracklet for t in (*self.tracked_stracks, *self.lost_stracks))
        return [t for t in tracklets if t is not None]

    def reset(self) -> None:
        """Forget tracks, identities, past events and the time; the embedder, the frame rate and listeners stay."""
        if self.keep_through_reset:
            return
        super().reset()
        self.clock.restart()
        self.events.clear()
        self._forget()

    @property
    def fps(self) -> float:
        """Frames a second. Whoever drives the tracker directly sets it; what is set wins over what the source says."""
        return self.clock.fps

    @fps.setter
    def fps(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"fps must be above 0, got {value!r}")
        self.clock.fps, self.fps_known = float(value), True

    @property
    def embedder(self) -> Embedder | None:
        """What embeds crops, loaded when first asked for; None where embeddings come with the detections."""
        if self._embedder is None and self.config.with_reid:
            config = self.config
            options = CropOptions(config.crop_height, config.crop_width, config.normalize, config.flip_crops)
            device = getattr(self.args, "device", None)
            self._embedder = build_embedder(config.model, config.weights, device, options)
        return self._embedder

    @embedder.setter
    def embedder(self, value: Embedder | None) -> None:
        self._embedder = value

    @classmethod
    def setup_predictor(cls, predictor: Any) -> None:
        """Host hook, after the trackers are made: install what they need of the predictor."""
        wiring.setup(predictor)

    @classmethod
    def compute_frame_extras(cls, predictor: Any) -> None:
        """Host hook, before a batch is tracked: features, frame times, folders of images."""
        wiring.before_update(predictor)

    def update(self, results: Any, img: Any = None, feats: Any = None, **kwargs: Any) -> npt.NDArray[np.float32]:
        """Track one frame.

        Args:
            results: The host's `Boxes` or `OBB` on the CPU as NumPy, `N` of them.
            img: The frame, `(H, W, 3)` uint8 BGR; None where there is none.
            feats: `(N, D)` embeddings, one row a detection, any real dtype and norm; None to take the YAML's `model`.
            **kwargs: What other trackers of the host take; ignored.

        Returns:
            The host's rows, `(T, 8)` or `(T, 9)` for OBB, whose ids are identities; `(0,)` where there are none.

        Raises:
            EmbeddingError: If `feats` has another number of rows, or another dimension than before; if the picture is
                none that an encoder takes, or the embedder isn't the one whose embeddings are remembered.
            ConfigError: If the YAML's `model` can't be had; it is loaded when it is first needed.
        """
        with self._one_thread():
            return self._update(results, img, feats, **kwargs)

    def _update(self, results: Any, img: Any, feats: Any, **kwargs: Any) -> npt.NDArray[np.float32]:
        self.clock.tick()
        self._waiting = None
        xyxy = np.asarray(results.xyxy, np.float32)
        self._clean = self._clean_crops(results, xyxy, img)
        feats = self._features(results, xyxy, img, feats)
        self._picture = img, getattr(results, "orig_shape", None) if img is None else img.shape[:2]
        rows = np.asarray(super().update(results, img, feats=feats, **kwargs))
        self._picture = None
        if self.batch is not None:
            self.batch.append(self.identities())
        return rows

    def _clean_crops(self, results: Any, xyxy: Floats, img: Any) -> Bools:
        conf = np.asarray(results.conf)
        shape = getattr(results, "orig_shape", None) if img is None else img.shape[:2]
        self.recognizer.candidate_search.area = None if shape is None else float(shape[0] * shape[1])
        if not self.config.clean_crops:
            return np.ones(len(xyxy), bool)
        high, low = self.args.track_high_thresh, self.config.min_crop_height
        return clean_crops(xyxy, conf, min_conf=high, min_height=low, max_covered=self.config.max_covered, shape=shape)

    def _features(self, results: Any, xyxy: Floats, img: Any, feats: Any) -> Floats | None:
        if not self.config.with_reid:
            return None
        if feats is not None and (len(feats) or len(results)):
            self.recognizer.bank.embedded_by(self.features_by)
            return self._checked(feats, len(results))
        return self._encoded(results, xyxy, img) if len(results) else None

    def _encoded(self, results: Any, xyxy: Floats, img: Any) -> Floats | None:
        """Embeddings by the YAML's model, zeros where nobody asks; None where they can't be had, or come later."""
        if self.embedder is None or img is None:
            self.warn_no_features("the detector gives none" if self.embedder is None else "no picture was given")
            return None
        regions = self._regions(results, xyxy)
        if self.config.fuses:
            self._waiting = img, regions  # until it is known which of them are worth the time
            return None
        asked = np.flatnonzero(np.asarray(results.conf) > self.args.track_low_thresh)
        self.attention.note(len(asked), len(asked))
        rows = self._embed(img, regions, asked)
        if rows is None:
            return None
        all_rows = np.zeros((len(xyxy), rows.shape[1]), np.float32)
        all_rows[asked] = rows
        return all_rows

    def _checked(self, feats: Any, rows: int) -> Floats | None:
        """Embeddings, as unit rows where none but this package's own association sees them; None if all are zeros."""
        checked = as_features(feats, rows)
        if not checked.any():
            return None  # not even a dimension
        if self._dim not in (None, checked.shape[1]):
            raise EmbeddingError(f"embeddings had {self._dim} dimensions until now, got {checked.shape[1]}")
        self._dim = checked.shape[1]
        return unit(checked) if self.config.fuses else checked

    def _embed(self, img: Any, regions: Regions, asked: Ints) -> Floats | None:
        """Embeddings of some of a picture's regions; None if there are none."""
        if not len(asked):
            return None
        assert self.embedder is not None
        self.recognizer.bank.embedded_by(getattr(self.embedder, "fingerprint", ""))
        return self._checked(embed(self.embedder, img, regions.take(asked)), len(asked))

    def _regions(self, results: Any, xyxy: Floats) -> Regions:
        """What the detector says of where things are: boxes, turned ones where it knows, outlines if asked for."""
        turned = getattr(results, "xywhr", None)
        xywhr = None if turned is None else np.asarray(turned, np.float32)
        return Regions(xyxy, xywhr, self.masks[len(self.batch)] if self.batch is not None and self.masks else None)

    def warn_no_features(self, why: str) -> None:
        """Warn, once, that there is nothing to recognize anybody by."""
        if not self._warned:
            LOGGER.warning(
                f"reid_botsort has no embeddings ({why}), so nobody will be recognized; for model: auto use a PyTorch "
                "detector (.pt), or set model to a ReID model (osnet_x0_25, a .onnx file), or pass feats to update()"
            )
        self._warned = True

    def mute(self) -> None:
        """Don't tell that there are no features: another stream's tracker has."""
        self._warned = True

    def _input_for(self, img: Any, feats: Any, mask: Bools) -> Floats | None:  # noqa: ARG002
        """Host hook: the embeddings of those detections that are made tracks of next; never the picture."""
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
        if img is not None:
            _show(tracks, img)
        return tracks

    def _first_association(self, strack_pool: Any, detections: Any, activated: Any, refind: Any) -> Any:
        for detection in detections:
            detection.clean = bool(self._clean[int(detection.idx)])
        if self._waiting is not None:
            self._look(strack_pool, detections, *self._waiting)
            self._waiting = None
        return super()._first_association(strack_pool, detections, activated, refind)

    def _look(self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack], img: Any, regions: Regions) -> None:
        """Embed those detections of a picture of which it pays."""
        picked = self.attention.pick(tracks, detections, matching.iou_distance(tracks, detections), self.clock.now)
        crops = self._embed(img, regions, np.array([int(detections[n].idx) for n in picked], np.int64))
        if crops is not None:
            _show([detections[n] for n in picked], crops)

    def _motion_cost(self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack]) -> Floats:
        cost = matching.iou_distance(tracks, detections)
        return np.asarray(matching.fuse_score(cost, detections) if self.args.fuse_score else cost, np.float32)

    def get_dists(self, tracks: list[ReIDTrack], detections: list[ReIDTrack]) -> npt.NDArray[np.float32]:
        """Host hook: the first association's cost `(T, N)`, with appearance fused in."""
        if not self.config.fuses:
            return np.asarray(super().get_dists(tracks, detections))
        cost = self._motion_cost(tracks, detections)
        return fuse_appearance(cost, self._agreement(tracks, detections, cost)) if cost.size else cost

    def _agreement(self, tracks: Sequence[ReIDTrack], detections: Sequence[ReIDTrack], cost: Floats) -> Floats:
        """What looks say, `(T, N)`, wherever it can matter; 0 elsewhere."""
        affinity = np.zeros_like(cost)
        matters = ambiguous_pairs(cost, self.args.match_thresh)
        rows = [n for n in np.flatnonzero(matters.any(axis=1)).tolist() if tracks[n].appearance is not None]
        columns = [n for n in np.flatnonzero(matters.any(axis=0)).tolist() if detections[n].embedding is not None]
        if rows and columns:
            looks = np.array([tracks[n].appearance for n in rows], np.float32)
            crops = np.array([detections[n].embedding for n in columns], np.float32)
            affinity[np.ix_(rows, columns)] = self.recognizer.crop_scores.appearance_affinity(looks, crops)
        return affinity

    def _init_new_tracks(self, u_detection: Any, detections: Any, activated: Any, refind: Any = None) -> None:
        if self.config.remembers:
            for n in u_detection:
                detections[n].next_id = self._identity_ids.pending  # a real id only once it is known that it needs one
        super()._init_new_tracks(u_detection, detections, activated, refind)

    def _format_output(self) -> npt.NDArray[np.float32]:
        if self.config.fuses or self.config.remembers:
            self._recognize()
        rows = np.asarray(super()._format_output())
        return rows[rows[:, -4] > 0] if len(rows) else rows  # ids below 0 are not shown yet

    def _recognize(self) -> None:
        now = self.clock.now
        seen = [t for t in self.tracked_stracks if t.frame_id == self.frame_id]
        tracklets = [self._tracklet(t, now) for t in seen]
        self.recognizer.crop_scores.learn(tracklets, now)
        for tracklet in tracklets:
            tracklet.blend(now)
        if self.config.remembers:
            for tracklet in tracklets:
                tracklet.take(now)
            self._hear_from_gallery(now)
            confirmed = [t for t in seen if t.is_activated]
            self.recognizer.step([t.tracklet for t in confirmed], self.frame_id, now)
            for track in confirmed:
                self._show(track, now)
            self._tell_gallery(confirmed, now)

    def _hear_from_gallery(self, now: float) -> None:
        """Take the gallery's answers; it is opened when it is known what embeddings there will be."""
        if self.connection is None or self._dim is None:
            return
        worker = self.connection.connect(self._dim, self.recognizer.bank.fingerprint, self.recipe)
        if self._gallery is not None and self._gallery.channel.camera != self.camera_id:
            self.finish()
        if self._gallery is None:
            channel = worker.open_channel(self.camera_id, self.starts_at, self._channel)
            since = now if self._channel is not None else -np.inf
            self._gallery = GalleryCamera(worker, channel, self.recognizer, self.events, since)
        if self.config.gallery_wait:
            worker.settle(self.config.gallery_wait, until_back=False)
        self._gallery.receive(self._tracklets(), (self.frame_id, now))

    def _tell_gallery(self, confirmed: Sequence[ReIDTrack], now: float) -> None:
        if self._gallery is None:
            return
        tracks = {id(t.tracklet): t for t in confirmed}
        seen = [t.tracklet for t in confirmed if t.tracklet is not None]
        self._gallery.report(seen, now, lambda t: self._observation(tracks[id(t)], t))

    def _observation(self, track: ReIDTrack, tracklet: Tracklet) -> Observation:
        """Where somebody is, for the gallery, and what they look like, if that is to be stored."""
        img, shape = self._picture
        box, score = np.asarray(track.xyxy, np.float32), float(track.score)
        where = (0.0, 0.0, 0.0, 0.0) if shape is None else shares(box, shape)
        if not self.config.store_crops or img is None or not tracklet.clean:
            return Observation(tracklet.identity, tracklet.cls, score, where)
        left, top, right, bottom = np.maximum(box, 0).astype(int)
        crop = img[top:bottom, left:right].copy()
        return Observation(tracklet.identity, tracklet.cls, score, where, crop, score * float(bottom - top))

    def _tracklet(self, track: ReIDTrack, now: float) -> Tracklet:
        """The track's tracklet, brought up to this frame; a track that was lost starts another."""
        position_std = float(max(track.covariance[0, 0], track.covariance[1, 1])) ** 0.5
        center, velocity = track.mean[:2].copy(), track.mean[4:6] * self.fps
        last = LastSeen(now, int(track.cls), center, velocity, position_std, float(track.mean[3]))
        old = track.tracklet
        if old is None:
            track.tracklet = Tracklet(now, track.track_id, last, last)
        elif track.resumed:
            track.tracklet = old.resumed(now, last)
        assert track.tracklet is not None
        track.tracklet.see(last, votes=self.config.class_votes)
        tracklet = track.tracklet
        tracklet.embedding, tracklet.clean = track.embedding, track.clean
        return tracklet

    def _show(self, track: ReIDTrack, now: float) -> None:
        tracklet = track.tracklet
        assert tracklet is not None
        waits = self.config.provisional == "hide" and tracklet.may_be_returning and now - tracklet.born < self._hold
        if not waits:
            self.recognizer.announce(tracklet)
        if track.track_id != tracklet.identity:
            track.track_id = tracklet.identity
            # The host drops whoever shares an id with a lost or removed track: the old ones are gone for good.
            for pool in (self.lost_stracks, self.removed_stracks):
                pool[:] = [t for t in pool if t.track_id != track.track_id]

    @property
    def _hold(self) -> float:
        """Seconds that an undecided box waits: as many as were asked for, but no fewer than a decision takes."""
        least = (self.config.confirm_frames + 1) / self.fps
        return max(self.config.hold_seconds, least) if self.config.hold_seconds else 0.0

    def identities(self) -> dict[int, BoxIdentity]:
        """Who the boxes of the last frame show, by id."""
        shown = [t for t in self.tracked_stracks if t.is_activated and t.track_id > 0]
        return {t.track_id: self._identity(t) for t in shown}

    @property
    def hides(self) -> bool:
        """Whether a confirmed track's box is held back until its id is known."""
        return any(t.is_activated and t.track_id < 0 for t in self.tracked_stracks)

    def _identity(self, track: ReIDTrack) -> BoxIdentity:
        tracklet = track.tracklet
        revival = None if tracklet is None else tracklet.revival
        provisional = tracklet is not None and self.config.remembers and not tracklet.settled
        link = None if self._gallery is None else self._gallery.links.get(track.track_id)
        now = tuple(event is not None and event.frame == self.frame_id for event in (revival, link))
        return BoxIdentity(track.track_id, provisional, revival, now[0], link, now[1])


def _show(detections: Sequence[ReIDTrack], crops: Floats) -> None:
    for detection, crop in zip(detections, crops, strict=True):
        detection.show(crop)
