"""Make one answer: its events in the API's order, its sentences spoken, paced and sent."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

import msgspec
from msgspec import UNSET

from ...media.g711 import encode_alaw, encode_ulaw
from ...media.sentences import split_sentences
from ...protocol import events
from ...protocol.items import Content, Response, StatusDetails
from ...protocol.parts import LocalPart, joined_names
from ..api_errors import ApiError
from ..brains.brain import Brain, CallTool, Context, Say
from ..synthesis.synthesizer import Speech
from .conversation_state import ConversationState, ItemState, MessagePart, new_id
from .session_settings import ResponseSettings
from .usage import OUTPUT_MS_PER_TOKEN, text_tokens

# --- The events of one response, in the API's order, and what they add to the conversation. No waiting, no clock ------
#
# The order is that of recorded traffic: created; per item added, its deltas; then, in index order, the ``done`` events
# of all items; done. Out-of-band responses leave the conversation and its events out.

Emit = Callable[[events.ServerEvent], None]
Status = Literal["completed", "cancelled", "incomplete", "failed"]
_OBFUSCATED_LENGTH = 16


def parts_of(**names: Iterable[str]) -> dict[str, str]:
    """Return which part did each job, as an answer states it: several joined by "and", empty jobs left out."""
    told = {job: joined_names(each) for job, each in names.items()}
    return {job: name for job, name in told.items() if name}


def obfuscation(delta: str) -> str:
    """Return filler like the API's, which hides the lengths of text deltas."""
    return secrets.token_hex(_OBFUSCATED_LENGTH // 2)[: _OBFUSCATED_LENGTH - len(delta) % _OBFUSCATED_LENGTH]


class ResponseEvents:
    """One response's events."""

    def __init__(
        self,
        emit: Emit,
        settings: ResponseSettings,
        conversation: ConversationState | None = None,
        asked: Sequence[ItemState] = (),
    ):
        self.id = new_id("resp")
        self.voices: list[str] = []
        """Which part has spoken."""
        self._asked = asked
        self.settings = settings
        self.entries: list[ItemState] = []
        self.is_over = False
        self._emit = emit
        self._conversation = conversation
        self._previous: dict[str, str | None] = {}

    def create(self) -> None:
        """Begin the response."""
        self._emit(events.ResponseCreated(response=self._response("in_progress")))

    def text(self, delta: str) -> None:
        """Write more of a text answer."""
        index, entry, part = self._open("output_text")
        part.text += delta
        self._emit(
            events.ResponseOutputTextDelta(**self._at(index, entry), delta=delta, obfuscation=obfuscation(delta))
        )

    def transcript(self, delta: str) -> None:
        """Write more of what the voice says."""
        index, entry, part = self._open("output_audio")
        part.text += delta
        self._emit(
            events.ResponseOutputAudioTranscriptDelta(
                **self._at(index, entry), delta=delta, obfuscation=obfuscation(delta)
            )
        )

    def audio(self, pcm: bytes, encoded: bytes, sample_rate: int, words: list[tuple[int, float]]) -> None:
        """Speak more.

        `pcm` and `encoded`: the sound in PCM16, which the server keeps, and in the session's output format.
        `words`: words that begin in it: (index into the transcript, ms from the start of the part's sound).
        """
        index, entry, part = self._open("output_audio")
        part.pcm = bytearray(part.pcm) if isinstance(part.pcm, bytes) else part.pcm
        part.pcm += pcm
        part.sample_rate = sample_rate
        part.duration_ms += len(pcm) * 500 / sample_rate
        part.words += words
        self._emit(events.ResponseOutputAudioDelta(**self._at(index, entry), delta=encoded))

    def call(self, name: str, arguments: str) -> None:
        """Call a function of the client's."""
        entry = ItemState(new_id("item"), "function_call", "in_progress", name=name, call_id=new_id("call"))
        index = self._add(entry)
        step = max(16, len(arguments) // 50)
        for start in range(0, len(arguments), step):
            delta = arguments[start : start + step]
            entry.arguments += delta
            self._emit(
                events.ResponseFunctionCallArgumentsDelta(
                    **self._call_at(index, entry), delta=delta, obfuscation=obfuscation(delta)
                )
            )

    def finish(self, status: Status, usage: dict[str, Any] | None, details: StatusDetails | None = None) -> None:
        """End the response and everything that is open in it."""
        self.is_over = True
        for index, entry in enumerate(self.entries):
            entry.status = "completed" if status == "completed" else "incomplete"
            self._close(index, entry)
        response = self._response(status, usage=usage, details=details)
        self._emit(events.ResponseDone(response=msgspec.structs.replace(response, parts=self._parts or UNSET)))

    @property
    def _parts(self) -> dict[str, str]:
        """Which parts heard and spoke for this answer; the conversation's earlier turns do not count."""
        latest = itertools.takewhile(lambda entry: entry.role != "assistant", reversed(self._asked))
        heard = [part for entry in latest for part in entry.parts if part.type == "input_audio"]
        return parts_of(
            ears=(part.ears for part in heard), voice=self.voices, end_of_turn=(part.end_of_turn for part in heard)
        )

    @property
    def written(self) -> str:
        """All words, transcripts and arguments so far."""
        return "".join(entry.said + entry.arguments for entry in self.entries)

    @property
    def spoken_ms(self) -> float:
        """How much was spoken so far."""
        return sum(part.duration_ms for entry in self.entries for part in entry.parts)

    @property
    def open_part(self) -> MessagePart | None:
        """The part that gets the next delta, if there is one."""
        entry = self.entries[-1] if self.entries else None
        return entry.parts[0] if entry and entry.parts else None

    def _open(self, kind: str) -> tuple[int, ItemState, MessagePart]:
        """Return the last message if it can go on, else begin one."""
        if self.entries and self.entries[-1].type == "message":
            entry = self.entries[-1]
            return len(self.entries) - 1, entry, entry.parts[0]
        entry = ItemState(new_id("item"), "message", "in_progress", "assistant")
        index = self._add(entry)
        part = MessagePart(kind)
        entry.parts.append(part)
        self._emit(events.ResponseContentPartAdded(**self._at(index, entry), part=_shown(part)))
        return index, entry, part

    def _add(self, entry: ItemState) -> int:
        index = len(self.entries)
        self.entries.append(entry)
        self._emit(events.ResponseOutputItemAdded(response_id=self.id, output_index=index, item=entry.item()))
        if self._conversation is not None:
            previous = self._previous[entry.id] = self._conversation.add(entry)
            self._emit(events.ConversationItemAdded(item=entry.item(), previous_item_id=previous))
        return index

    def _close(self, index: int, entry: ItemState) -> None:
        for part in entry.parts:
            at = self._at(index, entry)
            if part.type == "output_audio":
                self._emit(events.ResponseOutputAudioDone(**at))
                self._emit(events.ResponseOutputAudioTranscriptDone(**at, transcript=part.text))
            else:
                self._emit(events.ResponseOutputTextDone(**at, text=part.text))
            self._emit(events.ResponseContentPartDone(**at, part=_shown(part)))
        if entry.type == "function_call":
            self._emit(
                events.ResponseFunctionCallArgumentsDone(
                    **self._call_at(index, entry), name=entry.name, arguments=entry.arguments
                )
            )
        if self._conversation is not None:
            previous = self._previous[entry.id]
            self._emit(events.ConversationItemDone(item=entry.item(), previous_item_id=previous))
        self._emit(events.ResponseOutputItemDone(response_id=self.id, output_index=index, item=entry.item()))

    def _at(self, index: int, entry: ItemState) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": entry.id, "output_index": index, "content_index": 0}

    def _call_at(self, index: int, entry: ItemState) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": entry.id, "output_index": index, "call_id": entry.call_id}

    def _response(
        self, status: str, *, usage: dict[str, Any] | None = None, details: StatusDetails | None = None
    ) -> Response:
        settings = self.settings
        return Response(
            id=self.id,
            status=status,
            status_details=details,
            output=[entry.item() for entry in self.entries],
            conversation_id=None if self._conversation is None else self._conversation.id,
            output_modalities=settings.output_modalities,
            max_output_tokens=settings.max_output_tokens,
            audio={"output": {"format": settings.output_format, "voice": settings.voice}},
            usage=usage,
            metadata=settings.metadata,
        )


def _shown(part: MessagePart) -> Content:
    """Return a part with the types of ``content_part`` events: "audio" and "text"."""
    if part.type == "output_audio":
        return Content(type="audio", transcript=part.text)
    return Content(type="text", text=part.text)


# --- Make one answer: the brain's sentences, spoken, paced and sent; it can be cancelled at any moment ----------------

log = logging.getLogger(__name__)

# Speech is made about 600 times faster than it is spoken. If it were sent at once, an answer would be over before
# anyone could interrupt it. The live service seems to run this far ahead, and then this much faster than real time.
BURST_MS = 1_000
PACE = 3.0
_FEW_WORDS = re.compile(r"\s*(?:\S+\s*){1,3}")
_ENCODERS = {"audio/pcmu": encode_ulaw, "audio/pcma": encode_alaw}


class TextToSpeech(Protocol):
    """Speaks; see `realtime_nb.local.synthesis.synthesizer.Synthesizer`."""

    @property
    def part(self) -> LocalPart:
        """The part that speaks, for `LocalParts`."""
        ...

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

    `context`: returns the brain's context, after waiting until the person's words are recognised.
    """

    def __init__(
        self,
        *,
        response_events: ResponseEvents,
        context: Callable[[], Awaitable[Context]],
        brain: Brain,
        voice: TextToSpeech,
        usage: Callable[[ResponseEvents], dict[str, Any]],
        room: Callable[[], Awaitable[None]],
        on_done: Callable[[Responder], None],
    ):
        self.response_events = response_events
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
        return self.response_events.id

    @property
    def unplayed_s(self) -> float:
        """How much longer a client will play, if it began when the first sound was sent."""
        if self._first_audio_at is None:
            return 0.0
        return max(
            0.0, self._first_audio_at + self.response_events.spoken_ms / 1000 - asyncio.get_running_loop().time()
        )

    def start(self) -> None:
        """Begin; it goes on by itself."""
        self.response_events.create()
        self._task = asyncio.create_task(self._run())

    def cancel(self, reason: str) -> None:
        """End the response now, with all its closing events; nothing if it is over.

        `reason`: one of "turn_detected", "client_cancelled".
        """
        if not self.response_events.is_over:
            self._finish("cancelled", StatusDetails(type="cancelled", reason=reason))
        self.abandon()

    def abandon(self) -> None:
        """Stop without further events: the client is gone."""
        if self._task:
            self._task.cancel()

    async def stopped(self) -> None:
        """Wait until all its tasks have ended."""
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
        if not self.response_events.is_over:
            self._finish("failed", StatusDetails(type="failed", error=error))

    def _finish(self, status: Status, details: StatusDetails | None = None) -> None:
        self.response_events.finish(status, self._usage(self.response_events), details)
        self._on_done(self)

    async def _do(self, action: Say | CallTool) -> None:
        if isinstance(action, CallTool):
            arguments = action.arguments if isinstance(action.arguments, str) else json.dumps(action.arguments)
            self.response_events.call(action.name, arguments)
            self._check_length()
            return
        say = self._say if self.response_events.settings.output_modalities == ["audio"] else self._write
        for sentence in split_sentences(action.text.strip()):
            if sentence.strip():
                await say(self._joined(sentence.strip()))

    def _joined(self, sentence: str) -> str:
        part = self.response_events.open_part
        apart = part is not None and part.text and not part.text[-1].isspace() and not sentence[0].isspace()
        return f" {sentence}" if apart else sentence

    async def _write(self, sentence: str) -> None:
        for delta in deltas(sentence):
            await self._room()
            self.response_events.text(delta)
            self._check_length()
            await asyncio.sleep(0)

    async def _say(self, sentence: str) -> None:
        """Send a sentence's words, then its sound."""
        settings = self.response_events.settings
        encode = _ENCODERS.get(settings.output_format["type"], bytes)
        sample_rate = 24_000 if encode is bytes else 8_000
        part = self.response_events.open_part
        from_index, from_ms = (len(part.text), part.duration_ms) if part else (0, 0.0)
        for delta in deltas(sentence):
            self.response_events.transcript(delta)
        pieces = self._voice.speak(sentence, voice=settings.voice, speed=settings.speed, sample_rate=sample_rate)
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                if not piece.pcm:
                    continue
                await self._room()
                await self._pace()
                self.response_events.voices.append(piece.engine)
                words = [(from_index + index, from_ms + ms) for index, ms in piece.words]
                self.response_events.audio(piece.pcm, encode(piece.pcm), sample_rate, words)
                self._check_length()
        part = self.response_events.open_part
        if part is not None:
            part.spoken = len(part.text)

    async def _pace(self) -> None:
        """Wait until the next sound may be sent."""
        now = asyncio.get_running_loop().time()
        if self._first_audio_at is None:
            self._first_audio_at = now
        ahead_ms = self.response_events.spoken_ms - BURST_MS - PACE * 1000 * (now - self._first_audio_at)
        if ahead_ms > 0:
            await asyncio.sleep(ahead_ms / 1000 / PACE)

    def _check_length(self) -> None:
        limit = self.response_events.settings.max_output_tokens
        if isinstance(limit, int):
            tokens = text_tokens(self.response_events.written) + self.response_events.spoken_ms / OUTPUT_MS_PER_TOKEN
            if tokens >= limit:
                raise _TooLong
