import pytest

from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Response
from realtime_nb.protocol.local_events import (
    ApprovalAsked,
    ApprovalGiven,
    Heard,
    StateChanged,
    ToolDone,
    ToolStarted,
    Waiting,
)
from realtime_nb.sessions.budget import Idleness

SPEAKS = ev.InputAudioBufferSpeechStarted(item_id="U", audio_start_ms=0)
SPOKE = ev.InputAudioBufferSpeechStopped(item_id="U", audio_end_ms=900)


def after(*events):
    idleness = Idleness()
    for elapsed_ms, event in events:
        idleness.note(event, elapsed_ms)
    return idleness


@pytest.mark.parametrize(
    "begins, ends",
    [
        (ev.ResponseCreated(response=Response(id="r")), ev.ResponseDone(response=Response(id="r"))),
        (ToolStarted(call_id="c", name="f"), ToolDone(call_id="c", name="f", output="")),
        (ApprovalAsked(call_id="c", name="f", arguments=""), ApprovalGiven(call_id="c", approved=True)),
    ],
)
def test_what_somebody_waits_for_is_not_idle_however_long_it_takes(begins, ends):
    idleness = after((1000, begins))
    assert idleness.idle_ms(100_000, 0) == 0
    idleness.note(ends, 100_000)
    assert idleness.idle_ms(103_000, 0) == 3000


def test_an_open_microphone_that_hears_nobody_is_idle():
    assert after((1000, StateChanged(state="open"))).idle_ms(61_000, sent_ms=61_000) == 60_000


def test_speech_is_not_idle_unless_it_stopped_in_mid_word():
    idleness = after((1000, SPEAKS))
    assert idleness.idle_ms(61_000, sent_ms=61_000) == 0
    assert idleness.idle_ms(61_000, sent_ms=1500) == 59_500
    idleness.note(SPOKE, 61_000)
    assert idleness.idle_ms(62_000, sent_ms=62_000) == 1000


def test_listening_and_asking_count_and_other_events_do_not():
    idleness = after((1000, Heard(item_id="A", played_ms=100)), (5000, Waiting(message="")))
    assert idleness.idle_ms(6000, 0) == 5000
    idleness.touch(5500)
    assert idleness.idle_ms(6000, 0) == 500


def test_a_session_that_ended_leaves_nothing_to_wait_for():
    assert after((1000, SPEAKS), (2000, StateChanged(state="closed"))).idle_ms(5000, 0) == 3000
