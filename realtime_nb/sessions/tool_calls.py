"""The functions that a session's model may call: approved, run and answered, and how the turn goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ..conversation.records import Reply, Turn
from ..errors import SettingsError
from ..loop import run_callback
from ..protocol import events as ev
from ..protocol.items import Item, ResponseOptions
from ..protocol.local_events import ApprovalAsked, ApprovalGiven, Interrupted, StateChanged, ToolDone, ToolStarted
from ..protocol.settings import setting_at
from ..tools import Approver, Tool, error_text, error_words, read_tools, result_text
from .connection import Connection
from .event_log import REPLY_TIMEOUT_S, SessionEvents

# --- Approval of a tool's call: the caller's function decides, or a person who is there to be asked -------------------

#: How long a person may take to decide.
APPROVAL_WAIT_S = 120.0


@dataclass(frozen=True)
class ProposedCall:
    """A model's call that waits for approval; all of it is the model's own words."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    """Not checked yet; a call whose arguments are not a JSON object is refused without asking."""
    server_label: str = ""
    """The MCP server that would run it; empty for a function that runs here."""


class Approvals:
    """Asks for approval. Everything here runs on the I/O thread.

    `approve`: for calls whose tool does not say: `True` asks a person, `False` does not ask, a callable decides.
    """

    def __init__(self, session_events: SessionEvents, approve: bool | Approver = False):
        self._session_events = session_events
        self._approve = approve
        self._attending: list[Callable[[], bool]] = []
        self._open: dict[str, tuple[ApprovalAsked, asyncio.Future[bool]]] = {}
        session_events.listen(self._on_event)

    @property
    def open(self) -> list[ApprovalAsked]:
        """The questions that no one has answered yet."""
        return [asked for asked, _ in list(self._open.values())]

    def attend(self, is_there: Callable[[], bool]) -> Callable[[], None]:
        """Register a person who can be asked while `is_there()` is true; return a function that undoes this."""
        self._attending.append(is_there)

        def stop() -> None:
            if is_there in self._attending:
                self._attending.remove(is_there)

        return stop

    def decide(self, call_id: str, approved: bool) -> None:
        """Answer a question; does nothing if it is not open."""
        _, answer = self._open.get(call_id, (None, None))
        if answer is not None and not answer.done():
            answer.set_result(approved)

    async def refusal(
        self, call_id: str, name: str, arguments: str, *, server_label: str = "", wish: bool | Approver | None = None
    ) -> str:
        """Ask for approval if it is needed.

        Returns why the call is refused, in words for the model; empty if it may be made.
        """
        wish = self._approve if wish is None else wish
        if wish is False:
            return ""
        asked = ApprovalAsked(call_id=call_id, name=name, arguments=arguments, server_label=server_label)
        approver = next((each for each in (wish, self._approve) if callable(each)), None)
        # On the list before it is announced: a page may answer at once.
        waiting = None if approver else self._put(asked)
        self._session_events.announce(asked)
        if waiting is not None:
            approved, reason = await self._person(call_id, waiting)
        else:
            assert approver is not None
            approved, reason = await _asked_of(approver, asked)
        self._session_events.announce(ApprovalGiven(call_id=call_id, approved=approved, reason=reason))
        return "" if approved else f"not run: {reason or 'the person refused'}"

    def _put(self, asked: ApprovalAsked) -> asyncio.Future[bool]:
        if asked.call_id not in self._open:
            self._open[asked.call_id] = asked, asyncio.get_running_loop().create_future()
        return self._open[asked.call_id][1]

    async def _person(self, call_id: str, answer: asyncio.Future[bool]) -> tuple[bool, str]:
        try:
            if not any(is_there() for is_there in self._attending):
                return False, "it needs approval, and nobody is there to give it"
            async with asyncio.timeout(APPROVAL_WAIT_S):
                return await asyncio.shield(answer), ""
        except TimeoutError:
            return False, f"it needs approval, and nobody gave it within {APPROVAL_WAIT_S:.0f} s"
        except asyncio.CancelledError:
            if answer.cancelled():
                return False, "the session ended before anybody approved"
            raise
        finally:
            self._open.pop(call_id, None)

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        if isinstance(event, StateChanged) and event.state == "closed":
            for _, answer in self._open.values():
                answer.cancel()


async def _asked_of(approver: Approver, asked: ApprovalAsked) -> tuple[bool, str]:
    try:
        arguments = msgspec.json.decode(asked.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        # Whatever runs the call may read more than is read here, such as NaN.
        return False, "its arguments are not a JSON object, so nobody could approve them"
    call = ProposedCall(asked.call_id, asked.name, arguments, asked.server_label)
    try:
        async with asyncio.timeout(APPROVAL_WAIT_S):
            answer = await run_callback(approver, call, read=lambda answer: answer)
    except TimeoutError:
        return False, f"it needs approval, and nobody gave it within {APPROVAL_WAIT_S:.0f} s"
    except Exception as error:
        return False, f"asking for approval failed: {error_words(error)}"
    # Only `True` counts as a yes: the text "no" is truthy, too.
    return answer is True, ""


# --- A model's calls of functions: each is checked, approved, run and answered, whatever happens ----------------------

#: After this many rounds of calls for one question the model must answer in words, unless the session sets another.
MAX_ROUNDS = 8
#: How many calls of one response are run; the rest are refused.
MOST_CALLS = 32


class ToolCalls:
    """Answers function calls. It runs on the I/O thread, except the constructor.

    `approve`: as for `Approvals`.
    """

    def __init__(
        self, session_events: SessionEvents, *, approve: bool | Approver = False, max_rounds: int = MAX_ROUNDS
    ):
        if max_rounds < 1:
            raise SettingsError(f"max_tool_rounds={max_rounds!r} must be 1 or more")
        self.max_rounds = max_rounds
        self.approvals = Approvals(session_events, approve)
        self.functions: dict[str, Tool] = {}
        """The functions that run here, by name."""
        self.definitions: list[dict[str, Any]] = []
        """All tools, in the API's shape."""
        self._session_events = session_events
        self._running: set[asyncio.Task[None]] = set()
        self._by_hand: set[str] = set()

    def take(self, tools: Sequence[Any] | None) -> list[dict[str, Any]]:
        """Replace the tools by functions, `Tool`s and tools in the API's shape; return all in the API's shape."""
        definitions, functions = read_tools(tools or ())
        self.set(definitions, functions)
        return definitions

    def set(self, definitions: Sequence[dict[str, Any]], functions: dict[str, Tool]) -> None:
        """Replace the tools, by what `read_tools` has returned."""
        self.functions = functions
        self.definitions = list(definitions)
        self._by_hand = {str(each.get("name")) for each in definitions} - functions.keys()

    def calls_of(self, reply: Reply, by_hand: Sequence[dict[str, Any]] = ()) -> list[Turn]:
        """Return the calls of a reply that are answered here.

        If there are functions, these are all calls, even of unknown names, except of tools that the caller answers;
        `by_hand` are more definitions of such tools.
        """
        if not self.functions:
            return []
        kept = self._by_hand | {str(each.get("name")) for each in by_hand}
        return [call for call in reply.function_calls if call.call_id and call.name not in kept]

    async def answer_all(self, calls: Sequence[Turn], send: Callable[[str, str], Awaitable[None]]) -> None:
        """Run calls together; pass each call's id and output to `send` as soon as it is ready.

        Cancelling ends only the wait: the functions run on, and their outputs are still sent and recorded.
        """
        tasks = [asyncio.create_task(self._answer(call, number, send)) for number, call in enumerate(calls)]
        for task in tasks:  # The loop holds only weak references.
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.shield(asyncio.gather(*tasks))

    def refuse(self, call: Turn, reason: str) -> str:
        """Answer a call without running it; return its output."""
        return self._done(call, "", reason)

    async def _answer(self, call: Turn, number: int, send: Callable[[str, str], Awaitable[None]]) -> None:
        await send(call.call_id, await self._output_of(call, number))

    async def _output_of(self, call: Turn, number: int) -> str:
        tool = self.functions.get(call.name)
        if tool is None:
            return self.refuse(call, f"there is no tool {call.name[:64]!r}; there are {', '.join(self.functions)}")
        if number >= MOST_CALLS:
            return self.refuse(call, f"not run: no more than {MOST_CALLS} calls at once")
        try:
            bound = tool.bind(call.arguments)
        except ValueError as error:
            return self.refuse(call, str(error))
        except Exception as error:  # The caller's own validator may fail in any way.
            return self.refuse(call, error_words(error))
        if refusal := await self.approvals.refusal(call.call_id, call.name, call.arguments, wish=tool.approve):
            return self.refuse(call, refusal)
        self._session_events.announce(ToolStarted(call_id=call.call_id, name=call.name))
        began_ms = self._session_events.elapsed_ms
        output, failure = "", ""
        try:
            async with asyncio.timeout(tool.timeout_s) as limit:
                output = await run_callback(
                    tool.function, *bound.args, read=lambda result: result_text(result, tool.max_chars), **bound.kwargs
                )
        except Exception as error:
            late = isinstance(error, TimeoutError) and limit.expired()
            failure = f"{call.name} did not answer within {tool.timeout_s:g} s" if late else error_words(error)
        except asyncio.CancelledError:  # Raised by the function itself: this task is never cancelled.
            failure = f"{call.name} was cancelled"
        return self._done(call, output, failure, self._session_events.elapsed_ms - began_ms)

    def _done(self, call: Turn, output: str, failure: str, ran_ms: float | None = None) -> str:
        output = error_text(failure) if failure else output
        done = ToolDone(call_id=call.call_id, name=call.name, output=output, error=failure, ran_ms=ran_ms)
        self._session_events.announce(done)
        return output


