"""Server messages as they were seen on the wire, one list of events for each ordering."""

import base64
import itertools
import json

PCM = bytes(range(256)) * 9 * 2  # 96 ms at 24 kHz.
SESSION = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-realtime-2.1",
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "expires_at": 1785460927,
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "gpt-realtime-whisper", "language": None, "prompt": None},
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
    },
    "include": None,
}
USAGE = {
    "total_tokens": 205,
    "input_tokens": 41,
    "output_tokens": 164,
    "input_token_details": {
        "text_tokens": 14,
        "audio_tokens": 27,
        "image_tokens": 0,
        "cached_tokens": 0,
        "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 28, "audio_tokens": 136},
}
_numbers = itertools.count(1)


def b64(data):
    return base64.b64encode(data).decode()


def event(type, **fields):
    """Return a server event with an id of its own."""
    return {"type": type, "event_id": f"event_{next(_numbers)}", **fields}


def texts(events):
    """Return events as the messages that carry them."""
    return [json.dumps(each) for each in events]


def without(settings, *path, **changes):
    """Return a deep copy of a session object with changes at a path."""
    copy = json.loads(json.dumps(settings))
    at = copy
    for key in path:
        at = at[key]
    at.update(changes)
    return copy


# --- pieces ---------------------------------------------------------------------------------------------------------


def session_created(**changes):
    return event("session.created", session=SESSION | changes)


def session_updated(session=SESSION):
    return event("session.updated", session=session)


def user_item(item_id="U", content=None):
    content = [{"type": "input_audio", "transcript": None}] if content is None else content
    return {"id": item_id, "type": "message", "status": "completed", "role": "user", "content": content}


def item_added(item, previous=None):
    return event("conversation.item.added", previous_item_id=previous, item=item)


def item_done(item, previous=None):
    return event("conversation.item.done", previous_item_id=previous, item=item)


def transcription(item_id="U", words=("What ", "time ", "is it?")):
    kind = "conversation.item.input_audio_transcription"
    ids = {"item_id": item_id, "content_index": 0}
    return [
        *(event(f"{kind}.delta", **ids, delta=word, obfuscation="x8Kq") for word in words),
        event(f"{kind}.completed", **ids, transcript="".join(words), usage={"type": "duration", "seconds": 3}),
    ]


def spoken_turn(item_id="U", previous=None, *, start_ms=300, end_ms=2000):
    """Speech that server VAD has made a turn of; its transcription comes apart."""
    return [
        event("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=item_id),
        event("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=item_id),
        *committed_turn(item_id, previous),
    ]


def committed_turn(item_id="U", previous=None):
    return [
        event("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous),
        item_added(user_item(item_id), previous),
        item_done(user_item(item_id), previous),
    ]


def text_turn(item_id="U", text="What time is it?", previous=None):
    item = user_item(item_id, [{"type": "input_text", "text": text}])
    return [item_added(item, previous), item_done(item, previous)]


def response(response_id="R", status="in_progress", *, output=(), conversation_id="conv_1", metadata=None, **more):
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": status,
        "status_details": None,
        "output": list(output),
        "conversation_id": conversation_id,
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"}},
        "usage": None if status == "in_progress" else USAGE,
        "metadata": metadata,
        **more,
    }


def response_created(response_id="R", **more):
    return event("response.created", response=response(response_id, **more))


def response_done(response_id="R", status="completed", **more):
    return event("response.done", response=response(response_id, status, **more))


def spoken_item(item_id="A", text="", status="in_progress", **more):
    content = [{"type": "output_audio", "transcript": text}] if status != "in_progress" else []
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content, **more}


def text_item(item_id="A", text="", status="in_progress", **more):
    content = [{"type": "output_text", "text": text}] if status != "in_progress" else []
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content, **more}


def call_item(item_id="F", arguments="", status="in_progress"):
    names = {"name": "get_time", "call_id": "call_1"}
    return {"id": item_id, "type": "function_call", "status": status, **names, "arguments": arguments}


def out(type, item_id="A", *, response_id="R", output_index=0, content_index=0, **fields):
    ids = {"response_id": response_id, "item_id": item_id, "output_index": output_index}
    return event(type, **ids, content_index=content_index, **fields)


def output_added(item, *, response_id="R", output_index=0):
    return event("response.output_item.added", response_id=response_id, output_index=output_index, item=item)


def output_done(item, *, response_id="R", output_index=0):
    return event("response.output_item.done", response_id=response_id, output_index=output_index, item=item)


def transcript_deltas(words, **ids):
    return [out("response.output_audio_transcript.delta", delta=word, obfuscation="k2", **ids) for word in words]


def audio_deltas(pcm=PCM, pieces=3, **ids):
    size = max(2, len(pcm) // pieces // 2 * 2)
    starts = range(0, len(pcm), size)
    return [out("response.output_audio.delta", delta=b64(pcm[start : start + size]), **ids) for start in starts]


def interleaved(one, other):
    return [each for pair in itertools.zip_longest(one, other) for each in pair if each is not None]


# --- orderings ------------------------------------------------------------------------------------------------------

WORDS = ("It is ", "ten ", "past nine.")


def audio_answer(
    item_id="A", *, response_id="R", previous="U", words=WORDS, status="completed", end=None, pcm=PCM, done_previous=...
):
    """Return the events of an answer with audio; `end` are more fields of ``response.done``."""
    text = "".join(words)
    ids = {"item_id": item_id, "response_id": response_id}
    item_status = "completed" if status == "completed" else "incomplete"
    whole = spoken_item(item_id, text, item_status)
    done_previous = previous if done_previous is ... else done_previous
    return [
        response_created(response_id),
        output_added(spoken_item(item_id), response_id=response_id),
        item_added(spoken_item(item_id), previous),
        out("response.content_part.added", part={"type": "audio", "transcript": ""}, **ids),
        *interleaved(transcript_deltas(words, **ids), audio_deltas(pcm, **ids)),
        out("response.output_audio.done", **ids),
        out("response.output_audio_transcript.done", transcript=text, **ids),
        out("response.content_part.done", part={"type": "audio", "transcript": text}, **ids),
        item_done(whole, done_previous),
        output_done(whole, response_id=response_id),
        response_done(response_id, status, output=[whole], **(end or {})),
        event("rate_limits.updated", rate_limits=[{"name": "tokens", "limit": 15000000, "remaining": 14999000}]),
    ]


def text_answer(item_id="A", *, response_id="R", previous="U", words=WORDS):
    text = "".join(words)
    ids = {"item_id": item_id, "response_id": response_id}
    whole = text_item(item_id, text, "completed")
    return [
        response_created(response_id),
        output_added(text_item(item_id), response_id=response_id),
        item_added(text_item(item_id), previous),
        out("response.content_part.added", part={"type": "text", "text": ""}, **ids),
        *(out("response.output_text.delta", delta=word, obfuscation="z", **ids) for word in words),
        out("response.output_text.done", text=text, **ids),
        out("response.content_part.done", part={"type": "text", "text": text}, **ids),
        item_done(whole, previous),
        output_done(whole, response_id=response_id),
        response_done(response_id, output=[whole]),
    ]


def call_answer(previous="U", arguments='{"zone": "UTC"}'):
    pieces = [arguments[:5], arguments[5:]]
    whole = call_item("F", arguments, "completed")
    kind = "response.function_call_arguments"
    ids = {"response_id": "R", "item_id": "F", "output_index": 0, "call_id": "call_1"}
    return [
        response_created(),
        output_added(call_item()),
        item_added(call_item(), previous),
        *(event(f"{kind}.delta", **ids, delta=piece, obfuscation="q") for piece in pieces),
        event(f"{kind}.done", **ids, name="get_time", arguments=arguments),
        item_done(whole, previous),
        output_done(whole),
        response_done(output=[whole]),
    ]


def commentary_and_call(previous="U", words=("Let me ", "look."), arguments='{"zone": "UTC"}'):
    """Return a response that speaks first and calls then: deltas of both, then what is done in index order."""
    text = "".join(words)
    spoken = spoken_item("A", text, "completed", phase="commentary")
    call = call_item("F", arguments, "completed")
    kind = "response.function_call_arguments"
    ids = {"response_id": "R", "item_id": "F", "output_index": 1, "call_id": "call_1"}
    return [
        response_created(),
        output_added(spoken_item("A", phase="commentary")),
        item_added(spoken_item("A", phase="commentary"), previous),
        out("response.content_part.added", part={"type": "audio", "transcript": ""}),
        *interleaved(transcript_deltas(words), audio_deltas()),
        output_added(call_item(), output_index=1),
        item_added(call_item(), "A"),
        event(f"{kind}.delta", **ids, delta=arguments[:5]),
        event(f"{kind}.delta", **ids, delta=arguments[5:]),
        out("response.output_audio.done"),
        out("response.output_audio_transcript.done", transcript=text),
        out("response.content_part.done", part={"type": "audio", "transcript": text}),
        item_done(spoken, previous),
        output_done(spoken),
        event(f"{kind}.done", **ids, name="get_time", arguments=arguments),
        item_done(call, "A"),
        output_done(call, output_index=1),
        response_done(output=[spoken, call]),
    ]
