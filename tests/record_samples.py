"""Records for the tests of their views, hostile ones among them."""

import json

import numpy as np
import wire_samples as wire

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Heard

HOSTILE = '<script>alert("pwned")</script><img src=x onerror=alert(1)>'


def sound(ms):
    """Return PCM16 that is not silent."""
    return (8_000 * np.sin(np.arange(24 * ms) / 5)).astype("<i2").tobytes()


def conversation(question="What time is it?", answer="It is ten past nine.", *, pcm=None, model="gpt-realtime-2.1"):
    """Return a conversation of one spoken turn and its answer."""
    folded = Conversation()
    events = [
        wire.session_created(model=model),
        *wire.spoken_turn(),
        *wire.audio_answer(words=(answer,), pcm=sound(600) if pcm is None else pcm),
        *wire.transcription(words=[question]),
    ]
    for number, each in enumerate(events):
        folded.apply(ev.decode_server(json.dumps(each)), 10.0 * number)
    return folded


def hostile_conversation():
    """Return a conversation in which everything that a server or a person can name is markup."""
    folded = conversation(HOSTILE, HOSTILE, model=HOSTILE)
    call = wire.call_item(arguments=HOSTILE, status="completed") | {"name": HOSTILE}
    output = {"id": "O", "type": "function_call_output", "call_id": "call_1", "output": HOSTILE}
    details = {"type": "failed", "reason": HOSTILE, "error": {"message": HOSTILE, "code": HOSTILE}}
    kind = "conversation.item.input_audio_transcription.failed"
    more = [
        *wire.spoken_turn("U2", "A"),
        wire.event(kind, item_id="U2", error={"message": HOSTILE}),
        wire.response_created("R2"),
        wire.output_added(call, response_id="R2"),
        wire.item_added(call, "U2"),
        wire.response_done("R2", status=HOSTILE, output=[call], status_details=details),
        wire.item_added(output, "F"),
        wire.item_added({"id": "S", "type": HOSTILE, "role": HOSTILE}, "O"),
    ]
    for each in more:
        folded.apply(ev.decode_server(json.dumps(each)), 500.0)
    folded.apply(Heard(item_id="A", played_ms=500, stopped=True), 500.0)
    return folded