# --- How a Realtime conversation goes on after a response that calls tools: outputs, then one more response -----------
#
# Source: Realtime API, function calling; remote MCP servers. The server never continues by itself.

#: How long the tool of an MCP server may take until the model is asked to go on without it.
_MCP_WAIT_S = 60.0


@dataclass
class _Round:
    """The calls of one response, until the next one."""

    options: ResponseOptions
    number: int
    person: int
    """The number of the person's turn that it belongs to."""
    call_ids: set[str]
    next: asyncio.Future[Reply | None]
    """The response that follows; `None` if the person has begun something else."""
    timeout_s: float | None
    """How long the server may be silent about it."""
    task: asyncio.Task[None] | None = None
    """Runs the calls, and asks for the next response."""


class ToolTurns:
    """Answers the calls of every response, and asks for the next one. Everything here runs on the I/O thread.

    `respond`: asks for a response, given its options, the number of the round, and how long the server may be silent.
    """

    def __init__(
        self,
        connection: Connection,
        calls: ToolCalls,
        respond: Callable[[ResponseOptions, int, float | None], Awaitable[Reply]],
    ):
        self._connection = connection
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
        connection.session_events.listen(self._on_event)

    @property
    def is_busy(self) -> bool:
        """True if calls still lead to another response."""
        return bool(self._tasks)

    def asked(self, request_id: str, options: ResponseOptions, number: int, timeout_s: float | None) -> None:
        """Note the options, the round and the time-out with which a response was asked for."""
        self._asked[request_id] = options, number, timeout_s

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep finished rounds while a caller is about to ask for the `last` reply; otherwise they are dropped."""
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

        If this is cancelled, no more responses follow: running tools finish, and the model gets their outputs.
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
        # A spoken turn began with its first word; it does not begin again when its item is added.
        if event.item.role == "user" and event.item.id not in self._spoken:
            self._on_person(event)

    def _on_person(self, event: Any) -> None:
        """Drop the rounds at work: if the person begins something new, another response answers it."""
        self._person += 1
        for each in self._rounds.values():
            if not each.next.done():
                each.next.set_result(None)

    def _on_approval(self, event: ApprovalGiven) -> None:
        # A person who approves a call wants its result, whatever was said meanwhile.
        for each in self._rounds.values():
            if event.call_id in each.call_ids and event.approved:
                each.person = self._person

    def _on_mcp_done(self, event: ev.ResponseMcpCallCompleted | ev.ResponseMcpCallFailed) -> None:
        self._mcp_done.add(event.item_id)

    def _on_done(self, event: ev.ResponseDone) -> None:
        response_id = event.response.id
        asked = self._connection.protocol.request_of(response_id) or ""
        options, number, timeout_s = self._asked.pop(asked, (ResponseOptions(), 0, REPLY_TIMEOUT_S))
        person = self._begun.pop(response_id, self._person)
        reply = self._connection.session_events.conversation.reply(response_id)
        if reply is None or not reply.in_conversation:
            return  # An out-of-band response has no place for outputs.
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
        # This never matches: it fails, with the reason, if the connection breaks off.
        expected: asyncio.Future[Reply | None] = self._connection.session_events.watch(lambda event: None)
        expected.add_done_callback(lambda done: done.cancelled() or done.exception())  # Perhaps no one waits.
        return expected

    # --- what is done ---

    async def _go_on(self, reply: Reply, after: _Round, calls: list[Turn], remote: list[Turn]) -> None:
        protocol = self._connection.protocol

        async def send(call_id: str, output: str) -> None:
            if self._connection.protocol is protocol:  # A new connection does not know the call.
                self._send_output(call_id, output)

        try:
            await asyncio.gather(self._calls.answer_all(calls, send), *(self._remote(turn) for turn in remote))
            by_hand = len(calls) < len([call for call in reply.function_calls if call.status != "incomplete"])
            is_over = self._connection.protocol is not protocol or not self._connection.is_open
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
        """Return the options of the next response: those of the one before, but without forcing calls forever."""
        choice = after.options.tool_choice
        if choice is UNSET:
            choice = setting_at(self._connection.protocol.session, "tool_choice") or "auto"
        if after.number + 1 >= self._calls.max_rounds:
            choice = "none"
        elif choice not in ("auto", "none"):
            choice = "auto"  # The forced call has been made.
        else:
            choice = after.options.tool_choice
        return replace(after.options, tool_choice=choice, input=UNSET)

    def _send_output(self, call_id: str, output: str) -> None:
        if self._connection.is_open:
            self._connection.protocol.create_item(Item(type="function_call_output", call_id=call_id, output=output))
            self._connection.flush()

    async def _remote(self, turn: Turn) -> None:
        """Ask for approval of a call of an MCP server's tool, and wait until it is made."""
        if turn.kind == "mcp_approval_request":
            refusal = await self._calls.approvals.refusal(
                turn.item_id, turn.name, turn.arguments, server_label=turn.server_label, wish=True
            )
            if not self._connection.is_open:
                return
            reason = refusal or UNSET
            item = Item(
                type="mcp_approval_response", approval_request_id=turn.item_id, approve=not refusal, reason=reason
            )
            self._connection.protocol.create_item(item)
            self._connection.flush()
            if refusal:
                return
        elif turn.output or turn.tool_error or turn.item_id in self._mcp_done:
            return
        try:
            async with asyncio.timeout(_MCP_WAIT_S):
                await self._connection.session_events.watch(lambda event: self._is_made(turn.item_id, event) or None)
        except TimeoutError:
            self._connection.session_events.remark(
                f"the MCP tool {turn.name!r} had no result after {_MCP_WAIT_S:g} s: the model went on without it"
            )

    def _is_made(self, item_id: str, event: Any) -> bool:
        """Return whether an event says that the call of an item, or the one that it asked for, has been made."""
        if isinstance(event, ev.ResponseMcpCallCompleted | ev.ResponseMcpCallFailed):
            made = self._connection.session_events.conversation.turn(event.item_id)
        elif isinstance(event, ev.ConversationItemDone | ev.ResponseOutputItemDone) and event.item.type == "mcp_call":
            made = self._connection.session_events.conversation.turn(str(event.item.id))
        else:
            return False
        return made is not None and item_id in (made.item_id, made.approval_request_id)
