import json
import random

import numpy as np
import pytest
import wire_samples as wire
from hypothesis import given
from hypothesis import strategies as st
from recordings import folded, snapshot, write
from test_renewal import local_server, told

import realtime_nb as rt
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Heard, Remarked, StateChanged

WAIT_S = 60


@pytest.fixture(scope="module")
def questions():
    return [rt.speak("What can you do?"), rt.speak("What is two plus three?")]


def assert_same(session, recording):
    """A loaded recording has the very events and records of the session."""
    assert [tuple(entry) for entry in recording] == [tuple(entry[:3]) for entry in session.log]
    assert snapshot(recording.conversation) == snapshot(session.conversation)
    assert recording.remarks == []


@pytest.mark.parametrize("kind", [rt.RealtimeSession, rt.ChatSession, rt.CascadeSession])
def test_a_loaded_recording_is_the_same_as_live(kind, questions, tmp_path):
    session = kind(backend="local", recording=tmp_path / "live")
    for question in questions:
        session.ask(question).result(WAIT_S)
    session.ask("Hello!").result(WAIT_S)
    session.close().result(WAIT_S)
    saved = session.save(tmp_path / "saved")
    for recording in (rt.Recording.load(tmp_path / "live"), saved):
        assert_same(session, recording)
        assert recording.manifest["session"] == kind.__name__
        assert recording.manifest["complete"] and recording.manifest["ai_generated"]
    assert (tmp_path / "live" / "events.jsonl").read_bytes() == (tmp_path / "saved" / "events.jsonl").read_bytes()
    assert sorted(path.name for path in (tmp_path / "live").iterdir()) == [
        *("assistant.flac", "events.jsonl", "manifest.json", "user.flac")
    ]


@pytest.mark.parametrize("format", ["pcm16", "g711_ulaw", "g711_alaw"])
def test_an_interrupted_conversation_by_ear_is_the_same_as_live(format, questions, tmp_path):
    session = rt.RealtimeSession(backend="local", input_format=format, output_format=format)
    session.connect().result(WAIT_S)
    frames = questions[0].to_pcm16() + bytes(48 * 900)
    begun = []
    session.listen(lambda event, _: begun.append(event) if isinstance(event, ev.ResponseOutputAudioDelta) else None)
    for start in range(0, len(frames), 960):
        session.send_audio(frames[start : start + 960])
    reply = session.respond().result(WAIT_S)
    item_id = reply.turns[-1].item_id
    session.heard(item_id, 200)
    session.heard(item_id, 400, stopped=True)
    session.record_to(tmp_path / "r")  # From the beginning, whenever it is called.
    session.ask("Hello!").result(WAIT_S)
    session.close().result(WAIT_S)
    recording = rt.Recording.load(tmp_path / "r")
    assert begun
    assert_same(session, recording)
    assert recording.manifest["heard"][item_id]["played_ms"] == 400
    assert recording.manifest["heard"][item_id]["interrupted"]


def samples():
    """Return an hour's worth of trouble in a second: both ways, several turns, an error, a call, what is unknown."""
    response_events = [
        wire.session_created(),
        *wire.spoken_turn(end_ms=700),
        *wire.audio_answer(),
        *wire.transcription(),
        wire.event("error", error={"type": "invalid_request_error", "message": "No.", "code": None, "event_id": "x"}),
        *wire.spoken_turn("U2", "A", start_ms=800, end_ms=1_000),
        *wire.audio_answer("A2", response_id="R2", previous="U2", status="cancelled"),
        wire.event("conversation.item.truncated", item_id="A2", content_index=0, audio_end_ms=40),
        wire.event("something.new", data={"audio": "text", "list": [1, None]}),
        {"type": "response.done", "response": 3},
    ]
    received = [("received", ev.decode_server(json.dumps(each))) for each in response_events]
    sent = [("sent", ev.InputAudioBufferAppend(audio=bytes([index, 1]) * 480)) for index in range(100)]
    return [
        received[0],
        *sent,
        ("local", StateChanged(state="open")),
        *received[1:],
        ("local", Heard(item_id="A", played_ms=30)),
    ]


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 140), max_size=20))
def test_a_reordered_and_doubled_log_is_the_same_as_live(tmp_path_factory, random_, doubled):
    entries = samples()
    entries += [entries[index % len(entries)] for index in doubled]
    random.Random.shuffle(random_, entries)
    timed = [(round(10.1 * index, 3), *entry) for index, entry in enumerate(entries)]
    recording = write(tmp_path_factory.mktemp("r") / "r", timed)
    assert [tuple(entry) for entry in recording] == timed
    live = snapshot(folded(timed))
    assert snapshot(recording.conversation) == live
    outline = snapshot(folded(recording._folder.outline()))
    assert without_audio(outline) == without_audio(live)


