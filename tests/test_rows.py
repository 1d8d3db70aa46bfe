import numpy as np
import pytest

from realtime_nb.pictures import Picture
from realtime_nb.turns import Part, Turn
from realtime_nb.widgets.rows import row_of


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


def test_what_was_edited_tells_what_stood_there():
    before = said("Helo.")
    before.item_id = "B"
    row = row_of(said(edited_from=before))
    assert (row["was"], row["before"]) == ("B", "Helo.")
