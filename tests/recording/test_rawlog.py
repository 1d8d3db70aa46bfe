import json

import pytest
import wire_samples as wire
from recordings import snapshot

import realtime_nb as rt
from realtime_nb.conversation.conversation import Conversation
from realtime_nb.protocol import events as ev

EVENTS = [
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
    lines = [json.dumps(WRAPPED[name](event, 100 * number)) for number, event in enumerate(EVENTS)]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    recording = rt.Recording.load(path)
    assert recording.remarks == [] and recording.path == path
    conversation = Conversation()
    for number, event in enumerate(EVENTS):
        read = ev.decode_client if "append" in event["type"] else ev.decode_server
        elapsed_ms = 100.0 * number if name != "bare" else (2_000.0 if number else 0.0)
        conversation.apply(read(json.dumps(event)), elapsed_ms)
    assert snapshot(recording.conversation) == snapshot(conversation)
    assert set(recording.events["direction"]) == {"sent", "received"}
    assert recording.user.peak > 0 and recording.assistant.peak > 0


def test_a_json_list_is_a_log_too(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps(EVENTS, indent=2))
    assert rt.Recording.load(path).conversation.turn("A").text == "It is ten past nine."


def test_the_betas_names_are_understood(tmp_path):
    old = [json.dumps(event).replace("response.output_audio", "response.audio") for event in EVENTS]
    session = {"input_audio_format": "g711_ulaw", "output_audio_format": "pcm16", "voice": "alloy"}
    old[0] = json.dumps({"type": "session.created", "event_id": "e", "session": session})
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(old))
    recording = rt.Recording.load(path)
    assert recording.conversation.turn("A").audio.peak > 0
    assert recording.user.sample_rate == 8_000
    assert recording.conversation.turn("A").text == "It is ten past nine."


def test_an_invalid_event_is_left_out_and_told(tmp_path):
    path = tmp_path / "log.jsonl"
    noise = ["starting up", json.dumps({"level": "info"}), "", '{"broken'] + [json.dumps(event) for event in EVENTS]
    path.write_text("\n".join(noise))
    recording = rt.Recording.load(path)
    assert len(recording) == len(EVENTS)
    assert recording.remarks == [
        *("2 lines of the log are not JSON: left out", "1 lines of the log hold no event: left out")
    ]


@pytest.mark.parametrize("joint", [",\n", "\n\ufeff", ""])
@pytest.mark.parametrize("indent", [None, 2])
def test_objects_over_several_lines_and_with_commas_between_are_a_log_too(tmp_path, joint, indent):
    path = tmp_path / "log.jsonl"
    path.write_text(joint.join(json.dumps(event, indent=indent) for event in EVENTS), "utf-8")
    recording = rt.Recording.load(path)
    assert len(recording) == len(EVENTS) and recording.remarks == []


def test_a_json_list_that_was_cut_off_is_a_log_up_to_there(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps(EVENTS)[:-10])
    recording = rt.Recording.load(path)
    assert len(recording) == len(EVENTS) - 1 and recording.remarks == ["1 lines of the log are not JSON: left out"]


@pytest.mark.parametrize("text", ["", "hello", '{"type": "click"}', "[1, 2]", "\0\1\2"])
def test_a_file_of_something_else_is_no_recording(tmp_path, text):
    path = tmp_path / "other.txt"
    path.write_text(text)
    with pytest.raises(rt.RecordingError, match=r"'.*other\.txt' is neither a recording nor a log of events"):
        rt.Recording.load(path)


# --- times ---


def talk(frames=100, frame_ms=20):
    """Return a microphone's frames and an answer to them, each with its session time in ms."""
    audio = wire.b64(b"\1\2" * (24 * frame_ms))
    yield 0.0, wire.session_created()
    for number in range(1, frames + 1):
        yield float(number * frame_ms), {"type": "input_audio_buffer.append", "audio": audio}
    end_ms = frames * frame_ms
    events = [*wire.spoken_turn(end_ms=end_ms), *wire.audio_answer(), *wire.transcription()]
    for number, event in enumerate(events, 1):
        yield end_ms + 60.0 * number, event


def load(path, lines):
    path.write_text("\n".join(map(json.dumps, lines)))
    return rt.Recording.load(path)


def at_ms(recording):
    return list(recording.events["elapsed_ms"])


