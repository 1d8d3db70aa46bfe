import numpy as np
import pytest
import record_samples as samples

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Part, Reply, Turn
from realtime_nb.media.clip import AudioClip
from realtime_nb.protocol.local_events import Word
from realtime_nb.views.tracks import extent_s, tracks_of, within


def turn(item_id, role, ms, **fields):
    made = Turn(item_id=item_id, role=role, parts={0: Part(kind="audio", text="one two")}, **fields)
    made.parts[0].add_audio(samples.sound(ms))
    return made


def reply(asked, *turns, origin_ms=10_000.0, first_audio_ms=400.0):
    made = Reply(response_id="R", asked=asked, outputs=dict(enumerate(turns)))
    made.timing.origin_ms = origin_ms
    made.timing.mark("first_audio", origin_ms + first_audio_ms)
    return made


def places(source):
    return {
        track.name: [(round(piece.start_s, 3), round(piece.stop_s, 3)) for piece in track.pieces]
        for track in tracks_of(source)
    }


def test_a_clip_is_nobodys_and_begins_at_zero():
    assert places(AudioClip(np.ones(12_000))) == {"": [(0.0, 0.5)]}


def test_a_turn_begins_at_zero_whenever_it_was_said():
    assert places(turn("U", "user", 500, began_at_ms=9_000.0)) == {"You": [(0.0, 0.5)]}


def test_a_live_exchange_lies_where_it_sounded():
    asked = turn("U", "user", 2_000, began_at_ms=8_500.0)  # the silence that ended it included
    answer = turn("A", "assistant", 3_000, began_at_ms=10_700.0, played_ms=3_000)
    assert places(reply(asked, answer)) == {"You": [(-1.5, 0.5)], "AI voice": [(0.7, 3.7)]}


def test_what_no_speaker_played_begins_with_its_arrival_one_item_after_the_other():
    answers = turn("A", "assistant", 1_000), turn("B", "assistant", 500)
    assert places(reply(None, *answers)) == {"AI voice": [(0.4, 1.4), (1.4, 1.9)]}


def test_a_clip_that_was_handed_over_whole_ends_where_the_answer_is_counted_from():
    assert places(reply(turn("U", "user", 2_000), turn("A", "assistant", 500)))["You"] == [(-2.0, 0.0)]


def test_the_person_is_above_whoever_spoke_first():
    asked, answer = turn("U", "user", 500), turn("A", "assistant", 500)
    assert list(places(reply(asked, answer))) == ["You", "AI voice"]
    written = Turn(item_id="U", role="user")
    assert list(places(reply(written, answer))) == ["AI voice"]
    assert places(reply(written)) == {}


@pytest.mark.parametrize(
    ("fields", "heard_s"),
    [
        ({}, None),
        ({"played_ms": 300}, None),
        ({"interrupted": True}, None),
        ({"interrupted": True, "played_ms": 300}, 0.3),
        ({"interrupted": True, "played_ms": 300, "truncated_ms": 250}, 0.25),
        ({"truncated_ms": 250}, 0.25),
        ({"interrupted": True, "played_ms": 1_000}, None),
        ({"interrupted": True, "played_ms": 0}, 0.0),
    ],
)
def test_an_interrupted_answer_was_heard_up_to_its_cut(fields, heard_s):
    [track] = tracks_of(turn("A", "assistant", 1_000, **fields))
    assert track.pieces[0].heard_s == heard_s
    assert track.pieces[0].sounds_until_s == (1.0 if heard_s is None else heard_s)


def test_words_have_their_times_in_seconds():
    said = turn("U", "user", 1_000)
    said.parts[0].words = (Word("one", 100.0, 350.0),)
    assert tracks_of(said)[0].pieces[0].words == (("one", 0.1, 0.35),)


def test_a_window_on_the_clock_cuts_sound_words_and_what_was_heard():
    said = turn("A", "assistant", 1_000, interrupted=True, played_ms=600)
    said.parts[0].words = tuple(Word(name, at_ms, at_ms + 200.0) for name, at_ms in (("one", 100.0), ("two", 400.0)))
    whole = tracks_of(said)
    [track] = within(whole, 0.25, 0.8)
    [piece] = track.pieces
    assert (piece.start_s, piece.stop_s, piece.sounds_until_s) == (0.25, 0.8, 0.6)
    assert np.array_equal(piece.clip.samples, said.audio.samples[6_000:19_200])
    assert piece.words_on_clock == [("one", 0.25, pytest.approx(0.3)), ("two", 0.4, pytest.approx(0.6))]
    assert within(whole, 0.7, None)[0].pieces[0].sounds_until_s == 0.7
    assert within(whole, 1.0, 2.0) == []
    assert extent_s(whole) == (0.0, 1.0)


def test_a_conversation_lies_on_the_sessions_clock():
    found = places(samples.conversation())
    [(start_s, stop_s)] = found["AI voice"]
    assert stop_s - start_s == pytest.approx(0.6)


class Talk(Conversation):
    """A conversation of ready-made turns."""

    def __init__(self, *replies):
        super().__init__()
        for number, made in enumerate(replies):
            made.response_id = f"R{number}"
            self._index.replies[made.response_id] = made
            for each in [*([made.asked] if made.asked else []), *made.turns]:
                if each is made.asked:
                    each.reply = made
                else:
                    each.response_id = made.response_id
                self._index.turns[each.item_id] = each
                self._index.place(each.item_id, self._index.order and list(self._index.order)[-1])


def test_clips_that_are_asked_faster_than_they_sound_lie_one_behind_the_other():
    first = reply(turn("U1", "user", 2_000), turn("A1", "assistant", 3_000), origin_ms=100, first_audio_ms=200)
    second = reply(turn("U2", "user", 1_000), turn("A2", "assistant", 1_000), origin_ms=900, first_audio_ms=250)
    assert places(Talk(first, second)) == {"You": [(-1.9, 0.1), (3.3, 4.3)], "AI voice": [(0.3, 3.3), (4.55, 5.55)]}


def test_a_person_who_interrupts_lies_beside_the_answer():
    first = reply(
        turn("U1", "user", 1_000, began_at_ms=1_000.0),
        turn("A1", "assistant", 5_000, began_at_ms=2_500.0, interrupted=True, played_ms=1_000),
        origin_ms=2_000,
    )
    second = reply(
        turn("U2", "user", 1_000, began_at_ms=3_200.0),
        turn("A2", "assistant", 1_000, began_at_ms=4_900.0, played_ms=1_000),
        origin_ms=4_200,
    )
    assert places(Talk(first, second)) == {"You": [(1.0, 2.0), (3.2, 4.2)], "AI voice": [(2.5, 7.5), (4.9, 5.9)]}


def test_the_model_never_speaks_over_itself():
    first = reply(None, turn("A1", "assistant", 1_000, began_at_ms=2_000.0, played_ms=1_000), origin_ms=1_500)
    second = reply(None, turn("A2", "assistant", 1_000, began_at_ms=2_400.0, played_ms=1_000), origin_ms=2_300)
    assert places(Talk(first, second)) == {"AI voice": [(2.0, 3.0), (3.0, 4.0)]}
