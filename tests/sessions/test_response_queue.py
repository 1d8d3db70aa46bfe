"""Every question gets its own answer, however many are asked, cancelled or timed out meanwhile."""

import asyncio
import random
import threading

import numpy as np
import pytest
import wire_samples as wire
from conversing_server import conversing
from scripted_server import scripted

import realtime_nb as rt
from realtime_nb.media.clip import AudioClip

WAIT_S = 30


def clip(level):
    """Speech of which the server knows whose it is."""
    return AudioClip(np.full(4_800, level / 32_768, np.float32), 24_000)


def said(turns):
    return [turn.text for turn in turns if turn.role == "user"]


@pytest.fixture
def slow():
    """A server that takes its time, and a session with it."""
    with conversing(delay_s=lambda question: 0.03) as (address, server):
        session = rt.RealtimeSession(backend=address, rotate_minutes=None)
        yield session, server
        session.close().result(WAIT_S)


def answers(pending):
    return [each.result(WAIT_S).transcript for each in pending]


def test_questions_asked_at_once_are_answered_each(slow):
    session, _server = slow
    questions = [f"q{number}" for number in range(8)]
    assert answers([session.ask(question) for question in questions]) == [f"answer to {each}" for each in questions]
    assert said(session.conversation) == questions


def test_questions_of_many_threads_are_answered_each(slow):
    session, _server = slow
    found = {}

    def ask(number):
        content = (clip(number),) if number % 2 else (f"q{number}",)
        found[number] = session.ask(*content).result(WAIT_S)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    expected = {number: f"answer to {'clip ' if number % 2 else 'q'}{number}" for number in range(1, 9)}
    assert {number: reply.transcript for number, reply in found.items()} == expected
    assert all(found[number].asked.text == f"clip {number}" for number in (1, 3, 5, 7))


def test_clips_do_not_mix_with_each_other_nor_with_the_microphone(slow):
    session, _server = slow
    session.connect().result(WAIT_S)
    stop = threading.Event()

    def talk():
        session.update(turn_detection=None).result(WAIT_S)
        while not stop.wait(0.001):
            session.send_audio(clip(999).to_pcm16()[:480])

    microphone = threading.Thread(target=talk)
    session.update(turn_detection=None).result(WAIT_S)
    microphone.start()
    try:
        pending = [session.ask(clip(level)) for level in (1, 2, 3)]
        assert answers(pending) == ["answer to clip 1", "answer to clip 2", "answer to clip 3"]
    finally:
        stop.set()
        microphone.join(WAIT_S)


def test_turn_detection_is_as_it_was_behind_clips_that_follow_each_other_closely(slow):
    session, server = slow
    session.connect().result(WAIT_S)
    first = session.ask(clip(1))
    server.wait_for(lambda: server.requests)
    first.cancel()
    assert answers([session.ask(clip(2)), session.ask(clip(3))]) == ["answer to clip 2", "answer to clip 3"]
    assert session.turn_detection["type"] == "server_vad"


def test_a_question_waits_for_the_tools_of_the_one_before():
    def look(what: str) -> str:
        return f"seen {what}"

    with conversing(delay_s=lambda question: 0.01, calls=("one", "three")) as (address, _server):
        with rt.RealtimeSession(backend=address, tools=[look]) as session:
            pending = [session.ask(each) for each in ("one", "two", "three")]
            assert answers(pending) == [
                'answer to output "seen one"'.replace('"', ""),
                "answer to two",
                "answer to output seen three",
            ]


def test_a_question_that_is_cancelled_before_its_turn_leaves_nothing(slow):
    session, server = slow
    first, second, third = (session.ask(each) for each in ("one", "two", "three"))
    second.cancel()
    assert answers([first, third]) == ["answer to one", "answer to three"]
    assert server.requests == ["one", "three"] and said(session.conversation) == ["one", "three"]


def test_a_question_that_is_cancelled_before_it_is_answered_is_taken_out(slow):
    session, server = slow
    server.delay_s = lambda question: 5.0 if question == "one" else 0.01
    first = session.ask("one")
    server.wait_for(lambda: server.requests)
    first.cancel()
    assert session.ask("two").result(WAIT_S).transcript == "answer to two"
    assert server.cancelled == ["one"] and server.completed == ["two"]
    assert [item["role"] for item in server.items] == ["user", "assistant"]


def test_a_clip_that_is_cancelled_before_it_is_answered_is_taken_out(slow):
    session, server = slow
    server.delay_s = lambda question: 5.0 if question == "clip 1" else 0.01
    first = session.ask(clip(1))
    server.wait_for(lambda: server.requests)
    first.cancel()
    assert session.ask(clip(2)).result(WAIT_S).transcript == "answer to clip 2"
    assert server.cancelled == ["clip 1"] and [item["role"] for item in server.items] == ["user", "assistant"]


def test_an_answer_that_has_begun_stays_with_its_question_when_it_is_cancelled(slow):
    session, server = slow
    begun = threading.Event()
    session.listen(lambda event, elapsed_ms: event.type == "response.output_item.added" and begun.set())
    server.delay_s = lambda question: 0.2
    first = session.ask("one")
    assert begun.wait(WAIT_S)
    first.cancel()
    assert session.ask("two").result(WAIT_S).transcript == "answer to two"
    assert said(session.conversation) == ["one", "two"]


def test_the_question_behind_an_interruption_is_answered(slow):
    session, server = slow
    server.delay_s = lambda question: 1.0 if question == "one" else 0.01
    created = threading.Event()
    session.listen(lambda event, elapsed_ms: event.type == "response.created" and created.set())
    first = session.ask("one")
    assert created.wait(WAIT_S)
    assert session.interrupt().result(WAIT_S)
    second = session.ask("two")
    assert first.result(WAIT_S).status == "cancelled"
    assert second.result(WAIT_S).transcript.endswith("two")


