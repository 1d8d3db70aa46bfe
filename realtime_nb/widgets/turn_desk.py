"""What the person does with turns on the page: edit them, ask them again, take them out, ask about them aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..bridge import Road
from ..errors import LocalProtocolError
from ..loop import io_loop, submit
from ..turns import Turn
from ..views import words
from .tool_desk import bounded

#: How long an answer that was interrupted may take to end.
_END_WAIT_S = 5.0
_LONGEST_ASIDE = 10_000


class TurnDesk:
    """A page's hand on the turns of a session. Everything here runs on the I/O thread.

    Parameters
    ----------
    session : Session
        Whose turns.
    road : Road
        The way to the page.
    watch : callable
        Takes each `Pending` that nobody waits for, to show its error.
    playing : callable
        Returns the id of the item that sounds now, or nothing.
    """

    def __init__(self, session: Any, road: Road, watch: Callable[[Any], None], playing: Callable[[], str]):
        self._session = session
        self._road = road
        self._watch = watch
        self._playing = playing
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "edit": self._on_edit,
            "rerun": self._on_rerun,
            "delete": self._on_delete,
            "aside": self._on_aside,
        }

    def _on_edit(self, message: dict[str, Any]) -> None:
        tell_of_cache(self._session, self._road, "editing a turn")
        self._do(message, self._edit(message["id"], str(message["text"]), message["again"] is True))

    def _on_rerun(self, message: dict[str, Any]) -> None:
        self._do(message, self._rerun(message["id"]))

    def _on_delete(self, message: dict[str, Any]) -> None:
        tell_of_cache(self._session, self._road, "deleting a turn")
        self._do(message, self._delete(message["id"]))

    def _on_aside(self, message: dict[str, Any]) -> None:
        self._watch(submit(self._aside(str(message["text"]))))

    def _do(self, message: dict[str, Any], work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            finally:
                # Whatever came of it: the page has marked the turn as being changed.
                self._tell_changed(message["id"])

        self._watch(submit(run()))

    def _tell_changed(self, item_id: str) -> None:
        self._road.send({"kind": "changed", "id": item_id}, urgent=True)

    async def _edit(self, item_id: str, text: str, again: bool) -> None:
        turn = self._turn(item_id)
        if again:
            await self._silence()
        else:
            await self._hush(turn)
        new = await self._session.edit(turn, text)
        if again:
            await self._session.rerun(new)

    async def _rerun(self, item_id: str) -> None:
        turn = self._turn(item_id)
        await self._silence()
        await self._session.rerun(turn)

    async def _delete(self, item_id: str) -> None:
        turn = self._turn(item_id)
        await self._hush(turn)
        await self._session.delete(turn)

    async def _aside(self, prompt: str) -> None:
        answer: dict[str, Any] = {"asked": "", "answer": "", "cost": ""}  # None came.
        try:
            reply = await self._session.aside(prompt)
            said = bounded(reply.transcript, _LONGEST_ASIDE) or f"No answer: {words.status(reply)}"
            cost = f"Not part of the conversation; cost {words.cost(reply)}"
            answer = {"asked": prompt, "answer": said, "cost": cost}
        finally:
            self._road.send({"kind": "aside", **answer}, urgent=True)

    def _turn(self, item_id: str) -> Turn:
        turn = self._session.conversation.turn(str(item_id))
        if turn is None:
            raise LocalProtocolError(f"there is no turn {item_id!r} in this conversation any more")
        return turn

    async def _hush(self, turn: Turn) -> None:
        """Stop a turn that still sounds: what is taken out must not be heard on."""
        if self._playing() == turn.item_id:
            await self._session.interrupt()

    @property
    def _answering(self) -> bool:
        return any(reply.in_conversation for reply in self._session.conversation.unfinished)

    async def _silence(self) -> None:
        """Stop the answer that is being made, and wait for its end: nothing can be asked again before."""
        ended: asyncio.Future[None] = io_loop().create_future()

        def look(event: Any, elapsed_ms: float) -> None:
            if event.type == "response.done" and not self._answering and not ended.done():
                ended.set_result(None)

        stop_listening = self._session.listen(look)
        try:
            await self._session.interrupt()
            if self._answering:
                await asyncio.wait_for(ended, _END_WAIT_S)
        except TimeoutError:
            raise LocalProtocolError(
                f"the answer that was interrupted has not ended within {_END_WAIT_S:g} s"
            ) from None
        finally:
            stop_listening()


def tell_of_cache(session: Any, road: Road, what: str) -> None:
    """Show, once, that doing something loses the server's cache: a warning on this thread would be read by nobody."""
    if remark := session.cache_remark(what):
        road.send({"kind": "notice", "text": remark}, urgent=True)
