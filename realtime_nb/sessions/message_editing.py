"""Edit the turns of a session without a connection: the next request sends what is left."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from ..conversation.history import History, items_of, new_item_id
from ..conversation.records import Reply, Turn
from ..errors import LocalProtocolError, ServerError
from ..loop import Pending, submit
from ..protocol import events as ev
from ..protocol.chat import CompletionReader
from ..protocol.items import Item, ResponseOptions
from ..protocol.local_events import StageDone, StageStarted, TurnEdited
from ..tools import Tool, read_tools
from .editing import edited_content, following
from .event_log import REPLY_TIMEOUT_S, patience, response_id_of
from .request import messages_of
from .session import Session
from .stages import StepUsage, TextModel


class MessageEditing(Session):
    """Edits turns for `ChatSession` and `CascadeSession`, by making the messages again from the records.

    After that, answers are sent as words.
    """

    _instructions: str
    _turn: asyncio.Lock

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asides: set[asyncio.Task[Reply]] = set()

    def update(
        self,
        *,
        instructions: str | None = None,
        tools: Sequence[Callable[..., Any] | dict[str, Any]] | None = None,
    ) -> Pending[None]:
        """Change the instructions or the tools, from the next question on.

        Parameters
        ----------
        instructions : str, optional
            The system message; `None` leaves it as it is.
        tools : list, optional
            As in the constructor; ``[]`` for none, `None` leaves them as they are.
        """
        given = None if tools is None else read_tools(tools)
        return submit(self._update(instructions, given))

    # --- where the kinds of sessions differ ---

    @abstractmethod
    def _restate(self, messages: list[dict[str, Any]]) -> None:
        """Send the model these messages, after the instructions, from the next request on."""

    @abstractmethod
    def _offer(self, definitions: list[dict[str, Any]]) -> None:
        """Offer these tools, in the API's flat shape, from the next request on."""

    @abstractmethod
    def _remarker(self, *, has_sound: bool, max_output_tokens: int) -> TextModel:
        """Return the model that answers an aside in text; `has_sound` says whether the messages hold sound."""

    @abstractmethod
    def _next_id(self) -> str:
        """Return a name for an item or a response."""

    @abstractmethod
    async def _take_turn(self, content: tuple[Any, ...], timeout_s: float | None = REPLY_TIMEOUT_S) -> Reply:
        """Answer; with no content, the conversation as it is."""

    @abstractmethod
    async def _connect(self) -> None:
        """Get ready."""

    # --- on the I/O thread, except the first ---

    def _begin_with(self, history: Any) -> None:
        """Take over the history, while the session is being made."""
        items = History.of(history).items
        for item in items:
            self._session_events.note("local", ev.ConversationItemAdded(item=item))
            self._session_events.note("local", ev.ConversationItemDone(item=item))
        if items:
            self._tell_again()

    async def _update(
        self, instructions: str | None, tools: tuple[list[dict[str, Any]], dict[str, Tool]] | None
    ) -> None:
        async with self._turn:
            self._instructions = self._instructions if instructions is None else instructions
            if tools is not None:
                self._offer(tools[0])
                self._calls.set(*tools)
            self._tell_again()
        if self.state == "open":
            self._session_events.announce(ev.SessionUpdated(session=self._settings))

    def _about_tools(self) -> dict[str, Any]:
        return {"tools": self._calls.definitions} if self._calls.definitions else {}

    def _tell_again(self, asked: Turn | None = None) -> None:
        """Make the messages again; leave out questions without an answer, except `asked`."""
        told = [turn for turn in self.conversation if turn is asked or not _is_unanswered(turn)]
        self._restate(messages_of(items_of(told, with_sound=self.hears_sound)))

    async def _delete(self, turns: list[Turn]) -> None:
        await self._connect()
        async with self._turn:  # An answer that is being made still uses the earlier messages.
            self._take_out(turns)
            self._tell_again()

    def _take_out(self, turns: Sequence[Turn]) -> None:
        for turn in reversed(turns):
            self._session_events.announce(ev.ConversationItemDeleted(item_id=turn.item_id))

    async def _edit(self, turn: Turn, text: str) -> Turn:
        await self._connect()
        content = edited_content(turn, text)
        item = Item(id=new_item_id(), type="message", role=turn.role, status="completed", content=content)
        async with self._turn:
            self._session_events.announce(ev.ConversationItemAdded(item=item, previous_item_id=turn.item_id))
            self._session_events.announce(ev.ConversationItemDone(item=item))
            self._session_events.announce(TurnEdited(item_id=str(item.id), replaced_id=turn.item_id))
            self._take_out([turn])
            self._tell_again()
        new = self.conversation.turn(str(item.id))
        assert new is not None
        return new

    async def _rerun(self, turn: Turn) -> Reply:
        await self._connect()
        async with self._turn:
            self._take_out(following(self.conversation, turn))
            self._tell_again(turn)
        return await self._take_turn(())

    async def _aside(self, prompt: str, about: list[Turn] | None, max_output_tokens: int) -> Reply:
        await self._connect()
        task = asyncio.create_task(self._answer_aside(prompt, about, max_output_tokens))
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise LocalProtocolError("the session was closed before the answer came") from None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def _answer_aside(self, prompt: str, about: list[Turn] | None, max_output_tokens: int) -> Reply:
        await self._admit()
        turns = [turn for turn in self.conversation if not _is_unanswered(turn)] if about is None else about
        items = items_of(turns, with_sound=self.hears_sound)
        has_sound = any(part.type == "input_audio" for item in items for part in item.content or ())
        response_id = self._next_id()
        reader = CompletionReader(response_id, f"{response_id}_request", in_conversation=False)
        options = ResponseOptions(conversation="none", max_output_tokens=max_output_tokens)
        self._session_events.note("sent", ev.ResponseCreate(event_id=f"{response_id}_request", response=options))
        messages = [*messages_of(items), {"role": "user", "content": prompt}]
        remarker = self._remarker(has_sound=has_sound, max_output_tokens=max_output_tokens)
        try:
            async with patience(
                self._session_events, REPLY_TIMEOUT_S, lambda event: response_id_of(event) == response_id
            ):
                await self._remark(remarker, messages, reader)
        except Exception as error:
            code = error.code if isinstance(error, ServerError) else None
            for event in reader.fail(str(error) or type(error).__name__, code):
                self._session_events.note("received", event)
                self._session_events.tell(event)
            raise
        except asyncio.CancelledError:
            for event in reader.cancel():
                self._session_events.note("received", event)
                self._session_events.tell(event)
            raise
        await self._guarding.settled(response_id)
        reply = self.conversation.reply(response_id)
        assert reply is not None
        return reply

    async def _remark(self, remarker: TextModel, messages: list[dict[str, Any]], reader: CompletionReader) -> None:
        usage: dict[str, Any] | None = None
        self._session_events.announce(StageStarted(response_id=reader.response_id, stage="text", model=remarker.model))
        events = reader.begin()
        async for piece in remarker.answer(messages):
            if isinstance(piece, StepUsage):
                usage, reader.finish_reason = dict(piece.usage), piece.finish_reason
            elif isinstance(piece, str):
                events += reader.write(piece)
        self._session_events.announce(StageDone(response_id=reader.response_id, stage="text", usage=usage))
        for event in [*events, *reader.end()]:
            self._session_events.note("received", event)
            self._session_events.tell(event)


def _is_unanswered(turn: Turn) -> bool:
    return turn.reply is not None and turn.reply.status in ("failed", "cancelled") and not turn.reply.outputs