@pytest.mark.parametrize("echoes", [True, False])
def test_a_server_that_does_not_answer_is_given_up_and_the_next_question_gets_its_own_answer(slow, echoes):
    session, server = slow
    server.echoes = echoes
    server.ignores = lambda question: question == "one"
    session.connect().result(WAIT_S)
    with pytest.raises(rt.ReplyTimeout, match=r"no sign of an answer for 2 s \(the last event was conversation"):
        session.ask("one", timeout_s=2.0).result(WAIT_S)
    assert session.ask("two").result(WAIT_S).transcript == "answer to two"


@pytest.mark.parametrize("echoes", [True, False])
def test_an_answer_that_comes_too_late_is_no_answer_to_the_next_question(slow, echoes):
    session, server = slow
    server.echoes = echoes
    late = threading.Event()
    server.delay_s = lambda question: 3.0 if question == "one" and not late.is_set() else 0.01
    with pytest.raises(TimeoutError):
        session.ask("one", timeout_s=0.2).result(WAIT_S)
    late.set()
    assert session.ask("two", timeout_s=20).result(WAIT_S).transcript == "answer to two"
    assert "one" not in server.completed


def test_a_long_answer_is_not_cut(slow):
    session, server = slow
    server.delay_s = lambda question: 1.0
    assert session.ask("one", timeout_s=2.9).result(WAIT_S).transcript == "answer to one"  # It takes 3 s.


def test_waiting_for_its_turn_takes_no_patience(slow):
    session, server = slow
    server.delay_s = lambda question: 0.5
    pending = [session.ask(f"q{number}", timeout_s=2.9) for number in range(3)]  # The last one waits for 3 s.
    assert answers(pending) == ["answer to q0", "answer to q1", "answer to q2"]


@pytest.mark.parametrize("timeout_s", [0, -1, True, "1", float("nan")])
@pytest.mark.parametrize("kind", [rt.RealtimeSession, rt.ChatSession, rt.CascadeSession])
def test_a_bound_that_is_none_is_refused(kind, timeout_s):
    session = kind(backend="local")
    with pytest.raises(rt.SettingsError, match="must be a positive number of seconds"):
        session.ask("Hello!", timeout_s=timeout_s)
    with pytest.raises(rt.SettingsError, match="must be a positive number of seconds"):
        session.respond(timeout_s=timeout_s)


def test_a_response_asked_for_by_hand_is_given_up_too(slow):
    session, server = slow
    server.ignores = lambda question: True
    with pytest.raises(rt.ReplyTimeout):
        session.respond(timeout_s=0.2).result(WAIT_S)
    server.ignores = lambda question: False
    assert session.ask("two").result(WAIT_S).transcript == "answer to two"


def test_a_response_of_the_servers_own_that_never_ends_holds_up_one_question_not_all():
    def script(peer):
        peer.open()
        peer.send(wire.response_created("OWN"))
        assert peer.receive("response.cancel")["response_id"] == "OWN"
        peer.answer(peer.read_text_question())
        peer.wait_until_gone()

    begun = threading.Event()
    with scripted(script) as address:
        session = rt.RealtimeSession(backend=address, api_key="k")
        session.listen(lambda event, elapsed_ms: event.type == "response.created" and begun.set())
        with session:
            assert begun.wait(WAIT_S)
            with pytest.raises(rt.ReplyTimeout, match=r"the last event was response\.created"):
                session.ask("one", timeout_s=0.3).result(WAIT_S)
            assert session.ask("two").result(WAIT_S).status == "completed"


@pytest.mark.parametrize("seed", range(9))
def test_whatever_is_asked_cancelled_and_closed_each_question_gets_its_own_answer_or_an_error(seed):
    rng = random.Random(seed)
    delays = random.Random(seed)

    async def main(session, server):
        pending = {}
        for number in range(1, 16):
            content = (clip(number),) if rng.random() < 0.3 else (f"q{number}",)
            name = f"clip {number}" if isinstance(content[0], AudioClip) else f"q{number}"
            pending[name] = session.ask(*content, timeout_s=rng.choice([0.5, 1.0]))
            await asyncio.sleep(rng.choice([0.0, 0.0, 0.02, 0.1]))
            deed = rng.random()
            if deed < 0.25:
                rng.choice(list(pending.values())).cancel()
            elif deed < 0.35:
                await session.interrupt()
            elif deed < 0.4:
                await session.close()
        done = await asyncio.wait_for(asyncio.gather(*pending.values(), return_exceptions=True), 60)
        return dict(zip(pending, done, strict=True))

    options = {"delay_s": lambda question: delays.choice([0.0, 0.01, 0.05]), "echoes": seed % 3 != 0}
    with conversing(ignores=lambda question: delays.random() < 0.05, **options) as (address, server):
        session = rt.RealtimeSession(backend=address, rotate_minutes=None)
        found = asyncio.run(main(session, server))
        session.close().result(WAIT_S)
        server.wait_for(lambda: server.open == 0)
    for name, reply in found.items():
        if isinstance(reply, BaseException):
            assert isinstance(reply, rt.RealtimeError | asyncio.CancelledError), reply
        elif reply.status == "completed":
            # An interrupted question stays in the conversation, and the model may answer it as well.
            assert reply.transcript.removeprefix("answer to ").split(" & ")[-1] == name, (name, reply)
    assert not session._answers._leaving and not session._answers._floor.locked()
