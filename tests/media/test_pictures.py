import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from realtime_nb.errors import PictureError
from realtime_nb.media.picture import Picture, is_picture, picture_tokens

matplotlib.use("agg")


def noise(height, width, channels=3):
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def file_of(image, kind, **options):
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def pixel(picture, at=(0, 0)):
    return picture.image().convert("RGB").getpixel(at)


@pytest.mark.parametrize(
    "y",
    [
        np.full((30, 40), 128, np.uint8),
        np.full((30, 40, 3), 128, np.uint8),
        np.full((30, 40, 3), 128 / 255, np.float32),
        np.concatenate([np.full((30, 40, 3), 128, np.uint8), np.full((30, 40, 1), 255, np.uint8)], 2),
    ],
)
def test_arrays_of_all_shapes_are_pictures(y):
    picture = Picture.of(y)
    assert (picture.width, picture.height, picture.mime_type) == (40, 30, "image/png")
    assert pixel(picture) == (128, 128, 128)


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (np.zeros(100), "shape (100,) is not a picture.*give an AudioClip"),
        (np.zeros((3, 4, 2)), "shape (3, 4, 2) is not a picture"),
        (np.zeros((0, 4)), "shape (0, 4) is not a picture"),
        (np.full((3, 4), 200.0), "must be 0..1, but they are 200..200: divide by 255"),
        (np.full((3, 4), np.nan), "not finite"),
        (np.zeros((3, 4), np.int64), "array of int64 is not a picture: give uint8"),
    ],
)
def test_arrays_that_are_none_are_refused_in_words(y, text):
    with pytest.raises(PictureError, match=text.replace("(", r"\(").replace(")", r"\)")):
        Picture.of(y)


def test_transparent_parts_are_white():
    y = np.zeros((3, 4, 4), np.uint8)
    assert pixel(Picture.of(y)) == (255, 255, 255)


def test_a_large_picture_is_scaled_down_and_keeps_its_shape():
    picture = Picture.of(np.zeros((1000, 3000, 3), np.uint8))
    assert (picture.width, picture.height) == (1024, 341)
    assert (Picture.of(picture, max_side=100).width, Picture.of(picture, max_side=100).height) == (100, 33)


def test_drawings_go_as_png_and_photographs_as_jpeg():
    assert Picture.of(np.zeros((500, 500, 3), np.uint8)).mime_type == "image/png"
    assert Picture.of(noise(500, 500)).mime_type == "image/jpeg"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_files_are_read_whatever_their_name(tmp_path, kind):
    path = tmp_path / "picture.dat"
    path.write_bytes(file_of(Image.new("RGB", (40, 30), (200, 30, 30)), kind))
    picture = Picture.from_file(path)
    assert (picture.width, picture.height) == (40, 30)
    assert np.abs(np.subtract(pixel(picture), (200, 30, 30))).max() < 8


def test_a_turned_photograph_is_upright_and_its_place_is_not_told():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    exif[0x010F] = "A camera at home"
    picture = Picture.of(file_of(Image.fromarray(noise(600, 800)), "JPEG", exif=exif))
    assert (picture.width, picture.height) == (600, 800)
    assert b"Exif" not in picture.data and b"at home" not in picture.data


def test_a_picture_of_pillow_is_left_as_it_is(tmp_path):
    path = tmp_path / "large.jpg"
    Image.new("RGB", (3000, 2000), "navy").save(path)
    with Image.open(path) as opened:
        assert Picture.of(opened).width == 1024
        assert opened.size == (3000, 2000)


def test_sixteen_bits_are_scaled_not_clipped():
    picture = Picture.of(Image.fromarray(np.linspace(0, 40_000, 1200).astype(np.uint16).reshape(30, 40)))
    y = np.asarray(picture.image())
    assert y.min() == 0 and y.max() == 255 and 120 < y.mean() < 135


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\nbroken", b"%PDF-1.7"])
def test_bytes_that_hold_none_are_refused(data):
    with pytest.raises(PictureError, match=r"is not a PNG, JPEG, WebP or GIF"):
        Picture.of(data)


def test_a_file_that_breaks_off_is_refused():
    with pytest.raises(PictureError, match="cannot be decoded"):
        Picture.of(file_of(Image.fromarray(noise(200, 200)), "JPEG")[:2000])


def test_a_missing_file_and_another_thing_are_refused(tmp_path):
    with pytest.raises(PictureError, match=r"nowhere.png' is not a file"):
        Picture.from_file(tmp_path / "nowhere.png")
    with pytest.raises(PictureError, match="cannot make a picture of dict: give a PIL image"):
        Picture.of({})


def test_a_figure_and_its_axes_are_drawn_at_the_size_that_is_sent():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(20, 10), dpi=200)
    axes = figure.subplots()
    axes.plot([1, 2, 3])
    for each in (figure, axes):
        assert is_picture(each)
        picture = Picture.of(each, max_side=800)
        assert (picture.width, picture.height) == (800, 400)
    assert figure.dpi == 200


def test_what_shows_itself_as_a_png_is_a_picture():
    class Drawing:
        def _repr_png_(self):
            return file_of(Image.new("RGB", (4, 3)), "PNG")

    assert is_picture(Drawing()) and Picture.of(Drawing()).width == 4
    assert not is_picture("picture.png") and not is_picture(b"") and not is_picture({})


def test_a_data_url_and_back():
    picture = Picture.of(noise(30, 40), detail="low")
    again = Picture.from_url(picture.url, detail="low")
    assert (again.data, again.width, again.height, again.detail) == (picture.data, 40, 30, "low")
    for url in (
        "https://example.org/a.png",
        "data:text/html;base64,AAAA",
        "data:image/png;base64,A",
        "data:image/png;base64,AAAA",
    ):
        with pytest.raises(PictureError):
            Picture.from_url(url)


def test_it_is_saved_under_a_name_that_fits(tmp_path):
    picture = Picture.of(np.zeros((3, 4), np.uint8))
    assert Picture.from_file(picture.save(tmp_path / "a.png")).width == 4
    with pytest.raises(PictureError, match=r"'a.jpg' must end in .png"):
        picture.save(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("width", "height", "detail", "tokens"),
    [(1024, 768, "high", 765), (1024, 768, "auto", 765), (1024, 1024, "high", 765), (2048, 4096, "high", 1105),
     (400, 300, "high", 255), (4000, 4000, "low", 85)],
)  # fmt: skip
def test_tokens_are_those_of_the_guide(width, height, detail, tokens):
    assert picture_tokens(width, height, detail) == tokens


def test_an_unknown_detail_is_refused():
    with pytest.raises(PictureError, match="detail='fine' must be one of auto, low, high"):
        Picture.of(np.zeros((3, 4)), detail="fine")
