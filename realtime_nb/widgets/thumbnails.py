"""Pictures of a conversation as a page shows them: small, and with what it costs to look at them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from .. import pricing
from ..loop import io_loop
from ..pictures import Picture
from ..tokens import Usage
from ..turns import Turn
from ..views import picture as views
from ..views import words


def cost_words(pictures: Sequence[Picture], model: str | None) -> str:
    """Return about how many tokens it is to read pictures once, and what that costs where the price is known."""
    tokens = sum(picture.tokens for picture in pictures)
    cost = pricing.cost_of(Usage(image_in=tokens), model)
    usd = f", {pricing.format_usd(cost.total_usd)}" if cost and cost.total_usd is not None else ""
    return f"about {tokens:,} tokens{usd}"


def in_words(turn: Turn) -> list[dict[str, str]]:
    """Return a turn's pictures as `Thumbnails.of` does, none of them to be seen."""
    return [{"words": said, "url": "", "cost": ""} for said in words.shown_each(turn)]


class Thumbnails:
    """Makes pictures small, in a thread: decoding takes the I/O thread's time from the sound. Lives on the I/O thread.

    Parameters
    ----------
    model : callable
        Returns by whose prices they are read.
    on_ready : callable
        Called with the id of each turn that has one more of them.
    """

    def __init__(self, model: Callable[[], str | None], on_ready: Callable[[str], None]):
        self._model = model
        self._on_ready = on_ready
        self._making: set[asyncio.Future[Any]] = set()
        self._urls: dict[Picture, str] = {}
        self._awaited: dict[Picture, set[str]] = {}

    def of(self, turn: Turn) -> list[dict[str, str]]:
        """Return a turn's pictures: in words, small (empty while it is being made), and what each costs."""
        parts = [part for part in (turn.parts[index] for index in sorted(turn.parts)) if part.kind == "image"]
        return [
            {
                "words": said,
                "url": self._url(part.picture, turn.item_id) if part.picture else "",
                "cost": cost_words([part.picture], self._model()) if part.picture else "",
            }
            for part, said in zip(parts, words.shown_each(turn), strict=False)
        ]

    def _url(self, picture: Picture, item_id: str) -> str:
        if not self._urls.get(picture):
            self._awaited.setdefault(picture, set()).add(item_id)
        if picture not in self._urls:
            self._urls[picture] = ""
            making = io_loop().run_in_executor(None, views.small, picture)
            self._making.add(making)
            making.add_done_callback(lambda made: self._take(picture, made))
        return self._urls[picture]

    def _take(self, picture: Picture, made: asyncio.Future[Picture]) -> None:
        self._making.discard(made)
        awaited = self._awaited.pop(picture, ())
        if not made.cancelled() and made.exception() is None:
            self._urls[picture] = made.result().url
            for item_id in awaited:
                self._on_ready(item_id)
