"""Crops: contents, geometry, masks, and unusable regions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultralytics_reid import EmbeddingError
from ultralytics_reid.embedders import CropEmbedder, Preprocessing, Regions, embed
from ultralytics_reid.embedders.crops import as_bgr, crop

SMALL = Preprocessing(height=16, width=8)
TALL = Preprocessing(height=64, width=32)


def sample_image(height=120, width=160):
    """Smooth, so that neighboring pixels are alike, and no two places are."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, (x + y) / 2], axis=2).astype(np.uint8)


def noise(height=120, width=160):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def upright(*boxes):
    return Regions(np.array(boxes, np.float32).reshape(-1, 4))


def turned(*rows):
    xywhr = np.array(rows, np.float32).reshape(-1, 5)
    return Regions(np.zeros((len(xywhr), 4), np.float32), xywhr)


def apart(a, b):
    return np.abs(a.astype(float) - b).mean()


class TestUpright:
    def test_a_box_of_the_crop_s_size_is_the_image_itself(self):
        image = noise()
        crops, good = crop(image, upright([30, 20, 38, 36]), SMALL)
        assert good.tolist() == [True]
        np.testing.assert_array_equal(crops[0], image[20:36, 30:38])

    def test_boxes_beyond_the_edge_are_clipped(self):
        image = noise()
        crops, _ = crop(image, upright([-50, -50, 8, 16], [152, 104, 900, 900]), SMALL)
        np.testing.assert_array_equal(crops[0], image[:16, :8])
        np.testing.assert_array_equal(crops[1], image[104:, 152:])

    def test_fractions_are_widened_to_whole_pixels(self):
        image = noise()
        crops, _ = crop(image, upright([30.6, 20.2, 37.1, 35.5]), SMALL)
        np.testing.assert_array_equal(crops[0], image[20:36, 30:38])

    def test_shrinking_averages(self):
        image = np.zeros((128, 64, 3), np.uint8)
        image[::4] = 200
        crops, _ = crop(image, upright([0, 0, 64, 128]), SMALL)
        assert np.abs(crops.astype(int) - 50).max() <= 1

    @pytest.mark.parametrize(
        "box",
        [
            [40, 40, 40, 80],
            [40, 40, 60, 40],
            [60, 40, 40, 80],
            [-30, 10, -5, 60],
            [160, 10, 190, 60],
            [10, 120, 40, 150],
            [np.nan, 10, 40, 50],
            [10, 10, np.inf, 50],
        ],
    )
    def test_an_unusable_region_is_marked_and_leaves_the_others_unchanged(self, box):
        image, others = noise(), [[30, 20, 50, 60], [80, 10, 120, 100]]
        crops, good = crop(image, upright(others[0], box, others[1]), SMALL)
        assert good.tolist() == [True, False, True]
        np.testing.assert_array_equal(crops, crop(image, upright(*others), SMALL)[0])

    def test_no_regions(self):
        crops, good = crop(noise(), upright(), SMALL)
        assert (crops.shape, good.shape) == ((0, 16, 8, 3), (0,))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10**6), st.booleans())
    def test_a_crop_depends_on_its_own_region_only(self, seed, rotated):
        rng = np.random.default_rng(seed)
        center, size = rng.uniform(-20, 180, (6, 2)), rng.uniform(1, 90, (6, 2))
        xywhr = np.concatenate([center, size, rng.uniform(-4, 4, (6, 1))], axis=1).astype(np.float32)
        xyxy = np.concatenate([center - size / 2, center + size / 2], axis=1).astype(np.float32)
        regions, image = Regions(xyxy, xywhr if rotated else None), noise()
        crops, good = crop(image, regions, SMALL)
        order = rng.permutation(6)
        shuffled, still = crop(image, regions.take(order), SMALL)
        assert still.tolist() == good[order].tolist()
        np.testing.assert_array_equal(shuffled, crops[np.cumsum(good)[order[still]] - 1])


