"""The brain that uses a text model of this machine, against real servers on loopback, and the rules where it fails."""

from __future__ import annotations

import asyncio

import pytest
from local_http import served
from openai import OpenAI
from test_rule_brain import assistant, heard, user
from test_tool_matching import TOOLS
from text_endpoint import HANG, TextEndpoint, ollama_paths, words

from realtime_nb.local.brains import local_brain, text_servers
from realtime_nb.local.brains.brain import CallTool, Context, Say
from realtime_nb.local.brains.local_brain import LocalBrain
from realtime_nb.local.brains.openai_brain import UNSEEN
from realtime_nb.local.brains.text_servers import ollama
from realtime_nb.local.realtime.conversation_state import ItemState, MessagePart
from realtime_nb.local.server import LocalServer

ALL = ["completion", "tools", "vision"]
SUM = Context([user("What is 2 plus 3?")])


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(text_servers, "ANSWER_S", 5.0)


def talk(*contexts, answers=(), able=ALL, patience_s=10.0, before=None):
    """Return the endpoint, the brain, and what it did at each context."""

    async def main():
        done = []
        endpoint = TextEndpoint(ollama_paths({"tiny": able}), *answers)
        async with endpoint.serving():
            brain = LocalBrain([ollama(endpoint.port)], patience_s=patience_s)
            await brain.search()
            for context in contexts:
                if before:
                    await before(endpoint)
                done.append([action async for action in brain.respond(context)])
            await brain.close()
        return endpoint, brain, done

    return asyncio.run(main())


def test_before_anything_is_found_rules_answer():
    async def main():
        return [action async for action in LocalBrain([]).respond(SUM)]

    assert asyncio.run(main()) == [Say("2 plus 3 is 5.")]
    assert LocalBrain([]).part.name == "rules, no language model"


def test_a_model_that_was_found_answers_sentence_by_sentence():
    answer = words("It is", " five. Any", "thing else?")
    endpoint, brain, done = talk(SUM, answers=[answer])
    assert done == [[Say("It is five. "), Say("Anything else?")]]
    assert endpoint.requests[0]["model"] == "tiny" and endpoint.requests[0]["stream"] is True
    assert brain.part.name == "tiny" and "tiny" in brain.description


def test_tools_go_through():
    call = {"index": 0, "id": "x", "type": "function", "function": {"name": "set_timer", "arguments": '{"minutes": 5}'}}
    context = Context([user("wake me soon")], tools=TOOLS)
    endpoint, _, done = talk(context, answers=[[{"tool_calls": [call]}]])
    assert done == [[CallTool("set_timer", '{"minutes": 5}')]]
    assert endpoint.requests[0]["tools"][0]["function"]["name"] == "get_weather"


def test_where_a_model_calls_no_tools_the_rules_answer_sessions_with_tools():
    timer = Context([user("Set a timer for 5 minutes.")], tools=TOOLS)
    endpoint, _, done = talk(timer, SUM, able=["completion"])
    assert done[0] == [CallTool("set_timer", {"minutes": 5})]
    assert done[1] == [Say("I am a model.")] and len(endpoint.requests) == 1


@pytest.mark.parametrize(("able", "sees"), [(ALL, True), (["completion"], False), ({}, False)])
def test_pictures_go_only_to_a_model_that_sees(able, sees):
    picture = ItemState("item_1", "message", role="user")
    picture.parts = [MessagePart("input_text", text="Look:"), MessagePart("input_image", image_url="data:image/png,AA")]
    endpoint, _, _ = talk(Context([picture]), able=able)
    content = endpoint.requests[0]["messages"][1]["content"]
    assert content[1]["image_url"]["url"] == "data:image/png,AA" if sees else content == f"Look: {UNSEEN}"


def test_a_model_that_thinks_is_told_not_to_and_thoughts_are_not_said():
    thought = words("<th", "ink>Hm. Five? ", "Yes.</think>", "\n\nIt is five.")
    endpoint, _, done = talk(SUM, answers=[thought], able=[*ALL, "thinking"])
    assert done == [[Say("It is five.")]]
    assert endpoint.requests[0]["reasoning_effort"] == "none"
    endpoint, _, _ = talk(SUM)
    assert "reasoning_effort" not in endpoint.requests[0]