def test_frames_between_which_much_happens_are_folded_as_one_by_one(tmp_path):
    times = [20.0 * number for number in range(1, 4_501)]  # More than the fold keeps while nobody speaks.
    entries = [("sent", ev.InputAudioBufferAppend(audio=bytes([number % 200, 1]) * 480)) for number in range(4_500)]
    timed = [(at_ms, *entry) for at_ms, entry in zip(times, entries, strict=True)]
    for at_ms, start_ms, name in ((40_000, 39_000, "U"), (88_000, 86_000, "U2")):
        response_events = wire.spoken_turn(name, None, start_ms=start_ms, end_ms=at_ms - 500)
        timed += [(at_ms, "received", ev.decode_server(json.dumps(each))) for each in response_events]
    timed.sort(key=lambda entry: entry[0])
    recording = write(tmp_path / "r", timed)
    assert max(run.length for run in recording._folder.runs) > 1_000
    assert snapshot(recording.conversation) == snapshot(folded(timed))
    assert recording.conversation.turn("U2").audio.duration_s == 1.5
    assert list(recording.events["elapsed_ms"]) == [entry[0] for entry in timed]
    assert list(recording.events["start_sample"].dropna()) == [480 * number for number in range(4_500)]
    assert set(recording.events["audio_ms"].dropna()) == {20.0}


