"""How a session hears: sound goes to the recogniser, words to the brain and, if it asked for them, to the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from ...media.clip import Resampler
from ...protocol import events
from ...protocol.items import ErrorDetail
from ...protocol.parts import LocalPart
from ..api_errors import ApiError
from ..recognition.heard import Recognition
from .conversation_state import ItemState, MessagePart
from .responder import obfuscation
from .session_settings import SessionSettings
from .usage import transcription_usage

log = logging.getLogger(__name__)

#: What a session's ``include`` may ask for.
LOGPROBS = "item.input_audio_transcription.logprobs"


class SpeechRecognizer(Protocol):
    """Recognises speech for all sessions of a server; see `realtime_nb.local.recognition.ears`."""

    @property
    def is_multilingual(self) -> bool:
        """True if it hears more than English."""
        ...

    @property
    def part(self) -> LocalPart:
        """The part that recognises speech, for `LocalParts`."""
        ...

    @property
    def is_overloaded(self) -> bool:
        """True if another turn would wait too long."""
        ...

    def join(self) -> None:
        """Count one more session."""
        ...

    def leave(self) -> None:
        """Count one session less."""
        ...

    async def expect(
        self, *, instructions: str = "", tools: Sequence[dict[str, Any]] = (), sentences: Sequence[str] = ()
    ) -> Any:
        """Return something that helps to recognise speech in such a conversation."""
        ...

    async def listen(
        self,
        pcm: bytes,
        expected: Any = None,
        *,
        language: str | None = None,
        word_times: bool = False,
        is_live: bool = False,
    ) -> Recognition:
        """Return the words of an utterance, PCM16 at 16 kHz.

        `expected`: from `expect`. `language`: the language spoken; by default the recogniser finds out, if it knows
        several. `is_live`: whether somebody is speaking right now, and an answer must not come late.

        Raises `ApiError` (``rate_limit_exceeded``) when there is too much to do; `SettingsError` for a language that it
        does not know.
        """
        ...


class TurnJudge(Protocol):
    """Hears whether a turn is over; see `realtime_nb.local.recognition.turn_model.TurnModel`."""

    @property
    def name(self) -> str:
        """The model's name; empty if there is none."""
        ...

    def prepare(self) -> None:
        """Get ready, in the background."""
        ...

    async def probability(self, pcm: bytes) -> float | None:
        """Return how likely a turn, PCM16 at 16 kHz, is over; `None` without a model."""
        ...


