"""Who agrees to a tool's call: a function of the caller's, or somebody who is there to be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ..tools import Approver, error_words
from ..wire.local import ApprovalAsked, ApprovalGiven, StateChanged
from . import people
from .journal import Journal

#: How long somebody may think about it.
APPROVAL_WAIT_S = 120.0


@dataclass(frozen=True)
class ToolCall:
    """A call that a model makes, as it is put to whoever has to agree; all of it is the model's own words."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    """Not checked yet; empty where they are no JSON object."""
    server_label: str = ""
    """The MCP server that would run it; empty for a function that runs here."""


class Approvals:
    """Asks for approval. Everything here runs on the I/O thread.

    Parameters
    ----------
    journal : Journal
        Where questions and decisions are told.
    approve : bool or callable
        What holds for calls whose tool does not say: `True` asks, `False` does not; a callable is asked.
    """

    def __init__(self, journal: Journal, approve: bool | Approver = False):
        self._journal = journal
        self._approve = approve
        self._attending: list[Callable[[], bool]] = []
        self._open: dict[str, tuple[ApprovalAsked, asyncio.Future[bool]]] = {}
        journal.listen(self._on_event)

    @property
    def open(self) -> list[ApprovalAsked]:
        """The questions that nobody has answered yet."""
        return [asked for asked, _ in list(self._open.values())]

    def attend(self, is_there: Callable[[], bool]) -> Callable[[], None]:
        """Note that somebody can be asked while `is_there` says so; return how to take that back."""
        self._attending.append(is_there)

        def stop() -> None:
            if is_there in self._attending:
                self._attending.remove(is_there)

        return stop

    def decide(self, call_id: str, approved: bool) -> None:
        """Answer a question; does nothing where it is not open."""
        _, answer = self._open.get(call_id, (None, None))
        if answer is not None and not answer.done():
            answer.set_result(approved)

    async def refusal(
        self, call_id: str, name: str, arguments: str, *, server_label: str = "", wish: bool | Approver | None = None
    ) -> str:
        """Ask where that is wished for.

        Returns
        -------
        refusal : str
            Empty where the call may be made; otherwise why not, in words for the model.
        """
        wish = self._approve if wish is None else wish
        if wish is False:
            return ""
        asked = ApprovalAsked(call_id=call_id, name=name, arguments=arguments, server_label=server_label)
        approver = next((each for each in (wish, self._approve) if callable(each)), None)
        # On the list before it is told: a page may answer at once.
        waiting = None if approver else self._put(asked)
        self._journal.announce(asked)
        if waiting is not None:
            approved, reason = await self._person(call_id, waiting)
        else:
            assert approver is not None
            approved, reason = await _asked_of(approver, asked)
        self._journal.announce(ApprovalGiven(call_id=call_id, approved=approved, reason=reason))
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
        arguments = {}
    call = ToolCall(asked.call_id, asked.name, arguments if isinstance(arguments, dict) else {}, asked.server_label)
    try:
        async with asyncio.timeout(APPROVAL_WAIT_S):
            answer = await people.run(approver, call, read=lambda answer: answer)
    except TimeoutError:
        return False, f"it needs approval, and nobody gave it within {APPROVAL_WAIT_S:.0f} s"
    except Exception as error:
        return False, f"asking for approval failed: {error_words(error)}"
    # Nothing but a plain yes is one: "no" is true, too.
    return answer is True, ""
