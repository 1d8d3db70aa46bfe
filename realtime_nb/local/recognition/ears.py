"""The server's ears: Whisper where it is there and has time, PocketSphinx where not.

What others need::

    ears = await open_ears("")                # loads in the background; `await ears.warm_up()` waits for it
    heard = await ears.listen(pcm16k, await ears.expect(tools=[…]), word_times=True)
    heard.text, heard.confidence, heard.engine
    ears.part                                 # what answers, e.g. "Whisper tiny.en (int8, CTranslate2 4.8.5, MIT)"
    ears.close()

Utterances wait in one line, piece by piece of 20 s at most, so that nobody's monologue holds up the others; up to two
are decoded at once, each on one core and without the interpreter lock. A turn that would wait longer than
`Ears.late_s` is heard by PocketSphinx at once, which takes half the time and hears well only what it expects. That is
why it is asked as well where Whisper doubts what it heard.
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
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import RealtimeError, SettingsError
from ...protocol.parts import LocalPart, joined_names
from ..api_errors import overloaded
from ..weights import WHISPER_TINY_EN
from .heard import BYTES_PER_S, HeardWord, Recognition, cut_quietly
from .recognizer import LONGEST_WAIT_S, SharedRecognizer, be_nice
from .whisper import LONGEST_S, WhisperModel, check_folder

log = logging.getLogger(__name__)

POCKETSPHINX = "pocketsphinx"
EARS_VARIABLE = "REALTIME_NB_EARS"
"""Of the environment: what listens, where nothing else says so."""
WORKERS = max(1, min(2, os.cpu_count() or 1))
LATE_S = 1.0
"""A turn that would wait longer is heard by the cheaper ear, while there are few sessions."""
MANY_SESSIONS = 30
"""From this many sessions on, turns come faster than Whisper hears them on two cores, so that each would wait the whole
of `LATE_S`: with twice as many, it is half as long."""
DOUBTED_BELOW = 0.5
"""Confidence below which the cheaper ear hears the utterance, too. If it is sure that these are words that the
conversation expects, they count: of 150 short questions in ten voices 11.8 % of the words were wrong without, and 6.8 %
with it; three got worse. From 0.7 on more get worse than better."""
LOADING_S = 20.0
"""How long the first turns wait for Whisper: half a second mostly, some more on a machine with much to do. Whoever was
heard by another ear because the server is young would be heard worse for no reason that they can see."""
_USUAL_S = 0.2
"""What an utterance takes until some were measured."""


class Ears:
    """Recognition for all sessions of a server, by Whisper while it can.

    `load`: returns the model; it is called in a thread, now. `cheaper`: who listens while Whisper is late, and for good
    if it cannot be loaded; `None` if nobody else is there. `open_vocabulary`: whether the cheaper one may take its
    generic model once it listens alone.
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
        self._sessions = 0
        self._waiting = 0
        self._mean_s = _USUAL_S
        self._loading: Future[WhisperModel] = self._pool.submit(load)

    @property
    def part(self) -> LocalPart:
        """What answers."""
        if self._model is not None:
            return self._model.part
        if not self._loading.done():
            return LocalPart("Whisper, still loading")
        return self._cheaper.part if self._cheaper else LocalPart("nobody")

    @property
    def is_multilingual(self) -> bool:
        """True if the model is there and hears more than English."""
        return self._model is not None and self._model.is_multilingual

    @property
    def wait_s(self) -> float:
        """How long the next utterance waits for Whisper, estimated."""
        return max(0, self._waiting - WORKERS + 1) * self._mean_s / WORKERS

    @property
    def late_s(self) -> float:
        """How long a turn may wait for Whisper before the cheaper ear takes it."""
        return LATE_S * min(1, MANY_SESSIONS / max(1, self._sessions))

    @property
    def is_overloaded(self) -> bool:
        """True if another turn would wait too long."""
        if self._cheaper is not None:
            return self._cheaper.is_overloaded and (self._model is None or self.wait_s > self.late_s)
        return self.wait_s > LONGEST_WAIT_S

    def join(self) -> None:
        """Count one more session."""
        self._sessions += 1
        if self._cheaper:
            self._cheaper.join()

    def leave(self) -> None:
        """Count one session less."""
        self._sessions -= 1
        if self._cheaper:
            self._cheaper.leave()

    async def loaded(self) -> None:
        """Wait until Whisper is there.

        Raises `MissingExtra`, `WeightsError` or `SettingsError`: why it is not.
        """
        await asyncio.shield(asyncio.wrap_future(self._loading))

    async def warm_up(self, vocabulary: Sequence[str] = ()) -> None:
        """Wait until somebody can listen: Whisper, or else the cheaper one; a warning says why Whisper does not.

        Raises what `loaded` raises if there is nobody else.
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
        """Return what the cheaper ear needs, should it be asked. Whisper's words get no better by it (measured)."""
        return {"instructions": instructions, "tools": tools, "sentences": sentences}

    async def listen(
        self,
        pcm: bytes,
        expected: dict[str, Any] | None = None,
        *,
        language: str | None = None,
        word_times: bool = False,
    ) -> Recognition:
        """Return the words of an utterance, as `SpeechRecognizer` says."""
        if not self._loading.done():
            await asyncio.wait([asyncio.wrap_future(self._loading)], timeout=LOADING_S)
        pieces = cut_quietly(pcm, LONGEST_S)
        heard = [await self._listen(piece, expected or {}, language, word_times) for piece in pieces]
        return together(heard, [len(piece) * 1000 // BYTES_PER_S for piece in pieces])

    async def _listen(
        self, pcm: bytes, expected: dict[str, Any], language: str | None, word_times: bool
    ) -> Recognition:
        model = self._model
        if self._cheaper is not None and (model is None or self.wait_s > self.late_s):
            ready = await self._cheaper.expect(**expected)
            return await self._cheaper.listen(pcm, ready, word_times=word_times)
        if model is None:
            await self.loaded()  # It takes long; or it raises why there is nobody.
            return await self._listen(pcm, expected, language, word_times)
        if self.wait_s > LONGEST_WAIT_S:
            raise overloaded(f"The recogniser is {self.wait_s:.1f} s behind; try again in a moment.")
        with self._lock:
            self._waiting += 1
        job = self._pool.submit(self._timed, model, pcm, language if model.is_multilingual else None, word_times)
        job.add_done_callback(self._done)
        heard = await asyncio.wrap_future(job)
        is_doubted = heard.confidence is not None and heard.confidence < DOUBTED_BELOW and heard.language == "en"
        if not is_doubted or self._cheaper is None or self._cheaper.is_overloaded or self.wait_s > 0:
            return heard
        expecting = await self._cheaper.expect(**expected)
        instead = await self._cheaper.listen(pcm, expecting, word_times=word_times)
        return instead if instead.is_expected else heard

    def _timed(self, model: WhisperModel, pcm: bytes, language: str | None, word_times: bool) -> Recognition:
        started_s = time.perf_counter()
        heard = model.listen(pcm, language=language, word_times=word_times)
        self._mean_s += (time.perf_counter() - started_s - self._mean_s) / 8
        return heard

    def _done(self, _: Future[Recognition]) -> None:
        with self._lock:
            self._waiting -= 1

    @property
    def _model(self) -> WhisperModel | None:
        """Whisper, if it is there."""
        loading = self._loading
        return loading.result() if loading.done() and not loading.cancelled() and not loading.exception() else None

    def close(self) -> None:
        """Drop what waits and end the threads."""
        self._pool.shutdown(cancel_futures=True)
        if self._cheaper:
            self._cheaper.close()


def together(heard: Sequence[Recognition], lengths_ms: Sequence[int]) -> Recognition:
    """Return what was heard in pieces of a sound as one; each lasts as long as `lengths_ms` says."""
    if len(heard) == 1:
        return heard[0]
    words: list[HeardWord] = []
    start_ms = 0
    for each, length_ms in zip(heard, lengths_ms, strict=True):
        words += [HeardWord(word.text, start_ms + word.start_ms, start_ms + word.end_ms) for word in each.words]
        start_ms += length_ms
    return replace(
        heard[0],
        text=" ".join(each.text for each in heard if each.text),
        words=tuple(words),
        tokens=tuple(token for each in heard for token in each.tokens),
        engine=joined_names(each.engine for each in heard),
    )


# --- Which model: by name, folder, or what is installed ---------------------------------------------------------------


async def open_ears(spec: str = "", *, open_vocabulary: bool = True) -> Ears | SharedRecognizer:
    """Return what listens.

    `spec`: ``"pocketsphinx"``; a Whisper model, as `find_folder` takes it, which is loaded when this returns; or empty
    for what the extra ``local`` brings: Whisper tiny.en, which loads in the background, else PocketSphinx.
    `open_vocabulary`: whether PocketSphinx may take its generic model of English, too, where it listens alone.

    Raises `SettingsError` if `spec` names no model that can be loaded and run here.
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
    """Return the model in a folder, or the one that a package brings; it has listened once, so that it is warm."""
    if folder is None:
        model = WhisperModel(WHISPER_TINY_EN.check(), name="tiny.en", licence="MIT", workers=WORKERS)
    else:
        model = WhisperModel(folder, name=_short_name(folder), workers=WORKERS)
    model.listen(bytes(BYTES_PER_S))
    return model


def find_folder(spec: str) -> Path:
    """Return the folder of a Whisper model in CTranslate2's form.

    `spec`: the folder itself; a folder of Hugging Face's cache (``models--Systran--faster-whisper-base.en``); or a
    name, ``"base.en"`` or ``"Systran/faster-whisper-base.en"``, of one that lies in that cache. Nothing is downloaded.

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
        f"ears={spec!r} is no folder, and no Whisper model of that name lies in {looked}: give the folder of a model "
        f"in CTranslate2's form, {POCKETSPHINX!r}, or nothing for the one that is installed"
    )


def _hugging_face_cache() -> Path:
    """Return where Hugging Face's libraries keep models, by their own variables (huggingface_hub/constants.py)."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{base}/huggingface").expanduser() / "hub"


def _snapshot(folder: Path) -> Path:
    """Return the folder itself, or of a folder in Hugging Face's cache the snapshot that it holds."""
    snapshots = folder / "snapshots"
    if not snapshots.is_dir():
        return folder
    with contextlib.suppress(OSError):
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
    """Return what people call a model, e.g. "base.en"."""
    if folder.parent.name == "snapshots":
        folder = Path(folder.parent.parent.name.rpartition("--")[2])
    return folder.name.removeprefix("faster-whisper-").removeprefix("whisper-") or folder.name
