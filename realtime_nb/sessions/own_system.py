"""`SystemSession`: any system of yours as a session, so that it can be asked, measured and compared like the others."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from ..conversation.costs import sum_known
from ..conversation.records import Reply
from ..errors import SettingsError
from ..loop import Pending, submit
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..media.picture import Picture
from ..protocol import events as ev
from ..protocol.chat import CompletionReader
from ..protocol.local_events import StateChanged
from ..secrecy import as_shown
from .api import Api
from .backend import Backend
from .request import Content
from .session import Session
from .stages import TextModel
from .turnwise import TurnwiseSession

# --- What a system gets, and what it gives back -----------------------------------------------------------------------


@dataclass(frozen=True)
class PlacedTurn:
    """A turn of the person, as a duplex system gets it."""

    clip: AudioClip
    start_ms: float
    """Where it begins on the track that both sides share."""

    @property
    def end_ms(self) -> float:
        """Where it ends."""
        return self.start_ms + self.clip.duration_s * 1000


@dataclass(frozen=True, kw_only=True)
class SystemAnswer:
    """The answer of a system of yours.

    Parameters
    ----------
    text : str, default ""
        Its words.
    audio : AudioClip, optional
        Its sound.
    heard : str, optional
        The person's words, as the system understood them; `None` if it writes nothing down.
    tool_calls : sequence of (str, mapping), optional
        The calls that it made: names and arguments.
    first_audio_ms : float, optional
        When the sound begins, in ms after the end of the person's turn; by default when `answer` returned. Below 0 if
        it began before the person was done.
    done_ms : float, optional
        When the answer was complete, on the same clock; by default when `answer` returned.
    stops_ms : float, optional
        For a duplex system that was interrupted: if an answer was sounding when this turn began, where on the track it
        stopped. `None` if it went on.
    cost_usd : float, optional
        What the answer cost; `None` if that is not known.

    Examples
    --------
    >>> SystemAnswer(text="Ten past nine.", first_audio_ms=320, cost_usd=0.0).text
    'Ten past nine.'
    """

    text: str = ""
    audio: AudioClip | None = None
    heard: str | None = None
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = field(default_factory=tuple)
    first_audio_ms: float | None = None
    done_ms: float | None = None
    stops_ms: float | None = None
    cost_usd: float | None = None

    @property
    def is_empty(self) -> bool:
        """True if it is silence: no words, no sound, no call."""
        return not (self.text.strip() or self.audio is not None or self.tool_calls)


class System(Protocol):
    """A system of yours: one object for each conversation.

    If it has ``duplex = True``, it gets all turns so far instead of the last one, each with its place on a track that
    both sides share, and may answer before a turn is over, go on during it, or stay silent. ``model`` names it; by
    default its class does.
    """

    def answer(self, asked: Any, /) -> Awaitable[SystemAnswer] | SystemAnswer:
        """Answer a clip, or, if the system is duplex, the last of a list of `PlacedTurn`."""
        ...


def is_system(value: Any) -> bool:
    """Return whether an object answers as a system of yours does."""
    return callable(getattr(value, "answer", None)) and not isinstance(value, type | Session)


def as_session(given: Session | System) -> Session:
    """Return a session, or the one around a system of yours."""
    return given if isinstance(given, Session) else SystemSession(given)


# --- The session around it --------------------------------------------------------------------------------------------


class SystemSession(TurnwiseSession):
    """A conversation with a system of yours.

    `run` and `compare` make it around an object with a method ``answer``. Its coroutines run on a thread of their own,
    so that they may compute, and keep one event loop throughout.

    Parameters
    ----------
    system : object
        Has ``async def answer(self, clip) -> SystemAnswer``; see `System`.

    Raises
    ------
    SettingsError
        If it has no such method.

    Notes
    -----
    ``docs/own_cascade.py`` puts three libraries into one, and ``docs/own_duplex.py`` holds scenarios with a system that
    hears while it speaks. Load slow parts only when the first question comes: `run` makes an object for each question.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> class Parrot:
    ...     async def answer(self, clip):
    ...         return rt.SystemAnswer(audio=clip, cost_usd=0.0)
    >>> session = rt.SystemSession(Parrot())
    >>> session.ask(rt.speak("What can you do?")).result().audio.duration_s > 1
    True
    >>> session.close().result()
    """

    def __init__(self, system: System, **bound_options: Any):
        if not is_system(system):
            raise SettingsError(f"system={system!r} has no method answer: give it async def answer(self, clip)")
        self.model = str(getattr(system, "model", type(system).__name__))
        super().__init__(Api(Backend(type(system).__name__)), **bound_options)
        self.system = system
        self.is_duplex = bool(getattr(system, "duplex", False))
        """True if it gets turns with their places."""
        self.last: SystemAnswer | None = None
        """Its last answer."""
        self.cost_usd: float | None = 0.0
        """The cost of its answers so far; `None` if it did not say."""
        self._turns: list[PlacedTurn] = []
        self._thread = ThreadPoolExecutor(1, "realtime_nb-system")
        self._runner: asyncio.Runner | None = None

    def say(self, clip: AudioClip, start_ms: float, *, timeout_s: float | None = None) -> Pending[Reply]:
        """Put a turn to a duplex system, at its place on the track."""
        self._turns.append(PlacedTurn(clip, start_ms))
        self._session_events.stands_at_ms = self._turns[-1].end_ms
        return submit(self._take_turn((clip,), timeout_s))

    # --- what the system does ---

    async def _reply_now(self, *asked: Any) -> Reply:
        events, is_told = self._session_events, self._session_events.stands_at_ms is not None
        try:
            return await super()._reply_now(*asked)
        finally:
            if not is_told:
                events.resume_at(events.elapsed_ms)

    async def _answer(
        self, content: tuple[Content, ...], reader: CompletionReader, tool_choice: str | None = None
    ) -> None:
        events = self._session_events
        [clip] = content if len(content) == 1 else [None]
        if not isinstance(clip, AudioClip):
            raise TypeError(f"{self.model} is a system of yours: it gets one AudioClip for each question")
        if self.is_duplex and (not self._turns or self._turns[-1].clip is not clip):
            self._turns.append(PlacedTurn(clip, self._turns[-1].end_ms if self._turns else 0.0))
        asked_ms = events.elapsed_ms
        loop = asyncio.get_running_loop()
        told = await loop.run_in_executor(self._thread, self._ask, list(self._turns) if self.is_duplex else clip)
        self.last, self.cost_usd = told, sum_known((self.cost_usd, told.cost_usd))
        took_ms = events.elapsed_ms - asked_ms
        first_ms, done_ms = (took_ms if each is None else each for each in (told.first_audio_ms, told.done_ms))
        events.stands_at_ms = asked_ms + first_ms
        self._tell_answer(told, reader)
        events.stands_at_ms = asked_ms + max(first_ms, done_ms)

    def _ask(self, asked: Any) -> SystemAnswer:
        try:
            told: Any = self.system.answer(asked)
            if inspect.isawaitable(told):
                self._runner = self._runner or asyncio.Runner()
                told = self._runner.run(_result_of(told))
        except SystemExit as error:  # It would end the thread of all sessions.
            raise RuntimeError(f"{self.model} wanted to exit: {error}") from error
        if not isinstance(told, SystemAnswer):
            raise TypeError(f"{self.model}.answer returned {type(told).__name__}: give back a SystemAnswer")
        return told

    def _tell_answer(self, told: SystemAnswer, reader: CompletionReader) -> None:
        asked = next(turn for turn in reversed(self.conversation.turns) if turn.role == "user")
        if told.heard is not None:
            self._tell(
                "received",
                ev.ConversationItemInputAudioTranscriptionCompleted(
                    item_id=asked.item_id, content_index=0, transcript=told.heard
                ),
            )
        self._tell("received", *reader.begin())
        if told.audio is not None:
            self._tell("received", *reader.say(told.text, told.audio.to_pcm16(WIRE_SAMPLE_RATE)))
        else:
            self._tell("received", *reader.write(told.text))
        for index, (name, arguments) in enumerate(told.tool_calls):
            function = {"name": name, "arguments": json.dumps(dict(arguments), ensure_ascii=False)}
            self._tell("received", *reader.call({"index": index, "id": f"call_{index}", "function": function}))

    @property
    def _settings(self) -> dict[str, Any]:
        kept: dict[str, Any] = getattr(self.system, "__dict__", {})
        plain = {
            name: as_shown(it, name) if isinstance(it, str) else it
            for name, it in kept.items()
            if name[:1] != "_" and isinstance(it, str | int | float)
        }
        audio = {"output": {"format": {"type": "audio/pcm", "rate": WIRE_SAMPLE_RATE}}}
        return plain | {"model": self.model, "audio": audio}

    # --- the rest of a session ---

    async def _connect(self) -> None:
        if not self._open:
            self._watch.check()
            self._session_events.begin()
            self._open = True
            self._tell("local", ev.SessionCreated(session=self._settings), StateChanged(state="open"))

    async def _free(self) -> None:
        def end() -> None:
            if self._runner is not None:
                self._runner.close()

        self._thread.submit(end)
        self._thread.shutdown(wait=False)

    async def _recite(self, text: str, reader: CompletionReader) -> None:
        self._refuse_to("say given words")

    def _check_sees(self) -> None:
        self._refuse_to("take pictures")

    def _add_message(self, message: dict[str, Any]) -> None:
        self._refuse_to("take messages")

    def _drop_message(self, message: dict[str, Any]) -> None:
        self._refuse_to("forget messages")

    def _restate(self, messages: list[dict[str, Any]]) -> None:
        self._refuse_to("take its history")

    def _offer(self, definitions: list[dict[str, Any]]) -> None:
        self._refuse_to("take tools")

    def _remarker(self, *, has_sound: bool, max_output_tokens: int) -> TextModel:
        self._refuse_to("make remarks")

    async def _show_frame(self, frame: Picture) -> Any:
        self._refuse_to("take pictures")

    def _refuse_to(self, what: str) -> NoReturn:
        raise TypeError(f"{self.model} is a system of yours, which gets clips only: it cannot {what}")


async def _result_of(told: Awaitable[Any]) -> Any:
    return await told
