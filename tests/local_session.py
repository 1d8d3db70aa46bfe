"""A session of the local server in this process, without a socket: its events as they come, on a clock that jumps."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
from collections.abc import AsyncGenerator, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from realtime_nb.local.brains.rule_brain import RuleBrain
from realtime_nb.local.faults import FaultyOutbox, with_faults
from realtime_nb.local.realtime.outbox import Outbox
from realtime_nb.local.realtime.session import Parts, ServerSession
from realtime_nb.local.realtime.session_settings import SessionSettings
from realtime_nb.local.recognition.end_of_turn import has_marks
from realtime_nb.local.recognition.heard import HeardToken, Recognition
from realtime_nb.local.synthesis.synthesizer import VOICES, Speech, Synthesizer
from realtime_nb.protocol.parts import LocalPart

MS_PER_WORD = 300


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer when there is nothing to do until then."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        select = self._selector.select

        def jump(timeout: float | None = None) -> Any:
            events = select(None if timeout is None else 0)
            if not events and timeout:
                self._now += timeout
            return events

        self._selector.select = jump

    def time(self) -> float:
        return self._now


def run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)


class SteadyVoice:
    """Speaks 300 ms a word: 60 ms at once, then 200 ms a piece."""

    part = LocalPart("scripted")

    async def speak(
        self, text: str, *, voice: str, speed: float = 1.0, sample_rate: int = 24_000
    ) -> AsyncGenerator[Speech, None]:
        starts = [at for at, letter in enumerate(text) if letter != " " and (at == 0 or text[at - 1] == " ")]
        words = [(start, number * MS_PER_WORD) for number, start in enumerate(starts)]
        total_ms, at_ms, step_ms = len(words) * MS_PER_WORD, 0, 60
        while at_ms < total_ms:
            end_ms = min(total_ms, at_ms + step_ms)
            here = tuple((index, ms) for index, ms in words if at_ms <= ms < end_ms)
            yield Speech(b"\1\0" * ((end_ms - at_ms) * sample_rate // 1000), here)
            at_ms, step_ms = end_ms, 200


class ScriptedRecognizer:
    """Hears given texts, one per utterance; the last one is repeated."""

    part = LocalPart("scripted")
    is_multilingual = False
    is_overloaded = False

    def __init__(self, *texts: str | Recognition):
        self.texts = list(texts) or ["hello"]
        self.expected: list[dict[str, Any]] = []
        self.utterances: list[bytes] = []
        self.live: list[bool] = []
        self.languages: list[str | None] = []
        self.sessions = 0
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    def join(self) -> None:
        self.sessions += 1

    def leave(self) -> None:
        self.sessions -= 1

    async def expect(self, **content: Any) -> object:
        self.expected.append(content)
        return content

    async def listen(
        self,
        pcm: bytes,
        expected: Any = None,
        *,
        language: str | None = None,
        word_times: bool = False,
        is_live: bool = False,
    ) -> Recognition:
        self.utterances.append(pcm)
        self.live.append(is_live)
        self.languages.append(language)
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        heard = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        if isinstance(heard, Recognition):
            return heard
        # Sentences are what networks write, which give tokens, too.
        return Recognition(heard, tokens=(HeardToken(heard, heard.encode(), 0, -0.1),) if has_marks(heard) else ())


class ScriptedTurnModel:
    """Hears how finished a turn sounds as it is told to, one probability a question; the last for ever."""

    name = "scripted"

    def __init__(self, *probabilities: float | None):
        self.probabilities = list(probabilities)
        self.questions: list[bytes] = []
        self.prepared = 0
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    def prepare(self) -> None:
        self.prepared += 1

    async def probability(self, pcm: bytes) -> float | None:
        self.questions.append(pcm)
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return self.probabilities.pop(0) if len(self.probabilities) > 1 else self.probabilities[0]


class Client:
    """A client of one session."""

    def __init__(
        self,
        *,
        brain: Any = None,
        voice: Any = None,
        recognizer: Any = None,
        turn_model: Any = None,
        transcription: bool = False,
        faults: Sequence[str] = (),
    ):
        brain = brain or RuleBrain()
        self.recognizer = recognizer or ScriptedRecognizer()
        parts = Parts(brain, voice or SteadyVoice(), self.recognizer, turn_model=turn_model)
        settings = SessionSettings(
            session_id="sess_1",
            model="" if transcription else "local-rules",
            expires_at=3600,
            brain=brain.description,
            transcription=transcription,
            voices=VOICES,
        )
        self.outbox = FaultyOutbox(faults) if faults else Outbox()
        self.session = ServerSession(settings, with_faults(parts, faults), self.outbox)
        self.events: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._changed = asyncio.Event()
        self._read = 0

    async def __aenter__(self) -> Client:
        self._writing = asyncio.create_task(self.outbox.run(self._receive))
        self.session.open()
        await self.until("session.created")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)

    async def _receive(self, message: str) -> None:
        self.events.append(json.loads(message))
        self.times.append(asyncio.get_running_loop().time())
        self._changed.set()

    async def send(self, kind: str, **fields: Any) -> None:
        await self.session.receive(json.dumps({"type": kind, **fields}))

    async def update(self, **settings: Any) -> dict[str, Any]:
        await self.send("session.update", session={"type": "realtime", **settings})
        return await self.until("session.updated")

    async def say(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        await self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        await self.until("conversation.item.done")

    async def append(self, pcm: bytes, *, step_ms: int = 100, pause_s: float = 0.0) -> None:
        for start in range(0, len(pcm), step_ms * 48):
            piece = base64.b64encode(pcm[start : start + step_ms * 48]).decode()
            await self.send("input_audio_buffer.append", audio=piece)
            await asyncio.sleep(pause_s)

    async def until(self, kind: str, *, timeout_s: float = 120.0) -> dict[str, Any]:
        """Read on until an event of a type comes; the clock of the loop counts."""
        async with asyncio.timeout(timeout_s):
            while True:
                while self._read < len(self.events):
                    event = self.events[self._read]
                    self._read += 1
                    if event["type"] == kind:
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def error(self) -> dict[str, Any]:
        return (await self.until("error"))["error"]

    def event_types(self, start: int = 0) -> list[str]:
        """Return the types of all events; in a run of deltas, each kind counts once."""
        kinds: list[str] = []
        run_from = 0
        for event in self.events[start:]:
            if not event["type"].endswith(".delta"):
                kinds.append(event["type"])
                run_from = len(kinds)
            elif event["type"] not in kinds[run_from:]:
                kinds.append(event["type"])
        return kinds

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


@functools.cache
def spoken(text: str, voice: str = "echo") -> bytes:
    """Return a sentence as PCM16 at 24 kHz, spoken by the local voice."""

    async def speak() -> bytes:
        async with Synthesizer() as synthesizer:
            return await synthesizer.synthesize(text, voice)

    with ThreadPoolExecutor(1) as thread:  # a loop of its own for each caller
        return thread.submit(lambda: asyncio.run(speak())).result()


def silence(duration_ms: int) -> bytes:
    return bytes(duration_ms * 48)
