"""A clip as an open microphone: sent as time goes by, so that the server's turn detection finds the turns in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..audio import WIRE_SAMPLE_RATE, AudioClip
from ..errors import ConnectionLost
from ..turns import bytes_per_ms
from ..wire import events as ev
from ..wire.settings import setting_at

if TYPE_CHECKING:
    from .realtime import RealtimeSession

_FRAME_MS = 20
#: Silence that follows the clip: more than ends a turn (`semantic_vad` waits for 8 s at most), and until all is over.
_MORE_SILENCE_MS, _LONGEST_PAUSE_MS, _LONGEST_WAIT_MS = 1_000, 8_000, 60_000


class Listener:
    """Somebody who hears the answers while the clip goes on, and cuts them off by speaking.

    The server does not know what was heard of an answer that it had sent already; a speaker reports it, and here, where
    none plays, the clip's own clock does.

    Parameters
    ----------
    session : RealtimeSession
        Told what was heard of an answer that was cut off.
    """

    def __init__(self, session: RealtimeSession):
        self.now_ms = 0.0
        """How much of the clip was sent."""
        self._session = session
        self._playing: list[tuple[str, float, float]] = []
        self._stopped: set[str] = set()

    def on_event(self, event: Any, elapsed_ms: float) -> None:
        """Take an event of the session's into account."""
        if isinstance(event, ev.ResponseOutputAudioDelta) and event.item_id not in self._stopped:
            self._play(event)
        elif isinstance(event, ev.InputAudioBufferSpeechStarted):
            if setting_at(self._session.turn_detection or {}, "interrupt_response") is not False:
                self._stop()

    def _play(self, event: ev.ResponseOutputAudioDelta) -> None:
        turn = self._session.conversation.turn(event.item_id)
        part = turn.parts.get(event.content_index) if turn is not None else None
        length_ms = len(event.delta) / bytes_per_ms(part.encoding if part is not None else "audio/pcm")
        free_ms = max(self.now_ms, self._playing[-1][2] if self._playing else 0.0)
        if self._playing and self._playing[-1][0] == event.item_id:
            _, start_ms, _ = self._playing.pop()
        else:
            start_ms = free_ms
        self._playing.append((event.item_id, start_ms, free_ms + length_ms))

    def _stop(self) -> None:
        for item_id, start_ms, end_ms in self._playing:
            if end_ms > self.now_ms:
                self._stopped.add(item_id)
                self._session.heard(item_id, round(max(0.0, self.now_ms - start_ms)), stopped=True)
        self._playing = []


async def send_live(session: RealtimeSession, clip: AudioClip, speed: float) -> None:
    """Send a clip frame by frame, then silence until its last turn is answered.

    Parameters
    ----------
    session : RealtimeSession
        Open, with turn detection.
    clip : AudioClip
        What the microphone hears.
    speed : float
        How much faster than it sounds.

    Raises
    ------
    ConnectionLost
        If the session ends meanwhile.
    """
    pcm, size = clip.to_pcm16(WIRE_SAMPLE_RATE), 2 * WIRE_SAMPLE_RATE * _FRAME_MS // 1000
    listener, clock = Listener(session), asyncio.get_running_loop()
    stop = session.listen(listener.on_event)
    due_s, number = clock.time(), 0
    end_ms = clip.duration_s * 1000 + _closing_ms(session)
    try:
        while listener.now_ms < end_ms or _goes_on(session, listener.now_ms - end_ms):
            frame = pcm[number * size : (number + 1) * size].ljust(size, b"\0")
            number += 1
            # A frame leaves when it is full; nobody needs to hurry through silence that waits for an answer.
            due_s += _FRAME_MS / 1000 / (speed if listener.now_ms < end_ms else 1.0)
            await asyncio.sleep(max(0.0, due_s - clock.time()))
            if session.state == "closed":
                raise session.error or ConnectionLost("the session was closed before all was said")
            session.send_audio(frame)
            listener.now_ms = number * _FRAME_MS
    finally:
        stop()


def _closing_ms(session: RealtimeSession) -> float:
    """Return how much silence certainly ends a turn."""
    pause_ms = (session.turn_detection or {}).get("silence_duration_ms")
    return (pause_ms if isinstance(pause_ms, int | float) else _LONGEST_PAUSE_MS) + _MORE_SILENCE_MS


def _goes_on(session: RealtimeSession, waited_ms: float) -> bool:
    """Whether something is not over yet that soon will be."""
    if waited_ms > _LONGEST_WAIT_MS:
        return False
    asked = [turn for turn in session.conversation if turn.role == "user"]
    if any(turn.is_speaking or not turn.is_final for turn in asked):
        return True
    if not all(reply.done for reply in session.conversation.replies):
        return True
    is_answered = (session.turn_detection or {}).get("create_response") is not False
    return bool(asked) and is_answered and asked[-1].reply is None
