"""Puts what both sides say to a guard, and acts on its word. It lives on the I/O thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputFlagged, RealtimeError
from ..guard_window import GuardWindow
from ..turns import Turn
from ..wire import events as ev
from ..wire.items import REQUEST
from ..wire.local import Flagged, Passed, StateChanged
from .guard import Judge
from .journal import Journal

#: How long the words of a spoken turn may take; what is not written down cannot be judged, and is not answered.
WORDS_WAIT_S = 15.0
_DELTAS = (ev.ResponseOutputAudioTranscriptDelta, ev.ResponseOutputTextDelta)


@dataclass
class _Answer:
    """How far one response has been judged."""

    windows: dict[tuple[str, int], GuardWindow] = field(default_factory=dict)
    reading: asyncio.Task[None] | None = None
    flagged: bool = False


class Guarding:
    """One session's guard.

    Parameters
    ----------
    journal : Journal
        What is said, and where verdicts are told.
    judge : Judge, optional
        Without one, everything passes.
    cut : callable
        Stops a response, given its id.
    refuse : callable
        Takes a spoken turn away from the model, given its item id and the response to it, if there is one.
    """

    def __init__(
        self,
        journal: Journal,
        judge: Judge | None,
        *,
        cut: Callable[[str], None],
        refuse: Callable[[str, str], None] = lambda item_id, response_id: None,
    ):
        self._journal = journal
        self._judge = judge
        self._cut = cut
        self._refuse = refuse
        self._answers: dict[str, _Answer] = {}
        self._open: dict[str, asyncio.Task[None]] = {}
        if judge is not None:
            journal.listen(self._on_event)

    @property
    def is_on(self) -> bool:
        """Whether there is a guard."""
        return self._judge is not None

    async def question(self, text: str, item_id: str, response_id: str = "") -> None:
        """Judge a question that waits for it.

        Raises
        ------
        InputFlagged
            If the guard flags it.
        """
        if self._judge is None or not text.strip():
            return
        if reason := await self._read(text, "user"):
            self._journal.announce(Flagged(side="user", item_id=item_id, response_id=response_id, reason=reason))
            raise InputFlagged(reason)

    async def heard(self) -> None:
        """Wait until all that was said is judged.

        Raises
        ------
        InputFlagged
            If what would be answered is flagged.
        """
        while self._open:
            await asyncio.wait(list(self._open.values()))
        said = [turn for turn in self._journal.conversation.turns if turn.role == "user"]
        if said and said[-1].flagged:
            raise InputFlagged(said[-1].flagged)

    async def settled(self, response_id: str) -> None:
        """Wait until all of a response is judged that has come so far."""
        if self._judge is None:
            return
        self._follow(response_id, is_whole=True)
        while (answer := self._answers.get(response_id)) and answer.reading is not None and not answer.reading.done():
            await asyncio.wait([answer.reading])

    def is_flagged(self, response_id: str) -> bool:
        """Whether a response was cut off by the guard."""
        answer = self._answers.get(response_id)
        return answer is not None and answer.flagged

    def is_held(self, response_id: str) -> bool:
        """Whether a response must not sound yet, because what it answers is not judged yet."""
        reply = self._journal.conversation.reply(response_id) if self._open else None
        return bool(reply and reply.asked and reply.asked.item_id in self._open)

    # --- what happens ---

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        if isinstance(event, _DELTAS):
            self._follow(event.response_id)
        elif isinstance(event, ev.ResponseDone):
            self._follow(event.response.id, is_whole=True)
        elif isinstance(event, ev.ResponseCreated):
            self._answer_begins(event)
        elif isinstance(event, ev.InputAudioBufferCommitted):
            task = self._open[event.item_id] = asyncio.create_task(self._judge_turn(event.item_id))
            task.add_done_callback(lambda _: self._open.pop(event.item_id, None))
        elif isinstance(event, StateChanged) and event.state == "closed":
            for task in self._open.values():
                task.cancel()

    def _answer_begins(self, event: ev.ResponseCreated) -> None:
        """Stop at once what a server has begun, by itself, to answer to what is flagged already."""
        reply = self._journal.conversation.reply(event.response.id)
        turn = reply.asked if reply else None
        if turn is not None and turn.flagged and REQUEST not in (event.response.metadata or {}):
            self._turn_away(turn, turn.flagged)

    async def _judge_turn(self, item_id: str) -> None:
        """Judge what the person said, as soon as it is written down."""
        turn = self._journal.conversation.turn(item_id)
        assert turn is not None
        try:
            async with asyncio.timeout(WORDS_WAIT_S):
                if not turn.is_final:
                    await self._journal.watch(lambda event: turn.is_final or None)
        except RealtimeError:
            return  # The session is over.
        except TimeoutError:
            reason = f"what was said was not written down within {WORDS_WAIT_S:g} s"
        else:
            unknown = turn.transcription_error is not None or not turn.is_transcribed
            reason = "what was said was not written down" if unknown else ""
            if turn.text.strip():
                reason = await self._read(turn.text, "user")
        self._open.pop(item_id, None)
        if reason:
            self._turn_away(turn, reason)
        else:
            self._journal.announce(Passed(item_id=item_id))

    def _turn_away(self, turn: Turn, reason: str) -> None:
        response_id = turn.reply.response_id if turn.reply else ""
        if response_id:
            self._answers.setdefault(response_id, _Answer()).flagged = True
        self._journal.announce(Flagged(side="user", item_id=turn.item_id, response_id=response_id, reason=reason))
        if response_id:
            self._cut(response_id)
        self._refuse(turn.item_id, response_id)

    # --- the answers ---

    def _follow(self, response_id: str, *, is_whole: bool = False) -> None:
        """Read on in a response; what comes meanwhile is read next."""
        answer = self._answers.setdefault(response_id, _Answer())
        if answer.flagged or (answer.reading is not None and not answer.reading.done() and not is_whole):
            return
        answer.reading = asyncio.create_task(self._read_on(response_id, answer, answer.reading, is_whole))

    async def _read_on(
        self, response_id: str, answer: _Answer, before: asyncio.Task[None] | None, is_whole: bool
    ) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        while not answer.flagged and (found := self._next(response_id, answer, is_whole)):
            item_id, text = found
            if (reason := await self._read(text, "assistant")) and not answer.flagged:
                answer.flagged = True
                self._journal.announce(
                    Flagged(side="assistant", item_id=item_id, response_id=response_id, reason=reason)
                )
                self._cut(response_id)

    def _next(self, response_id: str, answer: _Answer, is_whole: bool) -> tuple[str, str] | None:
        reply = self._journal.conversation.reply(response_id)
        for turn in reply.turns if reply else []:
            for index, part in turn.parts.items():
                window = answer.windows.setdefault((turn.item_id, index), GuardWindow())
                if text := window.take(part.text, is_whole=is_whole):
                    return turn.item_id, text
        return None

    async def _read(self, text: str, side: str) -> str:
        assert self._judge is not None
        return await self._judge(text, side)
