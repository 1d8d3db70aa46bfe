import json

import record_samples as samples
import wire_samples as wire
from recordings import write
from test_recording import samples as entries

import realtime_nb as rt
from realtime_nb.protocol import events as ev
from realtime_nb.views import mimebundle

HOSTILE = samples.HOSTILE


def recorded(folder):
    return write(folder, [(10.0 * index, *entry) for index, entry in enumerate(entries())])


def hostile(folder):
    events = [
        wire.session_created(model=HOSTILE),
        *wire.spoken_turn(),
        *wire.audio_answer(words=(HOSTILE,), pcm=samples.sound(600)),
        *wire.transcription(words=[HOSTILE]),
    ]
    received = [("received", ev.decode_server(json.dumps(each))) for each in events]
    return write(folder, [(10.0 * number, *each) for number, each in enumerate(received)])


def test_a_recording_says_what_it_is_and_who_said_what_when(tmp_path):
    bundle = mimebundle(recorded(tmp_path / "lesson-1"))
    for text in ("AI-generated voice", "lesson-1", "gpt-realtime-2.1", "What time is it?", "interrupted"):
        assert text in bundle["text/html"] and text in bundle["text/plain"]
    assert "<audio" not in bundle["text/html"]  # Reading an hour of sound takes a while.


def test_a_damaged_recording_says_so(tmp_path):
    folder = recorded(tmp_path / "r").path
    (folder / "manifest.json").unlink()
    bundle = mimebundle(rt.Recording.load(folder))
    assert "manifest.json is missing" in bundle["text/html"] and "manifest.json is missing" in bundle["text/plain"]


def test_a_replay_is_one_player_and_the_words_with_their_times(tmp_path):
    bundle = mimebundle(recorded(tmp_path / "lesson-1").replay(speed=0.5))
    assert bundle["text/html"].count("<audio") == 1
    assert "Replay of lesson-1 · 0.5 × the speed · AI-generated voice" in bundle["text/html"]
    lines = bundle["text/plain"].splitlines()
    assert len(lines) == 5 and lines[1].startswith("0:00.") and "You: What time is it?" in lines[1]


def test_nothing_in_a_recording_is_markup(tmp_path):
    recording = hostile(tmp_path / "r")
    for record in (recording, recording.replay(), rt.diff(recording, samples.hostile_conversation())):
        markup = mimebundle(record)["text/html"]
        assert "<script" not in markup and "<img src=x" not in markup
        assert "&lt;script&gt;" in markup


def test_a_difference_marks_the_words_that_differ(tmp_path):
    bundle = mimebundle(rt.diff(samples.conversation(), samples.conversation(answer="It is half past nine.")))
    markup = bundle["text/html"]
    assert ">ten </span>" in markup and ">half </span>" in markup and "past nine." in markup
    assert markup.count("background:rgba") == 2 and markup.count("<audio") == 2
    lines = bundle["text/plain"].splitlines()
    assert lines[1] == "You: What time is it?"
    assert lines[2].startswith("  gpt-realtime-2.1 (a): It is ten past nine. [first audio ")
