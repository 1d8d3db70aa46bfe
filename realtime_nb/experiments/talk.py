"""Hold a scenario's conversation with a session, at once or in real time, and record it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from ..conversation.conversation import Conversation
from ..conversation.costs import sum_known
from ..conversation.records import Reply, Turn
from ..conversation.timing import first_audible_ms
from ..errors import RealtimeError, SettingsError
from ..loop import Pending, submit
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip, concatenate
from ..sessions.listener import Listener, OpenMicrophone, PlayedItem
from ..sessions.own_system import SystemSession
from ..sessions.realtime import RealtimeSession
from ..sessions.session import Session
from .clips import SpokenClip
from .conditions import Pipeline, apply_conditions
from .scenario import Next, Said, Scenario, UserTurn

# --- Both sides of a scenario's conversation: turn by turn, and as two tracks -----------------------------------------


@dataclass
class TalkTurn:
    """A turn of the person, and its answers."""

    turn: UserTurn
    clip: SpokenClip
    start_ms: float
    """Where it begins in the person's track."""
    cut: PlayedItem | None = None
    """The answer that it interrupted, if it did."""
    by_hand: bool = False
    """True if the person pressed stop first, instead of speaking during the answer."""
    left_out: str = ""
    """Why it was not said as planned. A sound that wants no answer is then not said at all."""
    asked: list[Turn] = field(default_factory=list)
    """The turns that the session found in it."""
    replies: list[Reply] = field(default_factory=list)
    """The answers to them."""

    @property
    def end_ms(self) -> float:
        """Where it ends in the person's track."""
        return self.start_ms + self.clip.duration_s * 1000

    @property
    def is_said(self) -> bool:
        """True if the session could hear it."""
        return self.turn.wants_answer or not self.left_out

    @property
    def speech_start_ms(self) -> float | None:
        """Where its first audible sample lies in the person's track; `None` if that is not known."""
        return None if self.clip.speech_start_ms is None else self.start_ms + self.clip.speech_start_ms

    @property
    def speech_end_ms(self) -> float | None:
        """Where its last audible sample ends in the person's track; `None` if that is not known."""
        return None if self.clip.speech_end_ms is None else self.start_ms + self.clip.speech_end_ms

    def overlap_ms(self, turn: Turn) -> float:
        """Return how much of a turn that the session found lies in this one; negative is the distance between them."""
        if turn.audio_start_ms is None:
            return -np.inf
        end_ms = self.end_ms if turn.audio_end_ms is None else turn.audio_end_ms
        return min(end_ms, self.end_ms) - max(turn.audio_start_ms, self.start_ms)


