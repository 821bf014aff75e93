"""What the file names of labeled crops say, by the rules of public data sets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from ..gallery.image_io import IMAGE_SUFFIXES

# Market-1501's marks: boxes of nothing, which its benchmark ignores, and of nobody in its list, which it searches too.
JUNK, NOBODY = "-1", "0"
# Folders of Market-1501's benchmark: the images it searches for, and those it searches in.
QUERIES, SEARCHED = "query", "bounding_box_test"
# Names of folders that hold a part of a data set, and are no identity's.
PARTS = {"train", "test", "val", "valid", "gallery", "images", QUERIES, SEARCHED, "bounding_box_train", "gt_bbox"}


@dataclass(frozen=True)
class NameRule:
    """A rule of file names.

    Attributes:
        pattern: With the groups `identity` and `camera`; it must match a name from its beginning to its suffix.
        text: The rule in words, for messages.
        images_a_camera: How many image numbers, from 1, are of one camera, where the name holds such a number in place
            of a camera's; 0 where it holds the camera's.
    """

    pattern: re.Pattern[str]
    text: str
    images_a_camera: int = 0

    def parse(self, path: Path) -> tuple[str, int] | None:
        """Identity's label and camera's number; None for a name that doesn't follow the rule."""
        match = self.pattern.fullmatch(path.stem)
        if match is None:
            return None
        number = int(match["camera"])
        return match["identity"], (number - 1) // self.images_a_camera + 1 if self.images_a_camera else number


MARKET, CUHK01, VEHICLES = "market1501", "cuhk01", "vehicles"
RULES = {
    MARKET: NameRule(
        # VeRi-776 and DukeMTMC-reID have names like these, without a sequence.
        re.compile(r"(?P<identity>-1|\d+)_c(?P<camera>\d{1,6})(?:s\d+)?(?:_.*)?"),
        "IDENTITY_cCAMERAsSEQUENCE_FRAME_BOX, such as 0001_c1s1_000151_01.jpg",
    ),
    CUHK01: NameRule(
        re.compile(r"(?P<identity>\d{4})(?P<camera>00[1-4])"),
        "IIIIJJJ, such as 0001003.jpg, where JJJ is 001 or 002 on the first camera, 003 or 004 on the second",
        images_a_camera=2,
    ),
    VEHICLES: NameRule(
        re.compile(r"(?P<identity>[^\W_]+_\d+)_cam(?P<camera>\d{1,6})(?:_.*)?"),
        "CLASS_IDENTITY_camCAMERA, such as car_0006_cam1.jpg",
    ),
}
_CAMERA_TOKEN = re.compile(r"(?:^|[_-])c(?:am)?(\d{1,6})(?=s\d|[_-]|$)")


def camera_token(path: Path) -> int | None:
    """Camera's number in the name of a file that lies in its identity's folder, such as `c2_000151.jpg`; else None."""
    found = _CAMERA_TOKEN.search(path.stem)
    return None if found is None else int(found[1])


def images_in(folder: Path) -> list[Path]:
    """Image files of a folder by name, without those of folders in it and without hidden ones.

    Raises:
        DatasetError: If the folder can't be read.
    """
    try:
        files = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.name[0] != "."]
        return sorted(f for f in files if f.is_file())
    except OSError as error:
        raise DatasetError(f"{folder} can't be read: {error.strerror or error}") from error
