from __future__ import annotations

import asyncio

import pytest
from test_tool_matching import TOOLS

from realtime_nb.local.brains.brain import SURE_CONFIDENCE, CallTool, Context, Say
from realtime_nb.local.brains.rule_brain import RuleBrain, in_words
from realtime_nb.local.brains.rules import EXAMPLES
from realtime_nb.local.realtime.conversation_state import ItemState, MessagePart, new_id

LIGHT, LIT = "Turn on the kitchen light.", CallTool("set_light", {"room": "kitchen", "on": True})
FALLBACK = "I have no rule for that"


def user(text, **fields):
    return ItemState(new_id("item"), "message", role="user", parts=[MessagePart("input_text", text=text)], **fields)


def heard(text, confidence):
    part = MessagePart("input_audio", heard=text, confidence=confidence)
    return ItemState(new_id("item"), "message", role="user", parts=[part])


def assistant(text):
    return ItemState(new_id("item"), "message", role="assistant", parts=[MessagePart("output_text", text=text)])


def result(output):
    return ItemState(new_id("item"), "function_call_output", call_id="call_1", output=output)


CALL = ItemState("item_1", "function_call", name="get_weather", call_id="call_1", arguments="{}")


def ask(*entries, brain=None, **context):
    async def main():
        return [action async for action in (brain or RuleBrain()).respond(Context(entries, **context))]

    (action,) = asyncio.run(main())
    return action


def says(*entries, **context):
    action = ask(*entries, **context)
    assert isinstance(action, Say)
    return action.text


def test_what_it_does_not_know_it_says_so_and_names_what_it_can_do():
    assert says(user("My house is blue.")) == (
        "I heard: “My house is blue.” I have no rule for that, and there is no language model here. "
        "Try: “What time is it?” “What is 12 times 7?” “Tell me a joke.”"
    )
    assert len(says(user("word " * 10_000))) < 700


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_it_tells_people_to_try_works(example):
    assert FALLBACK not in says(user(example))


def test_what_was_heard_badly_is_asked_for_and_not_acted_on():
    unsure = "I'm not sure I heard that: Turn on the kitchen light? Say yes, or say it again."
    assert says(heard(LIGHT, 0.2), tools=TOOLS) == unsure
    assert says(heard("say something rude", 0.0)).startswith("I'm not sure I heard that: say some")
    for confidence in (SURE_CONFIDENCE, 0.9, None):
        assert ask(heard(LIGHT, confidence), tools=TOOLS) == LIT


def test_a_yes_confirms_what_was_heard_badly():
    light = heard(LIGHT, 0.2)
    doubt = assistant(says(light, tools=TOOLS))
    assert ask(light, doubt, heard("Yes.", 0.9), tools=TOOLS) == LIT
    cut_off = assistant("I'm not sure I heard that: Turn on the kitchen light? Say")
    assert ask(light, cut_off, heard("Yes.", 0.9), tools=TOOLS) == LIT
    assert ask(light, assistant("Shall I?"), heard("Yes.", 0.9), tools=TOOLS) != LIT
    assert says(light, doubt, user("No."), tools=TOOLS) == "All right. What next?"
    assert says(light, doubt, user("What is 2 plus 3?"), tools=TOOLS) == "2 plus 3 is 5."


def test_a_yes_that_was_heard_badly_confirms_nothing():
    light, yes = heard(LIGHT, 0.2), heard("Yes.", 0.1)
    doubt = assistant(says(light, tools=TOOLS))
    second = says(light, doubt, yes, tools=TOOLS)
    assert second.startswith("I'm not sure I heard that: Yes?")
    assert ask(light, doubt, yes, assistant(second), heard("yes", 0.9), tools=TOOLS) == LIT


def test_an_answer_of_its_own_asks_nobody_again():
    title = says(heard("My house is blue.", 0.1), own_instructions="Give this conversation a title.")
    assert title == "My house is blue"


