import json

import pytest
import wire_samples as wire
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import SESSION, event, response_created, response_done, without

from realtime_nb.errors import LocalProtocolError
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Item, ResponseOptions
from realtime_nb.protocol.realtime import RealtimeProtocol, State


def feed(protocol, *events):
    return [protocol.receive(json.dumps(each)) for each in events]


def opened(session=SESSION):
    protocol = RealtimeProtocol()
    feed(protocol, event("session.created", session=session))
    return protocol


def sent(protocol):
    return [(each.type, each.event_id or None) for each in protocol.events_to_send()]


def answer(protocol, request_id, response_id="R", **more):
    feed(protocol, response_created(response_id, metadata={"request": request_id}, **more))


def error(code, event_id=None):
    return event("error", error={"type": "invalid_request_error", "code": code, "message": "No.", "event_id": event_id})


CALLS = {
    "send audio": lambda protocol: protocol.append_audio(b"\0\0"),
    "commit audio": lambda protocol: protocol.commit(),
    "clear audio": lambda protocol: protocol.clear(),
    "change settings": lambda protocol: protocol.update({"type": "realtime"}),
    "add an item": lambda protocol: protocol.create_item(Item(type="message")),
    "delete an item": lambda protocol: protocol.delete_item("A"),
    "ask for a response": lambda protocol: protocol.respond(),
    "cancel a response": lambda protocol: protocol.cancel(),
    "truncate an answer": lambda protocol: protocol.truncate("A", 100),
}


# --- states ---


@pytest.mark.parametrize("what", CALLS)
def test_nothing_can_be_sent_before_the_session_is_open(what):
    protocol = RealtimeProtocol()
    with pytest.raises(LocalProtocolError, match=f"cannot {what} while the session is connecting"):
        CALLS[what](protocol)
    assert protocol.events_to_send() == []


@pytest.mark.parametrize("what", CALLS)
def test_nothing_can_be_sent_after_the_session_is_closed(what):
    protocol = opened()
    protocol.respond()
    protocol.connection_closed()
    with pytest.raises(LocalProtocolError, match=f"cannot {what} while the session is closed"):
        CALLS[what](protocol)
    assert protocol.state is State.CLOSED
    assert protocol.events_to_send() == []


def test_settings_go_out_as_soon_as_the_session_is_open():
    settings = {"type": "realtime", "instructions": "Be brief."}
    protocol = RealtimeProtocol(settings)
    assert protocol.events_to_send() == []
    feed(protocol, wire.session_created())
    assert protocol.state is State.OPEN
    assert protocol.session == SESSION
    [update] = protocol.events_to_send()
    assert (update.type, update.session) == ("session.update", settings)
    assert protocol.events_to_send() == []


def test_the_settings_in_force_are_those_that_the_server_states():
    protocol = opened()
    assert protocol.turn_detection["type"] == "server_vad"
    manual = without(SESSION, "audio", "input", turn_detection=None)
    feed(protocol, wire.session_updated(manual))
    assert protocol.session == manual
    assert protocol.turn_detection is None


@pytest.mark.parametrize(
    "session",
    [{}, {"audio": None}, {"audio": {"input": None, "output": []}}, {"audio": {"output": {"format": "pcm16"}}}],
)
def test_odd_settings_break_nothing(session):
    protocol = opened(session)
    feed(protocol, *wire.audio_answer()[:-2], *wire.spoken_turn("U2", "A"))
    assert protocol.turn_detection is None
    assert protocol.received_ms("A") == pytest.approx(96)


def test_every_request_has_an_id_of_its_own():
    protocol = opened()
    ids = [
        CALLS[what](protocol) for what in CALLS if what not in ("send audio", "cancel a response", "truncate an answer")
    ]
    assert len(set(ids)) == len(ids)
    assert all(ids)


def test_much_audio_goes_out_in_pieces():
    protocol = opened()
    audio = bytes(range(256)) * 1000
    protocol.append_audio(audio)
    pieces = [each.audio for each in protocol.events_to_send()]
    assert b"".join(pieces) == audio
    assert all(len(piece) <= 48_000 and len(piece) % 2 == 0 for piece in pieces)
    protocol.append_audio(b"")
    assert protocol.events_to_send() == []


# --- responses, one at a time ---


