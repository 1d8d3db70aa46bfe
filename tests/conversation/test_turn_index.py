from realtime_nb.conversation.fold import TurnIndex
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Content, Item


def test_an_item_has_one_turn_however_often_it_is_named():
    index = TurnIndex()
    turn = index.item("item_1", role="user")
    assert index.item("item_1", role="assistant") is turn
    assert turn.role == "user"  # who is named first stays
    assert index.part(turn, 0, "audio") is index.part(turn, 0, "text")


def test_an_item_that_was_taken_out_gets_no_place_again():
    index = TurnIndex()
    index.item("item_1").deleted = True
    index.place("item_1", None)
    assert list(index.order) == []


def test_an_event_of_an_unknown_response_makes_reply_and_turn():
    index = TurnIndex()
    delta = ev.ResponseFunctionCallArgumentsDelta(response_id="resp_1", item_id="item_1", output_index=2, delta="{")
    turn = index.output_turn(delta)
    assert turn.kind == "function_call" and turn.response_id == "resp_1"
    assert index.replies["resp_1"].outputs == {2: turn}


def test_a_description_of_an_item_in_progress_ends_no_text():
    index = TurnIndex()
    part = Content(type="output_text", text="so far")
    turn = index.described(Item(id="item_1", type="message", role="assistant", status="in_progress", content=[part]))
    assert turn.text == ""
    turn = index.described(Item(id="item_1", type="message", role="assistant", status="completed", content=[part]))
    assert turn.text == "so far"


def test_a_description_without_an_id_makes_nothing():
    index = TurnIndex()
    assert index.described(Item(type="message")) is None
    assert index.turns == {}


def test_a_call_is_found_by_its_call_id_and_not_its_output():
    index = TurnIndex()
    call = index.described(Item(id="F", type="function_call", call_id="call_1", name="get_time"))
    index.described(Item(id="O", type="function_call_output", call_id="call_1", output="9:10"))
    asked = index.described(Item(id="mcpr_1", type="mcp_approval_request", name="look"))
    assert call.role == asked.role == "assistant"
    assert index.call("call_1") is call
    assert index.call("mcpr_1") is asked  # Requests for approval have no other name.
    assert index.call("call_2") is None


def test_an_output_without_a_call_id_is_that_of_no_call():
    index = TurnIndex()
    made = index.described(Item(id="mcp_1", type="mcp_call", name="look"))
    index.described(Item(id="O", type="function_call_output", output="9:10"))
    assert made.output == ""