def test_it_calls_tools_only_where_it_may():
    weather = user("What is the weather in Paris?")
    assert ask(weather, tools=TOOLS) == CallTool("get_weather", {"city": "Paris"})
    assert says(weather, tools=[]).startswith("I cannot know the weather")
    assert ask(user("hello"), tools=TOOLS, required_tool="set_timer") == CallTool("set_timer", {})


def test_a_question_is_asked_and_its_answer_used():
    lamp = user("the light please")
    question = says(lamp, tools=TOOLS)
    assert question == "Which room: kitchen, living room or bedroom?"
    so_far = [lamp, assistant(question), user("the bedroom")]
    second = says(*so_far, tools=TOOLS)
    assert second == "On: yes or no?"
    called = ask(*so_far, assistant(second), user("yes"), tools=TOOLS)
    assert called == CallTool("set_light", {"room": "bedroom", "on": True})


def test_a_caller_who_ignores_the_question_still_gets_an_answer():
    entries = [user("set a timer"), assistant("How many minutes, please?"), user("what is the weather in Rome?")]
    assert ask(*entries, tools=TOOLS) == CallTool("get_weather", {"city": "Rome"})
    assert says(*entries[:2], user("hello"), tools=TOOLS).startswith("Hello!")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ('{"temperature": 12, "sky": "cloudy"}', "The temperature is 12, the sky is cloudy."),
        ('{"windSpeed": {"value": 5, "unit": "m/s"}}', "The wind speed value is 5, the wind speed unit is m/s."),
        ('{"lamp_on": true}', "The lamp on is yes."),
        ('{"error": "no such city"}', "That did not work: no such city."),
        ('{"error": "LookupError: there is no order 2."}', "That did not work: there is no order 2."),
        ('["milk", "eggs"]', "Milk, eggs."),
        ("{}", "It is done."),
        ("", "It is done."),
        ("null", "It is done."),
        ("It rains.", "It rains."),
        ("12", "12."),
    ],
)
def test_results_are_read_out(output, sentence):
    assert in_words(output) == sentence
    assert says(user("weather?"), CALL, result(output), tools=TOOLS) == sentence


def test_several_results_are_read_out_in_order():
    assert says(user("weather?"), CALL, CALL, result("one"), result("two")) == "One. Two."


@pytest.mark.parametrize(
    ("instructions", "text"),
    [
        ('Say exactly: "I am ready."', "I am ready."),
        ("Say: good evening", "good evening"),
        ("Please say hello to everybody", "hello to everybody"),
        ("Repeat the following: one two three", "one two three"),
        ("Answer only with “maybe”", "maybe"),
    ],
)
def test_instructions_for_one_response_are_followed(instructions, text):
    assert says(user("hi"), own_instructions=instructions) == text


def test_a_text_is_read_word_for_word():
    text = "Dr. Smith has 2 cats. Really!"
    assert says(user(text), own_instructions="Read the following text word for word.") == text


def test_instructions_of_a_session_do_not_put_words_in_its_mouth():
    assert says(user("blue"), instructions="Say hello when people come in, and be kind.").startswith("I heard: “blue”")
    assert says(user("blue"), instructions='Say exactly "I am ready."') == "I am ready."


def test_when_there_is_nothing_to_answer():
    assert says().startswith("Hello!")
    silent = ItemState("item_1", "message", role="user", parts=[MessagePart("input_audio", heard="")])
    assert says(silent) == "I heard you, but I could not make out any words."
    silent.is_silence = True
    assert says(silent) == "Are you still there?"
    picture = ItemState(
        "item_1", "message", role="user", parts=[MessagePart("input_image", image_url="data:image/png;base64,")]
    )
    assert "cannot open it" in says(picture)


def test_what_was_said_before_is_known():
    entries = [user("my house is blue"), assistant("I heard: “my house is blue”"), user("what did i say")]
    assert says(*entries) == "You said: my house is blue."
