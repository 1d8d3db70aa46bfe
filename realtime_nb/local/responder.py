"""One answer at work: the brain's sentences, spoken, paced and sent; cancelled at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Protocol

from ..g711 import encode_alaw, encode_ulaw
from ..sentences import split_sentences
from ..wire.items import StatusDetails
from .api_errors import ApiError
from .brain import Brain, CallTool, Context, Say
from .ladder import Ladder, Status
from .synthesizer import Speech
from .usage import OUTPUT_MS_PER_TOKEN, text_tokens

log = logging.getLogger(__name__)

# Speech is made some 600 times faster than it is spoken. Sent at once, an answer would be over before anyone could
# interrupt it; this much ahead, and then this much faster than real time, is what the live service looks like.
BURST_MS = 1_000
PACE = 3.0
_FEW_WORDS = re.compile(r"\s*(?:\S+\s*){1,3}")
_ENCODERS = {"audio/pcmu": encode_ulaw, "audio/pcma": encode_alaw}


class Voice(Protocol):
    """What speaks; `realtime_nb.local.synthesizer.Synthesizer` does."""

    def speak(
        self, text: str, *, voice: str, speed: float = 1.0, sample_rate: int = 24_000
    ) -> AsyncGenerator[Speech, None]:
        """Yield the sound of `text` piece by piece."""
        ...


class _TooLong(Exception):
    """The answer has reached ``max_output_tokens``."""


def deltas(sentence: str) -> list[str]:
    """Cut a sentence into the few words that one delta carries."""
    return _FEW_WORDS.findall(sentence)


class Responder:
    """One response from created to done.

    Parameters
    ----------
    ladder : Ladder
        Its events.
    context : callable
        Returns what the brain may know; waits until the person's words are recognised.
    brain : Brain
    voice : Voice
    usage : callable
        From the ladder to the usage object.
    room : callable
        Waits until the client has taken most of what it was sent.
    on_done : callable
        Called with this object once ``response.done`` is out.
    """

    def __init__(
        self,
        *,
        ladder: Ladder,
        context: Callable[[], Awaitable[Context]],
        brain: Brain,
        voice: Voice,
        usage: Callable[[Ladder], dict[str, Any]],
        room: Callable[[], Awaitable[None]],
        on_done: Callable[[Responder], None],
    ):
        self.ladder = ladder
        self._context = context
        self._brain = brain
        self._voice = voice
        self._usage = usage
        self._room = room
        self._on_done = on_done
        self._task: asyncio.Task[None] | None = None
        self._first_audio_at: float | None = None

    @property
    def id(self) -> str:
        """The response's id."""
        return self.ladder.id

    @property
    def unplayed_s(self) -> float:
        """How much longer a client plays that began when the first sound was sent."""
        if self._first_audio_at is None:
            return 0.0
        return max(0.0, self._first_audio_at + self.ladder.spoken_ms / 1000 - asyncio.get_running_loop().time())

    def start(self) -> None:
        """Begin; goes on by itself."""
        self.ladder.create()
        self._task = asyncio.create_task(self._run())

    def cancel(self, reason: str) -> None:
        """End the response now, with all its closing events; nothing if it is over.

        Parameters
        ----------
        reason : {"turn_detected", "client_cancelled"}
        """
        if not self.ladder.is_over:
            self._finish("cancelled", StatusDetails(type="cancelled", reason=reason))
        self.abandon()

    def abandon(self) -> None:
        """Stop without another word: nobody listens any more."""
        if self._task:
            self._task.cancel()

    async def stopped(self) -> None:
        """Wait until nothing of it runs."""
        if self._task:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            context = await self._context()
            async with contextlib.aclosing(self._brain.respond(context)) as actions:
                async for action in actions:
                    await self._do(action)
            self._finish("completed")
        except _TooLong:
            self._finish("incomplete", StatusDetails(type="incomplete", reason="max_output_tokens"))
        except ApiError as error:
            self._fail({"type": error.type, "code": error.code, "message": error.message})
        except Exception:
            log.exception("a response failed")
            message = "The server had an error while processing your request."
            self._fail({"type": "server_error", "code": None, "message": message})

    def _fail(self, error: dict[str, Any]) -> None:
        if not self.ladder.is_over:
            self._finish("failed", StatusDetails(type="failed", error=error))

    def _finish(self, status: Status, details: StatusDetails | None = None) -> None:
        self.ladder.finish(status, self._usage(self.ladder), details)
        self._on_done(self)

    async def _do(self, action: Say | CallTool) -> None:
        if isinstance(action, CallTool):
            arguments = action.arguments if isinstance(action.arguments, str) else json.dumps(action.arguments)
            self.ladder.call(action.name, arguments)
            self._check_length()
            return
        say = self._say if self.ladder.settings.output_modalities == ["audio"] else self._write
        for sentence in split_sentences(action.text.strip()):
            if sentence.strip():
                await say(self._joined(sentence.strip()))

    def _joined(self, sentence: str) -> str:
        part = self.ladder.open_part
        apart = part is not None and part.text and not part.text[-1].isspace() and not sentence[0].isspace()
        return f" {sentence}" if apart else sentence

    async def _write(self, sentence: str) -> None:
        for delta in deltas(sentence):
            await self._room()
            self.ladder.text(delta)
            self._check_length()
            await asyncio.sleep(0)

    async def _say(self, sentence: str) -> None:
        """Send a sentence's words, then its sound."""
        settings = self.ladder.settings
        encode = _ENCODERS.get(settings.output_format["type"], bytes)
        sample_rate = 24_000 if encode is bytes else 8_000
        part = self.ladder.open_part
        from_index, from_ms = (len(part.text), part.duration_ms) if part else (0, 0.0)
        for delta in deltas(sentence):
            self.ladder.transcript(delta)
        pieces = self._voice.speak(sentence, voice=settings.voice, speed=settings.speed, sample_rate=sample_rate)
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                if not piece.pcm:
                    continue
                await self._room()
                await self._pace()
                words = [(from_index + index, from_ms + ms) for index, ms in piece.words]
                self.ladder.audio(piece.pcm, encode(piece.pcm), sample_rate, words)
                self._check_length()
        part = self.ladder.open_part
        if part is not None:
            part.spoken = len(part.text)

    async def _pace(self) -> None:
        """Wait until the next sound may be sent."""
        now = asyncio.get_running_loop().time()
        if self._first_audio_at is None:
            self._first_audio_at = now
        ahead_ms = self.ladder.spoken_ms - BURST_MS - PACE * 1000 * (now - self._first_audio_at)
        if ahead_ms > 0:
            await asyncio.sleep(ahead_ms / 1000 / PACE)

    def _check_length(self) -> None:
        limit = self.ladder.settings.max_output_tokens
        if isinstance(limit, int):
            tokens = text_tokens(self.ladder.written) + self.ladder.spoken_ms / OUTPUT_MS_PER_TOKEN
            if tokens >= limit:
                raise _TooLong
