"""A session's input: the audio buffer with its decoding and its clock, and the turns that it is cut into."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...media.clip import WIRE_SAMPLE_RATE, Resampler
from ...media.g711 import decode_alaw, decode_ulaw
from ...protocol import events
from ..api_errors import ApiError, invalid_value
from ..recognition.heard import Recognition
from ..recognition.turn_detection import (
    Pausing,
    Quiet,
    Speaking,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    TurnEvent,
)
from .conversation_state import PCM_BYTES_PER_MS, ConversationState, ItemState, MessagePart, new_id
from .hearing import Hearing
from .outbox import Outbox
from .session_settings import SessionSettings

LARGEST_APPEND = 15 * 1024 * 1024
SHORTEST_COMMIT_MS = 100
#: The most audio that may wait for a commit. The API states no limit; this is ten minutes, 29 MB.
LONGEST_BUFFER_MS = 600_000
_BYTES_PER_MS = WIRE_SAMPLE_RATE * 2 // 1000
_DECODERS = {"audio/pcmu": decode_ulaw, "audio/pcma": decode_alaw}


class AudioDecoder:
    """Converts the session's input format to PCM16 at 24 kHz, chunk by chunk."""

    def __init__(self, format: dict[str, Any]):
        self._decode = _DECODERS.get(format["type"])
        self._resampler = Resampler(8_000 if self._decode else WIRE_SAMPLE_RATE, WIRE_SAMPLE_RATE)
        self._rest = b""

    def process(self, audio: bytes, *, last: bool = False) -> bytes:
        """Decode the next chunk; half a sample at its end waits for the rest."""
        if self._decode:
            return self._resampler.process(self._decode(audio), last=last)
        if not self._rest and not len(audio) % 2:
            return audio
        audio = self._rest + audio
        whole = len(audio) // 2 * 2
        self._rest = audio[whole:]
        return audio[:whole]


def decode_audio(audio: bytes, format: dict[str, Any]) -> bytes:
    """Decode a whole clip in the session's input format to PCM16 at 24 kHz."""
    return AudioDecoder(format).process(audio, last=True)


