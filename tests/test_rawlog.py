import json

import pytest
import wire_samples as wire
from recordings import snapshot

import realtime_nb as rt
from realtime_nb.conversation import Conversation
from realtime_nb.wire import events as ev

LADDER = [
    wire.session_created(),
    {"type": "input_audio_buffer.append", "audio": wire.b64(b"\1\2" * 48_000)},
    *wire.spoken_turn(),
    *wire.audio_answer(),
    *wire.transcription(),
]
WRAPPED = {
    "bare": lambda event, ms: event,
    "iso": lambda event, ms: {"timestamp": f"2026-11-22T10:00:{ms / 1000:06.3f}Z", **event},
    "epoch s": lambda event, ms: {"ts": 1_790_000_000 + ms / 1000, "event": event},
    "epoch ms": lambda event, ms: {"time": 1_790_000_000_000 + ms, "direction": "in", "data": event},
    "epoch us": lambda event, ms: {"timestamp": (1_790_000_000_000 + ms) * 1000, "source": "server", "payload": event},
    "elapsed ms": lambda event, ms: {"elapsed_ms": ms, "message": json.dumps(event)},
    "elapsed s": lambda event, ms: {"elapsed": ms / 1000, "type": "server_event", "event": event},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_log_of_events_is_a_recording(tmp_path, name):
    lines = [json.dumps(WRAPPED[name](event, 100 * number)) for number, event in enumerate(LADDER)]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    recording = rt.Recording.load(path)
    assert recording.remarks == [] and recording.path == path
    conversation = Conversation()
    for number, event in enumerate(LADDER):
        read = ev.decode_client if "append" in event["type"] else ev.decode_server
        elapsed_ms = 100.0 * number if name != "bare" else (2_000.0 if number else 0.0)
        conversation.apply(read(json.dumps(event)), elapsed_ms)
    assert snapshot(recording.conversation) == snapshot(conversation)
    assert set(recording.events["direction"]) == {"sent", "received"}
    assert recording.user.peak > 0 and recording.assistant.peak > 0


def test_a_json_list_is_a_log_too(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps(LADDER, indent=2))
    assert rt.Recording.load(path).conversation.turn("A").text == "It is ten past nine."


def test_the_betas_names_are_understood(tmp_path):
    old = [json.dumps(event).replace("response.output_audio", "response.audio") for event in LADDER]
    session = {"input_audio_format": "g711_ulaw", "output_audio_format": "pcm16", "voice": "alloy"}
    old[0] = json.dumps({"type": "session.created", "event_id": "e", "session": session})
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(old))
    recording = rt.Recording.load(path)
    assert recording.conversation.turn("A").audio.peak > 0
    assert recording.user.sample_rate == 8_000
    assert recording.conversation.turn("A").text == "It is ten past nine."


def test_what_is_no_event_is_left_out_and_told(tmp_path):
    path = tmp_path / "log.jsonl"
    noise = ["starting up", json.dumps({"level": "info"}), "", '{"broken'] + [json.dumps(event) for event in LADDER]
    path.write_text("\n".join(noise))
    recording = rt.Recording.load(path)
    assert len(recording) == len(LADDER)
    assert recording.remarks == [
        *("2 lines of the log are not JSON: left out", "1 lines of the log hold no event: left out")
    ]


@pytest.mark.parametrize("text", ["", "hello", '{"type": "click"}', "[1, 2]", "\0\1\2"])
def test_a_file_of_something_else_is_no_recording(tmp_path, text):
    path = tmp_path / "other.txt"
    path.write_text(text)
    with pytest.raises(rt.RecordingError, match=r"'.*other\.txt' is no recording and no log of events"):
        rt.Recording.load(path)
