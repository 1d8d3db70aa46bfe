import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from realtime_nb.recording.files import EventRow, Line, Reference, gather


def frame(number, samples=480, **fields):
    audio = Reference(track="user", start_sample=480 * number, samples=samples)
    event = EventRow(type="input_audio_buffer.append", event_id=fields.pop("event_id", None))
    return Line(elapsed_ms=20.0 * number, direction="sent", event=event, audio={"/audio": audio}, **fields)


def other(number):
    return Line(elapsed_ms=20.0 * number, direction="received", event=EventRow(type="response.created"))


def shapes(lines):
    return [(run.first, run.length) for run in gather(lines)]


def test_frames_that_follow_each_other_are_one():
    (run,) = gather([frame(number) for number in range(3, 9)])
    assert (run.first, run.length, run.line.elapsed_ms) == (0, 6, 160.0)
    assert run.line.audio == {"/audio": Reference(track="user", start_sample=1_440, samples=6 * 480)}


def test_other_lines_stand_alone():
    assert shapes([other(0), frame(1), frame(2), other(3), other(4), frame(5)]) == [
        *((0, 1), (1, 2), (3, 1), (4, 1), (5, 1))
    ]


def test_a_gap_another_length_and_another_encoding_begin_again():
    muffled = frame(4)
    muffled.audio = {"/audio": msgspec.structs.replace(muffled.audio["/audio"], encoding="audio/pcmu")}
    assert shapes([frame(0), frame(2), frame(3, 240), muffled]) == [(0, 1), (1, 1), (2, 1), (3, 1)]


def test_a_frame_that_holds_its_payload_itself_stands_alone():
    resampled = frame(1)
    resampled.audio = {"/audio": msgspec.structs.replace(resampled.audio["/audio"], data="AAA=", resampled_to=24_000)}
    assert shapes([frame(0), resampled, frame(2), frame(3)]) == [(0, 1), (1, 1), (2, 2)]


def test_a_frame_that_says_more_stands_alone():
    assert shapes([frame(0), frame(1, event_id="e"), frame(2, wait_ms=5.0), frame(3), frame(4)]) == [
        *((0, 1), (1, 1), (2, 1), (3, 2))
    ]


@given(st.lists(st.sampled_from("foge"), max_size=30))
def test_every_line_is_in_one_run(kinds):
    made = {"f": frame, "o": other, "g": lambda number: frame(number, 100), "e": lambda n: frame(n, event_id="e")}
    lines = [made[kind](number) for number, kind in enumerate(kinds)]
    runs = gather(lines)
    assert [index for run in runs for index in range(run.first, run.first + run.length)] == list(range(len(lines)))
    for run in runs:
        assert run.line.elapsed_ms == lines[run.first + run.length - 1].elapsed_ms
        sound = [line.audio["/audio"] for line in lines[run.first : run.first + run.length] if line.audio is not UNSET]
        assert sum(each.samples for each in sound) == (
            0 if run.line.audio is UNSET else run.line.audio["/audio"].samples
        )
