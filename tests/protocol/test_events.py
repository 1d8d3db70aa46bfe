import base64
import json

import msgspec
import pytest
import wire_samples as wire
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import b64, event, out

from realtime_nb.protocol import events as ev

IDS = {"item_id": "U", "content_index": 0}
TRANSCRIPTION = "conversation.item.input_audio_transcription"
# One realistic message of every server event that a voice notebook reads.
SERVER_SAMPLES = [
    wire.session_created(),
    wire.session_updated(),
    event(
        "error",
        error={
            "type": "invalid_request_error",
            "code": "unknown_parameter",
            "message": "Unknown parameter: 'session.x'.",
            "param": "session.x",
            "event_id": "client_1",
        },
    ),
    wire.item_added(wire.user_item()),
    wire.item_done(wire.user_item(), "X"),
    event("conversation.item.retrieved", item=wire.user_item(content=[{"type": "input_audio", "audio": "AAA="}])),
    event("conversation.item.deleted", item_id="U"),
    event("conversation.item.truncated", item_id="A", content_index=0, audio_end_ms=1200),
    *wire.transcription(words=["Hi"]),
    event(f"{TRANSCRIPTION}.segment", **IDS, id="seg_1", text="Hi", speaker="A", start=0.5, end=1.25),
    event(
        f"{TRANSCRIPTION}.failed",
        **IDS,
        error={
            "type": "transcription_error",
            "message": "",
            "code": "audio_unintelligible",
            "param": None,
            "event_id": None,
        },
    ),
    event("input_audio_buffer.committed", item_id="U", previous_item_id=None),
    event("input_audio_buffer.cleared"),
    event("input_audio_buffer.speech_started", audio_start_ms=1460, item_id="U"),
    event("mcp_list_tools.in_progress", item_id="M"),
    event("mcp_list_tools.completed", item_id="M"),
    event("mcp_list_tools.failed", item_id="M"),
    event("response.mcp_call.in_progress", item_id="M", output_index=0),
    event("response.mcp_call.completed", item_id="M", output_index=0),
    event("response.mcp_call.failed", item_id="M", output_index=0),
    event("input_audio_buffer.speech_stopped", audio_end_ms=8948, item_id="U"),
    event("input_audio_buffer.timeout_triggered", audio_start_ms=0, audio_end_ms=6000, item_id="U"),
    wire.response_created(),
    wire.response_done(output=[wire.spoken_item(status="completed", text="Hello.")]),
    wire.output_added(wire.spoken_item()),
    wire.output_done(wire.call_item(arguments="{}", status="completed")),
    out("response.content_part.added", part={"type": "audio", "transcript": ""}),
    out("response.content_part.done", part={"type": "text", "text": "Hello."}),
    out("response.output_text.delta", delta="Hel", obfuscation="x"),
    out("response.output_text.done", text="Hello."),
    out("response.output_audio.delta", delta=b64(b"\0\1\2\3")),
    out("response.output_audio.done"),
    out("response.output_audio_transcript.delta", delta="Hel", obfuscation="x"),
    out("response.output_audio_transcript.done", transcript="Hello."),
    *wire.call_answer()[3:6:2],
    event(
        "rate_limits.updated",
        rate_limits=[{"name": "tokens", "limit": 15000000, "remaining": 1, "reset_seconds": 0.002}],
    ),
]
CLIENT_SAMPLES = [
    {"type": "session.update", "event_id": "client_1", "session": {"type": "realtime", "instructions": "Be brief."}},
    {"type": "input_audio_buffer.append", "audio": "AAECAw=="},
    {"type": "input_audio_buffer.commit", "event_id": "client_2"},
    {"type": "input_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": wire.user_item(), "previous_item_id": "root"},
    {"type": "conversation.item.truncate", "item_id": "A", "content_index": 0, "audio_end_ms": 1200},
    {"type": "conversation.item.delete", "item_id": "A"},
    {"type": "conversation.item.retrieve", "item_id": "A"},
    {"type": "response.create"},
    {"type": "response.create", "response": {"conversation": "none", "metadata": {"a": "b"}, "input": []}},
    {"type": "response.cancel", "response_id": "R"},
]
# Events of the API that say nothing to a notebook: they pass through as they came.
PASSED_THROUGH = [
    event("conversation.created", conversation={"id": "conv_1", "object": "realtime.conversation"}),
    event("output_audio_buffer.started", response_id="R"),
    event("response.mcp_call_arguments.delta", item_id="M", delta="{"),
    {"type": "input_audio_buffer.dtmf_event_received", "event": "9", "received_at": 1},
    {"type": "response.output_smell.delta", "delta": "rose"},
]