@dataclass
class Talk:
    """A scenario's conversation."""

    exchanges: list[TalkTurn] = field(default_factory=list)
    listener: Listener | None = None
    """Hears the answers, on the clock of the person's track; `None` if they were not heard in real time."""
    is_open: bool = False
    """True if the person spoke into an open microphone, in which the session found the turns."""
    length_ms: float = 0.0
    """Length of the person's track."""
    user_cost_usd: float | None = 0.0
    """Cost of the simulated user; `None` if that is not known."""

    @property
    def said(self) -> list[TalkTurn]:
        """The turns that the session could hear."""
        return [each for each in self.exchanges if each.is_said]

    @property
    def known(self) -> list[Said]:
        """The conversation as the person knows it: their own words, and the part of the answers that they heard."""
        known = []
        for each in self.said:
            known.append(Said("user", each.turn.text))
            heard = " ".join(reply.heard_transcript for reply in each.replies if reply.heard_transcript)
            if heard:
                known.append(Said("assistant", heard))
        return known

    def assign(self, conversation: Conversation) -> None:
        """Assign the session's turns and replies to the turns of the person.

        A turn belongs to the one with which it overlaps most; if the session was given whole turns, order decides.
        """
        said, asked = self.said, [turn for turn in conversation if turn.role == "user"]
        for each in said:
            each.asked, each.replies = [], []
        if self.is_open and said:
            for turn in asked:
                best = max(said, key=lambda each: each.overlap_ms(turn))
                if best.overlap_ms(turn) > 0:
                    best.asked.append(turn)
        else:
            for each, turn in zip(said, asked, strict=False):
                each.asked = [turn]
        for each in said:
            each.replies = [reply for reply in conversation.replies if reply.asked in each.asked]

    @property
    def input(self) -> AudioClip | None:
        """The person's track."""
        return _track([(each.start_ms, each.clip) for each in self.said], self.length_ms) if self.said else None

    @property
    def output(self) -> AudioClip | None:
        """The answers' track: as they were heard, or, if not in real time, one after another."""
        turns = [turn for each in self.exchanges for reply in each.replies for turn in reply.turns]
        clips = {turn.item_id: clip for turn in turns if (clip := turn.audio) is not None}
        if not clips:
            return None
        if self.listener is None:
            return concatenate(list(clips.values()))
        heard = [each for each in self.listener.played if each.item_id in clips]
        return _track(
            [(each.start_ms, clips[each.item_id].cut(0.0, (each.end_ms - each.start_ms) / 1000)) for each in heard],
            self.length_ms,
        )


def _track(clips: Sequence[tuple[float, AudioClip]], length_ms: float) -> AudioClip:
    """Put clips at their times on a track that is as long as the conversation."""
    laid = [(_place(start_ms), clip.resample(WIRE_SAMPLE_RATE).samples) for start_ms, clip in clips]
    track = np.zeros(max([_place(length_ms), *(start + len(samples) for start, samples in laid)]), np.float32)
    for start, samples in laid:
        track[start : start + len(samples)] += samples
    return AudioClip(np.clip(track, -1.0, 1.0), WIRE_SAMPLE_RATE)


def _place(at_ms: float) -> int:
    return round(at_ms / 1000 * WIRE_SAMPLE_RATE)


# --- Talk with a session in real time: into an open microphone, or turn by turn by hand -------------------------------

#: How often to check the clock without an open microphone.
_TICK_S = 0.02


