import json
import threading

import wire_samples as wire

from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Interrupted, StateChanged
from realtime_nb.sessions.event_log import EventLog


def filled():
    log = EventLog()
    log.add("received", ev.decode_server(json.dumps(wire.session_created())), 1.0)
    log.add("sent", ev.InputAudioBufferAppend(audio=bytes(4_800)), 2.0)
    log.add("local", StateChanged(state="open"), 3.0)
    return log


def test_it_holds_every_event_in_order():
    log = filled()
    assert log.types() == ["session.created", "input_audio_buffer.append", "session.state"]
    assert log.types("sent") == ["input_audio_buffer.append"]
    assert [entry.elapsed_ms for entry in log] == [1.0, 2.0, 3.0]
    assert (len(log), log[0].direction, log[-1].event.state) == (3, "received", "open")
    assert [entry.direction for entry in log[1:]] == ["sent", "local"]
    assert repr(log) == "EventLog(3 events)"


def test_it_lets_go_of_the_oldest_audio_when_there_is_too_much():
    log = EventLog(kept_bytes=10_000)
    for number in range(4):
        log.add("sent", ev.InputAudioBufferAppend(audio=bytes([number]) * 4_000), float(number))
        log.add("local", Interrupted(), float(number))
    sent = [entry for entry in log if entry.direction == "sent"]
    assert [len(entry.event.audio) for entry in sent] == [0, 0, 4_000, 4_000]
    assert [entry.audio_bytes for entry in sent] == [4_000] * 4
    assert log.types() == ["input_audio_buffer.append", "session.interrupted"] * 4


def test_it_can_be_read_while_it_grows():
    log = filled()
    stop = threading.Event()

    def grow():
        while not stop.is_set():
            log.add("local", Interrupted(), 4.0)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        for _ in range(5):
            assert len(list(log)) >= 3
            assert log.types()[0] == "session.created"
    finally:
        stop.set()
        thread.join()
