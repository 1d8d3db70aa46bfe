import random
import sys

import numpy as np
import pytest
import wire_samples as wire
from hypothesis import given
from hypothesis import strategies as st
from told_page import Page

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Part, Turn
from realtime_nb.media.picture import Picture
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Item
from realtime_nb.protocol.local_events import (
    ApprovalGiven,
    EchoHeard,
    Flagged,
    Heard,
    SessionRenewed,
    StateChanged,
    ToolDone,
    TurnEdited,
    WordsTimed,
)
from realtime_nb.widgets.rows import TranscriptRows, row_of, spliced


@pytest.mark.parametrize(
    ("turn", "text"),
    [
        (Turn(item_id="F", kind="function_call", name="pay", arguments="{}"), "pay({})"),
        (
            Turn(item_id="F", kind="function_call", name="pay", tool_ms=3.0, tool_error="broke"),
            "pay() (failed: broke; ran 3 ms)",
        ),
        (Turn(item_id="O", kind="function_call_output", output="paid"), "paid"),
        (Turn(item_id="O", kind="function_call_output", output="x" * 2_000), "x" * 1_000 + "… (2,000 characters)"),
        (Turn(item_id="M", kind="mcp_approval_response", approved=True), "You: agreed"),
        (
            Turn(item_id="M", kind="mcp_call", name="look", arguments="{}", server_label="docs"),
            "calls look of docs: {}",
        ),
    ],
)
def test_calls_have_rows_of_their_own(turn, text):
    row = row_of(turn)
    assert (row["role"], row["text"], row["heard"]) == ("tool", text, None)


def test_what_is_said_has_rows_as_ever():
    row = row_of(Turn(item_id="U", role="user", parts={0: Part(kind="text", text="Hello.", text_done=True)}))
    assert (row["role"], row["text"]) == ("user", "Hello.")


def test_a_picture_is_told_of():
    url = Picture.of(np.zeros((3, 4), np.uint8)).url
    parts = {0: Part(kind="text", text="Look:", text_done=True), 1: Part(kind="image", image_url=url)}
    row = row_of(Turn(item_id="U", role="user", parts=parts))
    assert (row["text"], row["pictures"]) == ("Look:", [{"words": "[picture, 4 × 3]", "url": "", "cost": ""}])


def test_what_was_heard_is_counted_as_the_page_counts():
    part = Part(kind="audio", text="👍 one two", text_done=True)
    part.add_audio(bytes(48_000))
    row = row_of(Turn(item_id="A", role="assistant", parts={0: part}, interrupted=True, played_ms=600))
    assert part.text.encode("utf-16-le")[: 2 * row["heard"]].decode("utf-16-le") == "👍 one"


def said(text="Hello.", role="user", **fields):
    return Turn(item_id="T", role=role, parts={0: Part(kind="text", text=text, text_done=True)}, **fields)


@pytest.mark.parametrize(
    ("turn", "choices"),
    [
        (said(), ["edit", "rerun", "delete"]),
        (said(role="assistant", response_id="R", done=True), ["edit", "rerun", "delete"]),
        (said(role="assistant", response_id="R"), []),  # It is being spoken.
        (said(audio_start_ms=0), []),  # The person still speaks.
        (said(role="system"), ["edit", "delete"]),
        # Its words are still being made out; its sound can be asked again.
        (Turn(item_id="T", role="user", parts={0: Part(kind="audio")}), ["rerun", "delete"]),
        (Turn(item_id="T", kind="function_call", response_id="R", done=True), []),  # It runs.
        (Turn(item_id="T", kind="function_call", response_id="R", done=True, output="{}"), ["delete"]),
        (Turn(item_id="T", kind="function_call_output", output="{}"), ["delete"]),
        (Turn(item_id="T", kind="mcp_call", server_label="docs", output="{}"), []),
    ],
)
def test_what_can_be_done_with_a_turn_is_offered(turn, choices):
    assert row_of(turn, was_asked=True)["choices"] == choices


def test_an_answer_to_nothing_is_not_asked_for_again():
    assert row_of(said(role="assistant", done=True))["choices"] == ["edit", "delete"]


def test_a_picture_without_words_has_none_to_edit():
    part = Part(kind="image", image_url=Picture.of(np.zeros((3, 4), np.uint8)).url)
    assert row_of(Turn(item_id="U", role="user", parts={0: part}))["choices"] == ["rerun", "delete"]


def test_an_edited_turn_keeps_its_old_words():
    before = said("Helo.")
    before.item_id = "B"
    row = row_of(said(edited_from=before))
    assert (row["was"], row["before"]) == ("B", "Helo.")


