"""Speech synthesis for the server: more than ten voices, sentence by sentence.

How to use it::

    async with Synthesizer() as synthesizer:              # or: start() … close()
        async for speech in synthesizer.speak("Hello there. How are you?", voice="marin", speed=1.0):
            speech.pcm      # PCM16 mono, 24 kHz unless `sample_rate=` says; 60 ms at once, then ≥ 200 ms a piece
            speech.words    # ((index into the text, ms from the start of this speech), …)
        pcm = await synthesizer.synthesize("A whole clip.", voice="echo")
    VOICES                  # name → Voice; the names are the API's

`speak` is an async generator: close it (``contextlib.aclosing``) and the work stops within 60 ms of sound. A
`Synthesizer` belongs to one event loop; any number of sessions may speak through it, and take turns by sentence.

A neural network speaks for the voices of `NEURAL_VOICES` (see `hibari` and `voice_files`), in a thread. If it is not
installed, or cannot read a sentence, espeak-ng replaces it; `Speech.engine` and `Synthesizer.without_neural` tell. All
other voices are espeak-ng's (GPL, see `espeak_process`), which runs in its own process; if that dies it is started
again and the sentence goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import struct
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from types import TracebackType

from ...errors import SettingsError
from ...media.clip import Resampler
from ...media.sentences import split_sentences, spoken
from ...protocol.parts import LocalPart
from ..weights import HIBARI_HEART
from .espeak import EspeakProcess, ProcessEnded, SynthesisError
from .neural import NeuralVoice, load_hibari
from .reading import read_aloud
from .voice_files import VOICE_VARIABLE, load_voice

__all__ = ["NEURAL_VOICES", "VOICES", "EspeakVoice", "Speech", "SynthesisError", "Synthesizer", "split_sentences"]

log = logging.getLogger(__name__)

CACHE_BYTES = 16_000_000
_LATER_PIECE_MS = 200
_NEURAL_BLOCK_MS = 60
# Words per minute. From 450 on espeak-ng speeds speech up in another way, which gives longer sound than 449 does.
_SLOWEST, _FASTEST = 80, 449
# A higher rate is not always faster: 213 words a minute may take longer than 212. Steps of this ratio are always
# faster, and can hardly be heard, except near the limits.
_STEP = 1.08
_SLOWEST_STEP, _FASTEST_STEP = 88, 380


@dataclass(frozen=True)
class EspeakVoice:
    """How espeak-ng makes one of the API's voices."""

    variant: str
    """The name of the espeak-ng voice with its variant."""
    pitch: int
    """0 to 99."""
    words_per_minute: int
    volume: int
    """The volume in percent: the variants are not equally loud, and several clip at 100."""


VOICES: dict[str, EspeakVoice] = {
    "alloy": EspeakVoice("en-us+f5", 35, 160, 85),
    "ash": EspeakVoice("en-us+m5", 40, 155, 80),
    "ballad": EspeakVoice("en-us+adam", 80, 150, 70),
    "cedar": EspeakVoice("en-us+klatt3", 30, 150, 80),
    "coral": EspeakVoice("en-us+f1", 68, 165, 60),
    "echo": EspeakVoice("en-us+edward", 50, 160, 60),
    "fable": EspeakVoice("en-us+klatt2", 85, 155, 120),
    "marin": EspeakVoice("en-us+f5", 68, 160, 75),
    "nova": EspeakVoice("en-us+anika", 10, 160, 60),
    "onyx": EspeakVoice("en-us+edward", 20, 155, 60),
    "sage": EspeakVoice("en-us+f2", 25, 155, 70),
    "shimmer": EspeakVoice("en-us+f2", 90, 160, 60),
    "verse": EspeakVoice("en-us+klatt4", 70, 165, 60),
}
"""The API's voices. Each differs from every other in pitch, by 0.9 semitones at least, and in spectrum (measured)."""

NEURAL_VOICES = frozenset({"marin"})
"""The voices that the neural voice speaks if it can."""

Blocks = AsyncGenerator[tuple[int, bytes, list[tuple[int, int]]], None]
"""A block from an engine: (sample rate, sound, words that begin in it)."""


@dataclass(frozen=True)
class Speech:
    """A piece of a reply's sound."""

    pcm: bytes
    """PCM16, mono, at the requested rate."""
    words: tuple[tuple[int, int], ...] = ()
    """Words that begin in this piece: (index of the first character in the text, ms from the start of the speech)."""
    engine: str = "espeak-ng"
    """The engine: "espeak-ng", "hibari", "piper" or "kokoro"."""


