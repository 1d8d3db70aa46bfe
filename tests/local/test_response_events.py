from __future__ import annotations

from realtime_nb.local.realtime.conversation_state import ConversationState
from realtime_nb.local.realtime.responder import ResponseEvents, obfuscation
from realtime_nb.local.realtime.session_settings import SessionSettings
from realtime_nb.protocol.items import StatusDetails

SETTINGS = SessionSettings(session_id="s", model="m", expires_at=0, brain="x").for_response()


def make(conversation=None):
    events = []
    response_events = ResponseEvents(events.append, SETTINGS, conversation)
    response_events.create()
    return response_events, events


def kinds(events):
    return [event.type.removeprefix("response.") for event in events]


def test_words_and_two_calls_are_closed_in_order():
    state = ConversationState()
    response_events, events = make(state)
    response_events.transcript("One moment.")
    response_events.audio(bytes(4800), bytes(4800), 24_000, [(0, 0.0)])
    response_events.call("get_weather", '{"city": "Paris"}')
    response_events.call("set_timer", "")
    response_events.finish("completed", None)
    assert kinds(events) == [
        "created",
        *["output_item.added", "conversation.item.added", "content_part.added"],
        *["output_audio_transcript.delta", "output_audio.delta"],
        *["output_item.added", "conversation.item.added"],
        *["function_call_arguments.delta"] * 2,
        *["output_item.added", "conversation.item.added"],
        *["output_audio.done", "output_audio_transcript.done", "content_part.done"],
        *["conversation.item.done", "output_item.done"],
        *["function_call_arguments.done", "conversation.item.done", "output_item.done"] * 2,
        "done",
    ]
    done = events[-1].response
    assert [item.type for item in done.output] == ["message", "function_call", "function_call"]
    assert [entry.id for entry in state] == [item.id for item in done.output]
    assert (response_events.written, response_events.spoken_ms) == ('One moment.{"city": "Paris"}', 100)


def test_content_has_one_name_in_a_part_and_another_in_an_item():
    response_events, events = make()
    response_events.transcript("Hi.")
    response_events.finish("completed", None)
    parts = [event.part.type for event in events if hasattr(event, "part")]
    assert parts == ["audio", "audio"]
    assert events[-1].response.output[0].content[0].type == "output_audio"


def test_out_of_band_there_are_no_items_of_the_conversation():
    response_events, events = make()
    response_events.text("Hi.")
    response_events.finish("completed", {"total_tokens": 1})
    assert not [kind for kind in kinds(events) if kind.startswith("conversation")]
    assert events[-1].response.conversation_id is None
    assert events[-1].response.usage == {"total_tokens": 1}


def test_a_cancelled_response_leaves_what_it_said():
    state = ConversationState()
    response_events, events = make(state)
    response_events.transcript("Once upon")
    response_events.finish("cancelled", None, StatusDetails(type="cancelled", reason="turn_detected"))
    assert response_events.is_over
    (item,) = events[-1].response.output
    assert (item.status, item.content[0].transcript) == ("incomplete", "Once upon")
    assert [entry.status for entry in state] == ["incomplete"]


def test_filler_hides_lengths():
    assert {len(delta + obfuscation(delta)) % 16 for delta in ("", "a", "a word", "x" * 40)} == {0}
