"""Appearance of people: build, hair, clothes, hats and bags, with look-alikes in the same clothes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .._typing import Bools, Doubles, Ints
from .hashed_random import between, uniform

Color = tuple[int, int, int]  # BGR
Hair = Literal["short", "long", "bald"]
Top = Literal["plain", "striped", "two-tone", "jacket", "print", "coat"]
Bottom = Literal["trousers", "jeans", "shorts", "skirt"]
Hat = Literal["none", "cap", "beanie"]
Bag = Literal["none", "backpack", "shoulder", "hand"]

_CACHE_SIZE = 1024  # people: those in view, and some more

_HAIRS: tuple[Hair, ...] = ("short", "short", "long", "long", "bald")
_TOPS: tuple[Top, ...] = ("plain", "jacket", "striped", "coat", "two-tone", "print", "jacket")
_BOTTOMS: tuple[Bottom, ...] = ("trousers", "jeans", "jeans", "trousers", "shorts", "skirt")
_HATS: tuple[Hat, ...] = ("none", "none", "none", "cap", "beanie")
BAGS: tuple[Bag, ...] = ("none", "backpack", "none", "shoulder", "hand")

_CLOTHES: tuple[Color, ...] = (
    *((40, 38, 36), (60, 45, 190), (140, 75, 30), (225, 225, 222), (55, 110, 45), (40, 150, 225)),
    *((110, 40, 95), (120, 118, 112), (185, 150, 60), (95, 100, 55), (60, 205, 230), (70, 35, 30)),
    *((150, 120, 215), (95, 130, 120), (35, 80, 200), (200, 190, 150), (45, 30, 110), (90, 160, 90)),
    *((170, 165, 200), (95, 75, 60)),
)
_LEGWEAR: tuple[Color, ...] = (
    *((35, 33, 32), (120, 80, 50), (90, 105, 125), (85, 82, 80), (70, 45, 35), (150, 175, 190), (55, 75, 65)),
)
_JEANS: tuple[Color, ...] = ((125, 85, 55), (85, 55, 38), (165, 130, 100), (60, 42, 32))
_SHOES: tuple[Color, ...] = ((25, 25, 28), (230, 230, 230), (40, 70, 120), (50, 40, 170), (130, 90, 60), (90, 180, 80))
_SKINS: tuple[Color, ...] = ((170, 195, 235), (140, 172, 220), (110, 145, 195), (75, 105, 150), (50, 70, 105))
_HAIR_COLORS: tuple[Color, ...] = (
    *((25, 25, 28), (35, 50, 75), (60, 95, 140), (120, 175, 215), (150, 150, 152), (35, 60, 130)),
)


@dataclass(frozen=True)
class Bodies:
    """Body shapes of `R` people.

    Attributes:
        height: `(R,)` meters, without hat and shoes.
        build: `(R,)` breadth; 1 is average.
        bag: `(R,)` index into `BAGS`.
        hat: `(R,)` whether there is a hat.
        wide: `(R,)` whether a coat or a skirt hangs around the legs.
    """

    height: Doubles
    build: Doubles
    bag: Ints
    hat: Bools
    wide: Bools


@dataclass(frozen=True)
class Clothing:
    """Appearance of one person. Colors are BGR in neutral light.

    Attributes:
        outfit: Number of the outfit, equal for look-alikes.
        height: Height, meters.
        build: Breadth; 1 is average.
        skin: Color of the skin.
        hair: Hair style.
        hair_color: Color of the hair.
        top: Upper garment; a jacket is open over a shirt, a print is on the back only.
        top_color: Color of the upper garment.
        top_second: Color of the stripes, the lower half, the shirt or the print.
        sleeves: Whether the sleeves are long.
        bottom: Lower garment.
        bottom_color: Color of the lower garment.
        shoes: Color of the shoes.
        hat: Kind of hat.
        hat_color: Color of the hat.
        bag: Kind of bag.
        bag_color: Color of the bag.
    """

    outfit: int
    height: float
    build: float
    skin: Color
    hair: Hair
    hair_color: Color
    top: Top
    top_color: Color
    top_second: Color
    sleeves: bool
    bottom: Bottom
    bottom_color: Color
    shoes: Color
    hat: Hat
    hat_color: Color
    bag: Bag
    bag_color: Color


class ClothingGenerator:
    """Generator of people's clothing and bodies, on demand.

    Args:
        people: Number of people; their ids start at 1.
        look_alikes: Fraction of people in the same outfit as another person.
        seed: Random seed of the scene.
    """

    def __init__(self, people: int, look_alikes: float, seed: int) -> None:
        self._people, self._seed = people, seed
        self._outfits = max(1, people - round(look_alikes * people))
        self._cache: dict[int, Clothing] = {}

    def alike(self, a: int, b: int) -> bool:
        """Whether two ids have the same outfit, up to small differences."""
        return (self._check(a) - 1) % self._outfits == (self._check(b) - 1) % self._outfits

    def clothing(self, person: int) -> Clothing:
        """Clothing of a person.

        Raises:
            KeyError: If there is no such id.
        """
        person = self._check(person)
        if person not in self._cache:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[person] = self._make(person)
        return self._cache[person]

    def bodies(self, ids: Ints) -> Bodies:
        """Body shapes of `(R,)` ids."""
        outfit, copy = (ids - 1) % self._outfits, (ids - 1) // self._outfits
        key = (self._seed, "looks", outfit)
        height = between(1.58, 1.88, *key, "height") + between(-0.03, 0.03, self._seed, "own height", ids)
        bag = self._pick(len(BAGS), "bag", outfit)
        # A look-alike may carry another bag.
        bag = np.where((copy > 0) & (uniform(self._seed, "other bag", ids) < 0.5), (bag + copy) % len(BAGS), bag)  # noqa: PLR2004
        hat = self._pick(len(_HATS), "hat", outfit)
        wide = (self._tops(outfit) == _TOPS.index("coat")) | (self._bottoms(outfit) == _BOTTOMS.index("skirt"))
        return Bodies(height, between(0.9, 1.14, *key, "build"), bag, np.array([h != "none" for h in _HATS])[hat], wide)

    def _check(self, person: int) -> int:
        if not 1 <= person <= self._people:
            raise KeyError(f"ids are 1 to {self._people}, got {person}")
        return int(person)

    def _pick(self, choices: int, what: str, outfit: Ints) -> Ints:
        return (uniform(self._seed, "looks", outfit, what) * choices).astype(np.int64)

    def _pick_in_turn(self, choices: int, what: str, outfit: Ints) -> Ints:
        """Pick each choice once before any is repeated, so that a few people differ."""
        order = np.argsort(uniform(self._seed, what, np.arange(choices)), kind="stable")
        return order[outfit % choices]

    def _tops(self, outfit: Ints) -> Ints:
        return self._pick_in_turn(len(_TOPS), "top", outfit)

    def _bottoms(self, outfit: Ints) -> Ints:
        return self._pick(len(_BOTTOMS), "bottom", outfit)

    def _make(self, person: int) -> Clothing:
        outfit = np.array([(person - 1) % self._outfits])
        body = self.bodies(np.array([person]))
        bottom = _BOTTOMS[int(self._bottoms(outfit)[0])]
        shoes = int(self._pick(len(_SHOES), "shoes", outfit)[0]) + (person - 1) // self._outfits
        first = int(self._pick_in_turn(len(_CLOTHES), "cloth", outfit)[0])
        second = (first + 1 + int(self._pick(len(_CLOTHES) - 1, "cloth 2", outfit)[0])) % len(_CLOTHES)
        return Clothing(
            outfit=int(outfit[0]),
            height=float(body.height[0]),
            build=float(body.build[0]),
            skin=self._color(_SKINS, "skin", outfit),
            hair=_HAIRS[int(self._pick(len(_HAIRS), "hair", outfit)[0])],
            hair_color=self._color(_HAIR_COLORS, "hair color", outfit),
            top=_TOPS[int(self._tops(outfit)[0])],
            top_color=self._dyed(_CLOTHES[first], "dye", outfit),
            top_second=self._dyed(_CLOTHES[second], "dye 2", outfit),
            sleeves=bool(uniform(self._seed, "looks", outfit, "sleeves")[0] < 0.6),  # noqa: PLR2004
            bottom=bottom,
            bottom_color=self._color(_JEANS if bottom == "jeans" else _LEGWEAR, "bottom color", outfit),
            shoes=_SHOES[shoes % len(_SHOES)],
            hat=_HATS[int(self._pick(len(_HATS), "hat", outfit)[0])],
            hat_color=self._color(_CLOTHES, "hat color", outfit),
            bag=BAGS[int(body.bag[0])],
            bag_color=self._color(_CLOTHES, "bag color", outfit),
        )

    def _color(self, palette: tuple[Color, ...], what: str, outfit: Ints) -> Color:
        return self._dyed(palette[int(self._pick(len(palette), what, outfit)[0])], what, outfit)

    def _dyed(self, color: Color, what: str, outfit: Ints) -> Color:
        """Vary a color slightly in brightness and tone."""
        tone = 1 + between(-0.12, 0.12, self._seed, "dye", what, int(outfit[0]))
        off = between(-8, 8, self._seed, "tone", what, int(outfit[0]), np.arange(3))
        blue, green, red = np.clip(np.array(color) * tone + off, 8, 245).astype(int).tolist()
        return blue, green, red