def test_a_response_tells_which_request_it_answers():
    protocol = opened()
    request_id = protocol.respond(ResponseOptions(instructions="Hi", metadata={"mine": "1"}))
    [create] = protocol.events_to_send()
    assert create.event_id == request_id
    assert create.response.instructions == "Hi"
    assert create.response.metadata == {"mine": "1", "request": request_id}
    assert protocol.is_waiting(request_id)
    answer(protocol, request_id)
    assert protocol.active_response_id == "R"
    assert protocol.request_of("R") == request_id
    assert not protocol.is_waiting(request_id)
    feed(protocol, response_done())
    assert protocol.active_response_id is None


def test_requests_wait_for_the_response_before_them():
    protocol = opened()
    first, second, third = (protocol.respond() for _ in range(3))
    assert sent(protocol) == [("response.create", first)]
    assert protocol.is_waiting(second)
    answer(protocol, first, "R1")
    assert sent(protocol) == []
    feed(protocol, response_done("R1"))
    assert sent(protocol) == [("response.create", second)]
    answer(protocol, second, "R2")
    feed(protocol, response_done("R2", "failed"))
    assert sent(protocol) == [("response.create", third)]


def test_a_request_waits_for_a_response_that_the_server_began_by_itself():
    protocol = opened()
    feed(protocol, response_created("V"))
    request_id = protocol.respond()
    assert sent(protocol) == []
    assert protocol.request_of("V") is None
    feed(protocol, response_done("V"))
    assert sent(protocol) == [("response.create", request_id)]


def test_out_of_band_responses_go_out_at_once_and_hold_nothing_up():
    protocol = opened()
    first = protocol.respond()
    aside = protocol.respond(ResponseOptions(conversation="none"))
    assert sent(protocol) == [("response.create", first), ("response.create", aside)]
    answer(protocol, first, "R1")
    feed(protocol, response_created("OOB", conversation_id=None, metadata={"request": aside}))
    assert protocol.active_response_id == "R1"
    assert protocol.request_of("OOB") == aside
    feed(protocol, response_done("OOB", conversation_id=None))
    assert protocol.active_response_id == "R1"
    second = protocol.respond()
    feed(protocol, response_done("R1"))
    assert sent(protocol) == [("response.create", second)]


def test_a_server_that_never_echoes_metadata_answers_what_was_asked_last():
    protocol = opened()
    request_id = protocol.respond()
    feed(protocol, response_created("R"))
    assert protocol.request_of("R") == request_id


def test_a_servers_own_response_is_not_taken_for_an_answer_once_it_has_echoed():
    protocol = opened()
    first = protocol.respond()
    answer(protocol, first, "R1")
    feed(protocol, response_done("R1"))
    second = protocol.respond()
    feed(protocol, response_created("V"))
    assert protocol.request_of("V") is None
    assert protocol.is_waiting(second)


# --- refusals ---


def test_a_request_refused_because_of_an_active_response_is_asked_again():
    protocol = opened()
    request_id = protocol.respond()
    sent(protocol)
    feed(protocol, error("conversation_already_has_active_response", request_id))
    assert protocol.is_waiting(request_id)
    assert sent(protocol) == []
    feed(protocol, response_created("V", metadata={}), response_done("V"))
    assert sent(protocol) == [("response.create", request_id)]
    answer(protocol, request_id)
    assert protocol.request_of("R") == request_id


def test_a_request_is_asked_again_where_the_servers_own_response_was_known():
    protocol = opened()
    first = protocol.respond()
    answer(protocol, first, "R1")
    feed(protocol, response_done("R1"))
    second = protocol.respond()
    sent(protocol)
    feed(protocol, response_created("V"), error("conversation_already_has_active_response", second))
    assert sent(protocol) == []
    feed(protocol, response_done("V"))
    assert sent(protocol) == [("response.create", second)]


def test_a_servers_own_response_taken_for_the_answer_is_given_back():
    """The first response of all has no metadata: is it ours? The refusal says that it was not."""
    protocol = opened()
    request_id = protocol.respond()
    sent(protocol)
    feed(protocol, response_created("V"), error("conversation_already_has_active_response", request_id))
    assert protocol.request_of("V") is None
    assert protocol.is_waiting(request_id)
    feed(protocol, response_done("V"))
    assert sent(protocol) == [("response.create", request_id)]


def test_a_request_refused_for_another_reason_makes_way_for_the_next():
    protocol = opened()
    first, second = protocol.respond(), protocol.respond()
    sent(protocol)
    feed(protocol, error("invalid_value", first))
    assert not protocol.is_waiting(first)
    assert sent(protocol) == [("response.create", second)]