class TestTurned:
    def test_an_upright_one_is_as_its_box(self):
        image = sample_image()
        straight, _ = crop(image, upright([40, 20, 70, 90]), TALL)
        same, _ = crop(image, turned([55, 55, 30, 70, 0]), TALL)
        assert apart(same, straight) < 1

    @settings(max_examples=30, deadline=None)
    @given(st.floats(-3.1, 3.1), st.floats(12, 50), st.integers(1, 3))
    def test_one_rectangle_has_one_crop_however_it_is_written(self, angle, width, quarter):
        image, height = sample_image(), 60.0
        sides = (width, height) if quarter == 2 else (height, width)
        one, _ = crop(image, turned([80, 60, width, height, angle]), TALL)
        other, _ = crop(image, turned([80, 60, *sides, angle + quarter * np.pi / 2]), TALL)
        long_side = angle % np.pi
        if min(long_side, np.pi - long_side) < 1.5:  # at 90 degrees rounding decides which end is up
            assert apart(one, other) < 1

    @pytest.mark.parametrize("degrees", [-60, -30, 0, 30, 60])
    def test_a_tilted_object_stands_up_head_first(self, degrees):
        import cv2

        upright_image = np.full((120, 120, 3), 90, np.uint8)
        upright_image[30:60, 50:70] = (0, 0, 250)  # head
        upright_image[60:90, 50:70] = (250, 0, 0)
        matrix = cv2.getRotationMatrix2D((59.5, 59.5), -degrees, 1)  # turns clockwise as the image is shown
        tilted = cv2.warpAffine(upright_image, matrix, (120, 120), borderValue=(90, 90, 90))
        crops, _ = crop(tilted, turned([60, 60, 20, 60, np.radians(degrees)]), TALL)
        expected, _ = crop(upright_image, upright([50, 30, 70, 90]), TALL)
        assert apart(crops, expected) < 12

    def test_a_wide_crop_takes_the_long_side_across(self):
        image = sample_image()
        wide = Preprocessing(height=32, width=64)
        lying, _ = crop(image, turned([80, 60, 30, 70, np.pi / 2 - 1e-3]), wide)
        assert apart(lying, crop(image, upright([45, 45, 115, 75]), wide)[0]) < 1

    def test_it_is_turned_and_never_mirrored(self):
        image = np.zeros((120, 160, 3), np.uint8)
        image[:, 80:] = 255  # the right half
        for half_turns in range(4):
            crops, _ = crop(image, turned([80, 60, 20, 60, 0.2 + half_turns * np.pi]), TALL)
            assert crops[0, :, 16:].mean() - crops[0, :, :16].mean() > 150

    def test_beyond_the_image_is_the_mean(self):
        crops, good = crop(np.full((50, 50, 3), 255, np.uint8), turned([0, 25, 20, 40, 0]), TALL)
        assert good.all()
        assert np.abs(crops[0, :, :14].astype(int) - TALL.fill).max() <= 1
        assert crops[0, :, 18:].min() == 255

    def test_large_ones_are_averaged_too(self):
        image = np.zeros((400, 400, 3), np.uint8)
        image[::4] = 200
        crops, _ = crop(image, turned([200, 200, 100, 300, 0]), SMALL)
        assert np.abs(crops.astype(int) - 50).max() < 25

    @pytest.mark.parametrize(
        "row",
        [
            [50, 50, 0, 20, 1],
            [50, 50, 20, -5, 1],
            [50, 50, np.inf, 5, 0],
            [50, np.inf, 20, 5, 0],
            [50, 50, 20, 30, np.nan],
            [-80] + [20] * 4,
        ],
    )
    def test_unusable_rotated_boxes_are_marked(self, row):
        assert crop(noise(), turned(row, [50, 50, 20, 30, 1]), SMALL)[1].tolist() == [False, True]


