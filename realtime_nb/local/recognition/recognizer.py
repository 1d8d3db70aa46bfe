"""Speech recognition for the server: sound in, words out, in threads that never hold up the loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from ...protocol.parts import LocalPart
from ..api_errors import overloaded
from .decoder import Decoder, Hypothesis, make_decoder
from .heard import BYTES_PER_S, HeardWord, Recognition, cut_quietly
from .language_model import LanguageModel, LanguageModels, model_folder

# --- Speech recognition for the server: utterances in, words out, in two threads that never hold up the loop ----------
#
# How to use it::
#
#     recognizer = Recognizer()
#     heard = await recognizer.recognize(pcm16k, language_model, open_vocabulary=False)
#     heard.text, heard.words, heard.engine      # lower case, without punctuation; engine: CONVERSATION or OPEN
#     recognizer.queue_s                         # seconds of audio that wait or are being decoded: shed load by it
#     recognizer.close()
#
# `pcm16k` is PCM16 at 16 kHz, `language_model` comes from `language_model.LanguageModels`. Cancel the coroutine to drop
# an utterance that still waits, as when speech resumes after a speculative decode began.
#
# The conversation model always listens. With `open_vocabulary`, utterances that it is not sure of are also heard by a
# generic model of English, if that is free, and the better score wins; it takes 95 MB, is loaded in the background when
# first asked for, and adds a quarter of the utterance's length. It is not a good recogniser: one word in five is wrong
# on clean read speech, more in noise. When much waits, decoders are hurried: less work, and more errors.

CONVERSATION = "PocketSphinx, words of the conversation"
OPEN = "PocketSphinx, all of English"
THREADS = 2
DECODERS_PER_THREAD = 8
LONGEST_PIECE_S = 20.0
"""Longer utterances are cut where they are quiet, so that others need not wait for a monologue."""

SURE_SCORE = -40.0
"""The conversation model only scores higher on sentences that it expects. Of 22 clips of people's speech, two scored
higher; both had words that it knows ("five five")."""
_OPEN_WEIGHT = 6.5
"""How much the language counts in the generic model: 37 % of the words of people's speech are wrong with the weight of
the small models, 19 % with this one. Its scores rise too, but expected sentences still score 0.2 to 9 higher with the
conversation model (40 sentences), and others 2 to 13 lower."""
HURRY_QUEUE_S = 2.0
"""If more audio than this waits or is being decoded, decoders are hurried: about one utterance."""

_SHORTEST_BYTES = BYTES_PER_S // 10
_NICE = 4
"""Added to the threads' niceness. More would starve recognition while a notebook's cells keep the machine busy."""


class Recognizer:
    """Decodes the utterances of any number of sessions."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "realtime_nb-stt", be_nice)
        self._open_pool = ThreadPoolExecutor(1, "realtime_nb-stt-open", be_nice)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._queue_bytes = 0
        self._open_jobs = 0
        self._open_decoder: Future[Decoder] | None = None

    @property
    def queue_s(self) -> float:
        """Seconds of audio that wait or are being decoded by the conversation model."""
        return self._queue_bytes / BYTES_PER_S

    async def recognize(self, pcm: bytes, language: LanguageModel, *, open_vocabulary: bool = False) -> Recognition:
        """Recognise one utterance.

        `open_vocabulary`: whether the generic model should listen too. It is left out while it loads or is busy.

        Times of the words count from the start of `pcm`.

        Raises `MissingExtra` if pocketsphinx is not installed; `RecognitionError` if the decoder fails.
        """
        words: list[HeardWord] = []
        engine, is_expected = CONVERSATION, True
        start_ms = 0
        for piece in cut_quietly(pcm, LONGEST_PIECE_S):
            if len(piece) >= _SHORTEST_BYTES:
                best, engine = await self._recognize_piece(piece, language, open_vocabulary)
                is_expected = is_expected and engine == CONVERSATION and best.score >= SURE_SCORE
                words += [HeardWord(word.text, start_ms + word.start_ms, start_ms + word.end_ms) for word in best.words]
            start_ms += len(piece) * 1000 // BYTES_PER_S
        text = " ".join(word.text for word in words)
        return Recognition(text, tuple(words), engine=engine, is_expected=is_expected and bool(words))

    async def warm_up(self, language: LanguageModel) -> None:
        """Make each thread's decoder of `language`, so that the first utterance does not wait for it."""
        together = threading.Barrier(THREADS)

        def prepare() -> None:
            together.wait(timeout=30)  # each thread takes one of the jobs
            self._decoder(language)

        loop = asyncio.get_running_loop()
        await asyncio.gather(*[loop.run_in_executor(self._pool, prepare) for _ in range(THREADS)])

    async def load_open_vocabulary(self) -> None:
        """Load the generic model now and wait for it."""
        await asyncio.wrap_future(self._opened())

    def close(self) -> None:
        """Drop what waits and end the threads."""
        self._pool.shutdown(cancel_futures=True)
        self._open_pool.shutdown(cancel_futures=True)

    async def _recognize_piece(
        self, pcm: bytes, language: LanguageModel, open_vocabulary: bool
    ) -> tuple[Hypothesis, str]:
        expected = await asyncio.wrap_future(self._submit(pcm, language))
        if open_vocabulary and expected.score < SURE_SCORE and (opened := self._submit_open(pcm)):
            generic = await asyncio.wrap_future(opened)
            if generic.words and generic.score > expected.score:
                return generic, OPEN
        return expected, CONVERSATION

    def _submit(self, pcm: bytes, language: LanguageModel) -> Future[Hypothesis]:
        hurried = self.queue_s > HURRY_QUEUE_S
        with self._lock:
            self._queue_bytes += len(pcm)
        job = self._pool.submit(lambda: self._decoder(language, hurried=hurried).decode(pcm))
        job.add_done_callback(partial(self._done, len(pcm)))
        return job

    def _done(self, size: int, _: Future[Hypothesis]) -> None:
        with self._lock:
            self._queue_bytes -= size

    def _decoder(self, language: LanguageModel, *, hurried: bool = False) -> Decoder:
        """Return this thread's decoder for `language`."""
        decoders: OrderedDict[tuple[str, bool], Decoder]
        decoders = self._local.__dict__.setdefault("decoders", OrderedDict())
        key = language.key, hurried
        if key not in decoders:
            decoders[key] = make_decoder(language.lm_path, language.dictionary_path, hurried=hurried)
        decoders.move_to_end(key)
        while len(decoders) > DECODERS_PER_THREAD:
            decoders.popitem(last=False)
        return decoders[key]

    def _opened(self) -> Future[Decoder]:
        if self._open_decoder is None:
            folder = model_folder()
            lm, dictionary = folder / "en-us.lm.bin", folder / "cmudict-en-us.dict"
            self._open_decoder = self._open_pool.submit(make_decoder, lm, dictionary, language_weight=_OPEN_WEIGHT)
        return self._open_decoder

    def _submit_open(self, pcm: bytes) -> Future[Hypothesis] | None:
        """Start the generic pass, unless its model is still loading or there is other work."""
        decoder = self._opened()
        if not decoder.done() or self._open_jobs or self._queue_bytes:
            return None
        self._open_jobs += 1
        job = self._open_pool.submit(decoder.result().decode, pcm)
        job.add_done_callback(self._open_done)
        return job

    def _open_done(self, _: Future[Hypothesis]) -> None:
        self._open_jobs -= 1


