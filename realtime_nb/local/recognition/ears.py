"""The server's ears: Whisper if it is installed, PocketSphinx otherwise.

How to use it::

    ears = await open_ears("")                # loads in the background; `await ears.warm_up()` waits for it
    heard = await ears.listen(pcm16k, await ears.expect(tools=[…]), word_times=True)
    heard.text, heard.confidence, heard.engine
    ears.part                                 # what answers, e.g. "Whisper tiny.en (int8, CTranslate2 4.8.5, MIT)"
    ears.close()

Utterances wait in one queue, in pieces of at most 20 s, so that a long monologue does not hold up the others. Two
threads decode them, each on one core and without the interpreter lock. If the queue is longer than `LATE_S`, or than
`LATE_LIVE_S` while somebody speaks live, a thread takes several utterances at once, hurried: that takes less than half
the time, and a few more words are wrong. If that is not enough, PocketSphinx hears them, which works well only for
sentences that it expects. For the same reason it is asked, too, if Whisper is not sure.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import RealtimeError, SettingsError
from ...media.language import language_code
from ...protocol.parts import LocalPart, joined_names
from ..api_errors import overloaded
from ..weights import WHISPER_TINY_EN
from .heard import BYTES_PER_S, HeardWord, Recognition, cut_quietly
from .recognizer import LONGEST_WAIT_S, SharedRecognizer, be_nice
from .whisper import LONGEST_S, WhisperModel, check_folder

log = logging.getLogger(__name__)

POCKETSPHINX = "pocketsphinx"
EARS_VARIABLE = "REALTIME_NB_EARS"
"""The environment variable for what listens, if no option says so."""
WORKERS = max(1, min(2, os.cpu_count() or 1))
LATE_S = 0.3
"""If the last utterance in the queue would wait longer, several are heard at once, hurried."""
LATE_LIVE_S = 0.12
"""The same if the next one is part of live speech: people who talk notice a late answer more than a wrong word, and a
clip that was sent whole can wait."""
HURRIED_AT_ONCE = 4
"""More take as long each (measured with eight), and the first of them would wait longer."""
DOUBTED_BELOW = 0.5
"""Below this confidence the cheaper ear hears the utterance, too. If it is sure of words that the conversation expects,
they count. In 150 short questions by ten voices, 11.8 % of the words were wrong without this and 6.8 % with it; three
questions got worse. From 0.7 on, more get worse than better."""
LOADING_S = 20.0
"""How long the first turns wait for Whisper: mostly half a second, longer on a busy machine. Otherwise the first turns
would be heard worse, for no reason that people could see."""
_USUAL_S = 0.2
"""The assumed time for an utterance until some were measured."""


class Ears:
    """Recognition for all sessions of a server, by Whisper as long as it keeps up.

    `load`: returns the model; it is called in a thread, at once. `cheaper`: the recogniser to use while Whisper is far
    behind, or if it cannot be loaded; `None` if there is none. `open_vocabulary`: whether the cheaper one may use its
    general model when it listens alone.
    """

    def __init__(
        self,
        load: Callable[[], WhisperModel],
        cheaper: SharedRecognizer | None = None,
        *,
        open_vocabulary: bool = False,
    ):
        self._cheaper = cheaper
        self._open_vocabulary = open_vocabulary
        self._pool = ThreadPoolExecutor(WORKERS, "realtime_nb-ears", be_nice)
        self._lock = threading.Lock()
        self._queue: deque[_Utterance] = deque()
        self._waiting = 0
        self._mean_s = _USUAL_S
        self._loading: Future[WhisperModel] = self._pool.submit(load)

    @property
    def part(self) -> LocalPart:
        """The part that listens."""
        if self._model is not None:
            return self._model.part
        if not self._loading.done():
            return LocalPart("Whisper, still loading")
        return self._cheaper.part if self._cheaper else LocalPart("nobody")

    @property
    def is_multilingual(self) -> bool:
        """True if the model is loaded and hears more than English."""
        return self._model is not None and self._model.is_multilingual

    @property
    def wait_s(self) -> float:
        """How long the next utterance waits for Whisper, estimated."""
        return max(0, self._waiting - WORKERS + 1) * self._mean_s / WORKERS

    @property
    def is_overloaded(self) -> bool:
        """True if another turn would wait too long."""
        if self._cheaper is not None:
            return self._cheaper.is_overloaded and (self._model is None or self.wait_s > LONGEST_WAIT_S)
        return self.wait_s > LONGEST_WAIT_S

    def join(self) -> None:
        """Count one more session."""
        if self._cheaper:
            self._cheaper.join()

    def leave(self) -> None:
        """Count one session less."""
        if self._cheaper:
            self._cheaper.leave()

    async def loaded(self) -> None:
        """Wait until Whisper is loaded.

        Raises `MissingExtra`, `WeightsError` or `SettingsError` if it cannot be.
        """
        await asyncio.shield(asyncio.wrap_future(self._loading))

    async def warm_up(self, vocabulary: Sequence[str] = ()) -> None:
        """Wait until Whisper or else the cheaper one can listen; a warning says why Whisper cannot.

        Raises what `loaded` raises if there is no other recogniser.
        """
        try:
            await self.loaded()
        except RealtimeError as error:
            if self._cheaper is None:
                raise
            log.warning("%s PocketSphinx listens instead.", str(error).rstrip(".") + ".")
            self._cheaper.open_vocabulary = self._open_vocabulary
            await self._cheaper.warm_up(vocabulary)

    async def expect(
        self, *, instructions: str = "", tools: Sequence[dict[str, Any]] = (), sentences: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return what the cheaper ear needs, in case it is asked. It does not improve Whisper's words (measured)."""
        return {"instructions": instructions, "tools": tools, "sentences": sentences}

    async def listen(
        self,
        pcm: bytes,
        expected: dict[str, Any] | None = None,
        *,
        language: str | None = None,
        word_times: bool = False,
        is_live: bool = False,
    ) -> Recognition:
        """Return the words of an utterance; see `SpeechRecognizer`."""
        if not self._loading.done():
            await asyncio.wait([asyncio.wrap_future(self._loading)], timeout=LOADING_S)
        pieces = cut_quietly(pcm, LONGEST_S)
        code = language_code(language) if language else None
        heard = [await self._listen(piece, expected or {}, code, word_times, is_live) for piece in pieces]
        return together(heard, [len(piece) * 1000 // BYTES_PER_S for piece in pieces])

    async def _listen(
        self, pcm: bytes, expected: dict[str, Any], language: str | None, word_times: bool, is_live: bool
    ) -> Recognition:
        model = self._model
        # PocketSphinx would write English words for another language.
        is_foreign = model is not None and model.is_multilingual and language not in (None, "en")
        if self._cheaper is not None and not is_foreign and (model is None or self.wait_s > LONGEST_WAIT_S):
            ready = await self._cheaper.expect(**expected)
            return await self._cheaper.listen(pcm, ready, word_times=word_times)
        if model is None:
            await self.loaded()  # It takes long, or it raises the reason why none can listen.
            return await self._listen(pcm, expected, language, word_times, is_live)
        if self.wait_s > LONGEST_WAIT_S:
            raise overloaded(f"The recogniser is {self.wait_s:.1f} s behind; try again in a moment.")
        late_s = LATE_LIVE_S if is_live else LATE_S
        asked = _Utterance(pcm, language if model.is_multilingual else None, word_times, late_s)
        with self._lock:
            self._queue.append(asked)
            self._waiting += 1
        asked.heard.add_done_callback(self._done)
        self._pool.submit(self._work, model)
        heard = await asyncio.wrap_future(asked.heard)
        is_doubted = heard.confidence is not None and heard.confidence < DOUBTED_BELOW and heard.language == "en"
        if not is_doubted or self._cheaper is None or self._cheaper.is_overloaded or self.wait_s > 0:
            return heard
        expecting = await self._cheaper.expect(**expected)
        instead = await self._cheaper.listen(pcm, expecting, word_times=word_times)
        return instead if instead.is_expected else heard

    def _work(self, model: WhisperModel) -> None:
        """Hear the first utterance in the queue; if the last ones would be late, several at once."""
        asked = self._next()
        if not asked:
            return  # Another thread has taken them.
        first, started_s = asked[0], time.perf_counter()
        try:
            if len(asked) > 1:
                heard = model.listen_hurried([each.pcm for each in asked], language=first.language)
            else:
                heard = [model.listen(first.pcm, language=first.language, word_times=first.word_times)]
        except BaseException as error:
            for each in asked:
                each.heard.set_exception(error)
            return
        self._mean_s += ((time.perf_counter() - started_s) / len(asked) - self._mean_s) / 8
        for each, recognition in zip(asked, heard, strict=True):
            each.heard.set_result(recognition)

    def _next(self) -> list[_Utterance]:
        taken: list[_Utterance] = []
        with self._lock:
            wait_s = self.wait_s
            while self._queue and (not taken or self._is_hurried(taken, self._queue[0], wait_s)):
                asked = self._queue.popleft()
                if asked.heard.set_running_or_notify_cancel():
                    taken.append(asked)
        return taken

    @staticmethod
    def _is_hurried(taken: Sequence[_Utterance], asked: _Utterance, wait_s: float) -> bool:
        """Return whether to hear an utterance together with others, as the last one in the queue waits so long."""
        return len(taken) < HURRIED_AT_ONCE and all(
            wait_s > each.late_s and each.goes_with(asked) for each in (*taken, asked)
        )

    def _done(self, _: Future[Recognition]) -> None:
        with self._lock:
            self._waiting -= 1

    @property
    def _model(self) -> WhisperModel | None:
        """Whisper, if it is loaded."""
        loading = self._loading
        return loading.result() if loading.done() and not loading.cancelled() and not loading.exception() else None

    def close(self) -> None:
        """Drop what waits and end the threads."""
        self._pool.shutdown(cancel_futures=True)
        for asked in self._queue:
            asked.heard.cancel()
        if self._cheaper:
            self._cheaper.close()


@dataclass(frozen=True, eq=False)
class _Utterance:
    """An utterance in the queue."""

    pcm: bytes
    language: str | None
    word_times: bool
    late_s: float
    heard: Future[Recognition] = field(default_factory=Future)

    def goes_with(self, other: _Utterance) -> bool:
        """Return whether both can be heard at once."""
        return self.language == other.language and not (self.word_times or other.word_times)


def together(heard: Sequence[Recognition], lengths_ms: Sequence[int]) -> Recognition:
    """Join what was heard in the pieces of a sound, whose lengths are `lengths_ms`."""
    if len(heard) == 1:
        return heard[0]
    words: list[HeardWord] = []
    start_ms = 0
    for each, length_ms in zip(heard, lengths_ms, strict=True):
        words += [HeardWord(word.text, start_ms + word.start_ms, start_ms + word.end_ms) for word in each.words]
        start_ms += length_ms
    first = next((each for each in heard if each.text), heard[0])  # A piece without words has no language.
    return replace(
        first,
        text=" ".join(each.text for each in heard if each.text),
        words=tuple(words),
        tokens=tuple(token for each in heard for token in each.tokens),
        engine=joined_names(each.engine for each in heard),
    )


# --- Which model: by name, by folder, or the installed one ------------------------------------------------------------


async def open_ears(spec: str = "", *, open_vocabulary: bool = True) -> Ears | SharedRecognizer:
    """Return the recogniser of a server.

    `spec`: ``"pocketsphinx"``; a Whisper model, as `find_folder` takes it, which is loaded when this returns; or empty
    for the one in the extra ``local``: Whisper tiny.en, which loads in the background, or else PocketSphinx.
    `open_vocabulary`: whether PocketSphinx may use its general English model when it listens alone.

    Raises `SettingsError` if `spec` is not a model that can be loaded and run here.
    """
    if spec == POCKETSPHINX:
        return SharedRecognizer(open_vocabulary=open_vocabulary)
    folder = find_folder(spec) if spec else None
    can_run = importlib.util.find_spec("ctranslate2") is not None
    if folder is not None and not can_run:
        raise SettingsError(f"ears={spec!r} needs the package ctranslate2: run  pip install 'realtime-nb[local]'")
    if folder is None and not (can_run and WHISPER_TINY_EN.is_installed):
        return SharedRecognizer(open_vocabulary=open_vocabulary)
    cheaper = SharedRecognizer(open_vocabulary=False) if importlib.util.find_spec("pocketsphinx") else None
    ears = Ears(functools.partial(_load, folder), cheaper, open_vocabulary=open_vocabulary)
    if folder is not None:
        try:
            await ears.loaded()
        except BaseException:
            ears.close()
            raise
    return ears


def _load(folder: Path | None) -> WhisperModel:
    """Return the model in a folder, or the one in a package; it has listened once, so that it is warm."""
    if folder is None:
        model = WhisperModel(WHISPER_TINY_EN.check(), name="tiny.en", licence="MIT", workers=WORKERS)
    else:
        model = WhisperModel(folder, name=_short_name(folder), workers=WORKERS)
    model.listen(bytes(BYTES_PER_S))
    return model


def find_folder(spec: str) -> Path:
    """Return the folder of a Whisper model in CTranslate2's form.

    `spec`: the folder itself; a folder of Hugging Face's cache (``models--Systran--faster-whisper-base.en``); or the
    name, ``"base.en"`` or ``"Systran/faster-whisper-base.en"``, of a model in that cache. Nothing is downloaded.

    Raises `SettingsError`, which names what was looked for, if there is none.
    """
    given = Path(spec).expanduser()
    if given.is_dir():
        return _checked(_snapshot(given))
    cache = _hugging_face_cache()
    names = [spec] if "/" in spec else [f"Systran/faster-whisper-{spec}", f"Systran/{spec}"]
    folders = [cache / f"models--{name.replace('/', '--')}" for name in names]
    for folder in folders:
        if folder.is_dir():
            return _checked(_snapshot(folder))
    looked = " or ".join(repr(str(folder)) for folder in folders)
    raise SettingsError(
        f"ears={spec!r} is not a folder, and there is no Whisper model of that name in {looked}: give the folder of a "
        f"model in CTranslate2's format, {POCKETSPHINX!r}, or nothing for the one that is installed"
    )


def _hugging_face_cache() -> Path:
    """Return where Hugging Face's libraries keep models, from their own variables (huggingface_hub/constants.py)."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{base}/huggingface").expanduser() / "hub"


def _snapshot(folder: Path) -> Path:
    """Return the folder itself; for a folder in Hugging Face's cache, the snapshot in it."""
    snapshots = folder / "snapshots"
    if not snapshots.is_dir():
        return folder
    with contextlib.suppress(OSError):  # Without this file, the newest snapshot is taken.
        main = snapshots / (folder / "refs" / "main").read_text("utf-8").strip()
        if main.is_dir():
            return main
    held = sorted(snapshots.iterdir(), key=lambda each: each.stat().st_mtime)
    return held[-1] if held else folder


def _checked(folder: Path) -> Path:
    try:
        check_folder(folder)
    except SettingsError as error:
        raise SettingsError(f"ears: {error}") from None
    return folder


def _short_name(folder: Path) -> str:
    """Return a model's usual name, e.g. "base.en"."""
    if folder.parent.name == "snapshots":
        folder = Path(folder.parent.parent.name.rpartition("--")[2])
    return folder.name.removeprefix("faster-whisper-").removeprefix("whisper-") or folder.name