def by_type(samples):
    return pytest.mark.parametrize("sample", samples, ids=lambda sample: sample["type"])


def test_there_is_a_sample_of_every_event():
    assert {sample["type"] for sample in SERVER_SAMPLES} == set(ev.SERVER_EVENTS)
    assert {sample["type"] for sample in CLIENT_SAMPLES} == set(ev.CLIENT_EVENTS)


@by_type(SERVER_SAMPLES)
def test_a_server_event_is_read_and_written_again(sample):
    read = ev.decode_server(json.dumps(sample))
    assert type(read) is ev.SERVER_EVENTS[sample["type"]]
    assert read.type == sample["type"]
    assert read.event_id == sample["event_id"]
    assert ev.decode_server(ev.encode(read)) == read
    written = json.loads(ev.encode(read))
    kept = {key: value for key, value in sample.items() if key != "obfuscation"}
    assert {key: written.get(key) for key in kept} == kept
    assert ev.decode_server(json.dumps(sample).encode()) == read  # and bytes are read alike


@by_type(CLIENT_SAMPLES)
def test_a_client_event_is_written_as_it_was_read(sample):
    read = ev.decode_client(json.dumps(sample))
    assert type(read) is ev.CLIENT_EVENTS[sample["type"]]
    assert json.loads(ev.encode(read)) == sample


@by_type(PASSED_THROUGH)
def test_unknown_events_pass_as_they_came(sample):
    read = ev.decode_server(json.dumps(sample))
    assert read == ev.Unknown(type=sample["type"], data=sample)
    assert json.loads(ev.encode(read)) == sample


@by_type(SERVER_SAMPLES)
def test_fields_of_a_later_version_change_nothing(sample):
    later = sample | {"mood": "good", "nested": {"a": [1, None]}}
    assert ev.decode_server(json.dumps(later)) == ev.decode_server(json.dumps(sample))


@by_type(SERVER_SAMPLES)
def test_fields_of_the_wrong_kind_and_missing_ones_leave_the_event(sample):
    for field in sample.keys() - {"type"}:
        for broken in (sample | {field: {"not": ["expected"]}}, {key: sample[key] for key in sample if key != field}):
            read = ev.decode_server(json.dumps(broken))
            assert isinstance(read, ev.SERVER_EVENTS[sample["type"]])
            assert ev.decode_server(ev.encode(read)) == read


@by_type(SERVER_SAMPLES)
def test_what_is_right_is_not_remarked(sample):
    assert ev.decode_quickly(json.dumps(sample)) == ev.mended(json.dumps(sample))[0]
    assert ev.mended(json.dumps(sample))[1] == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"type": "response.done"}, "response.done: 'response' is missing"),
        (
            {"type": "conversation.item.added", "item": ["A"]},
            "conversation.item.added: 'item' was a list, and was dropped",
        ),
        (out("response.output_audio.delta", delta="?!"), "response.output_audio.delta: 'delta' was the text '?!', and"),
        (out("response.output_audio.delta", delta="AAA"), "base64 that is url-safe, unpadded or broken into lines"),
        (out("response.output_text.delta", delta="a", output_index=-1), "'output_index' was the number -1, and was"),
        (out("response.output_text.delta", delta=5), "'delta' was the number 5, and was dropped"),
        ({"type": "error", "error": "Busy."}, "error: 'error' was a text in place of an object"),
        (wire.response_done(usage={"input_tokens": float("nan")}), "response.done: a number that is not finite"),
        (wire.response_done(output=[5]), "'response.output[]' was the number 5, and was dropped"),
        (wire.response_done(status_details="busy"), "'response.status_details' was a text in place of an object"),
        ({"type": "input_audio_buffer.speech_started", "item_id": 5}, "'item_id' was the number 5 in place of a text"),
        ({"no": "type"}, "a message was dropped: an event is a JSON object with a 'type'"),
        ("no JSON", "a message was dropped: an event is a JSON object with a 'type'"),
    ],
)
def test_what_is_mended_or_dropped_is_told_in_a_sentence(message, said):
    _, remarks = ev.mended(json.dumps(message))
    assert [said in each.text for each in remarks][:1] == [True], remarks


def test_null_is_absent():
    absent = wire.response_done(output_modalities=None, object=None, status_details=None)
    read, remarks = ev.mended(json.dumps(absent | {"event_id": None}))
    assert (read.response.output_modalities, remarks) == (msgspec.UNSET, [])