def test_an_error_that_answers_something_else_changes_nothing():
    protocol = opened()
    request_id = protocol.respond()
    feed(protocol, error("invalid_value", protocol.commit()), error("server_error", None))
    assert protocol.is_waiting(request_id)


# --- answers ---


def test_requests_of_a_kind_are_answered_in_order():
    protocol = opened()
    first, second = protocol.update({"type": "realtime"}), protocol.update({"type": "realtime"})
    commit, clear = protocol.commit(), protocol.clear()
    answered = []
    for each in (
        event("input_audio_buffer.committed", item_id="U"),
        wire.session_updated(),
        event("input_audio_buffer.cleared"),
        wire.session_updated(),
        wire.session_updated(),
    ):
        feed(protocol, each)
        answered.append(protocol.answered)
    assert answered == [commit, first, clear, second, None]


def test_a_refused_request_is_answered_by_its_error():
    protocol = opened()
    first, second = protocol.update({"type": "realtime"}), protocol.update({"type": "realtime"})
    feed(protocol, error("unknown_parameter", first))
    assert protocol.answered == first
    feed(protocol, wire.session_updated())
    assert protocol.answered == second


def test_a_servers_own_commit_answers_nothing():
    protocol = opened()
    commit = protocol.commit()
    feed(protocol, *wire.spoken_turn("V")[:3])
    assert protocol.answered is None
    feed(protocol, event("input_audio_buffer.committed", item_id="U"))
    assert protocol.answered == commit


# --- cancelling ---


def test_cancelling_names_the_response_once():
    protocol = opened()
    answer(protocol, protocol.respond())
    sent(protocol)
    assert protocol.cancel()
    assert protocol.cancel()
    [cancel] = protocol.events_to_send()
    assert (cancel.type, cancel.response_id) == ("response.cancel", "R")
    assert protocol.is_late("R")


def test_cancelling_before_the_response_is_created_is_told_at_once_and_again_when_it_is():
    protocol = opened()
    request_id = protocol.respond()
    sent(protocol)
    assert protocol.cancel() and protocol.cancel()
    assert sent(protocol) == [("response.cancel", "client_2")]
    answer(protocol, request_id)
    [cancel] = protocol.events_to_send()
    assert (cancel.type, cancel.response_id) == ("response.cancel", "R")
    assert protocol.is_late("R")


def test_a_request_that_is_withdrawn_before_it_goes_out_is_not_sent():
    protocol = opened()
    first, second, third = protocol.respond(), protocol.respond(), protocol.respond()
    sent(protocol)
    protocol.withdraw(second)
    assert protocol.is_engaged(first) and not protocol.is_engaged(second)
    answer(protocol, first)
    feed(protocol, wire.response_done("R"))
    assert [event_id for _, event_id in sent(protocol)] == [third]


def test_a_late_answer_to_what_was_given_up_is_cut_and_is_none_to_the_next_request():
    protocol = opened()
    known = protocol.respond()
    answer(protocol, known)
    feed(protocol, wire.response_done("R"))
    first = protocol.respond()
    assert protocol.abandon(first) and protocol.is_free
    second = protocol.respond()
    sent(protocol)
    feed(protocol, wire.event("response.created", response=wire.response("late", metadata={"request": first})))
    assert sent(protocol)[0][0] == "response.cancel" and protocol.is_late("late")
    assert protocol.request_of("late") == first and protocol.is_waiting(second)
    feed(
        protocol, wire.event("response.done", response=wire.response("late", "cancelled", metadata={"request": first}))
    )
    feed(protocol, wire.event("response.created", response=wire.response("next", metadata={"request": second})))
    assert protocol.request_of("next") == second and not protocol.is_late("next")


def test_a_server_that_does_not_say_what_it_answers_cannot_be_asked_on_after_a_request_that_was_given_up():
    protocol = opened()
    assert not protocol.abandon(protocol.respond())


