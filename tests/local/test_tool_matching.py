import pytest

from realtime_nb.local.brains.tool_matching import Wish, answered, choose, split_words, wish


def tool(name, description, properties, required=()):
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties, "required": list(required)},
    }


STRING, INTEGER, BOOLEAN = ({"type": kind} for kind in ("string", "integer", "boolean"))
ROOM = {"type": "string", "enum": ["kitchen", "living room", "bedroom"]}
TOOLS = [
    tool("get_weather", "Get the current weather for a city", {"city": STRING}, ["city"]),
    tool("set_light", "Turn a lamp on or off", {"room": ROOM, "on": BOOLEAN}, ["room", "on"]),
    tool("set_timer", "Start a countdown timer", {"minutes": INTEGER}, ["minutes"]),
    tool("search_books", "Search the library for books", {"query": STRING}, ["query"]),
    tool("order_status", "Look up the status of an order", {"order_id": STRING}, ["order_id"]),
]


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("what is the weather like in paris", "get_weather", {"city": "Paris"}),
        ("What's the weather in New York tomorrow?", "get_weather", {"city": "New York"}),
        ("will it rain in london", "get_weather", {"city": "London"}),
        ("forecast for berlin", "get_weather", {"city": "Berlin"}),
        ("turn on the light in the kitchen", "set_light", {"room": "kitchen", "on": True}),
        ("switch the living room lights off please", "set_light", {"room": "living room", "on": False}),
        ("set a timer for twenty five minutes", "set_timer", {"minutes": 25}),
        ("search for books about whales", "search_books", {"query": "books about whales"}),
        ("what is the status of order 4471", "order_status", {"order_id": "4471"}),
        ("What's the status of order 4,471?", "order_status", {"order_id": "4471"}),
        ("Set a timer for 25 minutes.", "set_timer", {"minutes": 25}),
        ("Turn on the kitchen light, please.", "set_light", {"room": "kitchen", "on": True}),
        ("Search for books about whales.", "search_books", {"query": "books about whales"}),
    ],
)
def test_an_utterance_becomes_a_call(text, name, arguments):
    found = wish(text, TOOLS)
    assert (found.tool["name"], found.arguments, found.missing) == (name, arguments, None)


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "how are you",
        "tell me a story",
        "thank you",
        "what time is it",
        "who are you",
        "i bought a boat",
        "",
        "set",
    ],
)
def test_small_talk_calls_nothing(text):
    assert choose(text, TOOLS) is None


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("what's the weather", "What city, please?"),
        ("set a timer", "How many minutes, please?"),
        ("turn the lamp off", "Which room: kitchen, living room or bedroom?"),
        ("the light in the kitchen", "On: yes or no?"),
    ],
)
def test_what_is_missing_is_asked_for(text, question):
    assert wish(text, TOOLS).question == question


def test_an_answer_completes_a_wish():
    asked = wish("what's the weather", TOOLS)
    assert answered(asked, "paris please").arguments == {"city": "Paris"}
    asked = wish("set a timer", TOOLS)
    assert answered(asked, "nine").arguments == {"minutes": 9}


def test_a_required_tool_is_called_whatever_was_said():
    assert wish("hello", TOOLS, "set_timer") == Wish(TOOLS[2], {})
    assert wish("hello", TOOLS, "*").tool is TOOLS[0]
    assert wish("hello", [], "*") is None


def test_identifiers_have_words():
    assert split_words("get_currentWeather2") == ["get", "current", "weather", "2"]
