import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
import wire_samples as wire

from realtime_nb.errors import ConnectionLost, LocalProtocolError
from realtime_nb.loop import submit
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Interrupted
from realtime_nb.sessions.event_log import Journal


def event(each):
    return ev.decode_server(json.dumps(each))


ADDED = event(wire.item_added(wire.user_item(content=[{"type": "input_text", "text": "Hi"}])))


def watching(journal, *matches):
    """Return results that are on their way, once all of them are watched for."""

    async def watch(match):
        return await journal.watch(match)

    async def nothing():
        return None

    pending = [submit(watch(match)) for match in matches]
    submit(nothing()).result(10)
    return pending


def tell(journal, each):
    async def telling():
        journal.tell(each)

    submit(telling()).result(10)


def test_its_time_begins_once():
    journal = Journal()
    assert journal.elapsed_ms == 0
    journal.begin()
    first = journal.elapsed_ms
    journal.begin()
    assert journal.elapsed_ms >= first


def test_what_is_noted_is_logged_and_folded():
    journal = Journal()
    journal.note("received", ADDED)
    assert [(entry.direction, entry.event) for entry in journal.log] == [("received", ADDED)]
    assert [turn.text for turn in journal.conversation] == ["Hi"]


def test_those_who_wait_get_the_first_that_matches():
    journal = Journal()
    mine, other = watching(journal, lambda each: each.item.id if each is ADDED else None, lambda each: None)
    tell(journal, event(wire.item_added(wire.user_item("X"))))
    assert not mine.done()
    tell(journal, ADDED)
    assert mine.result(10) == "U"
    assert not other.done()
    other.cancel()
    tell(journal, ADDED)


def test_an_error_of_a_match_reaches_who_waits_and_nobody_else():
    def refuse(each):
        raise ConnectionLost("gone")

    journal = Journal()
    failing, mine = watching(journal, refuse, lambda each: "seen")
    tell(journal, ADDED)
    with pytest.raises(ConnectionLost, match="gone"):
        failing.result(10)
    assert mine.result(10) == "seen"


def test_when_nothing_more_comes_everybody_is_told():
    journal = Journal()
    pending = watching(journal, lambda each: None, lambda each: None)

    async def give_up():
        journal.give_up(LocalProtocolError("closed"))

    submit(give_up()).result(10)
    for each in pending:
        with pytest.raises(LocalProtocolError, match="closed"):
            each.result(10)


def test_listeners_hear_everything_until_they_stop():
    journal = Journal()
    heard = []
    stop = journal.listen(lambda each, elapsed_ms: heard.append((each, elapsed_ms, threading.current_thread().name)))
    tell(journal, ADDED)
    stop()
    stop()
    tell(journal, ADDED)
    assert heard == [(ADDED, 0.0, "realtime_nb-io")]


def test_a_listener_may_stop_while_it_listens():
    journal = Journal()
    heard = []
    stops = []

    def once(each, elapsed_ms):
        heard.append("once")
        stops[0]()

    stops.append(journal.listen(once))
    journal.listen(lambda each, elapsed_ms: heard.append("always"))
    tell(journal, ADDED)
    tell(journal, ADDED)
    assert heard == ["once", "always", "always"]


def test_a_listener_that_fails_is_warned_of():
    journal = Journal()
    heard = []
    journal.listen(lambda each, elapsed_ms: 1 / 0)
    journal.listen(lambda each, elapsed_ms: heard.append(each))
    with pytest.warns(RuntimeWarning, match=r"a listener failed on conversation\.item\.added: ZeroDivisionError"):
        journal.tell(ADDED)
    assert heard == [ADDED]


def test_what_is_announced_is_noted_and_told():
    journal = Journal()
    heard = []
    journal.listen(lambda each, elapsed_ms: heard.append(each))
    journal.announce(Interrupted())
    assert heard == [Interrupted()]
    assert [(entry.direction, entry.event) for entry in journal.log] == [("local", Interrupted())]


def test_it_knows_the_wall_time_of_its_beginning():
    journal = Journal()
    assert journal.began_at is None
    journal.begin()
    began_at = journal.began_at
    journal.begin()
    assert journal.began_at is began_at and datetime.now(UTC) - began_at < timedelta(minutes=1)


def test_a_remark_stands_in_the_conversation_once_for_each_kind_and_is_logged():
    journal = Journal()
    journal.remark("The usage of R1 could not be read.", "usage")
    journal.remark("The usage of R2 could not be read.", "usage")
    journal.remark("A message was no JSON.")
    journal.remark("A message was no JSON.")
    assert journal.conversation.remarks == ["The usage of R1 could not be read.", "A message was no JSON."]
    assert [entry.event.type for entry in journal.log] == ["session.remarked"] * 2


def test_remarks_do_not_fill_the_memory():
    journal = Journal()
    for number in range(1_000):
        journal.remark(f"Odd thing number {number}.")
    assert len(journal.conversation.remarks) == len(journal.log) == 100