class TestMasks:
    def masked(self, mask, regions=None):
        boxes = upright([40, 20, 72, 84]) if regions is None else regions
        return crop(np.full((120, 160, 3), 255, np.uint8), Regions(boxes.xyxy, boxes.xywhr, [mask]), TALL)[0][0]

    def test_outside_of_a_polygon_is_the_mean(self):
        out = self.masked(np.array([[40, 20], [56, 20], [56, 84], [40, 84]], np.float32))
        assert out[:, :15].min() == 255
        assert (out[:, 18:] == TALL.fill).all()

    def test_a_bitmap_does_the_same(self):
        bitmap = np.zeros((120, 160), bool)
        bitmap[:, :56] = True
        out = self.masked(bitmap)
        assert out[:, :15].min() == 255
        assert (out[:, 18:] == TALL.fill).all()

    def test_it_turns_with_the_region(self):
        half = np.array([[40, 20], [56, 20], [56, 84], [40, 84]], np.float32)
        regions = turned([56, 52, 32, 64, np.pi])  # the same rectangle
        assert (self.masked(half, regions)[:, 18:] == TALL.fill).all()

    def test_no_outline_leaves_the_crop_as_it_is(self):
        assert self.masked(np.zeros((0, 2), np.float32)).min() == 255

    def test_rows_that_show_nothing_take_their_mask_with_them(self):
        boxes, empty = np.array([[np.nan] * 4, [40, 20, 72, 84]], np.float32), np.zeros((120, 160), bool)
        crops, _ = crop(noise(), Regions(boxes, masks=[np.ones((120, 160), bool), empty]), TALL)
        assert (crops == TALL.fill).all()


class TestImages:
    def test_gray_is_repeated(self):
        gray = noise()[..., 0]
        for image in (gray, gray[..., None]):
            np.testing.assert_array_equal(as_bgr(image), np.stack([gray] * 3, axis=2))

    def test_sixteen_bits_keep_the_upper_eight(self):
        np.testing.assert_array_equal(as_bgr(noise().astype(np.uint16) * 256 + 99), noise())

    def test_color_is_not_copied(self):
        assert as_bgr(image := noise()) is image

    @pytest.mark.parametrize("image", [np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3), np.float32), np.zeros(5)])
    def test_other_formats_are_refused(self, image):
        with pytest.raises(EmbeddingError, match="frames must be"):
            as_bgr(image)


@pytest.mark.parametrize(
    ("regions", "told"),
    [
        (Regions(np.zeros((2, 5), np.float32)), "boxes must have the shape"),
        (Regions(np.zeros((2, 4), np.float32), np.zeros((1, 5), np.float32)), r"rotated boxes.*\(2, 5\)"),
        (Regions(np.zeros((2, 4), np.float32), None, []), "2 masks"),
    ],
)
def test_regions_of_unequal_lengths_are_refused(regions, told):
    with pytest.raises(EmbeddingError, match=told):
        crop(noise(), regions, SMALL)


