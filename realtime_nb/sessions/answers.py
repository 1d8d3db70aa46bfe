"""What a Realtime session asks its model, and how it waits for the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .. import audio
from ..audio import WIRE_SAMPLE_RATE, AudioClip
from ..errors import InputFlagged, RealtimeError, ServerError
from ..turns import Reply
from ..wire import events as ev
from ..wire.items import Item, ResponseOptions
from .base import Content
from .connection import Connection, server_error
from .content import message_item
from .gate import Gate
from .guarding import Guarding
from .spoken_input import SpokenInput
from .tool_calls import ToolCalls
from .tool_turns import ToolTurns

#: How long `Answers.ask` waits for the person's own words after the answer is done: they may come last.
_TRANSCRIPT_WAIT_S = 5.0


class Answers:
    """Asks for answers over a line, one question after the other. Lives on the I/O thread.

    Parameters
    ----------
    line : Connection
        The way to the server.
    spoken : SpokenInput
        What says clips there.
    calls : ToolCalls
        The functions that an answer may call.
    guarding : Guarding
        Who judges what is asked, and what is answered.
    gate : Gate
        Who knows when a server has too much to do.
    connect, admit : callable
        Open the line; wait until the server may be asked.
    writes_down : callable
        Whether somebody writes down what the person says.
    """

    def __init__(
        self,
        line: Connection,
        spoken: SpokenInput,
        calls: ToolCalls,
        guarding: Guarding,
        gate: Gate,
        *,
        connect: Callable[[], Awaitable[None]],
        admit: Callable[[], Awaitable[None]],
        writes_down: Callable[[], bool],
    ):
        self.turns = ToolTurns(line, calls, self.once)
        """What goes on where an answer has called functions."""
        self._line = line
        self._journal = line.journal
        self._spoken = spoken
        self._calls = calls
        self._guarding = guarding
        self._gate = gate
        self._connect = connect
        self._admit = admit
        self._writes_down = writes_down
        self._asking = asyncio.Lock()
        self._forgetting: set[asyncio.Task[None]] = set()

    async def ask(self, content: tuple[Content, ...]) -> Reply:
        """Say or write something, and return the answer."""
        # With functions to call, a turn may take several responses: the next one waits.
        async with self._asking if self._calls.functions else contextlib.nullcontext():
            return await self._ask(content)

    async def respond(self, options: ResponseOptions, *parts: str) -> Reply:
        """Ask for a response, and wait for it and for what follows the tools that it calls.

        `parts` are the events that made the question; where the server refuses one, that is raised.
        """
        if not parts and options.conversation != "none":
            await self._connect()
            await self._judged()
        with self.turns.kept():
            return await self.turns.last(await self.once(options, 0, *parts))

    async def once(self, options: ResponseOptions, tool_round: int, *parts: str) -> Reply:
        """Ask for a response, and wait for it; a server that has too much to do is asked again later."""
        while True:
            await self._connect()
            await self._admit()
            try:
                reply = await self._respond(options, tool_round, *parts)
            except ServerError as error:
                if error.event_id in parts or not self._gate.refuses(error):
                    raise
            else:
                if not self._gate.is_refused(reply):
                    await self._guarding.settled(reply.response_id)
                    return reply
            parts = ()  # The server has them.

    def cut(self, response_id: str) -> None:
        """End an answer that is being made."""
        reply = self._journal.conversation.reply(response_id)
        if self._line.is_open and reply is not None and not reply.done:
            self._line.protocol.cut(response_id)
            self._line.flush()

    def forget(self, item_id: str, response_id: str) -> None:
        """Delete a turn from the model's context, and with it what was made to answer it."""
        task = asyncio.create_task(self._forget(item_id, response_id))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _forget(self, item_id: str, response_id: str) -> None:
        conversation = self._journal.conversation
        reply = conversation.reply(response_id)
        with contextlib.suppress(RealtimeError):
            if reply is not None and not reply.done:
                await self._journal.watch(lambda event: reply.done or None)
            for turn in (*(reply.turns if reply else ()), conversation.turn(item_id)):
                if turn is not None and not turn.deleted:
                    self._line.protocol.forget(turn.item_id)
            self._line.flush()

    async def _ask(self, content: tuple[Content, ...]) -> Reply:
        await self._connect()
        written = [piece for piece in content if not isinstance(piece, AudioClip)]
        parts = [self._line.protocol.create_item(await self._let_through(written))] if written else []
        clips = [piece for piece in content if isinstance(piece, AudioClip)]
        if clips:
            parts.append(self._spoken.say(audio.concatenate([clip.resample(WIRE_SAMPLE_RATE) for clip in clips])))
            await self._judged(*parts)
        reply = await self.respond(ResponseOptions(), *parts)
        if clips and self._writes_down():
            await self._words_of(reply)
        return reply

    async def _let_through(self, written: Sequence[Content]) -> Item:
        """Return what is written as an item; where the guard flags it, the record alone gets it."""
        item = message_item(written)
        try:
            words = "\n".join(piece for piece in written if isinstance(piece, str))
            await self._guarding.question(words, str(item.id))
        except InputFlagged:
            self._journal.announce(ev.ConversationItemAdded(item=item))
            self._journal.announce(ev.ConversationItemDone(item=item))
            raise
        return item

    async def _judged(self, *parts: str) -> None:
        """Wait until the guard has judged what the person has said; the server has to take that first."""
        if not self._guarding.is_on:
            return
        self._line.flush()

        def committed(event: Any) -> bool | None:
            if isinstance(event, ev.Error) and event.error.event_id in parts:
                raise server_error(event)
            return None if self._line.protocol.is_committing else True

        if self._line.protocol.is_committing:
            await self._journal.watch(committed)
        await self._guarding.heard()

    async def _words_of(self, reply: Reply) -> None:
        turn = reply.asked
        if turn is None or turn.is_final:
            return
        try:
            await asyncio.wait_for(self._journal.watch(lambda event: turn.is_final or None), _TRANSCRIPT_WAIT_S)
        except (TimeoutError, RealtimeError):
            return  # The answer is there; the words may still be filled in later.

    async def _respond(self, options: ResponseOptions, tool_round: int, *parts: str) -> Reply:
        """Ask for a response, and wait for it; a refusal of the request, or of a part of the question, is raised."""
        protocol = self._line.protocol
        request_id = protocol.respond(options)
        self.turns.asked(request_id, options, tool_round)
        self._line.flush()

        def done(event: Any) -> Reply | None:
            if isinstance(event, ev.Error) and event.error.event_id in (request_id, *parts):
                if event.error.event_id in parts or not self._line.protocol.is_waiting(request_id):
                    raise server_error(event)
            elif isinstance(event, ev.ResponseDone):
                if self._line.protocol.request_of(event.response.id) == request_id:
                    return self._journal.conversation.reply(event.response.id)
            return None

        return await self._journal.watch(done)