class InputAudioBuffer:
    """The audio that was appended since the last commit or clear."""

    def __init__(self, format: dict[str, Any]):
        self._pcm = bytearray()
        self._decoder = AudioDecoder(format)
        self.total_ms = 0.0
        """Length of all audio ever appended in the session; every time in events is on this clock."""

    def set_format(self, format: dict[str, Any]) -> None:
        """Take audio in another format from now on."""
        self._decoder = AudioDecoder(format)

    def append(self, audio: bytes) -> bytes:
        """Add audio in the session's format.

        Returns the new audio as PCM16 at 24 kHz.

        Raises `ApiError` if it is more than one event, or the buffer, may hold.
        """
        if len(audio) > LARGEST_APPEND:
            raise invalid_value("audio", f"one event carries at most 15 MiB of audio, but there are {len(audio)} bytes")
        if self.duration_ms > LONGEST_BUFFER_MS:
            raise ApiError(
                f"The input audio buffer is full: it holds {self.duration_ms / 1000:.0f} s. Commit or clear it.",
                code="invalid_value",
                param="audio",
            )
        pcm = self._decoder.process(audio)
        self._pcm += pcm
        self.total_ms += len(pcm) / _BYTES_PER_MS
        return pcm

    @property
    def duration_ms(self) -> float:
        """Length of the audio that waits."""
        return len(self._pcm) / _BYTES_PER_MS

    def keep_latest(self, duration_ms: int) -> None:
        """Forget all but the latest audio, because the server's own turns do not need it."""
        excess = len(self._pcm) - duration_ms * _BYTES_PER_MS
        if excess > duration_ms * _BYTES_PER_MS:
            del self._pcm[:excess]

    def commit(self) -> bytes:
        """Return the audio that waits, and start over.

        Raises `ApiError` if it is shorter than 100 ms.
        """
        tail = self._decoder.process(b"", last=True)
        self._pcm += tail
        self.total_ms += len(tail) / _BYTES_PER_MS
        if self.duration_ms < SHORTEST_COMMIT_MS:
            raise ApiError(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{SHORTEST_COMMIT_MS}ms of audio, but buffer only has {self.duration_ms:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        pcm = bytes(self._pcm)
        self.clear()
        return pcm

    def clear(self) -> None:
        """Forget the audio that waits."""
        self._pcm = bytearray()


# --- The person's side of a session: audio in, turns out, ended by the server or by the client ------------------------

#: How much audio a commit by hand finds while the server makes the turns.
_KEPT_MS = 10_000
#: The names of the detectors of speech.
_DETECTORS = {"silero": "Silero VAD", "webrtc": "WebRTC VAD"}
# A long append is processed in pieces, so that other sessions get their turn between them.
_PIECE_BYTES = 200 * PCM_BYTES_PER_MS


@dataclass(frozen=True)
class Hooks:
    """Functions by which the input tells the rest of its session about turns."""

    interrupt: Callable[[], None]
    """The person speaks: stop the answer."""
    respond: Callable[[], None]
    """The person's turn is over: answer."""


class SessionInput:
    """One session's input audio buffer and turn detection."""

    def __init__(
        self,
        settings: SessionSettings,
        conversation: ConversationState,
        hearing: Hearing,
        outbox: Outbox,
        hooks: Hooks,
    ):
        self._settings = settings
        self._conversation = conversation
        self._hearing = hearing
        self._outbox = outbox
        self._hooks = hooks
        self._format = settings.input["format"]
        self._buffer = InputAudioBuffer(self._format)
        self._detector: TurnDetector | None = None
        self._guess: asyncio.Task[Recognition] | None = None
        self._judgement: asyncio.Task[float | None] | None = None
        self._item_id: str | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self.configure()

    def configure(self) -> None:
        """Follow the session's settings as they are now."""
        if self._settings.input["format"] != self._format:
            self._format = self._settings.input["format"]
            self._buffer.set_format(self._format)
        turn_detection = self._settings.turn_detection
        if turn_detection is None:
            self._forget_turn()
            self._detector = None
            self.stop_waiting()
        elif self._detector is None:
            self._detector = TurnDetector(turn_detection, elapsed_ms=round(self._buffer.total_ms))
        else:
            self._detector.configure(turn_detection)

    async def append(self, event: events.InputAudioBufferAppend) -> None:
        """Take more audio."""
        pcm = self._buffer.append(event.audio)
        detector = self._detector
        if detector is None:
            return
        for start in range(0, len(pcm), _PIECE_BYTES):
            for happened in detector.feed(pcm[start : start + _PIECE_BYTES]):
                self._follow(happened)
            if start:
                await asyncio.sleep(0)
        self._buffer.keep_latest(_KEPT_MS)

    def commit(self, event: events.InputAudioBufferCommit) -> None:
        """Make the buffered audio a turn."""
        pcm = self._buffer.commit()
        if self._detector is not None:
            pcm = self._detector.utterance or pcm
        item_id = self._item_id
        self._forget_turn()
        self._add(pcm, item_id or new_id("item"))

    def clear(self, event: events.InputAudioBufferClear) -> None:
        """Forget the buffered audio."""
        self._buffer.clear()
        self._forget_turn()
        self._outbox.put(events.InputAudioBufferCleared())

    def _forget_turn(self) -> None:
        self._drop_guess()
        self._item_id = None
        if self._detector is not None:
            self._detector.clear()

    # --- turns made by the server -----------------------------------------------------------------------------------

    def _follow(self, happened: TurnEvent) -> None:
        match happened:
            case SpeechStarted():
                self._begin(happened)
            case Quiet():
                self._guess = self._hearing.guess(happened.pcm16k)
                self._guess.add_done_callback(self._hint)
            case Pausing():
                self._judgement = self._hearing.judge(happened.pcm16k)
                self._judgement.add_done_callback(self._judge)
            case Speaking():
                self._drop_guess()
            case SpeechStopped():
                self._end(happened)

    def _begin(self, started: SpeechStarted) -> None:
        self.stop_waiting()
        self._item_id = new_id("item")
        self._outbox.put(
            events.InputAudioBufferSpeechStarted(audio_start_ms=started.audio_start_ms, item_id=self._item_id)
        )
        if self._turn_detection("interrupt_response"):
            self._hooks.interrupt()

    def _end(self, stopped: SpeechStopped) -> None:
        item_id, guess = self._item_id or new_id("item"), self._guess
        self._item_id = self._guess = None
        self._drop_guess()
        self._buffer.clear()
        self._outbox.put(events.InputAudioBufferSpeechStopped(audio_end_ms=stopped.audio_end_ms, item_id=item_id))
        guess = guess or self._hearing.guess(stopped.pcm16k)
        self._add(stopped.pcm, item_id, guess=guess, end_of_turn=self._end_of_turn)
        if self._turn_detection("create_response"):
            self._hooks.respond()

    @property
    def _end_of_turn(self) -> str:
        """The part that finds the end of turns now."""
        engine = _DETECTORS.get(self._detector.engine, "") if self._detector else ""
        is_semantic = (self._settings.turn_detection or {}).get("type") == "semantic_vad"
        return " + ".join(filter(None, [engine, *([self._hearing.turn_model, "words"] if is_semantic else [])]))

    def _turn_detection(self, name: str) -> Any:
        return not self._settings.is_transcription and (self._settings.turn_detection or {}).get(name)

    def _drop_guess(self) -> None:
        for task in (self._guess, self._judgement):
            if task is not None:
                task.cancel()
        self._guess = self._judgement = None

    def _hint(self, guess: asyncio.Task[Recognition]) -> None:
        """Tell semantic turn detection the words so far."""
        if guess is self._guess and self._detector is not None and _has_result(guess):
            heard = guess.result()
            for happened in self._detector.hint(heard.text, is_written=heard.is_written):
                self._follow(happened)

    def _judge(self, judgement: asyncio.Task[float | None]) -> None:
        """Tell it how finished they sound. If that is not known, it does not object."""
        if judgement is self._judgement and self._detector is not None and not judgement.cancelled():
            for happened in self._detector.judge(judgement.result() if _has_result(judgement) else None):
                self._follow(happened)

    def _add(
        self, pcm: bytes, item_id: str, guess: asyncio.Task[Recognition] | None = None, end_of_turn: str = ""
    ) -> None:
        duration_ms = len(pcm) / PCM_BYTES_PER_MS
        part = MessagePart("input_audio", pcm=pcm, duration_ms=duration_ms, end_of_turn=end_of_turn)
        entry = ItemState(item_id, "message", role="user", parts=[part])
        self._announce(entry)
        self._hearing.hear(entry, part, announce=self._settings.transcription is not None, guess=guess)

    def _announce(self, entry: ItemState) -> None:
        previous = self._conversation.add(entry)
        self._outbox.put(events.InputAudioBufferCommitted(item_id=entry.id, previous_item_id=previous))
        item = entry.item()
        self._outbox.put(events.ConversationItemAdded(item=item, previous_item_id=previous))
        self._outbox.put(events.ConversationItemDone(item=item, previous_item_id=previous))

    # --- silence ------------------------------------------------------------------------------------------------------

    def wait_for_speech(self, after_s: float) -> None:
        """Take the turn if no one speaks for the session's idle timeout, which starts `after_s` seconds from now."""
        timeout_ms = (self._settings.turn_detection or {}).get("idle_timeout_ms")
        if timeout_ms is not None and self._item_id is None:
            self.stop_waiting()
            after_s += timeout_ms / 1000
            self._idle_timer = asyncio.get_running_loop().call_later(after_s, self._take_turn, timeout_ms)

    def stop_waiting(self) -> None:
        """Do not take the turn: the person or the session speaks."""
        if self._idle_timer:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _take_turn(self, timeout_ms: int) -> None:
        end_ms = round(self._buffer.total_ms)
        entry = ItemState(new_id("item"), "message", role="user", is_silence=True)
        entry.parts.append(MessagePart("input_audio", heard=""))
        self._outbox.put(
            events.InputAudioBufferTimeoutTriggered(
                audio_start_ms=max(0, end_ms - timeout_ms), audio_end_ms=end_ms, item_id=entry.id
            )
        )
        self._announce(entry)
        self._hooks.respond()


def _has_result(task: asyncio.Task[Any]) -> bool:
    return not task.cancelled() and task.exception() is None
