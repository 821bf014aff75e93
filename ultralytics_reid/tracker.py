"""BoT-SORT with a memory: hook overrides that call the rest of this package."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
from ultralytics.trackers.bot_sort import BOTSORT
from ultralytics.trackers.utils.stracks import parse_bboxes

from .association import fuse_appearance
from .clock import Clock
from .config import Config
from .events import Events
from .memory import LastSeen
from .quality import clean_crops
from .recognition import Recogniser
from .track import ReIDTrack
from .tracklet import Tracklet


HOLD = 0.5


class ReIDBOTSORT(BOTSORT):
    def __init__(self, args: Any) -> None:
        self.config = Config.from_args(args)
        super().__init__(args)
        self.clock = Clock(30.0 if self.config.fps == "auto" else float(self.config.fps))
        self._start()

    def _start(self):
        self._pending = count(-1, -1)
        self.events = Events()
        self.recogniser = Recogniser(self.config, lambda: next(self._ids), self.events)
        self._clean = np.zeros(0, bool)

    @property
    def fps(self):
        return self.clock.fps

    @fps.setter
    def fps(self, v):
        self.clock.fps = v

    def update(self, results, img=None, feats=None, **kwargs):
        self.clock.tick()
        xyxy = np.asarray(results.xyxy, np.float32)
        self._clean = clean_crops(xyxy, np.asarray(results.conf), min_conf=self.args.track_high_thresh,
            min_height=self.config.min_crop_height, max_covered=self.config.max_covered, shape=img.shape[:2] if img is not None else None)
        if img is not None: self.recogniser.area = float(img.shape[0]*img.shape[1])
        return super().update(results, img, feats=feats, **kwargs)

    def init_track(self, results, img=None):
        if len(results) == 0:
            return []
        bboxes = parse_bboxes(results)
        feats = [None] * len(bboxes) if img is None or self.encoder is None else self.encoder(img, bboxes)
        return [ReIDTrack(b, s, c, f) for b, s, c, f in zip(bboxes, results.conf, results.cls, feats)]

    def _first_association(self, strack_pool, detections, activated, refind):
        for d in detections:
            d.clean = bool(self._clean[int(d.idx)])
        return super()._first_association(strack_pool, detections, activated, refind)

    def get_dists(self, tracks, detections):
        if not self.config.fuses:
            return super().get_dists(tracks, detections)
        with_reid, self.args.with_reid = self.args.with_reid, False
        dists = super().get_dists(tracks, detections)
        self.args.with_reid = with_reid
        if not dists.size: return dists
        return fuse_appearance(dists, self._frame_llr(tracks, detections))

    def _frame_llr(self, tracks, detections):
        llr = np.zeros((len(tracks), len(detections)), np.float32)
        t = [i for i, x in enumerate(tracks) if x.tracklet is not None and x.tracklet.appearance is not None]
        d = [i for i, x in enumerate(detections) if x.curr_feat is not None]
        if t and d and self.recogniser.frames.trust:
            p = self.recogniser.metric.project
            s = p(np.array([tracks[i].tracklet.appearance for i in t])) @ p(np.array([detections[i].curr_feat for i in d])).T
            llr[np.ix_(t, d)] = self.recogniser.frames.agreement(s)
        return llr

    def _init_new_tracks(self, u_detection, detections, activated, refind=None):
        if self.config.remembers:
            for i in u_detection:
                detections[i].next_id = self._pending.__next__
        super()._init_new_tracks(u_detection, detections, activated, refind)

    def _format_output(self):
        if self.config.with_reid:
            self._remember()
        rows = super()._format_output()
        return rows[rows[:, -4] > 0] if len(rows) else rows

    def _remember(self):
        now = self.clock.now
        seen = [t for t in self.tracked_stracks if t.frame_id == self.frame_id]
        for t in seen:
            m = t.mean
            last = LastSeen(now, int(t.cls), m[:2].copy(), m[4:6] * self.clock.fps, float(np.sqrt(max(t.covariance[0, 0], t.covariance[1, 1]))), float(m[3]))
            if t.tracklet is None:
                t.tracklet = Tracklet(now, t.track_id, last)
                t.crop = t.curr_feat
            elif t.resumed:
                old = t.tracklet
                t.tracklet = Tracklet(now, old.identity, last, claim=old.identity if old.settled else None, appearance=old.appearance)
            t.resumed = False
            t.tracklet.embedding, t.tracklet.clean, t.tracklet.last = t.crop, t.clean, last
        self._learn_frame([t.tracklet for t in seen])
        if not self.config.remembers:
            for t in seen: t.tracklet.take(now)
            return
        self.recogniser.step([t.tracklet for t in seen if t.is_activated], self.frame_id, now)
        for t in seen:
            if t.is_activated and self.config.provisional == "show" and not (t.tracklet.open and now - t.tracklet.born < HOLD):
                self.recogniser.announce(t.tracklet)
            if t.track_id != t.tracklet.identity:
                self._rename(t)

    def _rename(self, t):
        new = t.tracklet.identity
        t.track_id = new
        self.lost_stracks = [x for x in self.lost_stracks if x.track_id != new]
        self.removed_stracks = [x for x in self.removed_stracks if x.track_id != new]

    def _learn_frame(self, seen):
        good = [t for t in seen if t.clean and t.embedding is not None and t.appearance is not None]
        if not good:
            return
        looks, crops = np.array([t.appearance for t in good]), np.array([t.embedding for t in good])
        self.recogniser.frames.observe(looks, crops, np.ones(len(good), bool))
        if len(good) > 1:
            others = np.roll(crops, self.frame_id % (len(good) - 1) + 1, axis=0)
            self.recogniser.frames.observe(looks, others, np.zeros(len(good), bool))

    def reset(self):
        super().reset()
        self.clock.restart()
        self._start()
