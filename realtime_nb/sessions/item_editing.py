"""Edit the turns of a Realtime session, by creating and deleting items on the server.

Source: Realtime API, ``conversation.item.create`` with ``previous_item_id``, ``conversation.item.delete``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from ..conversation.history import items_of, new_item_id
from ..conversation.records import Turn
from ..errors import LocalProtocolError, ServerError
from ..protocol import events as ev
from ..protocol.items import Item
from ..protocol.local_events import TurnEdited
from .connection import Connection
from .editing import edited_content, following
from .input import SpokenInput
from .renewal import Renewal


class ItemEditing:
    """Changes the items of an open connection. Everything here runs on the I/O thread."""

    def __init__(self, connection: Connection, spoken: SpokenInput, renewal: Renewal):
        self._connection = connection
        self._spoken = spoken
        self._renewal = renewal

    async def delete(self, turns: Sequence[Turn]) -> None:
        """Delete items, the last first."""
        await asyncio.gather(*(self._delete(turn) for turn in reversed(turns)))

    async def _delete(self, turn: Turn) -> None:
        item_id, session_events = turn.item_id, self._connection.session_events
        try:
            if not self._has(turn):
                raise ServerError("", code="item_delete_invalid_item_id")
            await self._connection.acknowledged(
                self._connection.protocol.delete_item(item_id),
                lambda event: isinstance(event, ev.ConversationItemDeleted) and event.item_id == item_id,
            )
        except ServerError as error:
            if not (error.code or "").startswith("item_delete_"):
                raise
        if turn in session_events.conversation:
            # The server no longer has it, or never had it; or this answers another request, which keeps an unheard
            # answer in the record.
            session_events.announce(ev.ConversationItemDeleted(item_id=item_id))

    async def edit(self, turn: Turn, text: str) -> Turn:
        """Replace the words of an item; pictures stay."""
        content = edited_content(turn, text)
        return await self._replace(turn, Item(id=new_item_id(), type="message", role=turn.role, content=content))

    def _has(self, turn: Turn) -> bool:
        """Return whether the server has a turn's item; it may have forgotten it, while the record keeps it."""
        return not turn.deleted and self._renewal.knows(turn.item_id)

    async def ask_again(self, turn: Turn) -> None:
        """Delete what follows an item, and make sure that the server has it as it was said."""
        items = items_of([turn], with_sound=True, encode=self._spoken.encoded)
        if not items:
            raise LocalProtocolError(f"{turn!r} has nothing in it that can be asked again")
        await self.delete(following(self._connection.session_events.conversation, turn))
        item = items[0]
        known = self._has(turn)
        is_spoken = any(part.type == "input_audio" for part in item.content or ())
        if not known or (is_spoken and turn.item_id in self._renewal.in_words):
            fields: dict[str, Any] = {name: getattr(item, name) for name in item.__struct_fields__}
            await self._replace(turn, Item(**fields | {"id": new_item_id()}))

    async def _replace(self, turn: Turn, item: Item) -> Turn:
        session_events = self._connection.session_events
        create_id = self._connection.protocol.create_item(item, self._predecessor(turn))
        await self._connection.acknowledged(
            create_id, lambda event: isinstance(event, ev.ConversationItemAdded) and event.item.id == item.id
        )
        session_events.announce(TurnEdited(item_id=str(item.id), replaced_id=turn.item_id))
        await self._delete(turn)
        new = session_events.conversation.turn(str(item.id))
        assert new is not None
        return new

    def _predecessor(self, turn: Turn) -> Any:
        """Return the item after which to put a turn's replacement: the turn, or the last before it on the server."""
        turns = self._connection.session_events.conversation.turns
        for each in reversed(turns[: turns.index(turn) + 1]):
            if self._has(each):
                return each.item_id
        return "root" if len(turns) > 1 else UNSET