LOCAL = [
    Heard(item_id="A", played_ms=40, stopped=True),
    EchoHeard(item_id="A", likeness=0.9, delay_ms=80),
    Flagged(side="user", item_id="U", reason="rude"),
    ToolDone(call_id="call_1", name="clock", output="ten", ran_ms=3.0),
    ApprovalGiven(call_id="call_1", approved=True),
    TurnEdited(item_id="U2", replaced_id="U"),
    WordsTimed(item_id="U", content_index=0, words=()),
    SessionRenewed(reason="rotated", carried=2, age_ms=3_480_000),
    StateChanged(state="closed"),
    ev.ConversationItemCreate(item=Item(id="first", type="message", role="system"), previous_item_id="root"),
]
OUTPUT = {"id": "O", "type": "function_call_output", "call_id": "call_1", "output": '{"time": "ten"}'}
SERVER = [
    *wire.spoken_turn(),
    *wire.transcription(),
    *wire.audio_answer(),
    *wire.text_turn("U2", "And now?", "A"),
    *wire.call_answer(previous="U2"),
    wire.item_added(OUTPUT, "U2"),
    wire.event("conversation.item.deleted", item_id="U"),
    wire.event("conversation.item.truncated", item_id="A", content_index=0, audio_end_ms=30),
    wire.session_updated(wire.SESSION | {"instructions": "Be kind."}),
]


@pytest.mark.parametrize("seed", range(40))
def test_a_page_that_is_told_the_news_alone_shows_the_same_as_one_that_is_told_all(seed):
    events = [*LOCAL, *map(ev.decode_server, wire.texts(SERVER))]
    random.Random(seed).shuffle(events)
    conversation = Conversation()
    conversation.apply(ev.decode_server(wire.texts([wire.session_created()])[0]), 0.0)
    page = Page(conversation)
    for number, event in enumerate(events):
        conversation.apply(event, float(number))
        assert page.look() == Page(conversation).look(), event.type
    assert page.news.news() is None


def test_news_are_what_has_changed_and_where_it_stands():
    conversation = Conversation()
    first = [wire.session_created(), *wire.text_turn("U"), *wire.text_answer()]
    second = wire.text_turn("U2", "And now?", "A")
    rows = TranscriptRows(conversation, lambda turn: [])
    for text in wire.texts(first):
        conversation.apply(ev.decode_server(text), 0.0)
    told = rows.news()
    assert (told["from_start"], told["at"], told["gone"], told["ids"]) == (True, 0, 0, ["U", "A"])
    for text in wire.texts(second):
        conversation.apply(ev.decode_server(text), 0.0)
    told = rows.news()
    assert (told["from_start"], told["at"], told["gone"], told["ids"]) == (False, 2, 0, ["U2"])
    assert [row["id"] for row in told["rows"]] == ["U2"]
    rows.touch("A")
    assert rows.news() is None  # It looks as it did.


def test_an_output_stands_on_the_card_of_its_call_while_that_is_there():
    conversation = Conversation()
    page = Page(conversation)

    def told(*events):
        for text in wire.texts(events):
            conversation.apply(ev.decode_server(text), 0.0)
        return page.look()

    _, call = told(wire.session_created(), *wire.text_turn("U"), *wire.call_answer(previous="U"))
    assert (call["id"], call["card"]["result"]) == ("F", None)
    _, call = told(wire.item_added(OUTPUT, "F"))
    assert (call["id"], call["card"]["result"]) == ("F", [("time", "ten")])
    rows = told(wire.event("conversation.item.deleted", item_id="F"))
    assert [row["id"] for row in rows] == ["U", "O"]


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
def test_a_splice_makes_one_list_of_another(before, after):
    at, gone, ids = spliced(before, after)
    before[at : at + gone] = ids
    assert before == after


def lines_run(call):
    """Return how many lines of Python a call takes."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def test_the_work_for_an_exchange_does_not_grow_with_the_turns_before_it():
    conversation = Conversation()
    conversation.apply(ev.decode_server(wire.texts([wire.session_created()])[0]), 0.0)
    rows = TranscriptRows(conversation, lambda turn: [])

    def exchange(number):
        user, answer, previous = f"U{number}", f"A{number}", f"A{number - 1}" if number else None
        asked = wire.spoken_turn(user, previous, start_ms=number * 4_000, end_ms=number * 4_000 + 1_700)
        answered = wire.audio_answer(answer, response_id=f"R{number}", previous=user)
        for text in wire.texts([*asked, *wire.transcription(user), *answered]):
            conversation.apply(ev.decode_server(text), 0.0)
            rows.news()

    taken = [lines_run(lambda number=number: exchange(number)) for number in range(60)]
    assert taken[-1] <= 1.1 * taken[4]
