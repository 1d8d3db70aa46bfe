import numpy as np
import pytest

from realtime_nb.local.brains.rules import asks_about_pictures, describe, last_shown, shown_since_answer
from realtime_nb.local.realtime.conversation_state import ItemState, MessagePart
from realtime_nb.media.picture import Picture


def part(*colours, size=(30, 40)):
    """A picture of stripes, one a colour."""
    height, width = size
    stripes = [np.full((height, width // len(colours), 3), colour, np.uint8) for colour in colours]
    return MessagePart("input_image", image_url=Picture.of(np.concatenate(stripes, 1)).url)


RED, NAVY, WHITE, GREY, BROWN = (200, 30, 30), (0, 0, 128), (255, 255, 255), (128, 128, 128), (120, 70, 20)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ((RED,), "40 by 30 pixels and all red."),
        ((NAVY,), "all dark blue."),
        ((BROWN,), "all brown."),
        ((GREY,), "all grey."),
        (((0, 0, 0),), "all black."),
        (((170, 220, 255),), "all light blue."),
        ((WHITE, WHITE, WHITE, RED), "mostly white, with red."),
        ((RED, NAVY, WHITE), "mainly "),
    ],
)
def test_size_and_colours_are_reported_and_nothing_else(shown, words):
    told = describe([part(*shown)])
    assert words in told
    assert told.endswith("I only measure colours: nothing here sees things or reads text.")


def test_the_last_of_several_is_described():
    assert describe([part(RED), part(NAVY)]).startswith("You showed me 2 pictures. The last one is 40 by 30 pixels")


def test_a_picture_that_is_gone_or_damaged_is_not_described():
    assert "let go to save memory" in describe([MessagePart("input_image")])
    broken = part(RED).image_url[:80]
    assert "cannot open it" in describe([MessagePart("input_image", image_url=broken)])


@pytest.mark.parametrize("said", ["What is this?", "what can you see", "Talk about this plot", "describe the picture"])
def test_questions_about_pictures(said):
    assert asks_about_pictures(said)


@pytest.mark.parametrize("said", ["What is two plus three?", "What time is it?", "Tell me a story."])
def test_other_questions(said):
    assert not asks_about_pictures(said)


def test_what_was_shown_since_the_last_answer():
    first, second = part(RED), part(NAVY)
    entries = [
        ItemState("a", "message", role="user", parts=[first]),
        ItemState("b", "message", role="assistant", parts=[MessagePart("output_text", "Aha.")]),
        ItemState("c", "message", role="user", parts=[second]),
        ItemState("d", "message", role="user", parts=[MessagePart("input_text", "So?")]),
    ]
    assert shown_since_answer(entries) == [second]
    assert shown_since_answer(entries[:2]) == []
    assert last_shown(entries[:2]) == [first]
