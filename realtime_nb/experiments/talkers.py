"""Who has a scenario's conversation with a session: as fast as answers come, or as fast as everything sounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from ..audio import AudioClip
from ..charges import sum_known
from ..errors import RealtimeError, SettingsError
from ..loop import submit
from ..sessions.base import Session
from ..sessions.listener import Sounding
from ..sessions.realtime import RealtimeSession
from .conditions import Pipeline, apply_conditions
from .paces import Aloud, ByHand, Pace
from .scenarios import Next, Scenario, UserTurn
from .talks import Exchange, Talk


class Talker:
    """Has a scenario's conversation.

    Parameters
    ----------
    scenario : Scenario
        What is said.
    pipeline : tuple of Condition
        What happens to each turn.
    seed : int
        Of that; each turn has chance of its own.
    """

    def __init__(self, scenario: Scenario, pipeline: Pipeline, seed: int):
        self.talk = Talk()
        self._scenario, self._pipeline, self._seed = scenario, pipeline, seed

    def clip(self, turn: UserTurn, place: int) -> AudioClip:
        """Return the sound of a turn, and what the conditions make of it."""
        seed = self._seed if place == 0 else int(np.random.SeedSequence([self._seed, place]).generate_state(1)[0])
        return apply_conditions(self._pipeline, turn.clip(self._scenario.speaker), seed)

    def ask(self, session: Session, timeout_s: float) -> None:
        """Say each turn at once, and the next one when the answer is there; for a worker's own thread."""
        talk = self.talk
        while (said := self._think()) is not None:
            turn, clip = said
            talk.exchanges.append(Exchange(turn, clip, talk.length_ms))
            talk.length_ms += clip.duration_s * 1000
            try:
                reply = session.ask(clip).result(timeout_s)
            finally:
                talk.assign(session.conversation)
            if reply.status != "completed":
                return

    def talk_with(self, session: Session, timeout_s: float) -> None:
        """Have the conversation at the pace at which it sounds; for a worker's own thread."""
        hears = isinstance(session, RealtimeSession) and session.turn_detection is not None
        pending = submit(self._paced(session, Aloud(session) if hears else ByHand(session), timeout_s))
        try:
            pending.result()
        finally:
            pending.cancel()  # Of a microphone that is still open; does nothing where all is done.

    # --- what is said ---

    def _think(self) -> tuple[UserTurn, AudioClip] | None:
        """Return what the person says next, and how that sounds; `None` where they have nothing more to say."""
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
            raise TypeError(f"a simulated user says words, a UserTurn or None, not {type(words).__name__}")
        return UserTurn(words) if words.strip() else None

    def _spend(self, cost_usd: float | None) -> None:
        self.talk.user_cost_usd = sum_known((self.talk.user_cost_usd, cost_usd))

    def _scripted(self) -> UserTurn | None:
        """Return the next turn, where the script has one."""
        place, script = len(self.talk.exchanges), self._scenario.script
        return script[place] if place < len(script) else None

    # --- when it is said; on the I/O thread ---

    async def _paced(self, session: Session, pace: Pace, timeout_s: float) -> None:
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

    async def _say(self, pace: Pace, turn: UserTurn, clip: AudioClip, timeout_s: float) -> None:
        cut, left_out = None, ""
        if turn.at_ms is not None:
            cut, left_out = await self._moment(pace, turn.at_ms, timeout_s)
        if turn.backchannel and not pace.hears:
            left_out = left_out or "the session does not hear while it speaks"
        exchange = Exchange(turn, clip, pace.listener.now_ms, cut=cut, left_out=left_out)
        exchange.by_hand = cut is not None and not pace.hears
        self.talk.exchanges.append(exchange)
        if exchange.is_said:
            await pace.say(exchange)
            await self._until(pace, lambda: not pace.is_speaking, timeout_s)

    async def _moment(self, pace: Pace, at_ms: float, timeout_s: float) -> tuple[Sounding | None, str]:
        """Wait until an answer has sounded for so long; return what sounds then, or why nothing does."""
        listener = pace.listener
        asked = next(each for each in reversed(self.talk.said) if not each.turn.backchannel)

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
        return None, "there was no answer that sounded" if began_ms() is None else "the answer was over before"

    def _over(self, pace: Pace, exchange: Exchange) -> Callable[[], bool]:
        """Return what says whether a turn is answered and the answer heard out, or nobody has noticed the turn."""
        return lambda: not pace.goes_on(exchange) and not pace.listener.is_playing

    async def _thought(self, pace: Pace, timeout_s: float) -> tuple[UserTurn, AudioClip] | None:
        """Think in another thread, while time goes on."""
        thinking = asyncio.create_task(asyncio.to_thread(self._think))
        await self._until(pace, thinking.done, timeout_s)
        return await thinking

    async def _until(self, pace: Pace, is_so: Callable[[], Any], timeout_s: float) -> None:
        """Let time go by until something is so; what counts as waiting is silence on both sides."""
        clock = asyncio.get_running_loop()
        began_s = clock.time()
        while not is_so():
            await pace.step()
            if pace.is_speaking or pace.listener.is_playing:
                began_s = clock.time()
            if clock.time() - began_s > timeout_s:
                raise TimeoutError(f"nothing was answered within {timeout_s:g} s")
