"""The base of sessions that take one turn at a time: a question, a request, an answer."""

from __future__ import annotations

import asyncio
import itertools
from abc import abstractmethod
from typing import Any, Literal

from ..conversation.records import Reply, Turn
from ..errors import BudgetReached, InputFlagged, LocalProtocolError
from ..loop import Pending, submit
from ..media.picture import Picture
from ..protocol import events as ev
from ..protocol.chat import CompletionReader
from ..protocol.items import Item
from ..protocol.local_events import Interrupted, StateChanged
from ..tools import Approver, error_text
from .api import Api
from .backend import naming_key
from .event_log import REPLY_TIMEOUT_S, checked_timeout_s, patience, response_id_of
from .message_editing import MessageEditing
from .request import Content, checked_content, item_content, message_part
from .tool_calls import MAX_ROUNDS

#: Events that may come from a question before its answer.
_HEARD = (ev.ConversationItemInputAudioTranscriptionDelta, ev.ConversationItemInputAudioTranscriptionCompleted)


class TurnwiseSession(MessageEditing):
    """The shared part of `ChatSession` and `CascadeSession`.

    A question that you ask while another one is being answered waits for its turn.
    """

    def __init__(
        self, api: Api, *, approve: bool | Approver = False, max_tool_rounds: int = MAX_ROUNDS, **bound_options: Any
    ) -> None:
        super().__init__(approve=approve, max_tool_rounds=max_tool_rounds, **bound_options)
        self.backend = api.backend
        self._api = api
        self._open = False
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()
        self._closings = 0
        self._answering: asyncio.Task[Reply] | None = None
        self._making: asyncio.Task[None] | None = None
        self._halted: BudgetReached | None = None
        self._guard_by(api)
        api.admission = self._admission

    @property
    def state(self) -> str:
        """``"open"`` once it has been used, ``"closed"`` before and after."""
        return "open" if self._open else "closed"

    def connect(self) -> Pending[None]:
        """Get ready; nothing is sent before the first question."""
        return submit(self._connect())

    def ask(self, *content: Any, timeout_s: float | None = REPLY_TIMEOUT_S) -> Pending[Reply]:
        """Say, write or show something, and get the answer.

        Parameters
        ----------
        *content : str, AudioClip or picture
            Words, speech and pictures of one message, in their order; a picture is whatever `Picture.of` takes, e.g.
            a `Picture`, a PIL image, an array, a `pathlib.Path` or a matplotlib figure.
        timeout_s : float or None, default 120
            How long the server may give no sign of the answer, in seconds; `None` waits forever. Each piece of the
            answer restarts the clock, so a long answer is never cut; an answer that is not streamed comes in one piece.
            Waiting for earlier questions, tools, approval, or a busy server does not count.

        Returns
        -------
        reply : Pending of Reply
            Ready when the answer is complete. If the model calls functions of ``tools``, this is the last reply of the
            turn; the earlier ones are in `conversation`.

        Raises
        ------
        AudioError
            If a clip is shorter than 100 ms, or silent from end to end.
        PictureError
            If a picture cannot be read, or the model takes none.
        TypeError
            If a piece of content cannot be said, written or shown.
        ReplyTimeout
            If the server gave no sign of an answer for `timeout_s`. The request is ended, and you can ask the next
            question.

        Notes
        -----
        A question whose answer is not complete, because it was cancelled or failed, stays in the records; the model
        does not get it again. `close` ends waiting questions with an error.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> session = rt.ChatSession(backend="local")
        >>> session.ask("What is two plus three?").result().transcript         # in a cell: await session.ask(…)
        '2 plus 3 is 5.'
        >>> session.close().result()
        """
        checked, timeout_s = checked_content(content), checked_timeout_s(timeout_s)
        if any(isinstance(piece, Picture) for piece in checked):
            self._check_sees()
        return submit(self._take_turn(checked, timeout_s))

    def respond(self, *, timeout_s: float | None = REPLY_TIMEOUT_S) -> Pending[Reply]:
        """Ask for an answer to the conversation as it is, e.g. after `send_function_output`.

        Parameters
        ----------
        timeout_s : float or None, default 120
            As for `ask`.
        """
        return submit(self._take_turn((), checked_timeout_s(timeout_s)))

    def send_function_output(self, call_id: str, output: str) -> Pending[None]:
        """Answer a function call of the model; then let it go on with `respond`."""
        return submit(self._add_output(call_id, output))

    def interrupt(self) -> Pending[bool]:
        """Stop the answer that is being made; the result is `True` if there was one."""
        return submit(self._interrupt())

    # --- where the kinds of sessions differ ---

    @abstractmethod
    async def _answer(
        self, content: tuple[Content, ...], reader: CompletionReader, tool_choice: str | None = None
    ) -> None:
        """Ask the model and report its answer; remember both once it is whole.

        `tool_choice`, if given, replaces the session's for this answer.
        """

    @abstractmethod
    async def _recite(self, text: str, reader: CompletionReader) -> None:
        """Say given words, and report them as an answer."""

    @abstractmethod
    def _add_message(self, message: dict[str, Any]) -> None:
        """Send the model a message from the next request on."""

    @abstractmethod
    def _drop_message(self, message: dict[str, Any]) -> None:
        """Stop sending the model a message."""

    def _secrets(self) -> tuple[str, ...]:
        return (*super()._secrets(), *self._api.secrets)

    # --- on the I/O thread ---

    async def _connect(self) -> None:
        if self._open:
            return
        self._watch.check()
        self._session_events.begin()
        await self._api.client()
        if self.state == "open":
            return  # Another caller was faster.
        self._halted = None
        self._open = True
        self._tell("local", ev.SessionCreated(session=self._settings), StateChanged(state="open"))

    def _tell(self, direction: Literal["received", "local"], *events: Any) -> None:
        for event in events:
            self._session_events.note(direction, event)
            self._session_events.tell(event)

    async def _take_turn(self, content: tuple[Content, ...], timeout_s: float | None = REPLY_TIMEOUT_S) -> Reply:
        closings = self._closings
        await self._connect()
        async with self._turn:
            if self._closings != closings:
                raise self._halted or LocalProtocolError("the session was closed before the question was put")
            self._answering = asyncio.create_task(self._last_reply_to(content, timeout_s))
            try:
                return await asyncio.shield(self._answering)
            except asyncio.CancelledError:
                if self._answering.cancelled():
                    raise self._halted or LocalProtocolError("the answer was stopped before it was complete") from None
                self._answering.cancel()  # The caller no longer wants it.
                await asyncio.gather(self._answering, return_exceptions=True)
                raise
            finally:
                self._answering = None

    async def _last_reply_to(self, content: tuple[Content, ...], timeout_s: float | None) -> Reply:
        """Answer a question, and go on while the model calls functions that run here."""
        if text := self._to_disclose:
            self._to_disclose = ""
            await self._reply_to((), timeout_s, recite=text)
        reply = await self._reply_to(content, timeout_s)
        for number in range(1, self._calls.max_rounds + 1):
            calls = self._calls.calls_of(reply)
            if not calls:
                break
            await self._run(calls)
            if len(calls) < len(reply.function_calls):
                break  # The caller answers the others.
            # The forced call has been made; and in the end there must be an answer in words.
            reply = await self._reply_to((), timeout_s, "none" if number == self._calls.max_rounds else "auto")
        else:
            for call in self._calls.calls_of(reply):
                self._note_output(call.call_id, self._calls.refuse(call, "not run: too many calls for one question"))
        return reply

    async def _run(self, calls: list[Turn]) -> None:
        """Run calls; the model gets the output of each, even if the person does not wait for it."""
        missing = {call.call_id: call for call in calls}

        async def take(call_id: str, output: str) -> None:
            if missing.pop(call_id, None):
                self._note_output(call_id, output)

        try:
            await self._calls.answer_all(calls, take)
        finally:
            # The API accepts no further message until every call has its output.
            for call_id in list(missing):
                await take(call_id, error_text("the person did not wait for it"))

    async def _reply_to(
        self,
        content: tuple[Content, ...],
        timeout_s: float | None,
        tool_choice: str | None = None,
        *,
        recite: str = "",
    ) -> Reply:
        """Answer a question once it is this session's turn to ask the server."""
        await self._admit()
        await self._admission.enter(self.backend)
        response_id = self._next_id()

        def is_sign(event: Any) -> bool:
            return isinstance(event, _HEARD) or response_id_of(event) == response_id

        try:
            async with patience(self._session_events, timeout_s, is_sign):
                return await self._reply_now(response_id, content, tool_choice, recite)
        finally:
            self._admission.leave()

    async def _reply_now(
        self, response_id: str, content: tuple[Content, ...], tool_choice: str | None, recite: str
    ) -> Reply:
        reader = CompletionReader(response_id, f"{response_id}_request")
        self._show(content)
        self._session_events.note("sent", ev.ResponseCreate(event_id=f"{response_id}_request"))
        work = self._recite(recite, reader) if recite else self._answer(content, reader, tool_choice)
        self._making = asyncio.create_task(work)
        try:
            with naming_key(self.backend):
                await self._making
        except InputFlagged:
            self._tell("received", *reader.cancel())
            raise
        except Exception as error:  # A step of a chain may be the caller's own, and fail in any way.
            self._tell("received", *reader.fail(str(error) or type(error).__name__, getattr(error, "code", None)))
            raise
        except asyncio.CancelledError:
            self._tell("received", *reader.cancel())
            task = asyncio.current_task()
            if not self._guarding.is_flagged(response_id) or (task and task.cancelling()):
                raise
        else:
            self._tell("received", *reader.end())
        reply = self.conversation.reply(response_id)
        assert reply is not None
        return reply

    def _next_id(self) -> str:
        return f"turn_{next(self._numbers)}"

    async def _show_frame(self, frame: Picture) -> Any:
        await self._connect()
        async with self._turn:  # An answer that is being made still uses the earlier messages.
            message = {"role": "user", "content": [message_part(frame)]}
            self._add_message(message)
            return self._show((frame,)), message

    async def _take_back(self, shown: Any) -> None:
        item_id, message = shown
        async with self._turn:
            self._drop_message(message)
            self._tell("local", ev.ConversationItemDeleted(item_id=item_id))

    def _show(self, content: tuple[Content, ...]) -> str:
        """Make the person's turn; return its item id, or nothing if there is no content."""
        if not content:
            return ""
        shown = [item_content(piece) for piece in content]
        item = Item(id=self._next_id(), type="message", role="user", status="completed", content=shown)
        self._tell("local", ev.ConversationItemAdded(item=item), ev.ConversationItemDone(item=item))
        return str(item.id)

    async def _add_output(self, call_id: str, output: str) -> None:
        await self._connect()
        self._note_output(call_id, output)

    def _note_output(self, call_id: str, output: str) -> None:
        self._add_message({"role": "tool", "tool_call_id": call_id, "content": output})
        item = Item(id=self._next_id(), type="function_call_output", call_id=call_id, output=output)
        self._tell("local", ev.ConversationItemAdded(item=item), ev.ConversationItemDone(item=item))

    async def _interrupt(self) -> bool:
        self._tell("local", Interrupted())
        if self._answering is None:
            return False
        self._answering.cancel()
        return True

    def _cut(self, response_id: str) -> None:
        reply = self.conversation.reply(response_id)
        if self._making is not None and reply is not None and not reply.done:
            self._making.cancel()

    async def _judged(self, words: str, response_id: str) -> None:
        """Let the guard judge a question before the model gets it."""
        asked = next((turn for turn in reversed(self.conversation.turns) if turn.role == "user"), None)
        await self._guarding.question(words, asked.item_id if asked else "", response_id)

    async def _halt(self, error: BudgetReached) -> None:
        self._halted = error
        await self._end_with(str(error))

    async def _close(self) -> None:
        if self._answering is not None:
            self._tell("local", Interrupted())
        await self._end_with("")

    async def _end_with(self, message: str) -> None:
        """End running and waiting questions and any attempt to connect, then the session."""
        self._closings += 1
        working = {*self._asides, *([self._answering] if self._answering is not None else [])}
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        if self._open:
            self._open = False
            self._tell("local", StateChanged(state="closed", message=message))
        await self._free()

    async def _free(self) -> None:
        """Release what the session holds."""
        await self._api.close()