class Synthesizer:
    """Text to speech for any number of sessions of one event loop.

    `file`: your own neural voice, as `voice_files` takes it; empty for hibari's. By default it comes from
    ``REALTIME_NB_VOICE``.
    """

    def __init__(self, file: str | None = None) -> None:
        self._file = os.environ.get(VOICE_VARIABLE, "") if file is None else file
        self._process: EspeakProcess | None = None
        self._starting = asyncio.Lock()
        self._closings = 0
        self._neural: NeuralVoice | None = None
        self._loading, self._thinking = asyncio.Lock(), asyncio.Lock()
        self.without_neural = ""
        """Why espeak-ng replaces the neural voice; empty if that works or was not tried yet."""
        self._cache: OrderedDict[tuple[str, str, float, int], list[Speech]] = OrderedDict()
        self._cached_bytes = 0

    async def start(self) -> None:
        """Start the process, so that the first sentence does not wait for it.

        Raises `MissingExtra` if espeakng-loader is not installed; `SynthesisError` if the process does not start; and
        the errors of `load_voice`, if a file was given.
        """
        if self._file:
            self._neural = await asyncio.to_thread(load_voice, self._file)
        await self._running()

    @property
    def part(self) -> LocalPart:
        """The part that speaks, for `LocalParts`."""
        espeak = LocalPart.of_package("espeak-ng", "espeakng-loader", "GPL-3.0-or-later")
        if self._neural:
            neural = self._neural.part
        elif self.without_neural or not HIBARI_HEART.is_installed:
            return espeak
        else:
            neural = LocalPart.of_package(HIBARI_HEART.name, HIBARI_HEART.package, "Apache-2.0")
        return LocalPart(
            f"{neural.name} + {espeak.name}",
            f"{neural.version}, {espeak.version}",
            f"{neural.licence or 'unknown licence'}, {espeak.licence}",
        )

    async def warm_up(self) -> None:
        """Load the neural voice, so that its first sentence does not wait for it."""
        async with self._loading:
            if self._neural or self.without_neural:
                return
            try:
                self._neural = await asyncio.to_thread(load_hibari)
            except Exception as error:  # Whatever happened, there is another voice.
                self.without_neural = getattr(error, "reason", "") or str(error) or type(error).__name__
                log.warning("espeak-ng speaks for %s: %s", ", ".join(sorted(NEURAL_VOICES)), self.without_neural)

    async def close(self) -> None:
        """End the process; speech under way fails. The next `speak` starts another process."""
        process, self._process = self._process, None
        self._closings += 1
        if process:
            await process.close()

    async def __aenter__(self) -> Synthesizer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """The running process, `None` while there is none."""
        return self._process.pid if self._process and self._process.alive else None

    async def speak(
        self, text: str, *, voice: str, speed: float = 1.0, sample_rate: int = 24_000
    ) -> AsyncGenerator[Speech, None]:
        """Speak `text`, piece by piece, as fast as the pieces are taken.

        `speed`: a multiple of the voice's own speed, clipped to its limits. espeak-ng has steps of 8 %, from 80 to 449
        words per minute.

        The first piece has 60 ms, later ones 200 ms or more.

        Raises `SettingsError` if there is no such voice, or the speed is not positive.
        """
        _check(voice, speed)
        start, start_bytes = 0, 0
        for sentence in split_sentences(text):
            if sentence.strip():
                offset_ms = start_bytes * 500 // sample_rate
                async with contextlib.aclosing(self._speak_sentence(sentence, voice, speed, sample_rate)) as pieces:
                    async for piece in pieces:
                        start_bytes += len(piece.pcm)
                        yield replace(piece, words=tuple((start + index, offset_ms + ms) for index, ms in piece.words))
            start += len(sentence)

    async def synthesize(self, text: str, voice: str, *, speed: float = 1.0, sample_rate: int = 24_000) -> bytes:
        """Speak `text` and return the whole sound as PCM16."""
        pieces = self.speak(text, voice=voice, speed=speed, sample_rate=sample_rate)
        return b"".join([piece.pcm async for piece in pieces])

    async def _speak_sentence(
        self, sentence: str, voice: str, speed: float, sample_rate: int
    ) -> AsyncGenerator[Speech, None]:
        is_espeak = voice not in NEURAL_VOICES or bool(self.without_neural)
        key = (sentence.strip(), voice, _rate(VOICES[voice], speed) if is_espeak else speed, sample_rate)
        indent = len(sentence) - len(sentence.lstrip())
        if key in self._cache:
            self._cache.move_to_end(key)
            for piece in self._cache[key]:
                yield replace(piece, words=tuple((indent + index, ms) for index, ms in piece.words))
            return
        pieces = []
        async with contextlib.aclosing(self._synthesize(sentence.strip(), voice, speed, sample_rate)) as made:
            async for piece in made:
                pieces.append(piece)
                yield replace(piece, words=tuple((indent + index, ms) for index, ms in piece.words))
        self._remember(key, pieces)

    async def _synthesize(
        self, sentence: str, voice: str, speed: float, sample_rate: int
    ) -> AsyncGenerator[Speech, None]:
        """Speak one sentence with an engine that can."""
        engine = ""
        if voice in NEURAL_VOICES:
            blocks = self._neural_blocks(sentence, speed)
            async with contextlib.aclosing(_pieces(sentence, blocks, sample_rate)) as pieces:
                async for piece in pieces:
                    assert self._neural
                    yield replace(piece, engine=(engine := self._neural.name))
        if not engine:
            rate = _rate(VOICES[voice], speed)
            blocks = self._espeak_blocks(sentence, VOICES[voice], rate)
            async with contextlib.aclosing(_pieces(sentence, blocks, sample_rate)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _neural_blocks(self, sentence: str, speed: float) -> Blocks:
        """Yield blocks of the neural voice; none if it is not installed, or cannot say the sentence."""
        await self.warm_up()
        if self._neural is None:
            return
        reading = read_aloud(spoken(sentence))
        parts = self._neural.speak(reading.text, speed)
        sample_rate = self._neural.sample_rate
        size, given = 2 * (sample_rate * _NEURAL_BLOCK_MS // 1000), 0
        while True:
            try:
                async with self._thinking:
                    part = await asyncio.to_thread(next, parts, None)
            except Exception as error:
                if given:
                    raise SynthesisError(f"{self._neural.name} failed in the middle of {sentence[:40]!r}") from error
                # For text that no one would read aloud, e.g. a number of 180 digits.
                log.warning("%s cannot say %r, so espeak-ng does", self._neural.name, sentence[:40], exc_info=True)
                return
            if part is None:
                return
            pcm, words = part
            for start in range(0, len(pcm), size):
                block = pcm[start : start + size]
                given += len(block)
                end_ms = given * 500 / sample_rate
                marks = [(reading.written_at(at), ms) for at, ms in words if ms < end_ms]
                words = words[len(marks) :]
                yield sample_rate, block, marks

    async def _espeak_blocks(self, sentence: str, voice: EspeakVoice, rate: int) -> Blocks:
        """Yield blocks as the process makes them; if it dies, go on in a new one where it stopped."""
        request: dict[str, str | int] = {"voice": voice.variant, "rate": rate, "pitch": voice.pitch}
        request["volume"] = voice.volume
        reading = read_aloud(spoken(sentence))
        request["text"] = reading.text
        given, closings = 0, self._closings
        for attempt in range(2):
            process = await self._running()
            skip = given  # the second time the sound is the same to the bit
            marks: list[tuple[int, int]] = []
            try:
                async with contextlib.aclosing(process.request(request)) as frames:
                    async for kind, payload in frames:
                        if kind == b"W":
                            marks += [(reading.written_at(at), ms) for at, ms in struct.iter_unpack("<II", payload)]
                            continue
                        fresh, skip = payload[skip:], max(0, skip - len(payload))
                        if fresh:
                            given += len(fresh)
                            yield process.sample_rate, fresh, marks
                            marks = []
                return
            except ProcessEnded as ended:
                if self._closings != closings:
                    raise SynthesisError("the synthesizer was closed while it spoke") from ended
                if attempt:
                    raise SynthesisError(f"speech synthesis ended twice ({ended}) at {sentence[:40]!r}") from ended

    async def _running(self) -> EspeakProcess:
        async with self._starting:
            if self._process is None or not self._process.alive:
                if self._process:
                    await self._process.close()
                self._process = await EspeakProcess.start()
            return self._process

    def _remember(self, key: tuple[str, str, float, int], pieces: list[Speech]) -> None:
        if key in self._cache:
            return
        self._cache[key] = pieces
        self._cached_bytes += sum(len(piece.pcm) for piece in pieces)
        while self._cached_bytes > CACHE_BYTES:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= sum(len(piece.pcm) for piece in oldest)


async def _pieces(sentence: str, blocks: Blocks, sample_rate: int) -> AsyncGenerator[Speech, None]:
    """Resample the blocks of one sentence and bundle all but the first."""
    resampler: Resampler | None = None
    pcm, wanted = b"", 1
    words: list[tuple[int, int]] = []
    seen: set[int] = set()
    async with contextlib.aclosing(blocks):
        async for native_rate, block, marks in blocks:
            resampler = resampler or Resampler(native_rate, sample_rate)
            pcm += resampler.process(block)
            # Numbers and dates are several words at one position or inside one: the first of them counts.
            for index, ms in marks:
                if index not in seen and not (index and sentence[index - 1].isalnum()):
                    words.append((index, ms))
                seen.add(index)
            if len(pcm) >= wanted:
                yield Speech(pcm, tuple(words))
                pcm, words, wanted = b"", [], _LATER_PIECE_MS * sample_rate // 500
    pcm += resampler.process(b"", last=True) if resampler else b""
    if pcm or words:
        yield Speech(pcm, tuple(words))


def _rate(voice: EspeakVoice, speed: float) -> int:
    """Return a voice's words per minute at a speed, so that a higher speed never takes longer."""
    rate = voice.words_per_minute * _STEP ** round(math.log(min(100.0, max(0.01, speed)), _STEP))
    if rate < _SLOWEST_STEP:
        return _SLOWEST
    return round(rate) if rate <= _FASTEST_STEP else _FASTEST


def _check(voice: str, speed: float) -> None:
    if voice not in VOICES:
        raise SettingsError(f"voice={voice!r} is not known: choose one of {', '.join(VOICES)}")
    if not speed > 0:
        raise SettingsError(f"speed={speed!r} must be positive")
