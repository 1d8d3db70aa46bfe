from __future__ import annotations

import msgspec
import numpy as np
import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.realtime import conversation_state
from realtime_nb.local.realtime.conversation_state import ConversationState, ItemState, MessagePart, entry_of
from realtime_nb.media.picture import Picture
from realtime_nb.protocol.items import Item

PICTURE = Picture.of(np.zeros((3, 4), np.uint8)).url


def message(item_id, **part):
    return ItemState(item_id, "message", role="user", parts=[MessagePart(**{"type": "input_text", **part})])


def answer():
    words = [(0, 0.0), (4, 300.0), (8, 600.0)]
    part = MessagePart("output_audio", text="One two three.", pcm=bytes(900 * 48), duration_ms=900, words=words)
    return ItemState("answer", "message", role="assistant", parts=[part])


def test_items_stand_in_order():
    state = ConversationState()
    assert state.add(message("a")) is None
    assert state.add(message("b")) == "a"
    assert state.add(message("first"), "root") is None
    assert state.add(message("after"), "a") == "a"
    assert [entry.id for entry in state] == ["first", "a", "after", "b"]
    state.remove("a")
    assert state.find("a") is None
    assert state.find("b").id == "b"


@pytest.mark.parametrize(
    ("audio_end_ms", "words", "kept_ms"),
    [(0, "", 0), (300, "One", 300), (301, "One two", 301), (900, "One two three.", 900)],
)
def test_truncation_keeps_the_words_that_had_begun(audio_end_ms, words, kept_ms):
    state = ConversationState()
    state.add(answer())
    state.truncate("answer", 0, audio_end_ms)
    part = state.find("answer").parts[0]
    assert (part.text, part.duration_ms, len(part.pcm)) == (words, audio_end_ms, kept_ms * 48)
    with pytest.raises(ApiError, match="already shorter"):
        state.truncate("answer", 0, audio_end_ms + 1)


def test_words_that_ran_ahead_of_the_sound_were_not_heard():
    state = ConversationState()
    entry = answer()
    entry.parts[0].text = "One two three. Four five six."
    state.add(entry)
    state.truncate("answer", 0, 900)
    assert entry.parts[0].text == "One two three."
    entry.parts[0].text, entry.parts[0].words = "Nothing was spoken.", []
    state.truncate("answer", 0, 0)
    assert entry.parts[0].text == ""


def test_a_sentence_that_was_spoken_is_kept_to_its_end():
    state = ConversationState()
    entry = answer()
    entry.parts[0].text = "One two 3 4."
    entry.parts[0].words, entry.parts[0].spoken = entry.parts[0].words[:2], len("One two 3 4.")
    state.add(entry)
    state.truncate("answer", 0, 900)
    assert entry.parts[0].text == "One two 3 4."


def test_truncation_of_telephone_sound():
    state = ConversationState()
    entry = answer()
    entry.parts[0].sample_rate, entry.parts[0].pcm = 8000, bytes(900 * 16)
    state.add(entry)
    state.truncate("answer", 0, 333)
    assert len(entry.parts[0].pcm) == 333 * 16
    audio = state.retrieve("answer").content[0].audio
    assert len(audio) == pytest.approx(333 * 48, abs=4)


def test_a_person_s_sound_is_not_truncated():
    state = ConversationState()
    state.add(message("a", type="input_audio", pcm=bytes(960)))
    with pytest.raises(ApiError, match="Only model output audio messages can be truncated"):
        state.truncate("a", 0, 0)


def test_the_oldest_sound_is_let_go(monkeypatch):
    monkeypatch.setattr(conversation_state, "KEPT_BYTES", 1000)
    state = ConversationState()
    for name in "abc":
        state.add(message(name, type="input_audio", pcm=bytes(480), duration_ms=10))
    assert [len(entry.parts[0].pcm) for entry in state] == [0, 480, 480]
    assert state.retrieve("a").content[0].audio is msgspec.UNSET
    assert state.find("a").parts[0].duration_ms == 10


def test_the_oldest_items_are_let_go(monkeypatch):
    monkeypatch.setattr(conversation_state, "MAX_ITEMS", 2)
    state = ConversationState()
    for name in "abc":
        state.add(message(name))
    assert [entry.id for entry in state] == ["b", "c"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
        {"type": "function_call", "name": "f", "call_id": "call_1", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "12"},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": PICTURE, "detail": "low"}],
        },
    ],
)
def test_an_item_comes_back_as_it_was_sent(item):
    sent = msgspec.convert({"id": "mine", "status": "completed", **item}, Item)
    assert entry_of(sent).item() == sent


def test_sound_in_an_item_is_kept_but_not_sent_back():
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA"}]}
    entry = entry_of(msgspec.convert(item, Item), decode_audio=lambda audio: audio * 2)
    assert entry.parts[0].pcm == bytes(6)
    assert entry.item().content[0].audio is msgspec.UNSET
    assert entry.item().content[0].transcript is None


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "message", "content": []}, "item.role"),
        ({"type": "message", "role": "robot", "content": []}, "item.role"),
        ({"type": "message", "role": "user", "content": [{"type": "input_audio"}]}, "item.content[0].audio"),
        ({"type": "message", "role": "user", "content": [{"type": "input_image"}]}, "item.content[0].image_url"),
        (
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_image", "image_url": PICTURE, "detail": "fine"}],
            },
            "item.content[0].detail",
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "https://a.b/c.png"}]},
            "item.content[0].image_url",
        ),
        ({"type": "function_call", "arguments": "{}"}, "item.name"),
        ({"type": "function_call_output", "output": "x"}, "item.call_id"),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 1_000_001}]},
            "item.content[0].text",
        ),
    ],
)
def test_items_that_are_none(item, param):
    with pytest.raises(ApiError) as refused:
        entry_of(msgspec.convert(item, Item))
    assert refused.value.param == param