def test_turn_detection_to_come_is_known_before_the_server_confirms_it():
    protocol = opened()
    protocol.update({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    assert protocol.turn_detection is not None and protocol.next_turn_detection is None


def test_a_turn_that_the_server_has_found_is_about_to_be_answered():
    protocol = opened()
    feed(protocol, *wire.spoken_turn("U"))
    assert protocol.is_about_to_answer
    feed(protocol, wire.response_created("R"))
    assert not protocol.is_about_to_answer


def test_the_wish_to_cancel_does_not_outlive_its_request():
    protocol = opened()
    first, second = protocol.respond(), protocol.respond()
    protocol.cancel()
    feed(protocol, error("invalid_value", first))
    sent(protocol)
    answer(protocol, second)
    assert sent(protocol) == []
    assert not protocol.is_late("R")


def test_cancelling_nothing_sends_nothing():
    protocol = opened()
    assert not protocol.cancel()
    answer(protocol, protocol.respond())
    feed(protocol, response_done())
    sent(protocol)
    assert not protocol.cancel()
    assert sent(protocol) == []


# --- barge-in ---


def test_speech_makes_the_rest_of_an_answer_late():
    protocol = opened()
    feed(protocol, response_created())
    assert not protocol.is_late("R")
    feed(protocol, wire.spoken_turn("U2", "A")[0])
    assert protocol.is_late("R")
    assert sent(protocol) == []  # The server cancels by itself.
    feed(protocol, response_done(status="cancelled"), response_created("R2"))
    assert not protocol.is_late("R2")


@pytest.mark.parametrize("detection", [None, {"type": "server_vad", "interrupt_response": False}])
def test_speech_that_does_not_interrupt_makes_nothing_late(detection):
    protocol = opened(without(SESSION, "audio", "input", turn_detection=detection))
    feed(protocol, response_created(), wire.spoken_turn("U2", "A")[0])
    assert not protocol.is_late("R")


def test_speech_after_the_answer_was_made_makes_nothing_late():
    protocol = opened()
    feed(protocol, *wire.audio_answer(), wire.spoken_turn("U2", "A")[0])
    assert not protocol.is_late("R")


# --- truncating ---


@pytest.mark.parametrize(("played_ms", "audio_end_ms"), [(40, 40), (95.9, 95), (96, 96), (5_000, 96)])
def test_an_answer_is_cut_where_it_was_played_and_never_past_what_came(played_ms, audio_end_ms):
    protocol = opened()
    feed(protocol, *wire.audio_answer())
    assert protocol.truncate("A", played_ms) == audio_end_ms
    [truncate] = protocol.events_to_send()
    assert (truncate.item_id, truncate.content_index, truncate.audio_end_ms) == ("A", 0, audio_end_ms)


@pytest.mark.parametrize("format", ["audio/pcmu", "audio/pcma"])
def test_telephone_audio_is_counted_at_its_own_rate(format):
    protocol = opened(without(SESSION, "audio", "output", format={"type": format}))
    feed(protocol, *wire.audio_answer(pcm=bytes(800)))
    assert protocol.received_ms("A") == 100
    assert protocol.truncate("A", 1_000) == 100


def test_an_answer_is_cut_once():
    protocol = opened()
    feed(protocol, *wire.audio_answer())
    protocol.truncate("A", 50)
    sent(protocol)
    assert protocol.truncate("A", 20) is None
    assert sent(protocol) == []


@pytest.mark.parametrize("played_ms", [0, 0.4, -5])
def test_an_answer_of_which_nothing_was_played_is_left_alone(played_ms):
    protocol = opened()
    feed(protocol, *wire.audio_answer())
    assert protocol.truncate("A", played_ms) is None
    assert sent(protocol) == []
    assert protocol.truncate("A", 50) == 50


def test_an_answer_of_which_nothing_was_heard_is_deleted_once():
    protocol = opened()
    feed(protocol, *wire.audio_answer())
    protocol.forget("A", "R")
    protocol.forget("A", "R")
    assert [(each.type, each.item_id) for each in protocol.events_to_send()] == [("conversation.item.delete", "A")]
    assert protocol.truncate("A", 50) is None


def test_what_is_still_being_made_is_forgotten_when_it_is_over_and_before_the_next_is_asked_for():
    protocol = opened()
    answer(protocol, protocol.respond())
    sent(protocol)
    protocol.cancel()
    protocol.respond()
    feed(protocol, wire.item_added(wire.spoken_item("A"), "U"), wire.item_added(wire.spoken_item("B"), "A"))
    protocol.forget("A", "R")
    protocol.forget("B", "R")
    protocol.forget("never added", "R")
    protocol.forget("A", "R")
    assert [kind for kind, _ in sent(protocol)] == ["response.cancel"]
    feed(protocol, response_done(status="cancelled"))
    went_out = [(each.type, getattr(each, "item_id", "")) for each in protocol.events_to_send()]
    deletes = [("conversation.item.delete", "A"), ("conversation.item.delete", "B")]
    assert went_out == [*deletes, ("response.create", "")]


def test_what_is_still_being_made_is_cut_when_it_is_over():
    protocol = opened()
    answer(protocol, protocol.respond())
    feed(protocol, wire.item_added(wire.spoken_item("A"), "U"), *wire.audio_deltas(bytes(9600)))
    sent(protocol)
    assert protocol.truncate("A", 70, "R") == 70
    assert protocol.truncate("A", 90, "R") is None
    protocol.cancel()
    assert [kind for kind, _ in sent(protocol)] == ["response.cancel"]
    feed(protocol, response_done(status="cancelled"))
    [truncate] = protocol.events_to_send()
    assert (truncate.type, truncate.audio_end_ms) == ("conversation.item.truncate", 70)


def test_an_item_without_audio_is_left_alone():
    protocol = opened()
    feed(protocol, *wire.text_answer())
    assert protocol.truncate("A", 50) is None
    assert protocol.truncate("unheard of", 50) is None
    assert sent(protocol) == []


def test_parts_are_counted_apart():
    protocol = opened()
    feed(protocol, *wire.audio_deltas(bytes(960)), *wire.audio_deltas(bytes(4800), content_index=1))
    assert (protocol.received_ms("A"), protocol.received_ms("A", 1)) == (20, 100)


@pytest.mark.parametrize(
    ("played_ms", "cut"), [(15, (0, 15)), (20, (0, 20)), (20.4, (0, 20)), (50, (1, 30)), (500, (1, 100))]
)
def test_the_part_in_which_playback_stopped_is_cut(played_ms, cut):
    protocol = opened()
    feed(protocol, *wire.audio_deltas(bytes(960)), *wire.audio_deltas(bytes(4800), content_index=1))
    assert protocol.truncate("A", played_ms) == cut[1]
    [truncate] = protocol.events_to_send()
    assert (truncate.content_index, truncate.audio_end_ms) == cut


def test_several_items_of_a_response_are_cut_each_for_itself():
    protocol = opened()
    feed(protocol, *wire.audio_deltas(bytes(960)), *wire.audio_deltas(bytes(4800), item_id="B"))
    assert [protocol.truncate("B", 40), protocol.truncate("C", 0)] == [40, None]
    assert [each.item_id for each in protocol.events_to_send()] == ["B"]


# --- what a server may send ---


@pytest.mark.parametrize(
    "message", ["", "[]", "{", b"\xff", '{"type": "later"}', '{"type": "response.done"}', "[" * 9999]
)
def test_what_cannot_be_read_is_returned_and_changes_nothing(message):
    protocol = opened()
    assert isinstance(protocol.receive(message), ev.Malformed | ev.Unknown)
    assert protocol.state is State.OPEN
    assert protocol.events_to_send() == []


STREAM = [
    wire.session_created(),
    wire.session_updated({"audio": None}),
    *wire.spoken_turn(),
    *wire.audio_answer(),
    *wire.transcription(),
    *wire.commentary_and_call("A"),
    response_created("OOB", conversation_id=None),
    response_done("OOB", conversation_id=None),
    error("conversation_already_has_active_response", "client_1"),
    error("invalid_value", "client_2"),
]
ACTIONS = [*CALLS.values(), lambda protocol: protocol.respond(ResponseOptions(conversation="none"))]


@given(st.lists(st.sampled_from(range(len(STREAM))) | st.sampled_from(ACTIONS), max_size=60))
def test_no_order_of_events_and_calls_breaks_it(steps):
    protocol = opened()
    requests = []
    for step in steps:
        if callable(step):
            requests.append(step(protocol))
        else:
            feed(protocol, STREAM[step])
        for each in protocol.events_to_send():
            assert ev.decode_client(ev.encode(each)) == each
    assert protocol.state is State.OPEN


def test_an_error_without_a_name_does_not_block_the_responses_that_wait():
    protocol = RealtimeProtocol()
    protocol.receive(json.dumps(wire.session_created()))
    first, second = protocol.respond(), protocol.respond()
    assert [each.event_id for each in protocol.events_to_send()] == [first]
    unrelated = {"type": "invalid_request_error", "code": "invalid_value", "message": "No.", "param": "audio_end_ms"}
    protocol.receive(json.dumps(wire.event("error", error=unrelated)))
    assert protocol.events_to_send() == []
    failed = {"type": "server_error", "message": "The server had an error.", "code": None}
    event = protocol.receive(json.dumps(wire.event("error", error=failed)))
    assert event.error.event_id == first == protocol.answered
    assert [each.event_id for each in protocol.events_to_send()] == [second]
