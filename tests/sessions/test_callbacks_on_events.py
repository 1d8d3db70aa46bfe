"""`session.on`: a function for one type of event, or for all."""

import pytest

import realtime_nb as rt
from realtime_nb.errors import SettingsError

WAIT_S = 30


@pytest.fixture
def session():
    with rt.RealtimeSession(backend="local") as opened:
        yield opened


def test_a_function_gets_the_events_of_its_type_once_the_records_hold_them(session):
    done, all_types, decorated = [], [], []
    stop = session.on("response.done", lambda event: done.append((event.response.status, len(session.conversation))))
    session.on(lambda event: all_types.append(event.type))

    @session.on("response.audio.delta")  # The name before the API was generally available.
    def heard(event):
        decorated.append(event.type)

    session.ask("What is two plus three?").result(WAIT_S)
    assert done == [("completed", 2)] and set(decorated) == {"response.output_audio.delta"}
    assert {"response.created", "response.done"} <= set(all_types)
    stop()
    session.ask("Hello!").result(WAIT_S)
    assert len(done) == 1 and all_types.count("response.done") == 2


def test_a_type_that_never_comes_is_refused_and_one_of_the_servers_own_is_not(session):
    with pytest.raises(SettingsError, match=r"'respones.done': did you mean 'response.done'\?"):
        session.on("respones.done", print)
    with pytest.raises(SettingsError, match=r"'response\.create' is sent, not received: session.log has it"):
        session.on("response.create", print)
    session.on("vendor.news", print)()


def test_only_a_plain_function_can_be_called(session):
    async def later(event):
        raise AssertionError

    for wrong in (later, 7):
        with pytest.raises(TypeError, match="async for event in session"):
            session.on("response.done", wrong)
