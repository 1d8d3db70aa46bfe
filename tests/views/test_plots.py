import io

import numpy as np
from PIL import Image

from realtime_nb.views.plots import BLUE, columns, distributions


def test_every_value_is_a_dot_and_empty_rows_stay():
    png = distributions(
        {"first audio in ms": {"one": [10.0, 200.0], "two": []}, "done in ms": {"one": [5.0], "two": []}}
    )
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    assert image.width > 600 and 100 < image.height < 300
    pixels = np.asarray(image).reshape(-1, 4).astype(int)
    blue = np.array([int(BLUE[at : at + 2], 16) for at in (1, 3, 5)])
    assert ((np.abs(pixels[:, :3] - blue).max(axis=1) < 60) & (pixels[:, 3] > 60)).sum() > 30
    assert pixels[0, 3] == 0  # the ground is the page's


def test_names_with_dollars_are_names_and_letters_that_the_font_lacks_do_no_harm():
    rows = {"$x$": [1.0], r"$\frac$ 5$": [2.0], "日本語": [3.0]}
    assert distributions({"ms": rows}).startswith(b"\x89PNG")


def test_columns_are_numbered_from_one_and_no_further_than_there_are():
    assert columns({"output": ("#e0735f", [1.0])}, xlabel="reply", ylabel="tokens")[1:4] == b"PNG"
    many = columns({"a": ("#e0735f", [0.0] * 40), "b": ("#4c8bf5", [2.0] * 40)}, xlabel="reply", ylabel="tokens")
    pixels = np.asarray(Image.open(io.BytesIO(many)).convert("RGBA")).astype(int)[..., :3]
    blue = np.array([int(BLUE[at : at + 2], 16) for at in (1, 3, 5)])
    assert (np.abs(pixels - blue).max(axis=2) < 60).mean() > 0.2  # The second layer stands on the first.
