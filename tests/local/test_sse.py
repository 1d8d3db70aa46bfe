from __future__ import annotations

import asyncio
import json

import pytest

from realtime_nb.errors import RealtimeError
from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.endpoints.http_body import stream


def events(*items):
    """Yield events; raise those that are exceptions."""

    async def generator():
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item

    return generator()


def sent(*items, **options):
    async def main():
        response = await stream(events(*items), **options)
        assert response.media_type == "text/event-stream"
        return b"".join([line async for line in response.body_iterator]).decode()

    lines = asyncio.run(main()).split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") for line in lines)
    return [line.removeprefix("data: ") for line in lines]


def test_each_event_is_a_line_of_json():
    assert list(map(json.loads, sent({"a": "x\ny"}, {"b": "ü"}))) == [{"a": "x\ny"}, {"b": "ü"}]
    assert sent({"a": 1}, ends_with_done=True) == ['{"a":1}', "[DONE]"]


def test_a_failure_before_the_first_event_is_raised():
    with pytest.raises(ApiError, match="too much"):
        sent(ApiError("too much"))


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (ApiError("It broke.", type="server_error"), "It broke."),
        (RealtimeError("No voice."), "No voice."),
        (ZeroDivisionError(), "The server had an error while processing your request."),
    ],
)
def test_a_later_failure_is_an_event(failure, message):
    first, error = map(json.loads, sent({"a": 1}, failure))
    assert first == {"a": 1}
    assert (error["error"]["message"], error["error"]["type"]) == (message, "server_error")


def test_a_client_that_leaves_ends_the_work():
    ended = []

    async def endless():
        try:
            while True:
                yield {}
        finally:
            ended.append(True)

    async def main():
        response = await stream(endless())
        lines = response.body_iterator
        await anext(lines)
        await lines.aclose()

    asyncio.run(main())
    assert ended == [True]
