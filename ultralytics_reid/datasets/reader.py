"""Read labeled crops in the forms of public data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .._typing import Doubles, Ints, as_bools, as_doubles, as_ints
from ..errors import DatasetError
from .crop_set import DISTRACTOR, CropSet
from .file_names import JUNK, MARKET, NOBODY, PARTS, QUERIES, RULES, SEARCHED, camera_token, images_in
from .manifest import Manifest, content_digest, read_manifest

AUTO, FOLDERS = "auto", "folders"
FORMS = (AUTO, MARKET, FOLDERS, *(name for name in RULES if name != MARKET))

_FOLDERS_TEXT = "one folder an identity with its images in it, such as anna/c1_000151.jpg or anna/000151.jpg"


@dataclass(frozen=True)
class _Labeled:
    """What names say of images: file, identity's label, camera or None."""

    path: Path
    label: str
    camera: int | None


def read_crops(folder: Path, form: str = AUTO, *, distractors: bool = False) -> CropSet:
    """Read which images a folder has, and whom they show.

    A manifest in the folder adds the identities' names, the images' times and which identities are known to differ; the
    identity is always that of the file's name or folder, so that images may be deleted, renamed or put into another
    folder. Pairs, names and times of what is gone are left out. Images are read only where the manifest doesn't know
    them by their path: then it knows them by their content.

    Args:
        folder: A folder with images by a rule of names, or with one folder an identity; or Market-1501's own folder, of
            which `query` and `bounding_box_test` are read.
        form: One of `FORMS`; "auto" takes the manifest's, or the one that fits most names.
        distractors: Whether to keep Market-1501's images of nobody (0000), as `DISTRACTOR`, to search in. Its junk (-1)
            is left out always, as its benchmark does.

    Raises:
        DatasetError: If the folder or a renamed image can't be read, there are no images, or a name doesn't follow the
            form's rule; the message names the file and the rule.
    """
    if form not in FORMS:
        raise DatasetError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
    manifest = read_manifest(folder)
    parts = [folder / QUERIES, folder / SEARCHED]
    if all(part.is_dir() for part in parts) and form in (AUTO, MARKET):
        return _benchmark(parts, distractors)
    form = _form_of(folder, form if form != AUTO or manifest is None else manifest.form)
    labeled = _from_folders(folder) if form == FOLDERS else _by_rule(images_in(folder), form)
    return _crop_set(folder, _without_junk(labeled, form, distractors), form, manifest)


def _benchmark(parts: Sequence[Path], distractors: bool) -> CropSet:
    """Market-1501's test: images of `query` are searched for in those of `bounding_box_test`."""
    each = [_without_junk(_by_rule(images_in(part), MARKET), MARKET, distractors) for part in parts]
    for part, labeled in zip(parts, each, strict=True):
        if not labeled:
            raise DatasetError(f"{part} has no images")
    crops = _crop_set(parts[0].parent, [*each[0], *each[1]], MARKET, None)
    return replace(crops, queries=as_bools(np.arange(len(crops)) < len(each[0])))


def _form_of(folder: Path, form: str) -> str:
    """The form to read; "auto" is settled by where the images lie and by what most of their names follow."""
    if form not in FORMS:
        raise DatasetError(f"{folder}: 'form' in the manifest must be one of {', '.join(FORMS)}, got {form!r:.80}")
    if form != AUTO:
        return form
    images = images_in(folder)
    if not images:
        return FOLDERS
    matches = {name: sum(rule.parse(image) is not None for image in images) for name, rule in RULES.items()}
    best = max(matches, key=lambda name: matches[name])
    if not matches[best]:
        rules = "; ".join(f"{name}: {rule.text}" for name, rule in RULES.items())
        raise DatasetError(f"{images[0]} doesn't follow any rule of names ({rules}), nor is there {_FOLDERS_TEXT}")
    return best


def _by_rule(images: list[Path], form: str) -> list[_Labeled]:
    labeled = []
    for image in images:
        parsed = RULES[form].parse(image)
        if parsed is None:
            raise DatasetError(f"{image} doesn't follow the rule of {form}: {RULES[form].text}")
        labeled.append(_Labeled(image, *parsed))
    return labeled


def _from_folders(folder: Path) -> list[_Labeled]:
    folders = sorted(f for f in folder.iterdir() if f.is_dir() and f.name[0] != ".")
    labeled = [_Labeled(image, f.name, camera_token(image)) for f in folders for image in images_in(f)]
    if part := next((x.label for x in labeled if x.label.lower() in PARTS), None):
        raise DatasetError(f"{folder / part} is a part of a data set and no identity: give that folder itself")
    without = [x for x in labeled if x.camera is None]
    if without and len(without) < len(labeled):
        raise DatasetError(
            f"{without[0].path} names no camera, and other images do; the rule: all names have a part such as c1 or "
            "cam1 between underscores, or none"
        )
    return labeled


def _without_junk(labeled: list[_Labeled], form: str, distractors: bool) -> list[_Labeled]:
    if form != MARKET:
        return labeled
    return [x for x in labeled if x.label != JUNK and (distractors or not _is_nobody(x.label))]


def _is_nobody(label: str) -> bool:
    return set(label) == {NOBODY}


def _crop_set(folder: Path, labeled: list[_Labeled], form: str, manifest: Manifest | None) -> CropSet:
    if not labeled:
        rule = _FOLDERS_TEXT if form == FOLDERS else RULES[form].text
        raise DatasetError(f"{folder} has no images; the rule of {form}: {rule}")
    manifest = Manifest(form) if manifest is None else manifest
    nobody = {x.label for x in labeled if form == MARKET and _is_nobody(x.label)}
    labels = sorted({x.label for x in labeled} - nobody)
    index = {label: n for n, label in enumerate(labels)} | dict.fromkeys(nobody, DISTRACTOR)
    cameras = [x.camera for x in labeled if x.camera is not None]
    has_cameras = manifest.has_cameras and len(cameras) == len(labeled)
    written = _written(folder, labeled, manifest)
    return CropSet(
        paths=tuple(x.path for x in labeled),
        identities=as_ints([index[x.label] for x in labeled]),
        cameras=as_ints(cameras if has_cameras else range(len(labeled))),
        names=tuple(manifest.names.get(label, label) for label in labels),
        has_cameras=has_cameras,
        times=_times(written, manifest),
        different=_different(manifest, index),
        written=written,
    )


def _written(folder: Path, labeled: list[_Labeled], manifest: Manifest) -> tuple[str, ...]:
    """See `CropSet.written`."""
    paths = [x.path.relative_to(folder).as_posix() for x in labeled]
    if not manifest.contents:
        return tuple(paths)
    lying = set(paths)
    # Of files of one content, the one that is gone is the one that was renamed: it comes last, and counts.
    ordered = sorted(manifest.contents.items(), key=lambda item: item[0] not in lying)
    known = {content: path for path, content in ordered}
    return tuple(p if p in manifest.contents else known.get(_content(folder / p), "") for p in paths)


def _content(path: Path) -> str:
    try:
        return content_digest(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror or error}") from error


def _times(written: Sequence[str], manifest: Manifest) -> Doubles | None:
    times = as_doubles([manifest.times.get(path, np.nan) for path in written])
    return None if np.isnan(times).all() else times


def _different(manifest: Manifest, index: dict[str, int]) -> Ints | None:
    if manifest.different is None:
        return None
    known = {(index[a], index[b]) for a, b in manifest.different if a in index and b in index and index[a] != index[b]}
    return as_ints(sorted({(min(pair), max(pair)) for pair in known})).reshape(-1, 2)
