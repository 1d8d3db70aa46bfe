"""The functions that a session's model may call: each call is checked, approved, run and answered, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..errors import SettingsError
from ..tools import Approver, Tool, error_text, error_words, read_tools, result_text
from ..turns import Reply, Turn
from ..wire.local import ToolDone, ToolStarted
from . import people
from .approvals import Approvals
from .journal import Journal

#: After so many rounds of calls for one question the model has to answer in words, unless the session says otherwise.
MAX_ROUNDS = 8
#: How many calls of one response are run; what asks for more is not a conversation.
MOST_CALLS = 32


class ToolCalls:
    """Answers function calls. It lives on the I/O thread, but for being made.

    Parameters
    ----------
    journal : Journal
        Where calls are told of.
    approve : bool or callable, default False
        Whether somebody must agree to calls whose tool does not say; see `Approvals`.
    max_rounds : int, default 8
        How often the model may call tools for one question.
    """

    def __init__(self, journal: Journal, *, approve: bool | Approver = False, max_rounds: int = MAX_ROUNDS):
        if max_rounds < 1:
            raise SettingsError(f"max_tool_rounds={max_rounds!r} must be 1 or more")
        self.max_rounds = max_rounds
        self.approvals = Approvals(journal, approve)
        self.functions: dict[str, Tool] = {}
        """Those that run here, by name."""
        self.definitions: list[dict[str, Any]] = []
        """All tools, in the API's shape."""
        self._journal = journal
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
        """Return a reply's calls that are to be answered here.

        Where there are functions, that is every call of a name that the caller has not kept for itself, names that
        nobody knows included; `by_hand` are further definitions of the caller's.
        """
        if not self.functions:
            return []
        kept = self._by_hand | {str(each.get("name")) for each in by_hand}
        return [call for call in reply.function_calls if call.call_id and call.name not in kept]

    async def answer_all(self, calls: Sequence[Turn], send: Callable[[str, str], Awaitable[None]]) -> None:
        """Run calls together; each output is handed to `send`, with its call's id, as soon as it is there.

        Cancelling ends the wait alone: what runs goes on, and is still sent and recorded.
        """
        tasks = [asyncio.create_task(self._answer(call, number, send)) for number, call in enumerate(calls)]
        for task in tasks:  # The loop itself keeps none alive.
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
        except Exception as error:  # A validator of the caller's own may fail in its own way.
            return self.refuse(call, error_words(error))
        if refusal := await self.approvals.refusal(call.call_id, call.name, call.arguments, wish=tool.approve):
            return self.refuse(call, refusal)
        self._journal.announce(ToolStarted(call_id=call.call_id, name=call.name))
        began_ms = self._journal.elapsed_ms
        output, failure = "", ""
        try:
            async with asyncio.timeout(tool.timeout_s) as limit:
                output = await people.run(
                    tool.function, *bound.args, read=lambda result: result_text(result, tool.max_chars), **bound.kwargs
                )
        except Exception as error:
            late = isinstance(error, TimeoutError) and limit.expired()
            failure = f"{call.name} did not answer within {tool.timeout_s:g} s" if late else error_words(error)
        except asyncio.CancelledError:  # The function's own doing: nobody cancels this task.
            failure = f"{call.name} was cancelled"
        return self._done(call, output, failure, self._journal.elapsed_ms - began_ms)

    def _done(self, call: Turn, output: str, failure: str, ran_ms: float | None = None) -> str:
        output = error_text(failure) if failure else output
        done = ToolDone(call_id=call.call_id, name=call.name, output=output, error=failure, ran_ms=ran_ms)
        self._journal.announce(done)
        return output
