"""One frozen, validated config from a tracker YAML's namespace: every key, its range and its unit."""

from __future__ import annotations

import difflib
import time
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import date, datetime
from typing import Any

from .errors import ConfigError


@dataclass(frozen=True)
class Rule:
    """What a key may hold: its types, and a closed range or a set of words."""

    kinds: tuple[type, ...]
    low: float = float("-inf")
    high: float = float("inf")
    words: tuple[str, ...] = ()
    may_be_empty: bool = False

    def __str__(self) -> str:
        parts = ["|".join(self.words)] if self.words else []
        numeric = [k.__name__ for k in self.kinds if k is not str]
        parts += [f"{numeric[-1]} in [{self.low:g}, {self.high:g}]"] if self._bounded() else numeric
        if str in self.kinds and not self.words:
            parts.append("str")
        return " or ".join(parts)

    def _bounded(self) -> bool:
        return bool(set(self.kinds) & {int, float})

    def admits(self, value: object) -> bool:
        """Whether `value` has one of the types and lies in the range; an int passes for a float, a bool never does."""
        if isinstance(value, bool):
            return bool in self.kinds
        if isinstance(value, str):
            return str in self.kinds and (value in self.words if self.words else bool(value) or self.may_be_empty)
        if isinstance(value, int | float):
            fits = float in self.kinds or (int in self.kinds and isinstance(value, int))
            return fits and self.low <= value <= self.high
        return False


def _number(default: float, low: float, high: float, *words: str) -> Any:
    return field(default=default, metadata={"rule": Rule((str, float) if words else (float,), low, high, words)})


def _count(default: int, low: int, high: int) -> Any:
    return field(default=default, metadata={"rule": Rule((int,), low, high)})


def _switch(default: bool) -> Any:
    return field(default=default, metadata={"rule": Rule((bool,))})


def _word(default: str, *words: str) -> Any:
    return field(default=default, metadata={"rule": Rule((str,), words=words)})


_SHARE = Rule((float,), 0, 1)
_A_DAY = 86_400.0

# Stock BoT-SORT's own keys; the host reads them, this package only checks them.
_HOST_RULES = {
    "tracker_type": Rule((str,)),
    "track_high_thresh": _SHARE,
    "track_low_thresh": _SHARE,
    "new_track_thresh": _SHARE,
    "track_buffer": Rule((int,), 0, 10**9),
    "match_thresh": _SHARE,
    "fuse_score": Rule((bool,)),
    "gmc_method": Rule((str,), words=("sparseOptFlow", "orb", "sift", "ecc", "none")),
    "proximity_thresh": _SHARE,
    "appearance_thresh": _SHARE,
    "with_reid": Rule((bool,)),
    "model": Rule((str,)),
}
# Put into the namespace by the host, not by a user.
_HOST_EXTRAS = frozenset({"device"})
# What the host does without.
_HOST_OPTIONAL = frozenset({"model", "tracker_type"})