def tone(rate, hz, seconds=1.0):
    return (8_000 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype("<i2").tobytes()


@pytest.mark.parametrize(("before", "after"), [(24_000, 16_000), (16_000, 24_000), (8_000, 48_000)])
def test_sound_after_a_change_of_rate_is_on_the_tracks_of_the_first_one(before, after, tmp_path):
    timed = []
    for number, rate in enumerate((before, after)):
        sides = {side: {"format": {"type": "audio/pcm", "rate": rate}} for side in ("input", "output")}
        begin_ms, hz = 5_000.0 * number, 440 * (number + 1)
        session = wire.SESSION | {"audio": sides}
        opened = [wire.session_updated(session)] if number else [wire.session_created(**session)]
        answer = wire.audio_answer(f"A{number}", response_id=f"R{number}", pcm=tone(rate, hz))
        timed += [(begin_ms, "received", ev.decode_server(json.dumps(each))) for each in opened]
        for frame in range(50):
            pcm = tone(rate, hz)[frame * rate // 50 * 2 : (frame + 1) * rate // 50 * 2]
            timed.append((begin_ms + 20.0 * frame, "sent", ev.InputAudioBufferAppend(audio=pcm)))
        timed += [(begin_ms + 2_000.0, "received", ev.decode_server(json.dumps(each))) for each in answer]
    recording = write(tmp_path / "r", timed)
    assert [tuple(entry) for entry in recording] == timed
    assert recording.remarks == []
    assert snapshot(recording.conversation) == snapshot(folded(timed))
    assert set(recording.events.query("type == 'input_audio_buffer.append'")["audio_ms"]) == {20.0}
    for clip, from_s, hz in (
        (recording.user, 5.1, 880),
        (recording.assistant, 7.1, 880),
        (recording.heard, 7.1, 880),
        (recording.assistant, 2.1, 440),
    ):
        assert clip.sample_rate == before
        heard = clip.cut(from_s, from_s + 0.8).samples
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        assert spectrum.argmax() * before / len(heard) == pytest.approx(hz, abs=2)
        assert np.sqrt(np.mean(np.square(heard))) == pytest.approx(8_000 / 32_768 / np.sqrt(2), rel=0.02)


def without_audio(value):
    if isinstance(value, dict):
        return {key: without_audio(each) for key, each in value.items() if key != "audio_chunks"}
    return [without_audio(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def recording(tmp_path):
    return write(tmp_path / "talk", [(10.0 * index, *entry) for index, entry in enumerate(samples())])


def test_its_frames_say_what_happened(recording):
    events = recording.events
    assert list(events["type"][:2]) == ["session.created", "input_audio_buffer.append"]
    assert events["direction"].value_counts()["sent"] == 100
    assert events.loc[events["track"] == "user", "audio_ms"].sum() == 2_000
    assert set(events.loc[events["text"] == "past nine.", "item_id"]) == {"A", "A2"}
    turns = recording.turns.set_index("item_id")
    assert list(turns.index) == ["U", "A", "U2", "A2"]
    assert turns.loc["U", "text"] == "What time is it?"
    assert turns.loc["A2", "heard_text"] != turns.loc["A2", "text"]
    assert turns.loc["U2", "start_s"] > turns.loc["U", "start_s"]
    assert list(recording.usage["audio_in"]) == [27, 27]
    assert (recording.latency["done_ms"] > 0).all() and "first_audio_ms" in recording.latency


def test_its_frames_do_not_depend_on_the_sound(recording):
    quick = [recording.turns, recording.usage, recording.latency]
    whole = rt.Recording.load(recording.path)
    assert whole.conversation.turns  # From here on its frames come of the whole.
    for one, other in zip(quick, [whole.turns, whole.usage, whole.latency], strict=True):
        assert one.equals(other)


def test_its_sides_lie_on_one_clock(recording):
    assert recording.user.duration_s >= 2.0
    start_s = recording.turns.set_index("item_id").loc["A", "start_s"]
    answer = recording.conversation.turn("A").audio
    lies = recording.assistant.cut(start_s, start_s + answer.duration_s)
    assert np.array_equal(lies.samples, answer.samples)


def test_what_was_cut_off_is_not_in_what_was_heard(recording):
    start_s = recording.turns.set_index("item_id").loc["A2", "start_s"]
    assert recording.heard.duration_s == pytest.approx(start_s + 0.040)
    assert recording.heard.cut(start_s).peak > 0


def test_it_replays_both_sides_at_any_speed(recording):
    replay = recording.replay()
    # All sound was sent before the first answer came.
    assert [turn.item_id for _, turn in replay.turns] == ["U", "U2", "A", "A2"]
    assert replay.clip.duration_s == max(recording.user.duration_s, recording.heard.duration_s)
    fast = recording.replay(speed=2)
    assert fast.clip.duration_s == pytest.approx(replay.clip.duration_s / 2, abs=0.05)
    assert fast.turns[1][0] == replay.turns[1][0] / 2
    with pytest.raises(rt.AudioError, match=r"speed=9 must be between 0\.25 and 4\.0"):
        recording.replay(speed=9)


def test_the_same_is_asked_again(questions, tmp_path):
    with rt.RealtimeSession(backend="local") as session:
        session.ask(questions[1]).result(WAIT_S)
        session.ask("Hello!").result(WAIT_S)
    recording = session.save(tmp_path / "r")
    with rt.ChatSession(backend="local") as other:
        again = recording.ask_again(other).result(WAIT_S)
    assert again is other.conversation
    assert [turn.role for turn in again] == ["user", "assistant"] * 2
    asked = recording.conversation.turns[0].audio
    assert np.array_equal(again.turns[0].audio.samples, asked.samples)
    assert np.array_equal(questions[1].samples[: len(asked.samples)], asked.samples)
    assert again.turns[2].text == "Hello!"
    difference = rt.diff(recording, again)
    assert list(difference.frame["same_words"]) == [True, True]


def test_nothing_can_be_asked_again_where_nothing_was_asked(tmp_path):
    recording = write(tmp_path / "r", [(0.0, "local", StateChanged(state="open"))])
    with pytest.raises(rt.RecordingError, match="nothing was asked in 'r'"):
        recording.ask_again(None)


def test_a_path_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(rt.RecordingError, match=r"nowhere' is not there"):
        rt.Recording.load(tmp_path / "nowhere")


def test_it_says_in_a_line_what_it_is(recording):
    assert repr(recording) == f"Recording('talk', {recording.duration_s:.1f} s, {len(recording)} events)"


def loud_s(clip):
    """Return how many seconds of a clip can be heard."""
    return np.count_nonzero(np.abs(clip.samples) > 0.001) / clip.sample_rate


@pytest.mark.parametrize("transcription", [None, "local-transcribe"])
def test_what_is_told_again_to_another_server_or_asked_again_was_said_once(transcription, tmp_path):
    said = rt.speak("What is two plus three?")
    options = {"transcription": transcription, "output_modalities": ["text"], "recording": tmp_path / "r"}
    with local_server(lifetime_turns=1) as server, rt.RealtimeSession(**server, **options) as session:
        renewed = told(session, "session.renewed")
        session.ask(said).result(WAIT_S)
        assert renewed.wait(WAIT_S)
        again = session.rerun(session.conversation.replies[0]).result(WAIT_S)
        assert again.transcript == "2 plus 3 is 5."
        sent = [entry.event.item for entry in session.log if entry.event.type == "conversation.item.create"]
        assert any(part.type == "input_audio" for item in sent for part in item.content)
    recording = rt.Recording.load(tmp_path / "r")
    assert loud_s(recording.user) == pytest.approx(loud_s(said), rel=0.02)
    [asked] = [turn for turn in recording.conversation if turn.role == "user"]
    assert asked.audio.to_pcm16() == again.asked.audio.to_pcm16()
    assert recording.conversation.replies[-1].asked is asked


def test_a_loaded_recording_remarks_the_same(tmp_path):
    with rt.RealtimeSession(backend="local") as session:
        session.note(Remarked(text="The server wrote half a character.", kind="half"))
        session.ask("Hello!").result(WAIT_S)
        recording = session.save(tmp_path / "lesson")
    assert recording.conversation.remarks == session.conversation.remarks == ["The server wrote half a character."]
    assert "The server wrote half a character." in recording.remarks
