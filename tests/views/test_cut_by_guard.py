"""Answers that a guard cut: how much sounds, and how they are shown."""

import json

import numpy as np
import pytest
import record_samples as samples
import wire_samples as wire

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Flagged, Heard
from realtime_nb.views import mimebundle
from realtime_nb.views.spectrogram import spectrogram
from realtime_nb.views.tracks import as_cut, mixed, tracks_of

NOTE = "It is here. Internal note: complains."


def answered(conversation, number=0, ms=3_000):
    events = wire.audio_answer(f"A{number}", response_id=f"R{number}", words=[NOTE], pcm=samples.sound(ms))
    for each in events:
        conversation.apply(ev.decode_server(json.dumps(each)), 100.0)


@pytest.fixture
def conversation():
    """A conversation in which a guard cut an answer of 3 s, a second after its sound had come."""
    conversation = Conversation()
    answered(conversation)
    flagged = Flagged(side="assistant", item_id="A0", response_id="R0", reason="an internal note")
    conversation.apply(flagged, 1_100.0)
    return conversation


def test_without_a_speaker_it_ends_where_it_could_have_been_played_to(conversation):
    turn, reply = conversation.turn("A0"), conversation.reply("R0")
    assert (turn.cut_ms, turn.heard_ms) == (1_000.0, 1_000.0)
    assert as_cut(turn).duration_s == as_cut(reply).duration_s == 1.0
    assert turn.audio.duration_s == 3.0  # The data keeps all of it.
    heard = mixed(tracks_of(conversation), 3.1).samples  # It came 0.1 s after the session's start.
    assert np.abs(heard[: 24 * 1_100]).max() > 0.2 and not heard[24 * 1_101 :].any()
    [side] = spectrogram(reply).sides
    assert [stop_s - cut_s for cut_s, stop_s in side.unheard_s] == [pytest.approx(2.0)]


def test_a_speakers_report_counts_for_more(conversation):
    conversation.apply(Heard(item_id="A0", played_ms=700, stopped=True), 1_200.0)
    assert conversation.turn("A0").heard_ms == 700


def test_its_words_are_hidden_until_a_click_that_says_so(conversation):
    for record in (conversation, conversation.turn("A0"), conversation.reply("R0")):
        bundle = mimebundle(record)
        assert "Internal note" not in bundle["text/plain"]
        assert "(cut by guard: an internal note)" in bundle["text/plain"]
        shown = bundle["text/html"].replace(f"<summary>Show what the guard cut</summary>{NOTE}</details>", "")
        assert "Internal note" not in shown and "(hidden)" in shown
    assert "status cut by guard" in mimebundle(conversation.reply("R0"))["text/plain"]


def test_the_answer_to_a_flagged_question_is_silent():
    conversation = Conversation()
    answered(conversation)
    conversation.apply(Flagged(side="user", item_id="U", response_id="R0", reason="a card number"), 5_000.0)
    conversation.apply(Flagged(side="user", item_id="U", response_id="R1", reason="a card number"), 5_000.0)
    answered(conversation, 1)  # It was on its way.
    assert [turn.heard_ms for turn in conversation if turn.role == "assistant"] == [0.0, 0.0]
    assert not mixed(tracks_of(conversation), 6.0).samples.any()
