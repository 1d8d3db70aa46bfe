"""Sessions of the local voice that reach a bound; its prices are simulated."""

import contextlib

import pytest

import realtime_nb as rt
from realtime_nb.loop import submit
from realtime_nb.protocol.local_events import BudgetStopped, StateChanged

STORY = "Tell me a story."
KINDS = [rt.RealtimeSession, rt.ChatSession, rt.CascadeSession]
DEAR = {
    "local-voice": {"text_in": 0, "text_cached": 0, "text_out": 0, "audio_in": 0, "audio_out": 1000},
    "local-transcribe": {"per_minute": 0},
    "local-tts": {"per_million_characters": 500},
}


@pytest.fixture(autouse=True)
def prices():
    rt.use_prices(DEAR)
    yield
    rt.use_prices(None)
    rt.bounds.max_usd = rt.bounds.max_minutes = rt.bounds.idle_minutes = None
    rt.bounds.reset()


def closed(session):
    """Return what the session says when it closes by itself."""

    async def wait():
        if session.state == "closed":
            return
        done = session._session_events.watch(
            lambda event: (isinstance(event, StateChanged) and event.state == "closed") or None
        )
        with contextlib.suppress(rt.BudgetReached):
            await done

    submit(wait()).result(timeout=30)
    states = [entry.event for entry in session.log if isinstance(entry.event, StateChanged)]
    return states[-1].message


def outcome(pending):
    try:
        return pending.result(timeout=60)
    except rt.BudgetReached as error:
        return error


@pytest.mark.parametrize("kind", KINDS)
def test_a_cent_of_simulated_dollars_stops_a_session_in_the_middle_of_its_answer(kind):
    session = kind(backend="local", max_usd=0.01)
    got = outcome(session.ask(STORY))
    message = closed(session)
    assert "of $0.0100 are spent; to go on, raise session.bounds.max_usd and connect again" in message
    (stopped,) = [entry.event for entry in session.log if isinstance(entry.event, BudgetStopped)]
    assert stopped.bound == "max_usd"
    reply = session.conversation.replies[-1]
    if kind is not rt.CascadeSession:  # A chain says at its end what it took.
        assert reply.status == "cancelled"
        assert 0.0 < reply.audio.duration_s < 20.0
    assert reply.transcript
    assert isinstance(got, rt.BudgetReached) or got is reply
    with pytest.raises(rt.BudgetReached, match="max_usd"):
        session.ask("And then?").result(timeout=30)
    assert len(session.conversation.replies) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_goes_on_once_its_bound_is_raised(kind):
    session = kind(backend="local", max_usd=0.001)
    outcome(session.ask(STORY))
    closed(session)
    session.bounds.max_usd = 100
    assert session.ask("What is two plus three?").result(timeout=60).status == "completed"
    assert 0.001 < session.conversation.costs().total_usd <= session.bounds.spent_usd < 100
    session.close().result()


def test_the_kernels_budget_holds_for_all_its_sessions_together():
    rt.bounds.reset()
    rt.bounds.max_usd = 0.08
    with rt.RealtimeSession(backend="local") as first:
        first.ask("What is two plus three?").result(timeout=60)
        assert rt.bounds.spent_usd == pytest.approx(first.bounds.spent_usd)
        second = rt.ChatSession(backend="local")
        outcome(second.ask(STORY))
        assert "raise realtime_nb.bounds.max_usd" in closed(second)
        assert "raise realtime_nb.bounds.max_usd" in closed(first)
        with pytest.raises(rt.BudgetReached, match=r"realtime_nb\.bounds"):
            rt.CascadeSession(backend="local").ask("Hello!").result(timeout=30)


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_was_open_long_enough_is_closed(kind):
    session = kind(backend="local", max_minutes=0.01)
    session.connect().result()
    assert "0.0 of 0.01 minutes are used; to go on, raise session.bounds.max_minutes" in closed(session)
    with pytest.raises(rt.BudgetReached, match="max_minutes"):
        session.connect().result()


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_in_which_nothing_happens_is_closed_and_may_be_opened_again(kind):
    session = kind(backend="local", idle_minutes=0.005)
    session.connect().result()
    assert "nothing happened for 0.005 minutes" in closed(session)
    assert session.ask("What time is it?").result(timeout=60).status == "completed"
    assert "connect again to go on" in closed(session)


def test_an_open_microphone_that_hears_nobody_keeps_no_session_open():
    session = rt.RealtimeSession(backend="local", idle_minutes=0.01)
    session.connect().result()
    session.send_audio(bytes(48_000))
    assert "nothing happened" in closed(session)


def test_a_bound_on_dollars_needs_prices():
    with pytest.raises(rt.SettingsError, match="the price of nobodys-model is not known"):
        rt.RealtimeSession(backend="local", model="nobodys-model", max_usd=1)
    rt.bounds.max_usd = 1
    with pytest.raises(rt.SettingsError, match=r"realtime_nb\.bounds\.max_usd=1 cannot be kept"):
        rt.ChatSession(backend="http://127.0.0.1:9/v1", model="nobodys-model").ask("Hello!").result()


def test_what_was_recorded_of_a_stopped_session_is_whole(tmp_path):
    session = rt.RealtimeSession(backend="local", max_usd=0.01, recording=tmp_path / "stopped")
    outcome(session.ask(STORY))
    closed(session)
    session.close().result()
    recording = rt.Recording.load(tmp_path / "stopped")
    assert recording.manifest["complete"]
    assert recording.conversation.replies[0].transcript == session.conversation.replies[0].transcript


def test_a_change_that_empties_the_cache_is_warned_of_once_and_only_where_there_is_one():
    with rt.RealtimeSession(backend="local", instructions="Be brief.") as session:
        session.update(instructions="Be kind.").result()
        session.ask("word " * 1200).result(timeout=60)
        with pytest.warns(UserWarning, match="empties the server's cache: the next answer reads about 1,") as warned:
            session.update(instructions="Be brief.").result()
            session.update(instructions="Be kind.").result()
        assert len(warned) == 1
        assert warned[0].filename == __file__


def test_a_saved_answer_says_that_an_ai_made_the_voice():
    with rt.RealtimeSession(backend="local") as session:
        reply = session.ask("What is two plus three?").result(timeout=60)
    assert reply.audio.comment == "AI-generated voice"
