"""A text model behind any endpoint that speaks Chat Completions, for judges and simulated users."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from ..errors import RealtimeError, ServerError
from ..loop import submit
from ..pricing.cost import is_free, metered_cost
from ..pricing.prices import find_price
from ..protocol.chat import CompletionReader, realtime_usage
from ..sessions.api import Api, ServerAnswer, told_by_sdk
from ..sessions.backend import Backend
from .retrying import may_pass, pause

#: How often a request is sent again after a passing error.
_MAX_RETRIES = 4


class WrittenText(NamedTuple):
    """A text by a model, and its cost."""

    text: str
    cost_usd: float | None
    """The most that it can have cost; `None` if the price or the usage is not known."""


def write(
    messages: Sequence[Mapping[str, Any]],
    *,
    model: str | None,
    backend: Backend | str | None,
    timeout_s: float,
    schema: Mapping[str, Any] | None = None,
) -> WrittenText:
    """Ask a text model, and wait for its text; call it in a worker's own thread.

    `backend`: as for `Backend.find`, in this process, whose key is used.
    `schema`: a JSON schema for the text. An endpoint that does not support schemas is asked without it.

    Raises `ServerError` if the server refuses or writes nothing, with a `cost_usd` that may have been billed anyway;
    `ConnectionLost` if it cannot be reached.
    """
    found, attempts = Backend.find(backend), 0
    while True:
        attempts += 1
        try:
            return submit(_write(messages, model, found, timeout_s, schema)).result()
        except RealtimeError as error:
            # A request that was billed is not sent again.
            if attempts > _MAX_RETRIES or error.cost_usd != 0.0 or not may_pass(error) or pause(attempts, error):
                raise


def is_local(backend: Backend | str | None) -> bool:
    """Return whether the backend is the local voice, which answers by rules."""
    return Backend.find(backend).name == "local"


async def _write(
    messages: Sequence[Mapping[str, Any]],
    model: str | None,
    backend: Backend,
    timeout_s: float,
    schema: Mapping[str, Any] | None,
) -> WrittenText:
    api = Api(backend)
    named = model or backend.chain[1]
    reader = CompletionReader("", "")
    try:
        client = (await api.client()).with_options(max_retries=0, timeout=timeout_s)  # The SDK would wait silently.
        create: Any = client.chat.completions.with_streaming_response.create
        form = {"name": "answer", "strict": True, "schema": schema}
        options: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": form}} if schema else {}
        async with told_by_sdk(), AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(create(model=named, messages=list(messages), **options))
            except Exception as error:
                if not options or not _knows_no_schema(error):
                    raise
                response = await stack.enter_async_context(create(model=named, messages=list(messages)))
            answer = ServerAnswer(response)
            async for told in answer.completion(reader):
                reader.chunk(told)
            if not reader.transcript:
                raise ServerError(f"{answer.where} wrote nothing: finish_reason={reader.finish_reason!r}")
    except ServerError as error:
        if reader.usage or reader.finish_reason:
            error.cost_usd = _cost_usd(reader.usage, named, backend)  # A failed answer is billed, too.
        raise
    finally:
        await api.close()
    return WrittenText(reader.transcript, _cost_usd(reader.usage, named, backend))


def _cost_usd(usage: Any, model: str, backend: Backend) -> float | None:
    """Return the most that a text can have cost; `None` if that is not known."""
    if not backend.bills(model):
        return None
    cost = metered_cost(realtime_usage(usage), model)
    if cost is None and is_free(find_price(model)):
        return 0.0
    return cost.total_usd + cost.unsure_usd if cost and math.isfinite(cost.unsure_usd) else None


def _knows_no_schema(error: Exception) -> bool:
    """Return whether an endpoint refused a request because of its schema."""
    return getattr(error, "status_code", None) in (400, 422) and (
        "response_format" in str(error) or "json_schema" in str(error)
    )