def test_what_a_text_or_an_object_plainly_means_is_taken():
    call = wire.call_item(arguments={"zone": "UTC"}, status="completed")
    done = wire.response_done(output=[call, wire.user_item(content="Hi")], status_details={"error": "Busy."})
    read = ev.decode_server(json.dumps(done))
    assert read.response.output[0].arguments == '{"zone": "UTC"}'
    assert read.response.output[1].content[0].words == "Hi"
    assert read.response.status_details.error == {"message": "Busy."}


@pytest.mark.parametrize("text", ["-_8A", "_-8", "//8A\n//8A", " //8A ", "//8A\r\n", "data:audio/pcm;base64,//8A"])
def test_base64_of_any_kind_is_decoded(text):
    read = ev.decode_server(json.dumps(out("response.output_audio.delta", delta=text)))
    digits = "".join(text.rpartition(",")[2].split()).replace("-", "+").replace("_", "/")
    assert read.delta == base64.b64decode(digits + "=" * (-len(digits) % 4))


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('{"type": "response.done", "response": {"id": "R", ', ev.ResponseDone),
        ('{"type": "error"', ev.Error),
        ('{"type":"session.created","session":{"deep":' + "[" * 100_000, ev.SessionCreated),
        ({"response": {"id": "R", "status": "completed"}}, ev.ResponseDone),
        ({"response": {"id": "R", "status": "in_progress"}, "type": None}, ev.ResponseCreated),
        ({"type": 7, "error": {"message": "Busy."}}, ev.Error),
        (
            {"type": "response.audio.delta", "delta": "AAAA", "response_id": "R", "item_id": "A"},
            ev.ResponseOutputAudioDelta,
        ),
    ],
)
def test_what_others_wait_for_is_found_by_what_there_is_of_it(message, kind):
    assert type(ev.decode_server(message if isinstance(message, str) else json.dumps(message))) is kind


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"no": "type"}, "an event is a JSON object with a 'type'"),
        ({"type": 3}, "an event is a JSON object with a 'type'"),
        (["type"], "an event is a JSON object with a 'type'"),
        (None, "an event is a JSON object with a 'type'"),
    ],
)
def test_a_broken_event_says_what_is_wrong(message, said):
    read = ev.decode_server(json.dumps(message))
    assert isinstance(read, ev.Malformed)
    assert read.data == message
    with pytest.raises(ValueError, match=said):
        raise ValueError(read.message)


DEEP = "[" * 100_000
UNREADABLE = [
    *("", "{", "nul", b"\xff\xfe", "\ud800", DEEP, '{"type":"later","deep":' + DEEP),
]


@pytest.mark.parametrize("message", UNREADABLE, ids=lambda message: repr(message[:40]))
@pytest.mark.parametrize("decode", [ev.decode_server, ev.decode_client])
def test_invalid_json_is_malformed(decode, message):
    assert isinstance(decode(message), ev.Malformed)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
types = st.sampled_from(sorted({*ev.SERVER_EVENTS, *ev.CLIENT_EVENTS, "later"}))
known_fields = st.sampled_from(sorted({field for sample in SERVER_SAMPLES + CLIENT_SAMPLES for field in sample}))


@given(st.binary() | st.text())
def test_no_message_raises(message):
    for decode in (ev.decode_server, ev.decode_client):
        assert decode(message).type


@given(types, st.dictionaries(known_fields, json_values))
def test_no_event_raises(type, fields):
    message = json.dumps(fields | {"type": type})
    for decode in (ev.decode_server, ev.decode_client):
        read = decode(message)
        assert read.type
        if not isinstance(read, ev.Malformed):
            assert decode(ev.encode(read)) == read


@given(st.binary())
def test_audio_is_bytes_here_and_base64_on_the_wire(pcm):
    written = ev.encode(ev.InputAudioBufferAppend(audio=pcm))
    assert json.loads(written) == {"type": "input_audio_buffer.append", "audio": b64(pcm)}
    assert ev.decode_client(written).audio == pcm


def test_events_cannot_be_changed():
    read = ev.decode_server(json.dumps(SERVER_SAMPLES[0]))
    with pytest.raises(AttributeError):
        read.session = {}


def test_a_client_event_holds_only_what_was_set():
    assert json.loads(ev.encode(ev.ResponseCancel())) == {"type": "response.cancel"}
    assert json.loads(ev.encode(ev.ConversationItemTruncate(item_id="A", content_index=0, audio_end_ms=0))) == {
        "type": "conversation.item.truncate",
        "item_id": "A",
        "content_index": 0,
        "audio_end_ms": 0,
    }


def test_every_event_says_what_it_is_for():
    for kind in [*ev.SERVER_EVENTS.values(), *ev.CLIENT_EVENTS.values()]:
        assert kind.__doc__ and issubclass(kind, msgspec.Struct)
