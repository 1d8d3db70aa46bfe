import pytest

from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Content, Item
from realtime_nb.protocol.local_events import Heard
from realtime_nb.recording.files import ChunkPlace, TrackLayout

RATE = 24_000


def ms(samples):
    return samples * 1000 / RATE


def user(layout, length_ms, elapsed_ms):
    return ms(layout.place_user(round(length_ms * RATE / 1000), RATE, elapsed_ms).start_sample)


def assistant(layout, length_ms, elapsed_ms, item_id="A"):
    place = layout.place_assistant(round(length_ms * RATE / 1000), RATE, elapsed_ms, item_id)
    return ms(place.start_sample), ms(place.at_sample)


def test_a_microphones_frames_end_where_they_were_sent():
    layout = TrackLayout()
    assert [user(layout, 20, 1_000 + 20 * number) for number in range(3)] == [980, 1_000, 1_020]
    assert layout.wait_ms == 0


def test_late_frames_join_and_a_real_gap_stays():
    layout = TrackLayout()
    assert user(layout, 20, 1_000) == 980
    assert user(layout, 20, 1_100) == 1_000  # 80 ms late
    assert user(layout, 20, 5_000) == 4_980  # the microphone was off
    assert layout.wait_ms == 0


def test_the_clock_waits_until_a_clip_is_over():
    layout = TrackLayout()
    assert user(layout, 3_000, 500) == 500
    assert layout.wait_ms == 3_000
    assert assistant(layout, 1_000, 700) == (3_700, 3_700)  # 200 ms behind the end of the question


def test_the_pieces_of_a_clip_join():
    layout = TrackLayout()
    first = layout.place_user(24_000, 24_000, 1_000.0)
    assert layout.place_user(24_000, 24_000, 1_000.3).start_sample == first.start_sample + 24_000


def test_an_item_begins_where_it_arrived_and_goes_on_at_its_end():
    layout = TrackLayout()
    assert assistant(layout, 1_000, 2_000) == (2_000, 2_000)
    assert assistant(layout, 1_000, 2_100) == (3_000, 3_000)
    assert assistant(layout, 1_000, 9_000) == (9_000, 9_000)  # the model fell silent
    assert assistant(layout, 1_000, 9_100, "B") == (10_000, 10_000)


def test_where_no_speaker_reports_the_next_question_waits_for_the_answer():
    layout = TrackLayout()
    user(layout, 1_000, 0)
    assistant(layout, 4_000, 200)
    assert user(layout, 1_000, 500) == 1_200 + 4_000
    typed = Item(type="message", role="user", id="U", content=[Content(type="input_text", text="Hi")])
    assistant(layout, 2_000, 600)
    layout.note(ev.ConversationItemAdded(item=typed), 700)
    assert 700 + layout.wait_ms == 6_300 + 2_000


def test_sound_does_not_wait_for_a_speaker_that_reports():
    layout = TrackLayout()
    assistant(layout, 4_000, 200)
    layout.note(Heard(item_id="A", played_ms=100), 400)
    assert user(layout, 20, 500) == 480
    assert layout.wait_ms == 0


def test_what_follows_an_answer_that_was_cut_off_is_stored_behind_it_but_sounded_earlier():
    layout = TrackLayout()
    assistant(layout, 10_000, 1_000)
    layout.note(Heard(item_id="A", played_ms=1_900, stopped=True), 3_000)
    assert assistant(layout, 500, 3_050) == (11_000, 3_000)  # a straggler of the same answer
    assert assistant(layout, 2_000, 5_000, "B") == (11_500, 5_000)
    assert assistant(layout, 2_000, 5_100, "B") == (13_500, 7_000)
    assert assistant(layout, 1_000, 20_000, "C") == (20_000, 20_000)


@pytest.mark.parametrize("rate", [8_000, 24_000])
def test_nothing_is_written_over(rate):
    layout, ends = TrackLayout(), {"user": 0, "assistant": 0}
    for number in range(200):
        for name, place in (
            ("user", layout.place_user(number * 37 % 9_000, rate, 13.0 * number)),
            ("assistant", layout.place_assistant(number * 53 % 5_000, rate, 7.0 * number, f"{number % 7}")),
        ):
            assert isinstance(place, ChunkPlace) and ends[name] <= place.start_sample >= place.at_sample
            ends[name] = place.start_sample + (number * 37 % 9_000 if name == "user" else number * 53 % 5_000)