class Pacing(Protocol):
    """A simulated person in front of a session, on the I/O thread; use it with ``async with``."""

    listener: Listener
    """Hears the answers; its clock counts."""
    hears: bool
    """True if the session hears the person while it speaks."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

    @property
    def is_speaking(self) -> bool:
        """True while the person is speaking."""
        ...

    async def say(self, exchange: TalkTurn) -> None:
        """Begin to say a turn, during an answer if it has a `cut`; set its start time."""
        ...

    async def step(self) -> None:
        """Let 20 ms pass."""
        ...

    def goes_on(self, exchange: TalkTurn) -> bool:
        """Return whether a turn may still get an answer."""
        ...


class SpokenPacing:
    """Speaks into an open microphone."""

    hears = True

    def __init__(self, session: Session):
        assert isinstance(session, RealtimeSession)
        self._session = session
        self._microphone = OpenMicrophone(session)
        self.listener = self._microphone.listener

    async def __aenter__(self) -> Self:
        await self._microphone.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._microphone.__aexit__(*error)

    @property
    def is_speaking(self) -> bool:
        """True while the person is speaking."""
        return self._microphone.is_speaking

    async def say(self, exchange: TalkTurn) -> None:
        """Begin to say a turn."""
        exchange.start_ms = self._microphone.say(exchange.clip)

    async def step(self) -> None:
        """Send 20 ms."""
        await self._microphone.step()

    def goes_on(self, exchange: TalkTurn) -> bool:
        """Return whether the turn is being answered, or may still be noticed."""
        if self._microphone.is_speaking or self._microphone.goes_on:
            return True
        noticed = any(exchange.overlap_ms(turn) > 0 for turn in self._session.conversation if turn.role == "user")
        return not noticed and self.listener.now_ms <= exchange.end_ms + self._microphone.closing_ms


class TurnPacing:
    """Says whole turns to a session that does not hear while it speaks; presses stop before one that interrupts."""

    hears = False

    def __init__(self, session: Session):
        self.listener = Listener(session)
        self._session = session
        self._asking: Pending[Reply] | None = None
        self._stop_listening: Callable[[], None] = lambda: None
        self._began_s = 0.0
        self._spoken_ms = 0.0

    async def __aenter__(self) -> Self:
        self._began_s = asyncio.get_running_loop().time()
        self._stop_listening = self._session.listen(self.listener.on_event)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stop_listening()
        if self._asking is not None:
            self._asking.cancel()

    @property
    def is_speaking(self) -> bool:
        """True while the person is speaking."""
        return self.listener.now_ms < self._spoken_ms

    async def say(self, exchange: TalkTurn) -> None:
        """Say a turn: it is sent when it is over, as with a button that is held."""
        if exchange.cut is not None:
            await self._session.interrupt()
            if self._asking is not None:
                with contextlib.suppress(RealtimeError):  # A stopped answer raises an error that it is not complete.
                    await self._asking
                self._asking = None
        exchange.start_ms = self.listener.now_ms
        self._spoken_ms = exchange.start_ms + exchange.clip.turn_end_ms
        while self.is_speaking:
            await self.step()
        self._asking = self._session.ask(exchange.clip)

    async def step(self) -> None:
        """Wait for 20 ms; raise the question's error if it has failed."""
        await asyncio.sleep(_TICK_S)
        self.listener.advance((asyncio.get_running_loop().time() - self._began_s) * 1000)
        if self._asking is not None and self._asking.done():
            self._asking.result()

    def goes_on(self, exchange: TalkTurn) -> bool:
        """Return whether the turn is being answered."""
        return self._asking is not None and not self._asking.done()


def turn_seed(seed: int, place: int) -> int:
    """Return the seed of a turn's conditions, given that of its example; a single clip is turn 0."""
    return seed if place == 0 else int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


# --- Hold a scenario's conversation: as fast as answers come, or in real time -----------------------------------------


def _on_track(talk: Talk, asked: TalkTurn | None, at_ms: float) -> tuple[float, PlayedItem | None, str]:
    """Return when to say a turn during an answer, the part of it that sounds then, or why there is none."""
    assert talk.listener is not None and asked is not None
    own = {turn.item_id for reply in asked.replies for turn in reply.turns}
    begun_ms = [each.audible_ms for each in talk.listener.played if each.item_id in own and each.audible_ms is not None]
    if not begun_ms:
        return talk.length_ms, None, "no answer was heard"
    due_ms = max(begun_ms[0] + at_ms, talk.said[-1].end_ms)
    cut = next((each for each in talk.listener.played if each.start_ms <= due_ms < each.end_ms), None)
    return (due_ms, cut, "") if cut is not None else (talk.length_ms, None, "the answer was over before")


