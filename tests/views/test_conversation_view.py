import json
import re

import numpy as np
import record_samples as samples
import wire_samples as wire

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Heard, Remarked
from realtime_nb.views import mimebundle
from realtime_nb.views.budget import display_options
from realtime_nb.views.conversation import conversation_outputs
from realtime_nb.views.tracks import mixed, tracks_of


def test_a_conversation_is_a_table_of_turns():
    bundle = mimebundle(samples.conversation())
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    markup = bundle["text/html"]
    assert markup.count("<tr") == 1 + 2 + 1  # header, turns, totals
    said = markup[markup.index("<table") :]
    assert said.index("What time is it?") < said.index("It is ten past nine.")
    assert markup.count("<audio") == 1  # Nobody else was heard in this one.
    for text in ("AI-generated voice", "answers", "41 input · 164 output", "$0.0103"):
        assert text in markup
    assert markup.count("<img") == 1 and bundle["image/png"] in markup
    lines = bundle["text/plain"].splitlines()
    assert lines[:2] == ["Conversation · AI-generated voice", "You: What time is it?"]
    assert re.fullmatch(r"AI voice: It is ten past nine\. \[first audio -?\d+ ms, cost \$0\.0103\]", lines[2])
    assert lines[3].startswith(
        "answers 1, tokens 41 input · 164 output, total $0.0111, of which transcription $0.00085"
    )


def test_nothing_in_a_conversation_is_markup():
    conversation = samples.hostile_conversation()
    for record in (conversation, *conversation):
        markup = mimebundle(record)["text/html"]
        assert "<script" not in markup and "<img src=x" not in markup
    assert mimebundle(conversation)["text/html"].count("&lt;script&gt;") >= 8


def test_a_price_that_is_not_known_makes_the_sum_unknown():
    assert "cost unknown" in mimebundle(samples.conversation(model="my-deployment"))["text/plain"]


def test_an_empty_conversation_can_be_shown():
    bundle = mimebundle(Conversation())
    assert set(bundle) == {"text/plain", "text/html"}
    assert "answers 0" in bundle["text/plain"]


def test_a_turn_is_a_line_and_a_player():
    user, answer = samples.conversation()
    assert mimebundle(user)["text/plain"] == "You: What time is it?"
    assert "<audio" not in mimebundle(user)["text/html"]
    assert "<audio" in mimebundle(answer)["text/html"]


def test_a_turn_that_was_cut_off_says_what_was_heard():
    answer = samples.hostile_conversation().turn("A")
    assert "interrupted" in mimebundle(answer)["text/html"]


def test_the_record_and_the_picture_can_be_two_outputs():
    record, picture = conversation_outputs(samples.conversation())
    assert set(record) == {"text/plain", "text/html"} and "<img" not in record["text/html"]
    assert set(picture) == {"text/plain", "image/png"}
    assert picture["text/plain"] == "Spectrogram(mel of AI voice, 80 bands, 0.60 s)"
    assert conversation_outputs(Conversation())[1] == {}


def test_one_player_has_the_whole_talk_and_the_newest_turns_keep_their_own(monkeypatch):
    conversation = Conversation()
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 24_000, dtype="<i2").tobytes()
    for n in range(4):
        words = [f"Say {n}."]
        for event in wire.audio_answer(
            f"A{n}", response_id=f"R{n}", previous=f"A{n - 1}" if n else None, words=words, pcm=noise
        ):
            conversation.apply(ev.decode_server(json.dumps(event)), 0.0)
    whole = mimebundle(conversation)["text/html"]
    assert whole.count("<audio") == 1 + 4 and "left out" not in whole
    talk, one, *_ = (len(url) for url in re.findall('src="(data:audio[^"]+)"', whole))
    monkeypatch.setattr(display_options, "audio_mb", (talk + 2.5 * one) / 1e6)
    markup = mimebundle(conversation)["text/html"]
    assert markup.count("<audio") == 1 + 2
    folded = markup[markup.index("Each turn by itself") :]
    assert folded.index("1.0 s of audio, left out") < folded.index("<audio")
    assert "2 s of audio in 2 places left out to keep this output within" in folded
    assert "session.conversation" in folded
    assert all(f"Say {number}." in markup for number in range(4))


def talk_of(count, pcm):
    conversation = Conversation()
    for n in range(count):
        before = f"A{n - 1}" if n else None
        for text in wire.texts(wire.audio_answer(f"A{n}", response_id=f"R{n}", previous=before, pcm=pcm)):
            conversation.apply(ev.decode_server(text), 0.0)
    return conversation


def test_the_end_of_a_long_conversation_can_be_heard_and_all_can_be_read(monkeypatch):
    conversation = talk_of(130, bytes(24 * 2 * 500))
    record, picture = conversation_outputs(conversation)
    markup = record["text/html"]
    assert markup.count("<audio") == 1 and markup.count("It is ten past nine.") == 130
    assert ">30.0 s of audio<" in markup and "The last 30 s of 1 min 5 s." in markup
    assert "session.save" in markup and "set realtime_nb.display_options.full_turns" in markup
    assert picture["text/plain"].endswith("30.00 s); the last of 65 s")
    monkeypatch.setattr(display_options, "full_turns", 130)
    record, picture = conversation_outputs(conversation)
    assert record["text/html"].count("<audio") == 1 + 130 and "The last" not in record["text/html"]
    assert picture["text/plain"].endswith("65.00 s)")


def test_below_a_panel_the_words_are_folded_and_the_picture_is_the_players_seek_bar():
    record, picture = conversation_outputs(talk_of(2, samples.sound(500)), live="record-1")
    markup = record["text/html"]
    assert picture == {}
    assert "<details" in markup and "<details open" not in markup
    assert markup.index('data-rtnb-id="record-1"') < markup.index("<audio") < markup.index("<img")
    # In the strip, in the table of words, and in that of the players.
    assert re.findall(r'data-rtnb-at="([\d.]+)"', markup) == ["0.000", "0.500"] * 3
    assert 'title="0:00 AI voice: It is ten past nine."' in markup


def test_unheard_sound_is_silent_in_the_player():
    conversation = talk_of(1, samples.sound(1_000))
    conversation.apply(Heard(item_id="A0", played_ms=400, stopped=True), 0.0)
    clip = mixed(tracks_of(conversation), 1.0)
    assert np.abs(clip.samples[: 24 * 390]).max() > 0.2 and not clip.samples[24 * 401 :].any()


def test_what_was_odd_stands_below_the_table():
    conversation = Conversation()
    conversation.apply(Remarked(text="'usage' was <odd>, and was dropped"), 0.0)
    looks, _ = conversation_outputs(conversation)
    assert looks["text/plain"].endswith("'usage' was <odd>, and was dropped")
    assert "was &lt;odd&gt;, and was dropped" in looks["text/html"]


def test_errors_are_part_of_what_happened():
    conversation = samples.conversation()
    error = {"type": "error", "event_id": "e9", "error": {"type": "server_error", "message": "Busy."}}
    conversation.apply(ev.decode_server(json.dumps(error)), 0.0)
    assert "errors 1; the last: Busy." in mimebundle(conversation)["text/plain"]
