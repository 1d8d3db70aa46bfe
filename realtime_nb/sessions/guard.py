"""Who judges what is said: a function of the caller's, or the backend's moderation endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from ..errors import ServerError, SettingsError
from ..tools import error_words
from . import people
from .http import Answer, Api, told_by_sdk

#: Takes a text and ``"user"`` or ``"assistant"``; returns `None` or `False`, or the reason why it is flagged.
GuardFunction = Callable[[str, str], Any]
#: Takes a text and a side; returns why it is flagged, or an empty text.
Judge = Callable[[str, str], Awaitable[str]]
#: How long a guard may take for one piece. Then, as where it fails, what it should have judged counts as flagged.
GUARD_WAIT_S = 5.0
#: Source: Moderations API reference. The local voice takes any name.
MODERATION_MODEL = "omni-moderation-latest"


def make_judge(guard: GuardFunction | Literal["moderation"], api: Api) -> Judge:
    """Return what judges.

    Parameters
    ----------
    guard : callable or "moderation"
        Sync or async.
    api : Api
        Where the moderation endpoint is.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    if guard != "moderation" and not callable(guard):
        raise SettingsError(f'guard={guard!r} must be a function of a text and a side, or "moderation"')

    async def ask(text: str, side: str) -> str:
        if callable(guard):
            return await people.run(guard, text, side, read=_in_words)
        client = await api.client()
        create: Any = client.moderations.with_streaming_response.create
        async with asyncio.timeout(GUARD_WAIT_S), told_by_sdk():
            async with create(model=MODERATION_MODEL, input=text) as response:
                answer = Answer(response)
                return verdict_in([told async for told in answer], answer.where)

    async def judge(text: str, side: str) -> str:
        try:
            # Loading what the endpoint is reached by takes a while, once.
            async with asyncio.timeout(GUARD_WAIT_S if callable(guard) else None):
                return await ask(text, side)
        except TimeoutError:
            return f"the guard did not answer within {GUARD_WAIT_S:g} s"
        except Exception as error:
            return f"the guard failed: {error_words(error)}"

    return judge


def verdict_in(told: list[dict[str, Any]], where: str) -> str:
    """Return why a moderation endpoint flags a text; empty where it does not.

    Raises
    ------
    ServerError
        If that is no verdict: what nobody has judged must not pass.
    """
    try:
        found = told[0]["results"][0]
        flagged, categories = found["flagged"], found.get("categories") or {}
        names = [name for name, is_so in categories.items() if is_so]
    except (IndexError, KeyError, TypeError, AttributeError):
        raise ServerError(f"{where} gave no verdict: {str(told)[:120]}") from None
    if not isinstance(flagged, bool):
        raise ServerError(f"{where} gave no verdict: flagged={flagged!r}")
    return (", ".join(names) or "flagged") if flagged else ""


def _in_words(verdict: Any) -> str:
    if verdict is None or verdict is False:
        return ""
    return "flagged" if verdict is True else str(verdict) or "flagged"
