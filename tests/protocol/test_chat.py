"""Completions told in the Realtime protocol's events, and folded by the same fold."""

import base64
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.pricing.usage import Usage
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.chat import CompletionReader, realtime_usage

PCM = bytes(range(0, 200, 2)) * 48


def audio_chunk(**audio):
    return {"choices": [{"index": 0, "delta": {"audio": audio}, "finish_reason": None}]}


def b64(data):
    return base64.b64encode(data).decode()


SPOKEN = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]},
    audio_chunk(id="audio_1"),
    audio_chunk(transcript="Good "),
    audio_chunk(data=b64(PCM[:999])),  # padding in the middle: each piece is decoded for itself
    audio_chunk(transcript="morning."),
    audio_chunk(data=b64(PCM[999:])),
    audio_chunk(expires_at=1_800_000_000),
    {
        "choices": [],
        "usage": {
            "prompt_tokens": 30,
            "completion_tokens": 60,
            "prompt_tokens_details": {"audio_tokens": 20, "text_tokens": 10, "cached_tokens": 4},
            "completion_tokens_details": {"audio_tokens": 48, "text_tokens": 12},
        },
    },
]


def fold(chunks, ending="end"):
    conversation, reader = Conversation(), CompletionReader("chat_1", "request_1")
    conversation.apply(ev.ResponseCreate(event_id="request_1"), 5.0)
    told = [*reader.begin()]
    for chunk in chunks:
        told += reader.chunk(chunk)
    told += getattr(reader, ending)(*(("it broke", "server_error") if ending == "fail" else ()))
    for elapsed_ms, event in enumerate(told):
        conversation.apply(event, 100.0 + elapsed_ms)
    return conversation, reader


def test_a_spoken_answer_in_chunks_is_a_reply_with_words_sound_and_usage():
    conversation, reader = fold(SPOKEN)
    [reply] = conversation.replies
    assert (reply.status, reply.transcript) == ("completed", "Good morning.")
    assert reply.audio.to_pcm16() == PCM
    assert reply.usage == Usage(text_in=10, audio_in=20, text_cached=4, text_out=12, audio_out=48)
    assert reply.timing.created_ms == 95.0 and reply.timing.first_audio_ms > reply.timing.first_text_ms
    assert [turn.text for turn in conversation] == ["Good morning."]
    assert (reader.audio_id, reader.audio_expires_at) == ("audio_1", 1_800_000_000)


def test_a_written_answer_has_no_sound():
    text = [{"choices": [{"delta": {"content": word}}]} for word in ("Two ", "words.")]
    conversation, _ = fold([*text, {"choices": [{"delta": {}, "finish_reason": "stop"}]}])
    [reply] = conversation.replies
    assert (reply.transcript, reply.audio, reply.usage) == ("Two words.", None, None)


def test_calls_in_chunks_become_function_calls():
    def calls(*calls):
        return {"choices": [{"delta": {"tool_calls": list(calls)}}]}

    conversation, reader = fold(
        [
            calls({"index": 0, "id": "call_a", "function": {"name": "weather", "arguments": ""}}),
            calls({"index": 0, "function": {"arguments": '{"city":'}}),
            calls({"index": 1, "id": "call_b", "function": {"name": "time", "arguments": "{}"}}),
            calls({"index": 0, "function": {"arguments": ' "Paris"}'}}),
        ]
    )
    [reply] = conversation.replies
    assert [(c.name, c.call_id, c.arguments) for c in reply.function_calls] == [
        ("weather", "call_a", '{"city": "Paris"}'),
        ("time", "call_b", "{}"),
    ]
    assert [turn.kind for turn in conversation] == ["function_call", "function_call"]
    assert reader.tool_calls[0]["function"]["arguments"] == '{"city": "Paris"}'


def test_an_answer_in_one_piece_is_the_same_reply():
    reader, conversation = CompletionReader("chat_1", "request_1"), Conversation()
    message = {"role": "assistant", "audio": {"id": "audio_1", "transcript": "Hello.", "expires_at": 9}}
    told = [*reader.begin(), *reader.whole({"choices": [{"message": message, "finish_reason": "stop"}]}, PCM)]
    for event in [*told, *reader.end()]:
        conversation.apply(event, 0.0)
    [reply] = conversation.replies
    assert reply.transcript == "Hello." and reply.audio.to_pcm16() == PCM
    assert reader.audio_id == "audio_1"