class Talker:
    """Holds a scenario's conversation."""

    def __init__(self, scenario: Scenario, pipeline: Pipeline, seed: int, clips: Sequence[SpokenClip]):
        self.talk = Talk()
        self.own_clips: dict[int, SpokenClip] = {}
        """The clips that were made here, by their places: those whose words were not known in advance."""
        self._clips = clips
        self._scenario, self._pipeline, self._seed = scenario, pipeline, seed

    def clip(self, turn: UserTurn, place: int) -> SpokenClip:
        """Return the sound of a turn, with the conditions applied."""
        if place < len(self._clips):
            return self._clips[place]
        said = turn.clip(self._scenario.speaker)
        made = apply_conditions(self._pipeline, said, turn_seed(self._seed, place)).as_kept
        return self.own_clips.setdefault(place, made)

    def ask(self, session: Session, timeout_s: float) -> None:
        """Send each turn at once, and the next one when the answer is ready; call it in a worker's own thread."""
        talk = self.talk
        while (said := self._think()) is not None:
            turn, clip = said
            talk.exchanges.append(TalkTurn(turn, clip, talk.length_ms))
            talk.length_ms += clip.duration_s * 1000
            try:
                reply = session.ask(clip).result(timeout_s)
            finally:
                talk.assign(session.conversation)
            if reply.status != "completed":
                return

    def talk_on_track(self, session: SystemSession, timeout_s: float) -> None:
        """Hold the conversation with a duplex system, which says itself where its answers sound on the track.

        No time passes: the next turn begins where the answer ends, or, with an ``at_ms``, during it.
        """
        talk, listener = self.talk, Listener(session)
        talk.listener = listener
        asked: TalkTurn | None = None
        while (said := self._think()) is not None:
            turn, clip = said
            at_ms, cut, left_out = talk.length_ms, None, ""
            if turn.at_ms is not None:
                at_ms, cut, left_out = _on_track(talk, asked, turn.at_ms)
            exchange = TalkTurn(turn, clip, at_ms, cut=cut, left_out=left_out)
            talk.exchanges.append(exchange)
            if not exchange.is_said:
                continue
            asked = exchange if turn.wants_answer else asked
            reply = session.say(clip, at_ms, timeout_s=timeout_s).result()
            answer = session.last
            assert answer is not None
            exchange.asked = [reply.asked] if reply.asked is not None else []
            exchange.replies = [] if answer.is_empty else [reply]
            if cut is not None and answer.stops_ms is not None:
                cut.stopped_ms = cut.end_ms = max(at_ms, answer.stops_ms)
                session.heard(cut.item_id, round(cut.end_ms - cut.start_ms), stopped=True)
            if answer.audio is not None:
                begins_ms = exchange.end_ms + (answer.first_audio_ms or 0.0)
                first_ms = first_audible_ms(answer.audio)
                ends_ms = begins_ms + answer.audio.duration_s * 1000
                audible_ms = None if first_ms is None else begins_ms + first_ms
                listener.played.append(PlayedItem(reply.turns[0].item_id, begins_ms, ends_ms, audible_ms))
            talk.length_ms = max([exchange.end_ms, *(each.end_ms for each in listener.played)])

    def talk_with(self, session: Session, timeout_s: float) -> None:
        """Hold the conversation in real time; call it in a worker's own thread."""
        hears = isinstance(session, RealtimeSession) and session.turn_detection is not None
        pending = submit(self._paced(session, SpokenPacing(session) if hears else TurnPacing(session), timeout_s))
        try:
            pending.result()
        finally:
            pending.cancel()  # Stops a microphone that is still open; does nothing if everything is done.

    # --- what is said ---

    def _think(self) -> tuple[UserTurn, SpokenClip] | None:
        """Return the person's next turn and its sound; `None` if they have nothing more to say."""
        turn = self._next_turn()
        return None if turn is None else (turn, self.clip(turn, len(self.talk.exchanges)))

    def _next_turn(self) -> UserTurn | None:
        if (scripted := self._scripted()) is not None:
            return scripted
        if self._scenario.user is None or len(self.talk.exchanges) >= self._scenario.max_turns:
            return None
        try:
            said = self._scenario.user(self.talk.known)
        except RealtimeError as error:
            self._spend(error.cost_usd)
            raise
        words, cost_usd = said if isinstance(said, Next) else (said, 0.0)
        self._spend(cost_usd)
        if isinstance(words, UserTurn) and words.at_ms is not None:
            raise SettingsError(f"at_ms={words.at_ms:g} is for scripts: a simulated user waits for the answer's end")
        if words is None or isinstance(words, UserTurn):
            return words
        if not isinstance(words, str):
            raise TypeError(f"a simulated user must return words, a UserTurn or None, not {type(words).__name__}")
        return UserTurn(words) if words.strip() else None

    def _spend(self, cost_usd: float | None) -> None:
        self.talk.user_cost_usd = sum_known((self.talk.user_cost_usd, cost_usd))

    def _scripted(self) -> UserTurn | None:
        """Return the next turn of the script, if there is one."""
        place, script = len(self.talk.exchanges), self._scenario.script
        return script[place] if place < len(script) else None

    # --- when it is said; on the I/O thread ---

    async def _paced(self, session: Session, pace: Pacing, timeout_s: float) -> None:
        talk = self.talk
        talk.listener, talk.is_open = pace.listener, pace.hears
        try:
            async with pace:
                while True:
                    coming = self._scripted()
                    if talk.said and (coming is None or coming.at_ms is None):
                        await self._until(pace, self._over(pace, talk.said[-1]), timeout_s)
                        talk.assign(session.conversation)
                    said = await self._thought(pace, timeout_s)
                    if said is None:
                        return
                    await self._say(pace, *said, timeout_s)
        finally:
            talk.length_ms = pace.listener.now_ms
            talk.assign(session.conversation)

    async def _say(self, pace: Pacing, turn: UserTurn, clip: SpokenClip, timeout_s: float) -> None:
        cut, left_out = None, ""
        if turn.at_ms is not None:
            cut, left_out = await self._moment(pace, turn.at_ms, timeout_s)
        if not turn.wants_answer and not pace.hears:
            left_out = left_out or "the session does not hear while it speaks"
        exchange = TalkTurn(turn, clip, pace.listener.now_ms, cut=cut, left_out=left_out)
        exchange.by_hand = cut is not None and not pace.hears
        self.talk.exchanges.append(exchange)
        if exchange.is_said:
            await pace.say(exchange)
            await self._until(pace, lambda: not pace.is_speaking, timeout_s)

    async def _moment(self, pace: Pacing, at_ms: float, timeout_s: float) -> tuple[PlayedItem | None, str]:
        """Wait until an answer has played for `at_ms`; return the part that is playing, or why there is none."""
        listener = pace.listener
        asked = next(each for each in reversed(self.talk.said) if each.turn.wants_answer)

        def began_ms() -> float | None:
            found = (each.audible_ms for each in listener.played if each.audible_ms is not None)
            return next((audible_ms for audible_ms in found if audible_ms >= asked.start_ms), None)

        def is_due() -> bool:
            audible_ms = began_ms()
            if audible_ms is not None and listener.now_ms >= audible_ms + at_ms:
                return True
            return self._over(pace, asked)()

        await self._until(pace, is_due, timeout_s)
        if listener.sounding is not None and began_ms() is not None:
            return listener.sounding, ""
        return None, "no answer was heard" if began_ms() is None else "the answer was over before"

    def _over(self, pace: Pacing, exchange: TalkTurn) -> Callable[[], bool]:
        """Return a function that says whether a turn's answer was heard to its end, or the turn was not noticed."""
        return lambda: not pace.goes_on(exchange) and not pace.listener.is_playing

    async def _thought(self, pace: Pacing, timeout_s: float) -> tuple[UserTurn, SpokenClip] | None:
        """Think in another thread, while time passes."""
        thinking = asyncio.create_task(asyncio.to_thread(self._think))
        await self._until(pace, thinking.done, timeout_s)
        return await thinking

    async def _until(self, pace: Pacing, is_so: Callable[[], Any], timeout_s: float) -> None:
        """Let time pass until `is_so()` is true; only silence on both sides counts towards the time-out."""
        clock = asyncio.get_running_loop()
        began_s = clock.time()
        while not is_so():
            await pace.step()
            if pace.is_speaking or pace.listener.is_playing:
                began_s = clock.time()
            if clock.time() - began_s > timeout_s:
                raise TimeoutError(f"nothing was answered within {timeout_s:g} s")
