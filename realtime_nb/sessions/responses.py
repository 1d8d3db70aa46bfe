"""Ask a Realtime session's model, and wait for the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..conversation.records import Reply
from ..errors import InputFlagged, LocalProtocolError, RealtimeError, ReplyTimeout, ServerError
from ..media import clip as audio
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..protocol import events as ev
from ..protocol.items import Item, ResponseOptions
from .connection import Connection, server_error
from .event_log import REPLY_TIMEOUT_S, patience, response_id_of
from .guard import SessionGuard
from .input import SpokenInput
from .rate_limit import Admission
from .request import Content, message_item
from .tool_calls import ToolCalls, ToolTurns

#: How long `ResponseQueue.ask` waits for the person's own words after the answer is done: they may come last.
_TRANSCRIPT_WAIT_S = 5.0
#: How long a server may take to end a response that is no longer wanted, or to begin one by itself after it has found
#: a turn; some do not begin one if they understood nothing.
_END_WAIT_S = 2.0
_OWN_ANSWER_WAIT_S = 1.0


class ResponseQueue:
    """Asks for answers over a connection, one question after the other. Runs on the I/O thread.

    A question goes out, all at once, when the one before has its answer, tools included, and the server is not
    answering by itself. A question that is cancelled, or that the server does not answer, is stopped at the server. If
    there was no answer yet, it is removed from the conversation; otherwise it stays with the part of its answer, as
    after an interruption.
    """

    def __init__(
        self,
        connection: Connection,
        spoken: SpokenInput,
        calls: ToolCalls,
        guarding: SessionGuard,
        admission: Admission,
        *,
        connect: Callable[[], Awaitable[None]],
        replace: Callable[[str], None],
        admit: Callable[[], Awaitable[None]],
        writes_down: Callable[[], bool],
    ):
        self.turns = ToolTurns(connection, calls, self.once)
        """Goes on after an answer that called functions."""
        self._connection = connection
        self._session_events = connection.session_events
        self._spoken = spoken
        self._calls = calls
        self._guarding = guarding
        self._admission = admission
        self._connect = connect
        self._replace = replace
        self._admit = admit
        self._writes_down = writes_down
        self._floor = asyncio.Lock()  # First come, first served.
        self._closings = 0
        self._leaving: set[asyncio.Task[None]] = set()
        self._forgetting: set[asyncio.Task[None]] = set()

    async def ask(self, content: tuple[Content, ...], timeout_s: float | None) -> Reply:
        """Say or write something, and return the answer."""
        closings = self._closings
        async with self._floor:
            await self._open(closings)
            written = [piece for piece in content if not isinstance(piece, AudioClip)]
            question = _Question(item=await self._let_through(written) if written else None)
            clips = [piece for piece in content if isinstance(piece, AudioClip)]
            if clips:
                question.clip = audio.concatenate([clip.resample(WIRE_SAMPLE_RATE) for clip in clips])
            with self.turns.kept():
                first = await self.once(ResponseOptions(), 0, timeout_s, question, closings=closings)
                reply = await self.turns.last(first)
        if clips and self._writes_down():
            await self._words_of(reply)
        return reply

    async def respond(
        self,
        options: ResponseOptions,
        timeout_s: float | None = REPLY_TIMEOUT_S,
        *,
        first: Callable[[], Awaitable[None]] | None = None,
    ) -> Reply:
        """Ask for a response, and wait for it and for what follows its tool calls.

        `first` runs before that, once this question is next.
        """
        if options.conversation == "none":
            return await self.once(options, 0, timeout_s)
        closings = self._closings
        async with self._floor:
            await self._open(closings)
            if first is not None:
                await first()
            await self._judged()
            with self.turns.kept():
                return await self.turns.last(await self.once(options, 0, timeout_s, closings=closings))

    async def once(
        self,
        options: ResponseOptions,
        tool_round: int,
        timeout_s: float | None = REPLY_TIMEOUT_S,
        question: _Question | None = None,
        *,
        closings: int | None = None,
    ) -> Reply:
        """Ask for a response, and wait for it; ask again later if the server is busy.

        `closings`: how often the session had been closed when the question was put; by default, until now.

        Raises `ReplyTimeout` if the server gives no sign of it for `timeout_s`.
        """
        question = question or _Question()
        closings = self._closings if closings is None else closings
        while True:
            await self._open(closings)
            await self._admit()
            try:
                reply = await self._respond(options, tool_round, timeout_s, question)
            except ServerError as error:
                if question.is_refused or not self._admission.refuses(error):
                    raise
            else:
                if not self._admission.is_refused(reply):
                    await self._guarding.settled(reply.response_id)
                    return reply
            question.item = question.clip = None  # The server has them.

    def close(self) -> None:
        """End the questions that wait: they must not open the session again."""
        self._closings += 1

    async def _open(self, closings: int) -> None:
        if self._closings != closings:
            raise LocalProtocolError("the session was closed before the question was put")
        await self._connect()

    def cut(self, response_id: str) -> None:
        """End an answer that is being made."""
        reply = self._session_events.conversation.reply(response_id)
        if self._connection.is_open and reply is not None and not reply.done:
            self._connection.protocol.cut(response_id)
            self._connection.flush()

    def forget(self, item_id: str, response_id: str) -> None:
        """Delete a turn from the model's context, together with its unfinished answer."""
        task = asyncio.create_task(self._forget(item_id, response_id))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _forget(self, item_id: str, response_id: str) -> None:
        conversation = self._session_events.conversation
        reply = conversation.reply(response_id)
        with contextlib.suppress(RealtimeError):  # The next connection is not sent what was flagged.
            if reply is not None and not reply.done:
                await self._session_events.watch(lambda event: reply.done or None)
            for turn in (*(reply.turns if reply else ()), conversation.turn(item_id)):
                if turn is not None and not turn.deleted:
                    self._connection.protocol.forget(turn.item_id)
            self._connection.flush()

    async def _let_through(self, written: Sequence[Content]) -> Item:
        """Return written content as an item; if the guard flags it, only the record gets it."""
        item = message_item(written)
        try:
            words = "\n".join(piece for piece in written if isinstance(piece, str))
            await self._guarding.question(words, str(item.id))
        except InputFlagged:
            self._session_events.announce(ev.ConversationItemAdded(item=item))
            self._session_events.announce(ev.ConversationItemDone(item=item))
            raise
        return item

    async def _judged(self, *parts: str) -> None:
        """Wait until the guard has judged the person's words; the server must take them first."""
        if not self._guarding.is_on:
            return
        self._connection.flush()

        def committed(event: Any) -> bool | None:
            if isinstance(event, ev.Error) and event.error.event_id in parts:
                raise server_error(event)
            return None if self._connection.protocol.is_committing else True

        if self._connection.protocol.is_committing:
            await self._session_events.watch(committed)
        await self._guarding.heard()

    async def _words_of(self, reply: Reply) -> None:
        turn = reply.asked
        if turn is None or turn.is_final:
            return
        try:
            await asyncio.wait_for(self._session_events.watch(lambda event: turn.is_final or None), _TRANSCRIPT_WAIT_S)
        except (TimeoutError, RealtimeError):
            return  # The answer is there; the words may come later.

    async def _respond(
        self, options: ResponseOptions, tool_round: int, timeout_s: float | None, question: _Question
    ) -> Reply:
        """Ask a question, and wait for its response; raise if the server refuses the request or a part of it.

        It is sent all at once, when its answer will be the next one.
        """
        request_id = ""
        out_of_band = options.conversation == "none"

        def is_sign(event: Any) -> bool:
            answered = self._connection.protocol.answered
            if isinstance(event, ev.InputAudioBufferCommitted) and answered in question.parts:
                question.parts[answered] = event.item_id
                return True
            response_id = response_id_of(event)
            # Until it is this one's turn, any answer shows that the server is alive.
            return bool(response_id) and request_id in ("", self._connection.protocol.request_of(response_id))

        try:
            async with patience(self._session_events, timeout_s, is_sign):
                if not out_of_band:
                    await self._free()
                try:
                    if question.item is not None:
                        question.parts[self._connection.protocol.create_item(question.item)] = str(question.item.id)
                    if question.clip is not None:
                        question.parts[self._spoken.say(question.clip)] = ""
                        await self._judged(*question.parts)
                    request_id = self._connection.protocol.respond(options)
                    self.turns.asked(request_id, options, tool_round, timeout_s)
                    self._connection.flush()
                    return await self._session_events.watch(self._answer_to(request_id, question))
                except (asyncio.CancelledError, ServerError) as error:
                    if isinstance(error, ServerError):
                        question.is_refused = question.parts.pop(error.event_id or "", None) is not None
                    if question.is_refused or not isinstance(error, ServerError):
                        await asyncio.shield(self._leave(request_id, question))
                    raise
        except ReplyTimeout:
            if not request_id and not out_of_band and self._connection.is_open:
                # Not this question was silent, but a response that the server began by itself.
                self._connection.protocol.abandon_response()
                self._connection.flush()
            raise

    def _answer_to(self, request_id: str, question: _Question) -> Callable[[Any], Reply | None]:
        def done(event: Any) -> Reply | None:
            if isinstance(event, ev.Error) and event.error.event_id in (request_id, *question.parts):
                if event.error.event_id in question.parts or not self._connection.protocol.is_waiting(request_id):
                    raise server_error(event)
            elif isinstance(event, ev.ResponseDone):
                if self._connection.protocol.request_of(event.response.id) == request_id:
                    return self._session_events.conversation.reply(event.response.id)
            return None

        return done

    async def _free(self) -> None:
        """Wait until nothing else is being answered, so that the next question is answered next."""
        while True:
            protocol = self._connection.protocol
            if self._leaving:
                await asyncio.wait(self._leaving)
            elif not protocol.is_free:
                await self._session_events.watch(lambda event: self._connection.protocol.is_free or None)
            elif protocol.is_about_to_answer:
                begun = self._session_events.watch(
                    lambda event: not self._connection.protocol.is_about_to_answer or None
                )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(begun, _OWN_ANSWER_WAIT_S)
                protocol.is_about_to_answer = False  # It will not come.
            else:
                return

    def _leave(self, request_id: str, question: _Question) -> asyncio.Task[None]:
        """Stop the answer to a question that is no longer wanted; the next question waits for that."""
        task = asyncio.create_task(self._end(request_id, question))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    async def _end(self, request_id: str, question: _Question) -> None:
        protocol = self._connection.protocol
        if not self._connection.is_open:
            return
        with contextlib.suppress(TimeoutError, RealtimeError):  # What follows looks how far it came.
            async with asyncio.timeout(_END_WAIT_S):
                if request_id and protocol.is_engaged(request_id):
                    protocol.withdraw(request_id)
                    self._connection.flush()
                    if protocol.is_engaged(request_id):
                        await self._session_events.watch(lambda event: not protocol.is_engaged(request_id) or None)
        if not self._connection.is_open or self._connection.protocol is not protocol:
            return
        replies = [] if not request_id else self._session_events.conversation.replies
        answered = [reply for reply in replies if protocol.request_of(reply.response_id) == request_id]
        is_known = not request_id or protocol.abandon(request_id)
        if not any(reply.outputs for reply in answered):
            # Nothing was answered: the next answer must not answer both.
            for item_id in filter(None, question.parts.values()):
                protocol.forget(item_id)
                self._session_events.announce(ev.ConversationItemDeleted(item_id=item_id))
        self._connection.flush()
        if not is_known:
            self._replace("the server did not answer a request that was given up")


@dataclass
class _Question:
    """A question that is spoken or written; sent with the request for its answer."""

    item: Item | None = None
    clip: AudioClip | None = None
    parts: dict[str, str] = field(default_factory=dict)
    """The events that created it, once sent, and the items that they created, as far as known."""
    is_refused: bool = False
    """True if the server has refused one of them."""
