import io
import sys

import numpy as np
import pytest
from PIL import Image

from realtime_nb.errors import PictureError
from realtime_nb.media import picture


def test_an_object_is_known_by_a_library_that_is_loaded_and_none_is_loaded_for_it():
    assert picture.is_a(Image.new("L", (2, 2)), "PIL.Image", "Image")
    assert not picture.is_a(3, "a_library.that_nobody_has", "Thing")
    assert "a_library" not in sys.modules


def test_what_is_encoded_is_left_as_it_was():
    image = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    data, width, height = picture.encode_image(image, 150)
    assert (width, height, image.size, image.mode) == (150, 100, (300, 200), "RGBA")
    assert Image.open(io.BytesIO(data)).getpixel((0, 0)) == (255, 255, 255)


def test_a_file_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(picture, "_MOST_PIXELS", 100)
    written = io.BytesIO()
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(written, "PNG")
    with pytest.raises(PictureError, match=r"it has 20 . 20 pixels; at most 100 are taken"):
        picture.read_image(written.getvalue(), "it")