@pytest.mark.parametrize(
    ("finish_reason", "status", "reason"),
    [
        ("stop", "completed", ""),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_how_an_answer_ended_is_told_in_the_realtime_apis_words(finish_reason, status, reason):
    conversation, _ = fold([{"choices": [{"delta": {"content": "So"}, "finish_reason": finish_reason}]}])
    assert (conversation.replies[0].status, conversation.replies[0].reason) == (status, reason)


def test_an_answer_that_breaks_off_keeps_what_came():
    conversation, _ = fold(SPOKEN[:4], ending="fail")
    [reply] = conversation.replies
    assert reply.status == "failed" and reply.error == {"message": "it broke", "code": "server_error"}
    assert reply.transcript == "Good" and reply.audio is not None


def test_an_answer_that_was_stopped_is_cancelled():
    conversation, _ = fold(SPOKEN[:4], ending="cancel")
    assert (conversation.replies[0].status, conversation.replies[0].reason) == ("cancelled", "client_cancelled")


def test_usage_without_details_is_text():
    usage = Usage.from_realtime(realtime_usage({"prompt_tokens": 7, "completion_tokens": 3}))
    assert usage == Usage(text_in=7, text_out=3)
    assert realtime_usage(None) is None


def test_what_is_not_base64_is_no_sound():
    conversation, _ = fold([audio_chunk(data="not base64!"), audio_chunk(transcript="Words.")])
    assert conversation.replies[0].transcript == "Words."
    assert conversation.replies[0].audio is None


def test_a_request_that_was_refused_leaves_a_failed_reply():
    conversation, reader = Conversation(), CompletionReader("chat_1", "request_1")
    for event in reader.fail("no credit", "insufficient_quota"):
        conversation.apply(event, 1.0)
    [reply] = conversation.replies
    assert (reply.status, reply.error["code"], reply.turns) == ("failed", "insufficient_quota", [])


def test_a_sign_that_is_cut_into_halves_is_whole():
    conversation, _ = fold(
        [{"choices": [{"delta": {"content": half}}]} for half in ("a \ud83d", "\ude00 b", "\ud83d c")]
    )
    assert conversation.replies[0].transcript == "a \U0001f600 b\ufffd c"


def test_a_whole_completion_in_place_of_a_piece_is_an_answer():
    message = {"content": "Words.", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    conversation, reader = fold([{"choices": [{"message": message, "finish_reason": "stop"}]}])
    assert conversation.replies[0].transcript == "Words." and reader.is_finished and reader.problem == ""
    assert [call.name for call in conversation.replies[0].function_calls] == ["f"]


@pytest.mark.parametrize("audio", [False, True])
def test_half_a_character_at_the_end_of_an_answer_is_marked_and_remarked(audio):
    def chunk(text, reason=None):
        delta = {"audio": {"transcript": text}} if audio else {"content": text}
        return {"choices": [{"delta": delta, "finish_reason": reason}]}

    for chunks in (
        [chunk("Hi \ud83d"), {"choices": [{"delta": {}, "finish_reason": "stop"}]}],
        [chunk("Hi \ud83d", "stop")],
    ):
        conversation, reader = fold(chunks)
        assert conversation.replies[0].transcript == "Hi \ufffd"
        assert reader.remarks == ["Half a UTF-16 pair in an answer became U+FFFD."]


def test_sound_comes_in_whole_samples_whatever_its_pieces():
    sizes = [0, 999, 1000, 1003, len(PCM)]
    chunks = [audio_chunk(data=b64(PCM[start:end])) for start, end in itertools.pairwise(sizes)]
    reader = CompletionReader("chat_1", "request_1")
    told = [event for chunk in chunks for event in reader.chunk(chunk)]
    sound = [event.delta for event in told if isinstance(event, ev.ResponseOutputAudioDelta)]
    assert b"".join(sound) == PCM and not any(len(piece) % 2 for piece in sound)
    assert "within a sample" in reader.remarks[0]


@pytest.mark.parametrize(
    "completion",
    [
        {"choices": [{"message": {"content": "Hi"}}], "usage": "none"},
        {"choices": [{"message": {"audio": {"transcript": "Hi", "data": "no sound!"}}}]},
    ],
)
def test_what_is_left_out_of_an_answer_is_remarked(completion):
    conversation, reader = fold([completion])
    assert conversation.replies[0].transcript == "Hi"
    assert len(reader.remarks) == 1 and reader.remarks[0].endswith("it is left out.")


names = st.sampled_from("id name arguments function index text data transcript expires_at message usage".split())
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("\ud83d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=6,
)
messages = st.fixed_dictionaries({}, optional=dict.fromkeys(("content", "audio", "tool_calls", "refusal"), anything))
choices = st.fixed_dictionaries(
    {}, optional={"delta": messages | anything, "message": messages, "finish_reason": anything, "error": anything}
)
pieces = st.fixed_dictionaries({}, optional={"choices": st.lists(choices | anything) | anything, "usage": anything})


@given(st.lists(pieces, max_size=4), st.sampled_from(["end", "fail", "cancel"]))
def test_whatever_a_server_sends_is_folded_and_can_be_written_down(chunks, ending):
    conversation, reader = fold(chunks, ending)
    [reply] = conversation.replies
    assert reply.done and isinstance(reader.problem, str)
    msgspec.json.encode([reply.transcript, reader.tool_calls, reader.usage])
    assert conversation.costs().total_usd is None or conversation.costs().total_usd >= 0
