import numpy as np
import pytest
from browser.bare import until

from realtime_nb.conversation.records import Part, Turn
from realtime_nb.loop import submit
from realtime_nb.media.picture import Picture
from realtime_nb.widgets.rows import Thumbnails, cost_words

LARGE = Picture.of(np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8))


def turn_of(*urls):
    return Turn(item_id="U", role="user", parts={n: Part(kind="image", image_url=url) for n, url in enumerate(urls)})


def test_a_picture_is_made_small_in_a_thread_and_told_when_it_is_there():
    ready = []
    thumbnails = Thumbnails(lambda: "gpt-realtime-2.1", ready.append)
    turn = turn_of(LARGE.url)

    async def look():
        return thumbnails.of(turn)

    (shown,) = submit(look()).result(30)
    assert shown == {"words": "[picture, 800 × 600]", "url": "", "cost": "about 765 tokens, $0.00382"}
    until(lambda: ready)
    (shown,) = submit(look()).result(30)
    small = Picture.from_url(shown["url"])
    assert (small.width, small.height) == (160, 120)
    assert ready == ["U"]


def test_a_picture_that_cannot_be_read_has_words_alone():
    async def look():
        return Thumbnails(lambda: None, lambda item_id: None).of(turn_of("data:image/png;base64,AAAA"))

    (shown,) = submit(look()).result(30)
    assert shown == {"words": "[picture that cannot be read]", "url": "", "cost": ""}


@pytest.mark.parametrize(
    ("model", "words"), [("gpt-realtime-2.1", "about 1,530 tokens, $0.00765"), (None, "about 1,530 tokens")]
)
def test_several_are_added_up(model, words):
    assert cost_words([LARGE, LARGE], model) == words