@dataclass(frozen=True, kw_only=True)
class Config:
    """This package's own keys; `trackers/reid_botsort.yaml` says what each does.

    Build it with `Config.from_args`, which checks; the constructor doesn't.
    """

    with_reid: bool = True
    model: str = "auto"
    weights: str = field(default="", metadata={"rule": Rule((str,), may_be_empty=True)})
    crop_height: int = _count(0, 0, 4096)
    crop_width: int = _count(0, 0, 4096)
    normalize: str = _word("auto", "auto", "imagenet", "unit")
    flip_crops: bool = _switch(False)
    mask_crops: bool = _switch(False)

    reid_interval: float = _number(0.5, 0, 60)

    fuse_appearance: bool = _switch(True)
    learn_metric: bool = _switch(True)
    calibrate: bool = _switch(True)

    memory_seconds: float = _number(600.0, 0, 1e9)
    memory_identities: int = _count(1000, 1, 1_000_000)
    max_identities: int = _count(0, 0, 1_000_000)
    memory_prototypes: int = _count(8, 1, 64)
    false_revival_rate: float = _number(0.05, 1e-6, 1)
    recognize_seconds: float = _number(4.0, 0, 60)
    motion_seconds: float = _number(2.0, 0, 60)
    provisional: str = _word("hide", "show", "hide")
    hold_seconds: float = _number(0.2, 0, 60)
    confirm_frames: int = _count(2, 1, 100)
    probation_seconds: float = _number(8.0, 0, 600)
    merge_seconds: float = _number(30.0, 0, 3600)
    reverify: bool = _switch(True)
    max_speed: float = _number(10.0, 0, 1e6)
    match_class: bool = _switch(True)
    class_votes: bool = _switch(True)
    shortlist: int = _count(32, 0, 100_000)

    clean_crops: bool = _switch(True)
    max_covered: float = _number(0.4, 0, 1)
    min_crop_height: float = _number(24.0, 0, 1e5)

    gallery: str = field(default="", metadata={"rule": Rule((str,), may_be_empty=True)})
    gallery_index: str = field(default="", metadata={"rule": Rule((str,), may_be_empty=True)})
    camera_id: str = field(default="auto", metadata={"rule": Rule((str,))})
    start_time: float | str = field(default="auto", metadata={"rule": Rule((str, float), 0, 1e11)})
    topology: str = field(default="", metadata={"rule": Rule((str,), may_be_empty=True)})
    keep_days: float = _number(30.0, 0, 1e6)
    store_crops: bool = _switch(False)
    gallery_wait: float = _number(0.0, 0, 60)

    fps: float | str = _number("auto", 0.01, 1000, "auto")  # type: ignore[arg-type]
    folder_is_video: bool = _switch(True)

    @property
    def remembers(self) -> bool:
        """Whether identities can be revived at all."""
        return self.with_reid and self.memory_seconds > 0

    @property
    def fuses(self) -> bool:
        """Whether appearance is fused into the first association."""
        return self.with_reid and self.fuse_appearance

    @classmethod
    def from_args(cls, args: Any) -> Config:
        """Check a tracker namespace and take this package's keys from it.

        Args:
            args: The namespace that the host makes of a tracker YAML; keys of ours that are absent get defaults.

        Returns:
            The config.

        Raises:
            ConfigError: If a key is unknown, of the wrong type or out of range; the message names the key, what it
                may be and what it was.
        """
        given = {k: _as_text(v) for k, v in vars(args).items() if k not in _HOST_EXTRAS}
        rules = _rules()
        for key, value in given.items():
            _check(key, value, rules)
        missing = [key for key in _HOST_RULES if key not in given and key not in _HOST_OPTIONAL]
        if missing:
            raise ConfigError(f"'{missing[0]}' is missing in the tracker YAML; it must be {rules[missing[0]]}")
        if _HIGH in given and given.get(_LOW, 0) > given[_HIGH]:
            raise ConfigError(f"{_LOW} must be at most {_HIGH} ({given[_HIGH]}), got {given[_LOW]}")
        ours = {f.name for f in fields(cls)}
        config = cls(**{k: v for k, v in given.items() if k in ours})
        config._check_closed_set()
        config._check_gallery()
        return config

    def _check_closed_set(self) -> None:
        if self.max_identities and not self.remembers:
            raise ConfigError("'max_identities' needs with_reid: True and memory_seconds above 0, to know them again")
        if self.max_identities > self.memory_identities:
            most = self.memory_identities
            raise ConfigError(f"'max_identities' must be at most memory_identities ({most}), got {self.max_identities}")

    def _check_gallery(self) -> None:
        if self.gallery and not self.remembers:
            raise ConfigError("'gallery' needs with_reid: True and memory_seconds above 0, to have somebody to tell of")
        if self.gallery and self.max_identities:
            raise ConfigError("'gallery' and 'max_identities' exclude each other: a gallery has everybody's ids")
        _, starts = self.cameras, self.starts
        oldest = time.time() - _A_DAY * self.keep_days if self.keep_days else float("-inf")
        if self.gallery and starts is not None and starts < oldest:
            what = f"'start_time' is more than {self.keep_days:g} days ago: what is seen would be deleted at once"
            raise ConfigError(f"{what}; raise 'keep_days', or make it 0, got {self.start_time!r}")
        if self.gallery and starts is not None and starts > time.time() + _A_DAY:
            raise ConfigError(f"'start_time' lies in the future, got {self.start_time!r}")
        if self.gallery.startswith("milvus://"):
            allowed = "'gallery' must be a file or postgresql://..., with 'gallery_index' for milvus://..."
            raise ConfigError(f"{allowed}, got milvus://...")
        if self.gallery_index and not self.gallery:
            raise ConfigError("'gallery_index' requires 'gallery', whose embeddings it holds")
        if self.gallery_index and not self.gallery_index.startswith("milvus://"):
            shown = self.gallery_index.rpartition("@")[2]
            raise ConfigError(f"'gallery_index' must be empty or milvus://..., got {shown!r}")

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras, by stream; empty where they are to be named by their sources."""
        names = tuple(name.strip() for name in self.camera_id.split(","))
        if names == ("auto",):
            return ()
        good = all(0 < len(n) <= _LONGEST_CAMERA and n.isprintable() for n in names)
        if not good or len(set(names)) < len(names):
            what = f"auto, or different printable names of at most {_LONGEST_CAMERA} characters, with commas between"
            raise ConfigError(f"'camera_id' must be {what}, got {self.camera_id!r}")
        return names

    @property
    def starts(self) -> float | None:
        """When the videos start, seconds since 1970; None where that isn't said."""
        if self.start_time == "auto":
            return None
        if not isinstance(self.start_time, str):
            return float(self.start_time)
        try:
            return datetime.fromisoformat(self.start_time.replace("Z", "+00:00")).timestamp()
        except ValueError as error:
            what = (
                "auto, seconds since 1970, or a date and time as 2026-11-26T08:30:00 (local, unless it ends in +00:00)"
            )
            raise ConfigError(f"'start_time' must be {what}, got {self.start_time!r}") from error


# As a gallery keeps files by these names, and those may have 200.
_LONGEST_CAMERA = 160
_LOW, _HIGH = "track_low_thresh", "track_high_thresh"


def _as_text(value: Any) -> Any:
    """YAML takes a date without quotes for a date."""
    return value.isoformat() if isinstance(value, date) else value


def _rules() -> dict[str, Rule]:
    return {**{f.name: _rule(f) for f in fields(Config) if "rule" in f.metadata}, **_HOST_RULES}


def _rule(key: Field[Any]) -> Rule:
    rule: Rule = key.metadata["rule"]
    assert key.default is not MISSING
    return rule


def _check(key: str, value: object, rules: dict[str, Rule]) -> None:
    if key not in rules:
        close = difflib.get_close_matches(key, rules, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise ConfigError(f"unknown key '{key}' in the tracker YAML (value {value!r}){hint}")
    if not rules[key].admits(value):
        raise ConfigError(f"'{key}' must be {rules[key]}, got {value!r} ({type(value).__name__})")