CLOCKS = {
    "seconds of a process": lambda ms: ms / 1000 + 12.5,
    "milliseconds": lambda ms: ms,
    "whole milliseconds": lambda ms: round(ms) + 7,
    "microseconds": lambda ms: ms * 1000 + 3,
    "nanoseconds of a process": lambda ms: round((ms + 86_400_000) * 1e6),
    "nanoseconds that look like an epoch in µs": lambda ms: round(ms * 1e6 + 1.6e15),
    "epoch in s": lambda ms: 1_790_000_000 + ms / 1000,
    "epoch in ms": lambda ms: 1_790_000_000_000 + ms,
    "epoch in µs": lambda ms: (1_790_000_000_000 + ms) * 1000,
    "epoch in ns": lambda ms: round((1_790_000_000_000 + ms) * 1e6),
    "text": lambda ms: f"{ms / 1000:.3f}",
    "text with its unit": lambda ms: f"{ms:.0f} ms",
    "iso": lambda ms: f"2026-11-22T10:00:{ms / 1000:09.6f}+01:00",
    "of python's logging": lambda ms: f"2026-11-22 10:00:{ms / 1000:06.3f}".replace(".", ","),
    "of go's log": lambda ms: f"2026/11/22 10:00:{ms / 1000:09.6f}",
    "time of day": lambda ms: f"10:00:{ms / 1000:06.3f}",
}


@pytest.mark.parametrize("name", ["t", "timestamp", "Time", "received_at"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_the_unit_of_times_is_found_from_the_sound(tmp_path, clock, name):
    recording = load(tmp_path / "log.jsonl", ({name: CLOCKS[clock](ms), "event": event} for ms, event in talk()))
    assert recording.remarks == []
    assert at_ms(recording) == pytest.approx([ms for ms, _ in talk()], abs=1.0)
    assert recording.user.duration_s == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "told"), [("elapsed_ms", "ms"), ("timestampNs", "ns"), ("time_us", "µs"), ("ts_s", "s")]
)
def test_a_unit_that_is_named_wrongly_is_reported(tmp_path, name, told):
    units = {"ms": 1.0, "ns": 1e6, "µs": 1e3, "s": 1e-3}
    for real, per_ms in units.items():
        recording = load(tmp_path / "log.jsonl", ({name: ms * per_ms, **event} for ms, event in talk()))
        said = f"the log calls its times {told}, but its sound shows that they are {real}: taken as such"
        assert recording.remarks == ([] if real == told else [said])
        assert at_ms(recording) == pytest.approx([ms for ms, _ in talk()], abs=1.0)


def test_a_clip_that_is_sent_at_once_does_not_make_hours_of_ms(tmp_path):
    clip = {"type": "input_audio_buffer.append", "audio": wire.b64(b"\1\2" * 120_000)}
    events = [(0, wire.session_created()), (30, clip), (31, {"type": "response.create"})]
    events += [(900 + 40 * number, event) for number, event in enumerate(wire.audio_answer())]
    recording = load(tmp_path / "log.jsonl", ({"t": ms, "event": event} for ms, event in events))
    assert at_ms(recording) == pytest.approx([ms for ms, _ in events])


def test_endless_pauses_are_shortened_and_told(tmp_path):
    events = list(talk())
    for days in (1, 400):
        later = [(ms + days * 86_400_000, event) for ms, event in talk()]
        lines = [{"elapsed_ms": ms, "event": event} for ms, event in (*events, *later)]
        recording = load(tmp_path / "log.jsonl", lines)
        assert recording.user.duration_s < 300 and max(at_ms(recording)) < 200_000
        assert recording.remarks[0].startswith("1 long pauses are shortened, by ")
    lines = [{"elapsed_ms": 3_600_000 * number, "event": event} for number, event in enumerate(EVENTS * 20)]
    assert max(at_ms(load(tmp_path / "log.jsonl", lines))) < 3 * 3_600_000


@pytest.mark.parametrize("time", [1e300, -1e300, 1e23, float("inf"), float("nan"), 10**400, True, [], "soon", ""])
def test_times_that_are_none_cost_no_memory_and_no_event(tmp_path, time):
    events = list(talk())
    lines = [{"elapsed_ms": time if number == 50 else ms, "event": event} for number, (ms, event) in enumerate(events)]
    recording = load(tmp_path / "log.jsonl", lines)
    assert len(recording) == len(events) and len(recording.remarks) >= 1
    assert recording.user.duration_s < 300


def test_a_clock_that_starts_again_or_goes_back_is_reported(tmp_path):
    events = list(talk())
    restarted = [{"t": 60 + ms / 1000, "event": each} for ms, each in events]
    restarted += [{"t": ms / 1000, "event": each | {"event_id": f"again_{ms}"}} for ms, each in events]
    recording = load(tmp_path / "log.jsonl", restarted)
    assert recording.remarks == ["the log's clock was restarted 1 times: time goes on from where it was"]
    assert at_ms(recording)[-1] == pytest.approx(2 * events[-1][0], abs=1)
    swapped = [{"t": ms / 1000, "event": each} for ms, each in events]
    swapped[40]["t"], swapped[41]["t"] = swapped[41]["t"], swapped[40]["t"]
    recording = load(tmp_path / "log.jsonl", swapped)
    assert recording.remarks == ["1 times go back by less than 5 s: each is taken to be the time before it"]
    assert at_ms(recording) == sorted(at_ms(recording))


