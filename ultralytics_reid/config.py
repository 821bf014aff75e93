"""One frozen, validated config from a tracker YAML's namespace: every key, its range and its unit."""

from __future__ import annotations

import difflib
import time
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

from .errors import ConfigError
from .tuning import Tuning


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


@dataclass(frozen=True)
class Key:
    """One key of a tracker YAML, as the YAML's comments and the reference page of the docs tell it.

    Attributes:
        name: The key.
        default: Its value in the shipped YAML.
        rule: What it may hold.
        section: Heading that it stands under.
        help: One line on what it does, with unit and range.
        ours: Whether this package defines it; if not, it is stock BoT-SORT's.
    """

    name: str
    default: Any
    rule: Rule
    section: str
    help: str
    ours: bool = True


TRACKER_TYPE = "reid_botsort"
_SHARE = Rule((float,), 0, 1)
_A_DAY = 86_400.0
_GMC = ("sparseOptFlow", "orb", "sift", "ecc", "none")
_BASE, _BOTSORT, _REID = "", "BoT-SORT specifics", "ReID"
_CROPS, _MEMORY, _SHOWN = "Crops, for models that see crops", "Memory and revival", "Output"
_GALLERY, _SOURCE = "Gallery: identities shared by cameras and runs", "Source"

# Stock BoT-SORT's own keys; the host reads them, this package only checks them.
_HOST_KEYS = tuple(
    Key(name, default, rule, section, text, ours=False)
    for section, name, default, rule, text in (
        (_BASE, "tracker_type", TRACKER_TYPE, Rule((str,)), f"Tracker backend: {TRACKER_TYPE}"),
        (_BASE, "track_high_thresh", 0.25, _SHARE, "First-stage match threshold"),
        (_BASE, "track_low_thresh", 0.1, _SHARE, "Second-stage threshold for low-score matches"),
        (_BASE, "new_track_thresh", 0.25, _SHARE, "Start a new track if no match ≥ this; higher reduces false tracks"),
        (_BASE, "track_buffer", 30, Rule((int,), 0, 10**9), "Frames a lost track is matched by motion; memory goes on"),
        (_BASE, "match_thresh", 0.8, _SHARE, "Largest fused cost of a match in the first association"),
        (_BASE, "fuse_score", True, Rule((bool,)), "Fuse the detection score into the IoU cost"),
        (_BOTSORT, "gmc_method", "sparseOptFlow", Rule((str,), words=_GMC), f"Camera motion: {'|'.join(_GMC)}"),
        (_BOTSORT, "proximity_thresh", 0.5, _SHARE, "Min IoU for appearance; only with fuse_appearance: False"),
        (_BOTSORT, "appearance_thresh", 0.8, _SHARE, "Min similarity; only with fuse_appearance: False"),
        (_REID, "with_reid", True, Rule((bool,)), "Use appearance; the one default that differs from botsort.yaml"),
        (
            *(_REID, "model", "auto", Rule((str,))),
            "Embeddings: auto = the detector's features | torchreid name, as osnet_x0_25 | path of a .pt, .onnx, "
            "OpenVINO folder | package.module:factory",
        ),
    )
)
_HOST_RULES = {key.name: key.rule for key in _HOST_KEYS}
# Put into the namespace by the host, not by a user.
_HOST_EXTRAS = frozenset({"device"})
# What the host does without.
_HOST_OPTIONAL = frozenset({"model", "tracker_type"})
# Keys of earlier versions, and what they are called now.
_RENAMED = {
    "normalise": "normalize",
    "recognise_seconds": "recognize_seconds",
    "most_speed": "max_speed",
    "doubt": "reverify",
}
_CONSTANTS = frozenset(f.name for f in fields(Tuning))


def _key(section: str, default: Any, rule: Rule, text: str) -> Any:
    return field(default=default, metadata={"rule": rule, "section": section, "help": text})


def _number(section: str, default: float, low: float, high: float, text: str) -> Any:
    return _key(section, default, Rule((float,), low, high), text)


