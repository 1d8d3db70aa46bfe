"""Who judges what is said: a function of the caller's, or the backend's moderation endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from ..errors import SettingsError
from ..tools import error_words
from . import people
from .http import Api

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
        async with asyncio.timeout(GUARD_WAIT_S):
            answer = await client.moderations.create(model=MODERATION_MODEL, input=text)
        found = answer.results[0].categories.model_dump(by_alias=True) if answer.results[0].flagged else {}
        return ", ".join(name for name, is_so in found.items() if is_so)

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


def _in_words(verdict: Any) -> str:
    if verdict is None or verdict is False:
        return ""
    return "flagged" if verdict is True else str(verdict) or "flagged"
