"""The chain on real parts: the local voice's endpoints, and steps of the caller's own."""

import asyncio
import json

import httpx
import pytest
from local_http import served
from openai import AsyncAzureOpenAI, AsyncOpenAI

import realtime_nb as rt
from realtime_nb.errors import ConnectionLost, ServerError
from realtime_nb.sessions.cascade import CascadeSession
from realtime_nb.sessions.stages import CallDelta, StepUsage
from realtime_nb.views import mimebundle


class Writer:
    """A text model that writes given words, one at a time; it goes on when `more` is set."""

    model = "writer"

    def __init__(self, text, *, stop_after=None, error=None):
        self.text = text
        self.error = error
        self.stop_after = stop_after
        self.more = asyncio.Event()
        self.messages = []

    async def answer(self, messages):
        self.messages.append(list(messages))
        for number, word in enumerate(self.text.split(" ")):
            if number == self.stop_after:
                if self.error:
                    raise self.error
                await asyncio.wait_for(self.more.wait(), 20)
            yield f"{word} "
        yield StepUsage({"input_token_details": {"text_tokens": 3}, "output_token_details": {"text_tokens": 5}})


@pytest.fixture(scope="module")
def question():
    return rt.speak("What can you do?")


@pytest.fixture
def cascade():
    sessions = []

    def make(**options):
        sessions.append(CascadeSession(backend="local", **options))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close().result(60)


def test_speech_is_written_down_thought_about_and_spoken(cascade, question):
    writer = Writer("I can count. And I can listen.")
    session = cascade(text_model=writer, instructions="Be brief.")
    reply = session.ask(question).result(30)
    assert writer.messages == [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What can you do?"}]
    ]
    assert reply.asked.text == "What can you do?"
    assert [word.text for word in reply.asked.words] == ["What", "can", "you", "do"]
    assert reply.transcript == "I can count. And I can listen."
    assert reply.audio.duration_s > 1.5 and reply.audio.peak > 0.05
    assert {name: stage.model for name, stage in reply.stages.items()} == {
        "transcription": "local-transcribe",
        "text": "writer",
        "speech": "local-tts",
    }
    assert [turn.role for turn in session.conversation] == ["user", "assistant"]


def test_the_first_sentence_is_spoken_before_the_second_is_written(cascade):
    writer = Writer("This is first. This is second.", stop_after=4)
    session = cascade(text_model=writer)

    def heard(event, elapsed_ms):
        if event.type == "response.output_audio.delta":
            writer.more.set()  # without sound of the first sentence, the second would never be written

    session.listen(heard)
    reply = session.ask("Go on.").result(30)
    assert reply.transcript == "This is first. This is second."
    speech, text = reply.timing.stages["speech"], reply.timing.stages["text"]
    assert speech[0] < text[1] <= speech[1]
    assert reply.timing.first_audio_ms < text[1]


def test_the_conversation_is_remembered(cascade):
    writer = Writer("Yes.")
    session = cascade(text_model=writer)
    session.ask("One?").result(30)
    session.ask("Two?").result(30)
    assert [message["content"].strip() for message in writer.messages[-1]] == ["One?", "Yes.", "Two?"]


def test_a_step_that_fails_ends_the_turn_and_leaves_a_failed_reply(cascade, question):
    writer = Writer("This will break. Here it is.", stop_after=4, error=ServerError("no thoughts left", code="empty"))
    session = cascade(text_model=writer)
    with pytest.raises(ServerError, match="no thoughts left"):
        session.ask(question).result(30)
    [reply] = session.conversation.replies
    assert (reply.status, reply.error["code"]) == ("failed", "empty")
    assert reply.asked.text == "What can you do?"
    writer.error, writer.stop_after = None, None
    assert session.ask("And now?").result(30).status == "completed"
    # What got no answer is not put to the model a second time.
    assert [message["content"] for message in writer.messages[-1]] == ["And now?"]


def test_a_step_of_the_callers_own_may_fail_in_its_own_way(cascade):
    session = cascade(text_model=Writer("This will break.", stop_after=1, error=ZeroDivisionError("no way")))
    with pytest.raises(ZeroDivisionError):
        session.ask("Go on.").result(30)
    [reply] = session.conversation.replies
    assert (reply.status, reply.error["message"]) == ("failed", "no way")


def test_a_voice_that_fails_stops_the_writing(cascade):
    class Mute:
        model = "mute"

        async def speak(self, text):
            raise ConnectionLost("no voice")
            yield b""

    writer = Writer("This is first. This would never end.", stop_after=4)
    session = cascade(text_model=writer, speaker=Mute())
    with pytest.raises(ConnectionLost, match="no voice"):
        session.ask("Speak!").result(30)


def test_interrupting_stops_writing_and_speaking(cascade):
    writer = Writer("This is first. This would wait.", stop_after=4)
    session = cascade(text_model=writer)
    spoken = asyncio.run_coroutine_threadsafe(_until(session, "response.output_audio.delta"), rt.loop.io_loop())
    pending = session.ask("Speak!")
    spoken.result(20)
    assert session.interrupt().result(60) is True
    with pytest.raises(rt.LocalProtocolError, match="stopped"):
        pending.result(60)
    [reply] = session.conversation.replies
    assert (reply.status, reply.transcript) == ("cancelled", "This is first. This")
    assert session.interrupt().result(60) is False


