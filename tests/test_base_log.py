import json
import threading

import wire_samples as wire

from realtime_nb.sessions.base import EventLog, Interrupted, StateChanged
from realtime_nb.wire import events as ev


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


def test_it_holds_how_much_audio_was_sent_and_none_of_it():
    entry = filled()[1]
    assert (entry.audio_bytes, entry.event.audio) == (4_800, b"")


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
