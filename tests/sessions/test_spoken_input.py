import numpy as np
import pytest
import wire_samples as wire

from realtime_nb.media.clip import AudioClip
from realtime_nb.protocol.realtime import RealtimeProtocol
from realtime_nb.sessions.connection import Connection
from realtime_nb.sessions.event_log import SessionEvents
from realtime_nb.sessions.input import SpokenInput
from realtime_nb.sessions.rate_limit import Admission, Limiter

ULAW = wire.without(wire.SESSION, "audio", "input", format={"type": "audio/pcmu"})
MANUAL = wire.without(wire.SESSION, "audio", "input", turn_detection=None)


def opened(session=wire.SESSION):
    """Return the input of a connection that is open, and what the connection has sent."""
    connection = Connection(session_events := SessionEvents(), Admission(session_events, Limiter))
    connection.protocol = RealtimeProtocol()
    connection.protocol.receive(wire.texts([wire.event("session.created", session=session)])[0])
    return SpokenInput(connection), connection


def sent_bytes(connection):
    return sum(entry.audio_bytes for entry in connection.session_events.log if entry.direction == "sent")


def test_audio_before_the_line_is_open_is_counted_and_not_kept():
    connection = Connection(session_events := SessionEvents(), Admission(session_events, Limiter))
    spoken = SpokenInput(connection)
    spoken.send(bytes(9_600), 48_000)
    assert spoken.dropped_ms == 100.0
    assert len(connection.session_events.log) == 0


@pytest.mark.parametrize(("session", "bytes_a_second"), [(wire.SESSION, 48_000), (ULAW, 8_000)])
def test_microphone_audio_is_put_in_the_session_format(session, bytes_a_second):
    spoken, connection = opened(session)
    for _ in range(200):  # 4 s; the filter keeps a little
        spoken.send(bytes(1_920), 48_000)
    assert sent_bytes(connection) == pytest.approx(4 * bytes_a_second, rel=0.05)


def test_a_clip_is_one_turn_and_the_turn_detection_is_put_back():
    spoken, connection = opened()
    commit_id = spoken.say(AudioClip(np.full(4_800, 0.5, np.float32)))
    connection.flush()
    sent = [entry.event for entry in connection.session_events.log]
    kinds = ["session.update", "input_audio_buffer.clear", "input_audio_buffer.append", "input_audio_buffer.commit"]
    assert [event.type for event in sent] == [*kinds, "session.update"]
    assert sent[0].session["audio"]["input"] == {"turn_detection": None}
    assert sent[-1].session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert sent[3].event_id == commit_id
    assert sent_bytes(connection) == 9_600


def test_a_clip_where_turns_are_made_by_hand_changes_no_settings():
    spoken, connection = opened(MANUAL)
    spoken.say(AudioClip(np.full(4_800, 0.5, np.float32)))
    connection.flush()
    assert "session.update" not in connection.session_events.log.types()


def test_a_line_that_has_stalled_takes_no_more_of_the_microphone():
    spoken, connection = opened()  # Nobody writes to its socket.
    for _ in range(200):
        spoken.send(bytes(48_000), 24_000)  # 1 s
    assert connection.waiting_bytes < 4_100_000
    assert (
        spoken.dropped_ms == pytest.approx(200_000 - sent_bytes(connection) / 48, abs=1) and spoken.dropped_ms > 100_000
    )
