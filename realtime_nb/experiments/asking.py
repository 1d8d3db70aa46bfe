"""How a question is put: all at once, or at the pace of a person who says it and hears the answer out."""

from __future__ import annotations

import asyncio

from ..audio import AudioClip
from ..errors import RealtimeError
from ..loop import submit
from ..sessions.base import Session
from ..sessions.realtime import RealtimeSession
from ..turns import Reply


def ask(session: Session, clip: AudioClip, *, live: bool, timeout_s: float) -> Reply:
    """Put a question to an open session, and wait for its answer; for a worker's own thread.

    Parameters
    ----------
    session : Session
        Of any kind.
    clip : AudioClip
        The question.
    live : bool
        Whether it is said as fast as it sounds, and the answer heard as fast as that sounds. A `RealtimeSession` with
        turn detection gets it as from an open microphone (`RealtimeSession.listen_to`), and finds its turns; others
        get it as a turn when it has been said.
    timeout_s : float
        How long to wait at most, on top of the time for which the question is said.

    Returns
    -------
    reply : Reply
        The last one.

    Raises
    ------
    RealtimeError
        If turn detection finds no turn in the clip; or whatever the session raises.
    TimeoutError
        If it takes too long.
    """
    if not live:
        # A silent server is told of by name before the time for the whole is over.
        return session.ask(clip, timeout_s=timeout_s).result(timeout_s + _GRACE_S)
    pending = submit(ask_live(session, clip))
    try:
        return pending.result(timeout_s + clip.duration_s)
    finally:
        pending.cancel()  # Of a microphone that is still open; does nothing where all is done.


#: How long a session may take to give up an answer that does not come.
_GRACE_S = 3.0


async def ask_live(session: Session, clip: AudioClip) -> Reply:
    """Put a question at the pace at which it sounds, on the I/O thread; see `ask`."""
    if isinstance(session, RealtimeSession) and session.turn_detection is not None:
        replies = (await session.listen_to(clip, hears_out=True)).replies
        if not replies:
            raise RealtimeError("turn detection found no turn in the clip that was to be answered")
        return replies[-1]
    await asyncio.sleep(clip.duration_s)
    reply = await session.ask(clip)
    sounds_ms = reply.audio.duration_s * 1000 if reply.audio is not None else 0.0
    played_ms = session.elapsed_ms - reply.timing.origin_ms - (reply.timing.first_audio_ms or 0.0)
    await asyncio.sleep(max(0.0, sounds_ms - played_ms) / 1000)
    return reply
