"""Images as the gallery takes them: paths, arrays, and Pillow's."""

import numpy as np
import pytest
from PIL import Image

from ultralytics_reid import GalleryError
from ultralytics_reid.gallery.image_io import as_image


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK"])
def test_a_pillow_image_of_any_mode_is_taken_as_the_array_it_shows(mode):
    image = Image.new("RGB", (6, 16), (255, 0, 0)).convert(mode)
    found = as_image(image)
    assert found.shape == (16, 6, 3)
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.asarray(image.convert("RGB"))[..., ::-1])


def test_red_is_the_last_channel():
    assert as_image(Image.new("RGB", (2, 2), (255, 0, 0)))[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("other", [None, 3.5, b"image", [[0]]])
def test_what_is_no_image_is_refused_in_words(other):
    with pytest.raises(GalleryError, match=f"got {type(other).__name__}"):
        as_image(other)