class Hearing:
    """The hearing of one session."""

    def __init__(
        self,
        recognizer: SpeechRecognizer,
        vocabulary: Sequence[str],
        emit: Callable[[Any], None],
        *,
        turn_model: TurnJudge | None = None,
    ):
        self._recognizer = recognizer
        self._turn_model = turn_model
        self._vocabulary = vocabulary
        self._emit = emit
        self._model: str | None = None
        self._language: str | None = None
        self._has_logprobs = False
        self._wanted: tuple[Any, ...] = ()
        self._expecting: asyncio.Task[Any] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._hearings: dict[str, asyncio.Task[None]] = {}
        recognizer.join()

    def configure(self, settings: SessionSettings) -> None:
        """Expect the words that the settings make likely, as soon as these are prepared."""
        transcription = settings.transcription or {}
        self._model = transcription.get("model")
        if self._turn_model and (settings.turn_detection or {}).get("type") == "semantic_vad":
            self._turn_model.prepare()
        languages = transcription.get("languages") or [transcription.get("language")]
        self._language = languages[0] if len(languages) == 1 else None
        self._has_logprobs = LOGPROBS in (settings.data.get("include") or ())
        instructions = settings.data.get("instructions", "")
        if instructions == settings.default_instructions:
            instructions = ""
        hints = [transcription.get("prompt") or "", *(transcription.get("keywords") or [])]
        wanted = (instructions, settings.data.get("tools", []), [*self._vocabulary, *filter(None, hints)])
        if wanted != self._wanted:
            self._wanted = wanted
            expect = self._recognizer.expect(instructions=instructions, tools=wanted[1], sentences=wanted[2])
            self._expecting = self._spawn(expect)

    @property
    def turn_model(self) -> str:
        """The model that judges, beside the words, whether a turn is over; empty if there is none."""
        return self._turn_model.name if self._turn_model else ""

    def guess(self, pcm16k: bytes) -> asyncio.Task[Recognition]:
        """Begin to recognise an utterance that may go on; cancel the task if it does."""
        return self._spawn(self._recognize(pcm16k, is_live=True))

    def judge(self, pcm16k: bytes) -> asyncio.Task[float | None]:
        """Begin to find out whether a turn is over; cancel the task if it goes on."""
        return self._spawn(self._judge(pcm16k))

    async def _judge(self, pcm16k: bytes) -> float | None:
        return await self._turn_model.probability(pcm16k) if self._turn_model else None

    async def _recognize(self, pcm16k: bytes, *, is_live: bool) -> Recognition:
        # At most a third of a second, and only when a session begins: words that are not expected are misheard.
        expected = await asyncio.shield(self._expecting) if self._expecting else None
        return await self._recognizer.listen(pcm16k, expected, language=self._language, is_live=is_live)

    def hear(
        self, entry: ItemState, part: MessagePart, *, announce: bool, guess: asyncio.Task[Recognition] | None = None
    ) -> None:
        """Recognise a part's sound."""
        self._hearings[entry.id] = self._spawn(self._hear(entry, part, announce, guess))

    async def heard(self, entries: Iterable[ItemState]) -> None:
        """Wait until the words of all entries are known.

        Raises `ApiError` if the recogniser was too busy for one of them. This happens only once: later answers do
        without these words.
        """
        for entry in entries:
            hearing = self._hearings.get(entry.id)
            if hearing:
                try:
                    await asyncio.shield(hearing)
                finally:
                    if hearing.done():
                        self._hearings.pop(entry.id, None)

    async def close(self) -> None:
        """Stop."""
        self._recognizer.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hear(
        self, entry: ItemState, part: MessagePart, announce: bool, guess: asyncio.Task[Recognition] | None
    ) -> None:
        model = self._model
        try:
            recognition = await (guess or self._recognize(_at_16k(part), is_live=False))
            part.heard, part.confidence, part.ears = recognition.text, recognition.confidence, recognition.engine
        except ApiError as error:
            part.heard = ""
            if announce:
                self._announce_failure(entry, error.detail())
            raise
        except Exception as error:
            log.exception("recognition failed")
            part.heard = ""
            if announce:
                self._announce_failure(entry, ErrorDetail(type="transcription_error", message=str(error)))
            return
        if announce:
            self._announce(entry, part, model, recognition.logprobs if self._has_logprobs else None)

    def _announce(
        self, entry: ItemState, part: MessagePart, model: str | None, logprobs: list[dict[str, Any]] | None
    ) -> None:
        part.text = part.heard or ""
        part.transcribed = True
        completed = "conversation.item.input_audio_transcription.completed"
        ids: dict[str, Any] = {"item_id": entry.id, "content_index": 0}
        if part.text:
            delta = {"type": completed.replace("completed", "delta"), **ids, "delta": part.text, "logprobs": logprobs}
            self._emit({**delta, "obfuscation": obfuscation(part.text)})
        usage = transcription_usage(model, part.duration_ms, part.text)
        self._emit(
            events.ConversationItemInputAudioTranscriptionCompleted(
                **ids, transcript=part.text, logprobs=logprobs, usage=usage
            )
        )

    def _announce_failure(self, entry: ItemState, error: ErrorDetail) -> None:
        self._emit(events.ConversationItemInputAudioTranscriptionFailed(item_id=entry.id, content_index=0, error=error))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        failed = not task.cancelled() and task.exception() is not None
        for item_id in [item_id for item_id, hearing in self._hearings.items() if hearing is task and not failed]:
            del self._hearings[item_id]


def _at_16k(part: MessagePart) -> bytes:
    return Resampler(part.sample_rate, 16_000).process(bytes(part.pcm), last=True)