def test_what_was_heard_badly_is_asked_for_and_not_sent():
    endpoint, _, done = talk(Context([heard("Two plus free.", 0.1)]))
    assert done[0][0].text.startswith("I'm not sure I heard that: Two plus free?") and endpoint.requests == []


@pytest.mark.parametrize(
    ("answer", "said", "reason"),
    [
        (None, [], "has not answered for 1 s"),
        ([*words("It is. ", "Or"), HANG], [Say("It is. ")], "has not answered for 1 s"),
        ([], [], "said nothing"),
        (words("<think>I wonder"), [], "said nothing"),
        (b"<html>Welcome!</html>", [], "said nothing"),
        (b"data: {nonsense\n\n", [], "does not answer"),
        (b"data: [1, 2]\n\n", [], "does not answer"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', [], "does not answer"),
    ],
)
def test_if_the_model_fails_the_rules_answer_and_say_so(answer, said, reason):
    _, brain, done = talk(SUM, SUM, answers=[answer, words("Five.")], patience_s=1 if "1 s" in reason else 10)
    remark = Say(f"The text model tiny {reason}, so my rules answer.")
    assert done[0] == [*said, remark, Say("2 plus 3 is 5.")]
    if "1 s" not in reason:  # No machine is so busy that the second answer takes ten.
        assert done[1] == [Say("Five.")]
    assert brain.part.name == "tiny"


def test_a_model_that_fails_twice_in_a_row_is_asked_no_more():
    endpoint, brain, done = talk(SUM, SUM, SUM, answers=[[]])
    assert done[2] == [Say("2 plus 3 is 5.")] and len(endpoint.requests) == 2
    assert brain.part.name == "rules, no language model"
    assert brain.passed_over[0].endswith("said nothing")


def test_a_server_that_dies_in_mid_conversation_is_reported():
    async def stop(endpoint):
        await endpoint.stop()

    _, brain, done = talk(SUM, SUM, SUM, before=stop)
    # A port without a listener has no owner.
    assert done[0][0].text.startswith("The text model tiny ") and done[0][1] == Say("2 plus 3 is 5.")
    assert done[2] == [Say("2 plus 3 is 5.")] and brain.part.name == "rules, no language model"


def test_nothing_is_said_to_a_stranger_who_took_the_port(monkeypatch):
    async def change_hands(_):
        monkeypatch.setattr(local_brain, "stranger_on", lambda port: "is another user's (uid 1001)")

    endpoint, _, done = talk(SUM, before=change_hands)
    assert "is another user's" in done[0][0].text and endpoint.requests == []


def test_a_server_uses_what_it_finds_and_names_it():
    async def main():
        endpoint = TextEndpoint(ollama_paths({"tiny": ALL}), words("I am tiny."))
        async with endpoint.serving(), LocalServer(brain=LocalBrain([ollama(endpoint.port)])) as s:
            with OpenAI(base_url=s.url, api_key=s.api_key, max_retries=0) as client:
                async with asyncio.timeout(60):
                    while True:
                        model = await asyncio.to_thread(client.models.retrieve, "local-voice")
                        if model.parts["brain"]["name"] == "tiny":
                            break
                        await asyncio.sleep(0.01)

                def ask(model):
                    messages = [{"role": "user", "content": "What is 2 plus 3?"}]
                    done = client.chat.completions.create(model=model, messages=messages)
                    return done.choices[0].message.content

                said = [await asyncio.to_thread(ask, model) for model in ("local-voice", "gpt-audio", "local-rules")]
                assert said == ["I am tiny.", "I am tiny.", "2 plus 3 is 5."]

    asyncio.run(main())


def test_a_server_whose_brain_is_given_looks_for_nothing():
    with served() as server:
        assert server.sdk.models.retrieve("local-voice").parts["brain"]["name"] == "rules, no language model"


def test_an_old_conversation_goes_to_the_model():
    entries = [user("My name is Ada."), assistant("Hello, Ada."), user("Who am I?")]
    endpoint, _, _ = talk(Context(entries, instructions="Be kind."))
    assert [message["role"] for message in endpoint.requests[0]["messages"]] == ["system", "user", "assistant", "user"]