def test_midnight_is_no_restart(tmp_path):
    def time_of_day(ms):
        seconds = 86_399 + ms / 1000
        return f"{int(seconds // 3600) % 24:02d}:{int(seconds // 60) % 60:02d}:{seconds % 60:06.3f}"

    recording = load(tmp_path / "log.jsonl", ({"time": time_of_day(ms), "event": each} for ms, each in talk()))
    assert recording.remarks == [] and at_ms(recording) == pytest.approx([ms for ms, _ in talk()], abs=1.0)


@pytest.mark.parametrize("days", [0, 1])
def test_a_clock_of_whole_seconds_is_known_in_spite_of_long_pauses(tmp_path, days):
    later = [(ms + days * 86_400_000 + 10_000, event) for ms, event in talk()]
    lines = [{"time": int(ms / 1000), "event": event} for ms, event in (*talk(), *later)]
    recording = load(tmp_path / "log.jsonl", lines)
    assert max(at_ms(recording)) == pytest.approx(122_000 if days else 12_000, abs=4_000)
    assert any("1 long pauses are shortened" in remark for remark in recording.remarks) == bool(days)


@pytest.mark.parametrize("time", ["Sun Mar 29 2026 00:30:00 GMT+0000", "3/29/2026, 12:30 AM", {"seconds": 3}, [1], "?"])
def test_times_that_cannot_be_read_are_reported(tmp_path, time):
    recording = load(tmp_path / "log.jsonl", ({"timestamp": time, "event": event} for _, event in talk()))
    [remark] = recording.remarks
    assert remark.startswith("the times of the log cannot be read: ")
    assert recording.user.duration_s == pytest.approx(2.0, abs=0.1)


def test_times_of_another_kind_or_none_are_reported(tmp_path):
    events = list(talk())
    lines = [{"elapsed_ms": ms, "event": event} for ms, event in events]
    lines[10] = {"timestamp": "2026-11-22T10:00:00Z", "event": events[10][1]}
    lines[11] = {"event": events[11][1]}
    recording = load(tmp_path / "log.jsonl", lines)
    [remark] = recording.remarks
    assert remark.startswith("2 events have no time, or one of another kind")
    assert at_ms(recording)[10:12] == [events[9][0]] * 2 and at_ms(recording)[12:] == [ms for ms, _ in events[12:]]


# --- sound that was taken out ---


@pytest.mark.parametrize(
    ("placeholder", "samples"),
    [
        *(("<audio>", 0), ("...", 0), (None, 0), ("redacted", 0), ("REDACTED", 0), ("[base64 audio omitted]", 0)),
        *(("[base64 960 bytes]", 480), ("<960 bytes>", 480), ("<1280 chars>", 480), (960, 480), ("…", 0)),
        *(
            ("UklGRiQAAABXQVZF...", 0),
            ({"omitted": True}, 0),
            ("", 0),
            ("<10000000000 bytes>", 24_000 * 60),
            ("base64", 0),
        ),
    ],
)
def test_sound_that_was_taken_out_is_remarked_and_silent(tmp_path, placeholder, samples):
    events = [wire.session_created(), *wire.spoken_turn(), *wire.audio_answer(), *wire.transcription()]
    gone = 0
    for event in events:
        if event["type"] == "response.output_audio.delta":
            event["delta"], gone = placeholder, gone + 1
    events.insert(1, {"type": "input_audio_buffer.append", "audio": placeholder})
    recording = load(tmp_path / "log.jsonl", events)
    assert recording.remarks[0].startswith(f"the sound of {gone + 1} events is not in the log (e.g. {gone + 1} times ")
    assert recording.conversation.turn("A").text == "It is ten past nine."
    sent = [entry.event for entry in recording if entry.direction == "sent"]
    assert [len(each.audio) for each in sent] == [2 * samples] and not any(sent[0].audio)


@pytest.mark.parametrize("format", ["audio/pcmu", "audio/pcma"])
def test_what_was_taken_out_of_a_telephones_log_is_silent_too(tmp_path, format):
    session = {"audio": {"input": {"format": {"type": format}}, "output": {"format": {"type": format}}}}
    events = [wire.event("session.created", session=session), {"type": "input_audio_buffer.append", "audio": 800}]
    recording = load(tmp_path / "log.jsonl", events)
    assert recording.user.duration_s == pytest.approx(0.1) and recording.user.peak < 0.001


def test_short_sound_and_silence_are_no_placeholders(tmp_path):
    events = [{"type": "input_audio_buffer.append", "audio": wire.b64(data)} for data in (b"\0" * 60, b"\1\2", b"")]
    recording = load(tmp_path / "log.jsonl", [wire.session_created(), *events])
    assert recording.remarks == []