def be_nice() -> None:
    """Give the event loop priority. Only Linux has priorities for threads."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICE)


# --- The recogniser and its language models as sessions use them: sound in, words out, and a limit to how much waits
# ---

#: How far behind the recogniser may fall; a turn that would wait longer is refused.
LONGEST_WAIT_S = 2.0
#: With more sessions there is no time for the generic model.
FEW_SESSIONS = 2
# Seconds of one core per second of speech, with the small language model; measured 0.03 to 0.065.
_COST = 0.05


class SharedRecognizer:
    """Recognition for all sessions of a server.

    `open_vocabulary`: whether the general English model listens too, while there are few sessions. It is eight times as
    much work: about 0.15 s for each second of speech, and half of that passes in the silence that ends a turn.
    """

    part = LocalPart.of_package("PocketSphinx", "pocketsphinx", "BSD-2-Clause")
    is_multilingual = False
    """It hears English only."""

    def __init__(self, *, open_vocabulary: bool = True):
        self.open_vocabulary = open_vocabulary
        self._sessions = 0
        self._models = LanguageModels()
        self._recognizer = Recognizer()

    @property
    def wait_s(self) -> float:
        """How long the next utterance waits, estimated."""
        return self._recognizer.queue_s * _COST

    @property
    def hears_all(self) -> bool:
        """True if it can hear words that the conversation does not expect."""
        return self.open_vocabulary and self._sessions <= FEW_SESSIONS

    def join(self) -> None:
        """Count one more session."""
        self._sessions += 1

    def leave(self) -> None:
        """Count one session less."""
        self._sessions -= 1

    @property
    def is_overloaded(self) -> bool:
        """True if another turn would wait too long."""
        return self.wait_s > LONGEST_WAIT_S

    async def warm_up(self, vocabulary: Sequence[str] = ()) -> None:
        """Get ready for sentences like those of `vocabulary`, so that the first utterance does not wait."""
        await self._recognizer.warm_up(await self.expect(sentences=vocabulary))
        if self.open_vocabulary:
            await self._recognizer.load_open_vocabulary()

    async def expect(
        self, *, instructions: str = "", tools: Sequence[dict[str, Any]] = (), sentences: Sequence[str] = ()
    ) -> LanguageModel:
        """Return the language model of a conversation."""
        return await self._models.get(instructions=instructions, tools=tools, sentences=sentences)

    async def listen(
        self,
        pcm: bytes,
        expected: LanguageModel | None = None,
        *,
        language: str | None = None,
        word_times: bool = False,
        is_live: bool = False,
    ) -> Recognition:
        """Return the words of an utterance, always as English and with their times.

        Raises `ApiError` (``rate_limit_exceeded``) if too much waits already.
        """
        if self.is_overloaded:
            raise overloaded(f"The recogniser is {self.wait_s:.1f} s behind; try again in a moment.")
        expected = expected or await self._models.get()
        return await self._recognizer.recognize(pcm, expected, open_vocabulary=self.hears_all)

    def close(self) -> None:
        """End the threads and remove the files."""
        self._recognizer.close()
        self._models.close()
