import re

import numpy as np
import record_samples as samples

from realtime_nb.conversation.records import Part
from realtime_nb.media.picture import Picture
from realtime_nb.views import mimebundle
from realtime_nb.views.budget import AudioBudget
from realtime_nb.views.media import thumbnails

PICTURE = Picture.of(np.full((600, 800, 3), 90, np.uint8))


def shown_in(conversation):
    turn = conversation.turns[0]
    turn.parts[1] = Part(kind="image", image_url=PICTURE.url)
    return conversation


def test_a_picture_is_small_and_described():
    bundle = mimebundle(PICTURE)
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert bundle["text/plain"] == repr(PICTURE)
    assert 'width="480" height="360"' in bundle["text/html"] and f'alt="{PICTURE!r}"' in bundle["text/html"]


def test_a_turn_a_conversation_and_a_reply_show_it():
    conversation = shown_in(samples.conversation())
    for record in (conversation.turns[0], conversation, conversation.replies[0]):
        bundle = mimebundle(record)
        assert "What time is it? [picture, 800 × 600]" in bundle["text/plain"]
        assert len(re.findall(r'<img[^>]* width="160" height="120"', bundle["text/html"])) == 1


def test_a_picture_that_cannot_be_read_is_named():
    conversation = samples.conversation()
    conversation.turns[0].parts[1] = Part(kind="image", image_url="data:image/png;base64,<script>")
    bundle = mimebundle(conversation.turns[0])
    assert "[picture that cannot be read]" in bundle["text/plain"]
    assert "<img" not in bundle["text/html"] and "<script" not in bundle["text/html"]


def test_pictures_count_in_the_size_of_an_output():
    budget = AudioBudget(0.0001)
    assert thumbnails([PICTURE, PICTURE], budget).endswith("2 pictures left out: turn.pictures has them.</div>")
    assert thumbnails([PICTURE], AudioBudget(1)).startswith("<img")