def test_a_sentence_that_was_interrupted_is_not_heard_in_the_next_answer(cascade):
    writer = Writer("Once upon a time there was a very old king who lived by the sea with his seven daughters.")
    session = cascade(text_model=writer, speaker="gpt-realtime-2.1-mini")
    spoken = asyncio.run_coroutine_threadsafe(_until(session, "response.output_audio.delta"), rt.loop.io_loop())
    pending = session.ask("Speak!")
    spoken.result(20)
    assert session.interrupt().result(60) is True
    with pytest.raises(rt.LocalProtocolError):
        pending.result(60)
    writer.text = "Yes."
    alone = rt.CascadeSession(backend="local", text_model=Writer("Yes."), speaker="gpt-realtime-2.1-mini")
    expected = alone.ask("Speak!").result(30).audio
    alone.close().result(60)
    assert session.ask("Speak!").result(30).audio.duration_s == pytest.approx(expected.duration_s, abs=0.01)


async def _until(session, kind):
    async for event in session:
        if event.type == kind:
            return


def test_calls_of_functions_are_in_the_reply_and_their_outputs_go_back(cascade):
    class Caller:
        model = "caller"
        messages = None

        async def answer(self, messages):
            self.messages = list(messages)
            if messages[-1]["role"] == "tool":
                yield "It is sunny."
            else:
                yield CallDelta({"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": "{}"}})

    caller = Caller()
    session = cascade(text_model=caller)
    reply = session.ask("How is the weather?").result(30)
    [call] = reply.function_calls
    assert (call.name, call.call_id, reply.audio) == ("weather", "call_1", None)
    session.send_function_output(call.call_id, "sunny").result(60)
    assert session.respond().result(30).transcript == "It is sunny."
    assert [message["role"] for message in caller.messages] == ["user", "assistant", "tool"]
    assert caller.messages[1]["tool_calls"][0]["function"]["name"] == "weather"


def test_the_cost_is_the_sum_of_the_steps_or_unknown(cascade, question):
    assert cascade(text_model=Writer("Yes.")).ask(question).result(30).cost is None  # nobody knows a writer's price
    priced = Writer("Yes.")
    priced.model = "gpt-audio-1.5"
    reply = cascade(text_model=priced).ask(question).result(30)
    assert reply.cost.total_usd == pytest.approx((3 * 2.5 + 5 * 10) / 1e6)


def test_tokens_are_those_of_all_steps(cascade, question):
    session = cascade(text_model=Writer("Yes."))
    reply = session.ask(question).result(30)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (3, 5)  # the others count seconds and characters
    assert "cost unknown" in mimebundle(session.conversation)["text/plain"]


def test_pieces_that_split_a_sample_are_put_together(cascade):
    class Odd:
        model = "odd"

        async def speak(self, text):
            for piece in (b"\x01", b"\x02\x03", b"\x04\x05\x06"):
                yield piece
            yield StepUsage({"type": "characters", "characters": len(text)})

    reply = cascade(text_model=Writer("Yes."), speaker=Odd()).ask("?").result(30)
    assert reply.audio.to_pcm16() == b"\x01\x02\x03\x04\x05\x06"


def test_what_was_odd_in_a_step_stands_in_the_remarks(cascade, tmp_path):
    class Odd:
        model = "odd"

        async def answer(self, messages, **options):
            yield "Yes."
            yield StepUsage({}, "The usage was odd: 7")

    session = cascade(text_model=Odd())
    assert session.ask("?").result(30).stages["text"].remark == "The usage was odd: 7"
    assert session.conversation.remarks == ["The usage was odd: 7"]
    assert session.save(tmp_path / "saved").remarks == session.conversation.remarks


def test_speech_over_a_realtime_session_is_checked_word_for_word(cascade):
    """The local voice reads out of band as it is told; `gpt-realtime…` names that road."""
    session = cascade(text_model=Writer("One sentence here. And another one there."), speaker="gpt-realtime-2.1-mini")
    reply = session.ask("Speak!").result(30)
    assert reply.stages["speech"].remark == ""
    assert reply.audio.duration_s > 1.5
    assert reply.stages["speech"].usage["output_token_details"]["audio_tokens"] > 20
    assert reply.stages["speech"].cost.total_usd > 0


@pytest.mark.parametrize("kind", [AsyncOpenAI, AsyncAzureOpenAI])
def test_a_client_of_the_callers_serves_all_steps(question, kind):
    with served() as server:
        options = {"base_url": server.url}
        if kind is AsyncAzureOpenAI:
            options = {"azure_endpoint": server.url.removesuffix("/v1"), "api_version": "2025-01-01-preview"}
        client = kind(api_key=server.api_key, **options)
        session = CascadeSession(client=client, text_model="local-rules")  # and a socket to the same server for speech
        reply = session.ask(question).result(30)
        assert reply.audio.duration_s > 1 and reply.stages["speech"].model == "gpt-realtime-2.1-mini"
        session.close().result(60)
        rt.loop.submit(client.close()).result(60)


@pytest.mark.parametrize(
    ("options", "effort"),
    [({}, "none"), ({"text_model": "local-rules"}, None), ({"reasoning_effort": "low"}, "low")],
)
def test_the_backends_own_text_model_writes_without_thinking_first(options, effort):
    sent = []

    async def note(request):
        if request.url.path.endswith("/chat/completions"):
            sent.append(json.loads(request.content).get("reasoning_effort"))

    with served() as server:
        http_client = httpx.AsyncClient(event_hooks={"request": [note]})
        client = AsyncOpenAI(base_url=server.url, api_key=server.api_key, http_client=http_client)
        session = CascadeSession(client=client, speaker="tts", **options)
        assert session.ask("What is two plus three?").result(30).transcript == "2 plus 3 is 5."
        session.close().result(60)
        rt.loop.submit(client.close()).result(60)
    assert sent == [effort]


def test_a_model_with_a_last_day_is_announced():
    with pytest.warns(FutureWarning, match="whisper-1"):
        CascadeSession(backend="local", transcriber="whisper-1")
