"""How a Realtime conversation goes on where a response has called tools: outputs, then one more response.

Source: Realtime API, function calling; remote MCP servers. The server never goes on by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from ..turns import Reply, Turn
from ..wire import events as ev
from ..wire.items import Item, ResponseOptions
from ..wire.local import ApprovalGiven, Interrupted
from ..wire.settings import setting_at
from .connection import Connection
from .patience import REPLY_TIMEOUT_S
from .tool_calls import ToolCalls

#: How long the tool of an MCP server may take until the model is asked to go on without it.
_MCP_WAIT_S = 60.0


@dataclass
class _Round:
    """The calls of one response, on their way to the next."""

    options: ResponseOptions
    number: int
    person: int
    """The turn of the person's that it belongs to."""
    call_ids: set[str]
    next: asyncio.Future[Reply | None]
    """The response that follows; `None` where the person has begun something else."""
    timeout_s: float | None
    """How long the server may be silent about it."""
    task: asyncio.Task[None] | None = None
    """What runs the calls, and asks for it."""


class ToolTurns:
    """Answers the calls of every response, whoever asked for it. Everything here runs on the I/O thread.

    Parameters
    ----------
    line : Connection
        Where responses come and outputs go.
    calls : ToolCalls
        What may be called.
    respond : callable
        Asks for a response, given its options, the number of the round, and how long the server may be silent.
    """

    def __init__(
        self,
        line: Connection,
        calls: ToolCalls,
        respond: Callable[[ResponseOptions, int, float | None], Awaitable[Reply]],
    ):
        self._line = line
        self._calls = calls
        self._respond = respond
        self._person = 0
        self._spoken: set[str] = set()
        self._asked: dict[str, tuple[ResponseOptions, int, float | None]] = {}
        self._begun: dict[str, int] = {}
        self._rounds: dict[str, _Round] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._askers = 0
        self._mcp_done: set[str] = set()
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.ResponseCreated: self._on_created,
            ev.ResponseDone: self._on_done,
            ev.InputAudioBufferSpeechStarted: self._on_speech,
            ev.ConversationItemAdded: self._on_item,
            ev.ResponseMcpCallCompleted: self._on_mcp_done,
            ev.ResponseMcpCallFailed: self._on_mcp_done,
            Interrupted: self._on_person,
            ApprovalGiven: self._on_approval,
        }
        line.journal.listen(self._on_event)

    @property
    def is_busy(self) -> bool:
        """Whether calls are on their way to the next response."""
        return bool(self._tasks)

    def asked(self, request_id: str, options: ResponseOptions, number: int, timeout_s: float | None) -> None:
        """Note with which options, in which round, and with how much patience a response was asked for."""
        self._asked[request_id] = options, number, timeout_s

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep rounds that are over, as somebody is on the way to ask for the `last` reply; else they are let go."""
        self._askers += 1
        try:
            yield
        finally:
            self._askers -= 1
            self._let_go()

    def _let_go(self) -> None:
        if not self._askers:
            self._rounds = {name: each for name, each in self._rounds.items() if name in self._tasks}

    async def last(self, reply: Reply) -> Reply:
        """Return the reply that a turn ends with: this one, or what follows the tools that it calls.

        Where that is cancelled, nothing more follows: tools that run get to their end, and the model is told.
        """
        while after := self._rounds.get(reply.response_id):
            try:
                following = await asyncio.shield(after.next)
            except asyncio.CancelledError:
                if after.task is not None:
                    after.task.cancel()
                    await asyncio.wait([after.task])
                raise
            if following is None:
                break
            reply = following
        return reply

    # --- what happens ---

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        if handler := self._handlers.get(type(event)):
            handler(event)

    def _on_created(self, event: ev.ResponseCreated) -> None:
        self._begun[event.response.id] = self._person

    def _on_speech(self, event: ev.InputAudioBufferSpeechStarted) -> None:
        self._spoken.add(event.item_id)
        self._on_person(event)

    def _on_item(self, event: ev.ConversationItemAdded) -> None:
        # What was spoken is a turn of the person's since the first word, not anew when it is written down.
        if event.item.role == "user" and event.item.id not in self._spoken:
            self._on_person(event)

    def _on_person(self, event: Any) -> None:
        """Let go of what is being worked on: whoever begins something new is answered by another response."""
        self._person += 1
        for each in self._rounds.values():
            if not each.next.done():
                each.next.set_result(None)

    def _on_approval(self, event: ApprovalGiven) -> None:
        # Whoever agrees wants to hear of it, whatever was said meanwhile.
        for each in self._rounds.values():
            if event.call_id in each.call_ids and event.approved:
                each.person = self._person

    def _on_mcp_done(self, event: ev.ResponseMcpCallCompleted | ev.ResponseMcpCallFailed) -> None:
        self._mcp_done.add(event.item_id)

    def _on_done(self, event: ev.ResponseDone) -> None:
        response_id = event.response.id
        asked = self._line.protocol.request_of(response_id) or ""
        options, number, timeout_s = self._asked.pop(asked, (ResponseOptions(), 0, REPLY_TIMEOUT_S))
        person = self._begun.pop(response_id, self._person)
        reply = self._line.journal.conversation.reply(response_id)
        if reply is None or not reply.in_conversation:
            return  # What is out of band has no place for outputs.
        calls = self._calls.calls_of(reply, () if options.tools is UNSET else options.tools)
        remote = [turn for turn in reply.turns if turn.kind in ("mcp_call", "mcp_approval_request")]
        calls = [call for call in calls if call.status != "incomplete"]
        if not calls and not remote:
            return
        too_many = number >= self._calls.max_rounds
        if reply.status in ("cancelled", "failed") or too_many:
            why = "too many calls for one question" if too_many else f"the response was {reply.status}"
            for call in calls:
                self._send_output(call.call_id, self._calls.refuse(call, f"not run: {why}"))
            return
        after = _Round(
            options,
            number,
            person,
            {turn.call_id or turn.item_id for turn in (*calls, *remote)},
            self._expected(),
            timeout_s,
        )
        self._rounds[response_id] = after
        task = after.task = asyncio.create_task(self._go_on(reply, after, calls, remote))
        self._tasks[response_id] = task

        def over(_: Any) -> None:
            del self._tasks[response_id]
            self._let_go()

        task.add_done_callback(over)

    def _expected(self) -> asyncio.Future[Reply | None]:
        # A watch without a match: it fails with the reason where the line breaks off.
        expected: asyncio.Future[Reply | None] = self._line.journal.watch(lambda event: None)
        expected.add_done_callback(lambda done: done.cancelled() or done.exception())  # Perhaps nobody waits.
        return expected

    # --- what is done ---

    async def _go_on(self, reply: Reply, after: _Round, calls: list[Turn], remote: list[Turn]) -> None:
        protocol = self._line.protocol

        async def send(call_id: str, output: str) -> None:
            if self._line.protocol is protocol:  # Another connection knows nothing of the call.
                self._send_output(call_id, output)

        try:
            await asyncio.gather(self._calls.answer_all(calls, send), *(self._remote(turn) for turn in remote))
            by_hand = len(calls) < len([call for call in reply.function_calls if call.status != "incomplete"])
            is_over = self._line.protocol is not protocol or not self._line.is_open
            if is_over or by_hand or after.person != self._person:
                following = None
            else:
                following = await self._respond(self._options_after(after), after.number + 1, after.timeout_s)
        except asyncio.CancelledError:
            if not after.next.done():
                after.next.set_result(None)
            raise
        except Exception as error:
            if not after.next.done():
                after.next.set_exception(error)
        else:
            if not after.next.done():
                after.next.set_result(following)

    def _options_after(self, after: _Round) -> ResponseOptions:
        """Return the options of the response that follows: those of the one before, but no call for ever."""
        choice = after.options.tool_choice
        if choice is UNSET:
            choice = setting_at(self._line.protocol.session, "tool_choice") or "auto"
        if after.number + 1 >= self._calls.max_rounds:
            choice = "none"
        elif choice not in ("auto", "none"):
            choice = "auto"  # What had to be called has been called.
        else:
            choice = after.options.tool_choice
        return replace(after.options, tool_choice=choice, input=UNSET)

    def _send_output(self, call_id: str, output: str) -> None:
        if self._line.is_open:
            self._line.protocol.create_item(Item(type="function_call_output", call_id=call_id, output=output))
            self._line.flush()

    async def _remote(self, turn: Turn) -> None:
        """Let somebody decide on a call of an MCP server's tool, and wait until it is made."""
        if turn.kind == "mcp_approval_request":
            refusal = await self._calls.approvals.refusal(
                turn.item_id, turn.name, turn.arguments, server_label=turn.server_label, wish=True
            )
            if not self._line.is_open:
                return
            reason = refusal or UNSET
            item = Item(
                type="mcp_approval_response", approval_request_id=turn.item_id, approve=not refusal, reason=reason
            )
            self._line.protocol.create_item(item)
            self._line.flush()
            if refusal:
                return
        elif turn.output or turn.tool_error or turn.item_id in self._mcp_done:
            return
        try:
            async with asyncio.timeout(_MCP_WAIT_S):
                await self._line.journal.watch(lambda event: self._is_made(turn.item_id, event) or None)
        except TimeoutError:
            return

    def _is_made(self, item_id: str, event: Any) -> bool:
        """Whether an event says that the call of an item, or the one that it asked for, has been made."""
        if isinstance(event, ev.ResponseMcpCallCompleted | ev.ResponseMcpCallFailed):
            made = self._line.journal.conversation.turn(event.item_id)
        elif isinstance(event, ev.ConversationItemDone | ev.ResponseOutputItemDone) and event.item.type == "mcp_call":
            made = self._line.journal.conversation.turn(str(event.item.id))
        else:
            return False
        return made is not None and item_id in (made.item_id, made.approval_request_id)
