import msgspec
import pytest
from msgspec import UNSET
from wire_samples import call_item, response, spoken_item, user_item

from realtime_nb.protocol.items import Content, ErrorDetail, Item, Response, ResponseOptions


@pytest.mark.parametrize(
    "data",
    [
        user_item(),
        user_item(content=[{"type": "input_text", "text": "Hi"}]),
        user_item(content=[{"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}]),
        user_item(content=[{"type": "input_audio", "audio": "AAA=", "transcript": "Hi"}]),
        spoken_item(text="Hello.", status="completed", phase="commentary"),
        call_item(arguments="{}", status="completed"),
        {"type": "function_call_output", "call_id": "call_1", "output": "9:10"},
    ],
)
def test_an_item_is_written_as_it_was_read(data):
    assert msgspec.to_builtins(msgspec.convert(data, Item)) == data


@pytest.mark.parametrize(
    "data",
    [
        response(),
        response(status="completed", output=[spoken_item(status="completed", text="Hello.")]),
        response(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"}),
        response(status="failed", status_details={"type": "failed", "error": {"code": "server_error"}}),
    ],
)
def test_a_response_is_written_as_it_was_read(data):
    assert msgspec.to_builtins(msgspec.convert(data, Response)) == data


def test_fields_of_a_later_version_are_passed_over():
    later = {"type": "message", "mood": "good", "content": [{"type": "output_smell", "rose": 1}]}
    item = msgspec.convert(later, Item)
    assert (item.type, item.content[0].type) == ("message", "output_smell")


def test_an_item_that_is_written_holds_what_was_set_and_no_more():
    item = Item(type="message", role="user", content=[Content(type="input_text", text="Hi")])
    assert msgspec.to_builtins(item) == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }
    assert msgspec.to_builtins(ResponseOptions()) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"type": "input_text", "text": "a"}, "a"),
        ({"type": "output_audio", "transcript": "b"}, "b"),
        ({"type": "input_audio", "transcript": None}, ""),
        ({"type": "input_audio"}, ""),
        ({"type": "text", "text": "", "transcript": "c"}, "c"),
    ],
)
def test_words_are_the_text_or_the_transcript(content, words):
    assert msgspec.convert(content, Content).words == words


def test_fields_that_a_server_leaves_out_are_absent():
    assert msgspec.convert({"type": "message"}, Item).id is UNSET
    response = msgspec.convert({"id": "R"}, Response)
    assert (response.status, response.usage, response.output, response.conversation_id) == (None, None, [], UNSET)


def test_every_field_of_an_error_is_optional():
    error = msgspec.convert({"type": None, "message": None, "code": 500}, ErrorDetail)
    assert (error.code, error.param, error.event_id) == (500, None, None)
    assert msgspec.convert({}, ErrorDetail) == ErrorDetail()


def test_fields_that_a_server_leaves_null_are_as_good_as_absent():
    item = msgspec.json.decode(
        b'{"id": "item_1", "type": "message", "role": "user", "status": null, "content": null, "name": null,'
        b' "call_id": null, "arguments": null, "output": null}',
        type=Item,
    )
    assert not item.status and not item.content and not item.name