def _count(section: str, default: int, low: int, high: int, text: str) -> Any:
    return _key(section, default, Rule((int,), low, high), text)


def _switch(section: str, default: bool, text: str) -> Any:
    return _key(section, default, Rule((bool,)), text)


def _word(section: str, default: str, words: tuple[str, ...], text: str) -> Any:
    return _key(section, default, Rule((str,), words=words), text)


def _text(section: str, default: str, text: str) -> Any:
    return _key(section, default, Rule((str,), may_be_empty=not default), text)


@dataclass(frozen=True, kw_only=True)
class Config:
    """This package's own keys: defaults, rules, and one line on each; the shipped YAMLs are rendered from them.

    Build it with `Config.from_args`, which checks; the constructor doesn't.
    """

    with_reid: bool = True
    model: str = "auto"
    weights: str = _text(
        _REID,
        "",
        "File of a torchreid model, .pth or .safetensors, or for a factory; empty = torchreid's own, of ImageNet",
    )
    head: str = _text(_REID, "", "Path of a head that `ultralytics-reid train` learned for this embedder; empty = none")
    reid_interval: float = _number(
        *(_REID, 0.5, 0, 60),
        "0-60 s between two crops of a known and unambiguous track; 0 = every box; needs fuse_appearance",
    )
    fuse_appearance: bool = _switch(
        _REID, True, "Fuse appearance into the first association as calibrated evidence; False = stock's min()"
    )
    crop_height: int = _count(_CROPS, 0, 0, 4096, "0-4096 px; 0 = as the model says")
    crop_width: int = _count(_CROPS, 0, 0, 4096, "0-4096 px; 0 = as the model says")
    normalize: str = _word(
        *(_CROPS, "auto", ("auto", "imagenet", "unit", "none")),
        "Crops' colors: auto = as the model says | imagenet = by its mean and deviation | unit = 0-1 | none = 0-255",
    )
    channels: str = _word(
        *(_CROPS, "auto", ("auto", "rgb", "bgr")),
        "Their order: auto = as the model says | rgb | bgr; must be set with normalize: none",
    )
    flip_crops: bool = _switch(_CROPS, False, "Average with the mirrored crop, for twice the time")
    mask_crops: bool = _switch(_CROPS, False, "Only what a segmentation mask covers; False = the whole box")
    min_crop_height: float = _number(
        _CROPS, 24.0, 0, 1e5, "0-100000 px, least box height of a crop that updates memory"
    )

    memory_seconds: float = _number(
        _MEMORY, 600.0, 0, 1e9, "0-1e9 s that an identity is remembered after it was last seen; 0 = no revival"
    )
    memory_identities: int = _count(
        _MEMORY, 1000, 1, 1_000_000, "1-1000000 identities at most; long absent and seen in few crops goes first"
    )
    max_identities: int = _count(
        _MEMORY, 0, 0, 1_000_000, "0-1000000, the number of individuals, if known: no further id is given; 0 = unknown"
    )
    false_revival_rate: float = _number(
        *(_MEMORY, 0.05, 1e-6, 1),
        "1e-6-1, share of new individuals that may be matched to a known identity; lower is stricter; 1 = no bound",
    )
    match_class: bool = _switch(
        _MEMORY, True, "Revive only as the same class; False where the detector confuses classes (car and truck)"
    )

    provisional: str = _word(
        *(_SHOWN, "hide", ("show", "hide")),
        "Undecided boxes: hide = wait for their id: hold_seconds, or up to 2.8 s where they are weak or may be a part "
        "of somebody | show = a new id at once, which may change",
    )
    hold_seconds: float = _number(
        _SHOWN,
        0.2,
        0,
        60,
        "0-60 s that an undecided box waits where a return is possible; 1 s where it is likely; 0 = never",
    )

    track_log: str = _text(
        _SHOWN, "", "Path of a log of boxes, ids and embeddings for refine(), as tracks.reid; empty = none is kept"
    )

    gallery: str = _text(
        *(_GALLERY, ""),
        "Shared identities: a file, as site.db | postgresql://...; empty = this camera and run only",
    )
    gallery_index: str = _text(
        _GALLERY, "", "What searches the gallery's embeddings: milvus://host:19530; empty = the gallery itself"
    )
    camera_id: str = _text(_GALLERY, "auto", "Names of the cameras, one a stream, with commas; auto = from the source")
    start_time: float | str = _key(
        *(_GALLERY, "auto", Rule((str, float), 0, 1e11)),
        "When the video starts: a date and time, as 2026-11-26T08:30:00 | seconds since 1970 | auto = now, for "
        "recordings after all that the gallery has seen",
    )
    topology: str = _text(
        _GALLERY, "", "Path of a YAML file with travel times between cameras; empty = any time, no shared views"
    )
    keep_days: float = _number(_GALLERY, 30.0, 0, 1e6, "0-1000000 days after which the gallery forgets; 0 = never")
    store_crops: bool = _switch(_GALLERY, False, "Keep an image of each visit in the gallery; False = numbers only")
    gallery_wait: float = _number(
        _GALLERY, 0.0, 0, 60, "0-60 s that a frame may wait for the gallery's answer, for repeatable runs; 0 = never"
    )

    fps: float | str = _key(
        *(_SOURCE, "auto", Rule((str, float), 0.01, 1000, ("auto",))),
        "0.01-1000 frames/s; auto = from the video, the clock for live streams and loops of frames, 30 for folders",
    )
    folder_is_video: bool = _switch(
        _SOURCE, True, "Images of one folder are frames of one video; False = a reset at every image, as the host does"
    )

    tuning: Tuning = field(default_factory=Tuning)

    @property
    def remembers(self) -> bool:
        """Whether identities can be revived at all."""
        return self.with_reid and self.memory_seconds > 0

    @property
    def fuses(self) -> bool:
        """Whether appearance is fused into the first association."""
        return self.with_reid and self.fuse_appearance

    @classmethod
    def from_args(cls, args: Any, tuning: Tuning | None = None) -> Config:
        """Check a tracker namespace and take this package's keys from it.

        Args:
            args: The namespace that the host makes of a tracker YAML; keys of ours that are absent get defaults.
            tuning: Constants in place of the shipped ones, for ablations and tests.

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
        if given[_LOW] > given[_HIGH]:
            raise ConfigError(f"{_LOW} must be at most {_HIGH} ({given[_HIGH]}), got {given[_LOW]}")
        ours = {f.name for f in fields(cls)}
        config = cls(**{k: v for k, v in given.items() if k in ours}, tuning=tuning or Tuning())
        config._check_model()
        config._check_head()
        config._check_closed_set()
        config._check_gallery()
        return config

    def _check_model(self) -> None:
        """Refuse what only another model reads: whoever sets it believes that it does something."""
        if self.model != "auto":
            return
        if self.weights:
            which = "'model' must be one that takes weights, as osnet_x0_25, where 'weights' is set"
            raise ConfigError(f"{which}; got model: auto and weights {self.weights!r}")
        for key in ("crop_height", "crop_width", "normalize", "channels", "flip_crops", "mask_crops"):
            default, value = getattr(Config, key), getattr(self, key)
            if value != default:
                raise ConfigError(f"'{key}' must be {default} with model: auto, which sees no crops; got {value!r}")

    def _check_head(self) -> None:
        if self.head and not self.with_reid:
            raise ConfigError("'head' requires with_reid: True")

    def _check_closed_set(self) -> None:
        if self.max_identities and not self.remembers:
            raise ConfigError("'max_identities' requires with_reid: True and memory_seconds > 0")
        if self.max_identities > self.memory_identities:
            most = self.memory_identities
            raise ConfigError(f"'max_identities' must be at most memory_identities ({most}), got {self.max_identities}")

    def _check_gallery(self) -> None:
        if self.gallery and not self.remembers:
            raise ConfigError("'gallery' requires with_reid: True and memory_seconds > 0")
        if self.gallery and self.max_identities:
            raise ConfigError("'gallery' and 'max_identities' exclude each other: a gallery gives ids of its own")
        _, starts = self.cameras, self.starts
        oldest = time.time() - _A_DAY * self.keep_days if self.keep_days else float("-inf")
        if self.gallery and starts is not None and starts < oldest:
            what = f"'start_time' is more than {self.keep_days:g} days ago: what is seen would be deleted at once"
            raise ConfigError(f"{what}; raise 'keep_days', or make it 0, got {self.start_time!r}")
        if self.gallery and starts is not None and starts > time.time() + _A_DAY:
            raise ConfigError(f"'start_time' lies in the future, got {self.start_time!r}")
        if self.topology and not self.gallery:
            raise ConfigError(f"'topology' requires 'gallery', which links its cameras; got {self.topology!r}")
        self._check_engines()

    def _check_engines(self) -> None:
        if self.gallery.startswith("milvus://"):
            allowed = "'gallery' must be a file or postgresql://..., with 'gallery_index' for milvus://..."
            raise ConfigError(f"{allowed}, got milvus://...")
        if self.gallery_index and not self.gallery:
            raise ConfigError("'gallery_index' requires 'gallery', whose embeddings it holds")
        if self.gallery_index and not self.gallery_index.startswith("milvus://"):
            shown = self.gallery_index.rpartition("@")[2]  # without a password
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


def keys() -> tuple[Key, ...]:
    """All keys of a tracker YAML in the order of the shipped one: stock BoT-SORT's and this package's."""
    ours = (
        Key(f.name, f.default, f.metadata["rule"], f.metadata["section"], f.metadata["help"])
        for f in fields(Config)
        if "rule" in f.metadata
    )
    return (*_HOST_KEYS, *ours)


def rule_of(key: str) -> Rule:
    """What a key of a tracker YAML may hold."""
    return _rules()[key]


def render_yaml(**changes: Any) -> str:
    """Render a tracker YAML with a comment on every key, as `trackers/*.yaml` are.

    Args:
        **changes: Values in place of defaults.
    """
    lines = [
        "# ultralytics-reid, AGPL-3.0-or-later",
        "",
        '# BoT-SORT with a long-term appearance memory bank, for mode="track"',
        "# Generated from ultralytics_reid/config.py by `make yaml`",
    ]
    section = None
    for key in keys():
        if key.section != section:
            section = key.section
            lines += ["", f"# {section}"] if section else [""]
        kinds = " | ".join(kind.__name__ for kind in key.rule.kinds[::-1])
        lines.append(f"{key.name}: {_as_yaml(changes.get(key.name, key.default))} # ({kinds}) {key.help}")
    return "\n".join(lines) + "\n"


def _as_yaml(value: Any) -> str:
    return '""' if value == "" else str(value)


def _rules() -> dict[str, Rule]:
    return {key.name: key.rule for key in keys()}


def _check(key: str, value: object, rules: dict[str, Rule]) -> None:
    if key in _RENAMED and _RENAMED[key] in rules:
        raise ConfigError(f"'{key}' is called '{_RENAMED[key]}' now (value {value!r})")
    if (now := _RENAMED.get(key, key)) in _CONSTANTS:
        default = getattr(Tuning(), now)
        raise ConfigError(f"'{key}' is no key any more but a constant, {default}; remove it (value {value!r})")
    if key not in rules:
        close = difflib.get_close_matches(key, rules, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise ConfigError(f"unknown key '{key}' in the tracker YAML (value {value!r}){hint}")
    if not rules[key].admits(value):
        raise ConfigError(f"'{key}' must be {rules[key]}, got {value!r} ({type(value).__name__})")


if __name__ == "__main__":
    import sys

    print(render_yaml(**dict(change.split("=") for change in sys.argv[1:])), end="")