@pytest.mark.parametrize("mean", [(0.0, 0.0, 0.0), (0.485, 0.456, 0.406), (0.5, 0.4, 0.3)])
def test_normalizing_is_what_it_says(mean):
    preprocessing = Preprocessing(height=16, width=8, mean=mean, std=(0.2, 0.3, 0.4))
    crops, _ = crop(noise(), upright([0, 0, 50, 90], [20, 30, 90, 60]), preprocessing)
    batch = preprocessing.normalize(crops)
    expected = (crops[..., ::-1] / 255 - mean) / (0.2, 0.3, 0.4)
    assert (batch.dtype, batch.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_allclose(batch, expected.transpose(0, 3, 1, 2), atol=1e-5)


def colors(batch):
    """An encoder: a crop's mean colors by quarter of its height."""
    return batch.reshape(len(batch), 3, 4, -1).mean(axis=3).reshape(len(batch), -1)


class TestEncoder:
    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 10**6), st.integers(0, 150))
    def test_rows_are_the_same_in_any_order_and_any_batch(self, seed, count):
        rng, embedder = np.random.default_rng(seed), CropEmbedder(colors, SMALL, name="colors")
        low = rng.uniform(-40, 150, (count, 2))
        xyxy = np.concatenate([low, low + rng.uniform(0, 40, (count, 2))], axis=1).astype(np.float32)
        rows, order, part = embedder(noise(), xyxy), rng.permutation(count), count // 3
        np.testing.assert_allclose(embedder(noise(), xyxy[order]), rows[order], atol=1e-5)
        parts = [embedder(noise(), xyxy[:part]), embedder(noise(), xyxy[part:])]
        np.testing.assert_allclose(np.concatenate(parts), rows, atol=1e-5)

    def test_bad_rows_are_zeros_and_others_are_not(self):
        embedder = CropEmbedder(colors, SMALL, name="colors")
        rows = embedder(noise(), np.array([[0, 0, 9, 9], [5, 5, 5, 9], [np.nan] * 4], np.float32))
        assert rows.any(axis=1).tolist() == [True, False, False]
        assert not embedder(noise(), np.full((2, 4), np.nan, np.float32)).any()

    def test_vectors_that_are_not_finite_are_zeros(self):
        def sometimes(batch):
            rows = colors(batch)
            rows[batch.mean(axis=(1, 2, 3)) > 1] = np.nan
            return rows

        image = np.concatenate([np.full((50, 160, 3), 250, np.uint8), np.zeros((50, 160, 3), np.uint8)])
        boxes = np.array([[0, 0, 20, 40], [0, 60, 20, 90]], np.float32)
        rows = CropEmbedder(sometimes, SMALL, name="sometimes")(image, boxes)
        assert rows.any(axis=1).tolist() == [False, True]

    def test_mirrored_crops_are_averaged_in(self):
        def left(batch):
            return batch[:, :, :, :4].mean(axis=(2, 3))

        def whole(batch):
            return batch.mean(axis=(2, 3))

        box = np.array([[10, 10, 60, 90]], np.float32)
        both = CropEmbedder(left, SMALL, name="left", flip=True)(noise(), box)
        np.testing.assert_allclose(both, CropEmbedder(whole, SMALL, name="whole")(noise(), box), atol=1e-5)

    @pytest.mark.parametrize(
        ("encode", "told"),
        [
            (lambda b: b, r"a map of the shape \(2, 3, 16, 8\)"),
            (lambda b: [b, b], "2 outputs"),
            (lambda b: np.exp(colors(b)) / np.exp(colors(b)).sum(axis=1, keepdims=True), "12 class scores"),
            (lambda b: b.mean(axis=(1, 2, 3)), "a map of the shape"),
            (lambda b: colors(b)[:1], "one row a detection"),
        ],
    )
    def test_outputs_other_than_vectors_are_refused_at_construction(self, encode, told):
        with pytest.raises(EmbeddingError, match=told):
            CropEmbedder(encode, SMALL, name="strange")

    def test_another_dimension_than_declared_is_refused(self):
        with pytest.raises(EmbeddingError, match="colors must give vectors of dimension 512, got 12"):
            CropEmbedder(colors, SMALL, name="colors", dim=512)

    def test_a_vector_a_crop_may_have_sides_of_one(self):
        assert CropEmbedder(lambda b: b.mean(axis=(2, 3), keepdims=True), SMALL, name="means").dim == 3

    def test_the_fingerprint_tells_what_can_not_be_compared(self):
        unit = Preprocessing(height=16, width=8, mean=(0.0,) * 3, std=(1.0,) * 3)
        made = [
            CropEmbedder(colors, SMALL, name="colors"),
            CropEmbedder(colors, SMALL, name="others"),
            CropEmbedder(colors, unit, name="colors"),
            CropEmbedder(colors, TALL, name="colors"),
            CropEmbedder(colors, SMALL, name="colors", flip=True),
        ]
        assert made[0].fingerprint == "colors/16x8-imagenet/12"
        assert len({e.fingerprint for e in made}) == len(made)

    def test_plain_functions_get_upright_boxes_and_encoders_everything(self):
        regions = turned([55, 55, 30, 70, 1])
        assert embed(lambda image, xyxy: xyxy * 2, noise(), regions).shape == (1, 4)
        embedder = CropEmbedder(colors, TALL, name="colors")
        straight = embed(embedder, noise(), Regions(np.array([[40, 20, 70, 90]], np.float32)))
        assert np.abs(embed(embedder, noise(), regions) - straight).max() > 0.01
