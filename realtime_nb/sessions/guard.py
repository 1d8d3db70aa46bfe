"""A guard reads what both sides say, and stops what it flags."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ..conversation.records import Turn
from ..errors import InputFlagged, RealtimeError, ServerError, SettingsError
from ..loop import run_callback
from ..media.sentences import split_sentences
from ..protocol import events as ev
from ..protocol.items import REQUEST
from ..protocol.local_events import Flagged, Passed, StateChanged
from ..tools import error_words
from .api import Api, ServerAnswer, told_by_sdk
from .event_log import SessionEvents

# --- The pieces of a growing text that a guard reads: early, and always with what came before them --------------------

#: Characters of an unfinished sentence after which a guard reads on: about 4 s of speech.
STEP = 60
#: Characters in one piece, at most.
LONGEST = 1_000
#: Characters of the text before a piece that are read again with it, so that nothing hides where two pieces meet.
BEFORE = 200


class GuardWindow:
    """Splits a growing text into the pieces that a guard reads.

    Examples
    --------
    >>> window = GuardWindow()
    >>> window.take("One. Two and th")
    'One. '
    >>> window.take("One. Two and three.", is_whole=True)
    'One. Two and three.'
    >>> window.take("One. Two and three.", is_whole=True)
    ''
    """

    def __init__(self) -> None:
        self._read = 0

    def take(self, text: str, *, is_whole: bool = False) -> str:
        """Return the next piece to read; empty if more text must come first, or everything is read."""
        new = text[self._read : self._read + LONGEST - BEFORE]
        length = len(new) if is_whole or len(new) == LONGEST - BEFORE else _ready(new)
        if not new[:length].strip():
            return ""
        piece = text[max(0, self._read - BEFORE) : self._read + length]
        self._read += length
        return piece


def _ready(new: str) -> int:
    """Return the length of the next piece: whole sentences, or whole words of a long one."""
    *whole, unfinished = split_sentences(new) or [""]
    ready = sum(map(len, whole))
    if len(unfinished) > STEP:
        ready += len(unfinished.rstrip()) - len(unfinished.split()[-1])
    return ready


# --- The judge: the caller's function, or the backend's moderation endpoint -------------------------------------------

#: Takes a text and ``"user"`` or ``"assistant"``; returns `None` or `False`, or the reason why it is flagged.
GuardFunction = Callable[[str, str], Any]
#: Takes a text and a side; returns why it is flagged, or an empty text.
Judge = Callable[[str, str], Awaitable[str]]
#: How long a guard may take for one piece. A piece counts as flagged if the guard takes longer, or fails.
GUARD_WAIT_S = 5.0
#: Source: Moderations API reference. The local voice takes any name.
MODERATION_MODEL = "omni-moderation-latest"


def make_judge(guard: GuardFunction | Literal["moderation"], api: Api) -> Judge:
    """Return a judge that asks a function or the moderation endpoint.

    Raises `SettingsError` if `guard` is neither.
    """
    if guard != "moderation" and not callable(guard):
        raise SettingsError(f'guard={guard!r} must be a function of a text and a side, or "moderation"')

    async def ask(text: str, side: str) -> str:
        if callable(guard):
            return await run_callback(guard, text, side, read=_in_words)
        client = await api.client()
        create: Any = client.moderations.with_streaming_response.create
        async with asyncio.timeout(GUARD_WAIT_S), told_by_sdk():
            async with create(model=MODERATION_MODEL, input=text) as response:
                answer = ServerAnswer(response)
                return verdict_in([told async for told in answer], answer.where)

    async def judge(text: str, side: str) -> str:
        try:
            # The first call loads the SDK, which takes a while.
            async with asyncio.timeout(GUARD_WAIT_S if callable(guard) else None):
                return await ask(text, side)
        except TimeoutError:
            return f"the guard did not answer within {GUARD_WAIT_S:g} s"
        except Exception as error:
            return f"the guard failed: {error_words(error)}"

    return judge


def verdict_in(told: list[dict[str, Any]], where: str) -> str:
    """Return why a moderation endpoint flags a text; empty if it does not.

    Raises `ServerError` if there is no verdict: text that was not judged must not pass.
    """
    try:
        found = told[0]["results"][0]
        flagged, categories = found["flagged"], found.get("categories") or {}
        names = [name for name, is_so in categories.items() if is_so]
    except (IndexError, KeyError, TypeError, AttributeError):
        raise ServerError(f"{where} gave no verdict: {str(told)[:120]}") from None
    if not isinstance(flagged, bool):
        raise ServerError(f"{where} gave no verdict: flagged={flagged!r}")
    return (", ".join(names) or "flagged") if flagged else ""


def _in_words(verdict: Any) -> str:
    if verdict is None or verdict is False:
        return ""
    return "flagged" if verdict is True else str(verdict) or "flagged"


# --- One session's guard: it lets both sides be judged, and acts on the verdicts. It runs on the I/O thread -----------

#: How long to wait for the words of a spoken turn; without them it cannot be judged, and is not answered.
WORDS_WAIT_S = 15.0
_DELTAS = (ev.ResponseOutputAudioTranscriptDelta, ev.ResponseOutputTextDelta)


@dataclass
class _JudgedAnswer:
    """How far one response has been judged."""

    windows: dict[tuple[str, int], GuardWindow] = field(default_factory=dict)
    reading: asyncio.Task[None] | None = None
    flagged: bool = False


class SessionGuard:
    """One session's guard.

    `refuse`: removes a spoken turn from the model's context, given its item id and the id of its response, if any.
    """

    def __init__(
        self,
        session_events: SessionEvents,
        judge: Judge | None,
        *,
        cut: Callable[[str], None],
        refuse: Callable[[str, str], None] = lambda item_id, response_id: None,
    ):
        self._session_events = session_events
        self._judge = judge
        self._cut = cut
        self._refuse = refuse
        self._answers: dict[str, _JudgedAnswer] = {}
        self._open: dict[str, asyncio.Task[None]] = {}
        if judge is not None:
            session_events.listen(self._on_event)

    @property
    def is_on(self) -> bool:
        """True if there is a guard."""
        return self._judge is not None

    async def question(self, text: str, item_id: str, response_id: str = "") -> None:
        """Judge a question that waits for it.

        Raises `InputFlagged` if the guard flags it.
        """
        if self._judge is None or not text.strip():
            return
        if reason := await self._read(text, "user"):
            self._session_events.announce(Flagged(side="user", item_id=item_id, response_id=response_id, reason=reason))
            raise InputFlagged(reason)

    async def heard(self) -> None:
        """Wait until everything said so far is judged.

        Raises `InputFlagged` if the turn to answer is flagged.
        """
        while self._open:
            await asyncio.wait(list(self._open.values()))
        said = [turn for turn in self._session_events.conversation.turns if turn.role == "user"]
        if said and said[-1].flagged:
            raise InputFlagged(said[-1].flagged)

    async def settled(self, response_id: str) -> None:
        """Wait until a response is judged as far as it has come."""
        if self._judge is None:
            return
        self._follow(response_id, is_whole=True)
        while (answer := self._answers.get(response_id)) and answer.reading is not None and not answer.reading.done():
            await asyncio.wait([answer.reading])

    def is_flagged(self, response_id: str) -> bool:
        """Return whether a response was cut off by the guard."""
        answer = self._answers.get(response_id)
        return answer is not None and answer.flagged

    def is_held(self, response_id: str) -> bool:
        """Return whether a response must not sound yet, because the turn it answers is not judged yet."""
        reply = self._session_events.conversation.reply(response_id) if self._open else None
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
        """Stop a response that the server began by itself to a turn that is already flagged."""
        reply = self._session_events.conversation.reply(event.response.id)
        turn = reply.asked if reply else None
        if turn is not None and turn.flagged and REQUEST not in (event.response.metadata or {}):
            self._turn_away(turn, turn.flagged)

    async def _judge_turn(self, item_id: str) -> None:
        """Judge a spoken turn as soon as its words are there."""
        turn = self._session_events.conversation.turn(item_id)
        assert turn is not None
        try:
            async with asyncio.timeout(WORDS_WAIT_S):
                if not turn.is_final:
                    await self._session_events.watch(lambda event: turn.is_final or None)
        except RealtimeError:
            # The session goes on: its end cancels this task. The next connection would get the sound.
            reason = "the connection broke before the speech was transcribed"
        except TimeoutError:
            reason = f"the speech was not transcribed within {WORDS_WAIT_S:g} s"
        else:
            unknown = turn.transcription_error is not None or not turn.is_transcribed
            reason = "the speech was not transcribed" if unknown else ""
            if turn.text.strip():
                reason = await self._read(turn.text, "user")
        self._open.pop(item_id, None)
        if reason:
            self._turn_away(turn, reason)
        else:
            self._session_events.announce(Passed(item_id=item_id))

    def _turn_away(self, turn: Turn, reason: str) -> None:
        response_id = turn.reply.response_id if turn.reply else ""
        if response_id:
            self._answers.setdefault(response_id, _JudgedAnswer()).flagged = True
        self._session_events.announce(
            Flagged(side="user", item_id=turn.item_id, response_id=response_id, reason=reason)
        )
        if response_id:
            self._cut(response_id)
        self._refuse(turn.item_id, response_id)

    # --- the answers ---

    def _follow(self, response_id: str, *, is_whole: bool = False) -> None:
        """Judge the next piece of a response; text that comes meanwhile waits."""
        answer = self._answers.setdefault(response_id, _JudgedAnswer())
        if answer.flagged or (answer.reading is not None and not answer.reading.done() and not is_whole):
            return
        answer.reading = asyncio.create_task(self._read_on(response_id, answer, answer.reading, is_whole))

    async def _read_on(
        self, response_id: str, answer: _JudgedAnswer, before: asyncio.Task[None] | None, is_whole: bool
    ) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        while not answer.flagged and (found := self._next(response_id, answer, is_whole)):
            item_id, text = found
            if (reason := await self._read(text, "assistant")) and not answer.flagged:
                answer.flagged = True
                self._session_events.announce(
                    Flagged(side="assistant", item_id=item_id, response_id=response_id, reason=reason)
                )
                self._cut(response_id)

    def _next(self, response_id: str, answer: _JudgedAnswer, is_whole: bool) -> tuple[str, str] | None:
        reply = self._session_events.conversation.reply(response_id)
        for turn in reply.turns if reply else []:
            for index, part in turn.parts.items():
                window = answer.windows.setdefault((turn.item_id, index), GuardWindow())
                if text := window.take(part.text, is_whole=is_whole):
                    return turn.item_id, text
        return None

    async def _read(self, text: str, side: str) -> str:
        assert self._judge is not None
        return await self._judge(text, side)
