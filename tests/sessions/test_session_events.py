import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
import wire_samples as wire

from realtime_nb.errors import ConnectionLost, LocalProtocolError
from realtime_nb.loop import submit
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Interrupted
from realtime_nb.sessions.event_log import SessionEvents


def event(each):
    return ev.decode_server(json.dumps(each))


ADDED = event(wire.item_added(wire.user_item(content=[{"type": "input_text", "text": "Hi"}])))


def watching(session_events, *matches):
    """Return results that are on their way, once all of them are watched for."""

    async def watch(match):
        return await session_events.watch(match)

    async def nothing():
        return None

    pending = [submit(watch(match)) for match in matches]
    submit(nothing()).result(60)
    return pending


def tell(session_events, each):
    async def telling():
        session_events.tell(each)

    submit(telling()).result(60)


def test_its_time_begins_once():
    session_events = SessionEvents()
    assert session_events.elapsed_ms == 0
    session_events.begin()
    first = session_events.elapsed_ms
    session_events.begin()
    assert session_events.elapsed_ms >= first


def test_what_is_noted_is_logged_and_folded():
    session_events = SessionEvents()
    session_events.note("received", ADDED)
    assert [(entry.direction, entry.event) for entry in session_events.log] == [("received", ADDED)]
    assert [turn.text for turn in session_events.conversation] == ["Hi"]


def test_waiting_callers_get_the_first_match():
    session_events = SessionEvents()
    mine, other = watching(session_events, lambda each: each.item.id if each is ADDED else None, lambda each: None)
    tell(session_events, event(wire.item_added(wire.user_item("X"))))
    assert not mine.done()
    tell(session_events, ADDED)
    assert mine.result(60) == "U"
    assert not other.done()
    other.cancel()
    tell(session_events, ADDED)


def test_an_error_of_a_match_reaches_who_waits_and_nobody_else():
    def refuse(each):
        raise ConnectionLost("gone")

    session_events = SessionEvents()
    failing, mine = watching(session_events, refuse, lambda each: "seen")
    tell(session_events, ADDED)
    with pytest.raises(ConnectionLost, match="gone"):
        failing.result(60)
    assert mine.result(60) == "seen"


def test_when_nothing_more_comes_everybody_is_reported():
    session_events = SessionEvents()
    pending = watching(session_events, lambda each: None, lambda each: None)

    async def give_up():
        session_events.give_up(LocalProtocolError("closed"))

    submit(give_up()).result(60)
    for each in pending:
        with pytest.raises(LocalProtocolError, match="closed"):
            each.result(60)


def test_listeners_hear_everything_until_they_stop():
    session_events = SessionEvents()
    heard = []
    stop = session_events.listen(
        lambda each, elapsed_ms: heard.append((each, elapsed_ms, threading.current_thread().name))
    )
    tell(session_events, ADDED)
    stop()
    stop()
    tell(session_events, ADDED)
    assert heard == [(ADDED, 0.0, "realtime_nb-io")]


def test_a_listener_may_stop_while_it_listens():
    session_events = SessionEvents()
    heard = []
    stops = []

    def once(each, elapsed_ms):
        heard.append("once")
        stops[0]()

    stops.append(session_events.listen(once))
    session_events.listen(lambda each, elapsed_ms: heard.append("always"))
    tell(session_events, ADDED)
    tell(session_events, ADDED)
    assert heard == ["once", "always", "always"]


def test_a_listener_that_fails_is_warned_of():
    session_events = SessionEvents()
    heard = []
    session_events.listen(lambda each, elapsed_ms: 1 / 0)
    session_events.listen(lambda each, elapsed_ms: heard.append(each))
    with pytest.warns(RuntimeWarning, match=r"a listener failed on conversation\.item\.added: ZeroDivisionError"):
        session_events.tell(ADDED)
    assert heard == [ADDED]


def test_what_is_announced_is_noted_and_told():
    session_events = SessionEvents()
    heard = []
    session_events.listen(lambda each, elapsed_ms: heard.append(each))
    session_events.announce(Interrupted())
    assert heard == [Interrupted()]
    assert [(entry.direction, entry.event) for entry in session_events.log] == [("local", Interrupted())]


def test_it_knows_the_wall_time_of_its_beginning():
    session_events = SessionEvents()
    assert session_events.began_at is None
    session_events.begin()
    began_at = session_events.began_at
    session_events.begin()
    assert session_events.began_at is began_at and datetime.now(UTC) - began_at < timedelta(minutes=1)


def test_a_remark_stands_in_the_conversation_once_for_each_kind_and_is_logged():
    session_events = SessionEvents()
    session_events.remark("The usage of R1 could not be read.", "usage")
    session_events.remark("The usage of R2 could not be read.", "usage")
    session_events.remark("A message was no JSON.")
    session_events.remark("A message was no JSON.")
    assert session_events.conversation.remarks == ["The usage of R1 could not be read.", "A message was no JSON."]
    assert [entry.event.type for entry in session_events.log] == ["session.remarked"] * 2


def test_remarks_do_not_fill_the_memory():
    session_events = SessionEvents()
    for number in range(1_000):
        session_events.remark(f"Odd thing number {number}.")
    assert len(session_events.conversation.remarks) == len(session_events.log) == 100
