"""A text model behind any endpoint that speaks Chat Completions: it judges answers, and plays people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..backends import Backend
from ..loop import submit
from ..pricing import cost_of
from ..sessions.http import Api, told_by_sdk
from ..tokens import Usage
from ..wire.chat import realtime_usage

#: How often a request is sent again that time may heal; the SDK waits between them, as the server says or longer.
_MAX_RETRIES = 4


class Written(NamedTuple):
    """What a text model has written."""

    text: str
    cost_usd: float | None
    """`None` where the price, or what it took, is not known."""


def write(
    messages: Sequence[Mapping[str, Any]],
    *,
    model: str | None,
    backend: Backend | str | None,
    timeout_s: float,
    schema: Mapping[str, Any] | None = None,
) -> Written:
    """Ask a text model, and wait for what it writes; for a worker's own thread.

    Parameters
    ----------
    messages : sequence of mapping
        In Chat Completions' shape.
    model : str or None
        By default the text model of the backend's chain.
    backend : Backend, str or None
        As `Backend.find` takes it, here and now: so the key is that of this process.
    timeout_s : float
        How long it may take.
    schema : mapping, optional
        A JSON schema that the text should keep to. An endpoint that has no such thing is asked without it.

    Raises
    ------
    ServerError
        If the server refuses.
    ConnectionLost
        If it cannot be reached.
    """
    return submit(_write(messages, model, Backend.find(backend), timeout_s, schema)).result()


def is_local(backend: Backend | str | None) -> bool:
    """Whether it is the local voice that writes, which answers by rules."""
    return Backend.find(backend).name == "local"


async def _write(
    messages: Sequence[Mapping[str, Any]],
    model: str | None,
    backend: Backend,
    timeout_s: float,
    schema: Mapping[str, Any] | None,
) -> Written:
    api = Api(backend)
    named = model or backend.chain[1]
    try:
        client = (await api.client()).with_options(max_retries=_MAX_RETRIES, timeout=timeout_s)
        create: Any = client.chat.completions.create
        form = {"name": "answer", "strict": True, "schema": schema}
        options: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": form}} if schema else {}
        async with told_by_sdk():
            try:
                completion = await create(model=named, messages=list(messages), **options)
            except Exception as error:
                if not options or not _knows_no_schema(error):
                    raise
                completion = await create(model=named, messages=list(messages))
    finally:
        await api.close()
    told = completion.model_dump(warnings=False)
    usage = realtime_usage(told.get("usage"))
    cost = cost_of(Usage.from_realtime(usage), named) if usage else None
    text = next((choice["message"].get("content") for choice in told.get("choices") or []), None)
    return Written(str(text or ""), cost.total_usd if cost else None)


def _knows_no_schema(error: Exception) -> bool:
    """Whether an endpoint refused a request because of its schema."""
    return getattr(error, "status_code", None) in (400, 422) and (
        "response_format" in str(error) or "json_schema" in str(error)
    )
