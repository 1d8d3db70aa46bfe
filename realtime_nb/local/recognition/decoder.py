"""One pocketsphinx decoder: PCM16 at 16 kHz in, words with their times out. The only import of pocketsphinx's decoder.

There are two bindings with one interface. pocketsphinx's own never releases the interpreter lock, and an utterance
takes 100 ms: the server's loop would stand still for that long. On Linux and macOS the extension exports the whole C
library, and `CDecoder` calls that through ctypes, which releases the lock. On Windows it exports nothing:
`CythonDecoder` feeds the sound in pieces, and other threads run between them.

Both hear the same in the same clip, no matter what they heard before. By itself a decoder keeps something from each
utterance, which changes the scores of the next by up to 2 in 50 (measured; the first one of a new decoder differs,
too). A new front end for each utterance, which takes 0.1 ms, and an utterance of silence at the beginning prevent this.
"""

from __future__ import annotations

import ctypes
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...errors import MissingExtra, RealtimeError
from .heard import SAMPLE_RATE, HeardWord

FRAME_MS = 10
LANGUAGE_WEIGHT = 9.0
"""For language models with few words, which know well what comes next. The library's default is 6.5."""
_PIECE_BYTES = 2 * SAMPLE_RATE * 160 // 1000
_PAD_MS = 50
_PAD_SAMPLES = SAMPLE_RATE * _PAD_MS // 1000
# Digital silence has no spectrum: between synthesised words it cost one word in ten (measured). So white noise at -64
# dB goes under everything, and a little before and after; any microphone makes more.
_NOISE = np.random.default_rng(0).normal(scale=20, size=SAMPLE_RATE * 4).astype("<i2")
_SILENCE = bytes(2 * SAMPLE_RATE // 5)
# The library can subtract the mean of an utterance's cepstra only if it gets the whole utterance. With pieces it starts
# from the mean of those before, which counts as this many frames.
_MEAN_FRAMES = 500
# It begins to forget at 800 frames, which must not happen while one utterance is measured.
_MEASURED_BYTES = 2 * SAMPLE_RATE * 29 // 10
_FILLER = re.compile(r"<.*>|\[.*\]|\+\+.*")


class RecognitionError(RealtimeError):
    """A decoder could not be made, or failed."""


@dataclass(frozen=True)
class Hypothesis:
    """The result of decoding an utterance."""

    words: tuple[HeardWord, ...]
    score: float
    """Log likelihood per frame of 10 ms, higher is better; comparable between decoders with equal settings."""


class Decoder(Protocol):
    """Decodes whole utterances, one at a time."""

    def decode(self, pcm: bytes) -> Hypothesis:
        """Return the most likely words of one utterance, PCM16 at 16 kHz."""


def make_decoder(
    lm: Path, dictionary: Path, *, hurried: bool = False, language_weight: float = LANGUAGE_WEIGHT
) -> Decoder:
    """Make a decoder of the shipped English acoustic model, the given language model and pronunciations.

    `lm` and `dictionary`: a language model that pocketsphinx reads, and the pronunciations of its words.
    `hurried`: whether to score only every second frame, and fewer densities: two thirds of the work, as good on
    expected sentences, but a third more errors on others.
    `language_weight`: how much the language model counts against the sound; `LANGUAGE_WEIGHT` suits small ones.

    Raises `MissingExtra` if pocketsphinx is not installed; `RecognitionError` if it refuses the files.
    """
    kind = CDecoder if _library() else CythonDecoder
    return kind(lm, dictionary, hurried=hurried, language_weight=language_weight)


def _settings(lm: Path, dictionary: Path, hurried: bool, language_weight: float) -> dict[str, Any]:
    import pocketsphinx

    return {
        "hmm": str(Path(pocketsphinx.get_model_path()) / "en-us" / "en-us"),
        "lm": str(lm),
        "dict": str(dictionary),
        "samprate": SAMPLE_RATE,
        # The second and third pass take 300 ms after the end of an utterance and gain nothing here.
        "fwdflat": False,
        "bestpath": False,
        "lw": language_weight,
        "ds": 2 if hurried else 1,
        "topn": 3 if hurried else 4,
        "loglevel": "FATAL",
    }


@functools.cache
def _library() -> Any:
    """Return pocketsphinx's C library, or `None` if the extension does not export it."""
    try:
        from pocketsphinx import _pocketsphinx
    except ImportError as error:
        raise MissingExtra("the local voice's speech recognition", "local", str(error)) from error
    library = ctypes.CDLL(_pocketsphinx.__file__)
    if not hasattr(library, "ps_init"):
        return None
    pointer, integers = ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
    for name, result, arguments in (
        ("ps_config_parse_json", pointer, [pointer, ctypes.c_char_p]),
        ("ps_config_free", ctypes.c_int, [pointer]),
        ("ps_init", pointer, [pointer]),
        ("ps_free", ctypes.c_int, [pointer]),
        ("ps_reinit_feat", ctypes.c_int, [pointer, pointer]),
        ("ps_start_utt", ctypes.c_int, [pointer]),
        ("ps_process_raw", ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int]),
        ("ps_end_utt", ctypes.c_int, [pointer]),
        ("ps_get_hyp", ctypes.c_char_p, [pointer, ctypes.POINTER(ctypes.c_int32)]),
        ("ps_get_n_frames", ctypes.c_int, [pointer]),
        ("ps_seg_iter", pointer, [pointer]),
        ("ps_seg_next", pointer, [pointer]),
        ("ps_seg_word", ctypes.c_char_p, [pointer]),
        ("ps_seg_frames", None, [pointer, integers, integers]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class CDecoder:
    """A decoder through the C library, without the interpreter lock."""

    def __init__(self, lm: Path, dictionary: Path, *, hurried: bool = False, language_weight: float = LANGUAGE_WEIGHT):
        self._decoder: int | None = None
        self._library = _library()
        settings = _settings(lm, dictionary, hurried, language_weight)
        config = self._library.ps_config_parse_json(None, json.dumps(settings).encode())
        self._decoder = self._library.ps_init(config)
        self._library.ps_config_free(config)
        if not self._decoder:
            raise RecognitionError(f"pocketsphinx could not load {lm.name} with {dictionary.name}")
        self.decode(_SILENCE)

    def __del__(self) -> None:
        if self._decoder:
            self._library.ps_free(self._decoder)

    def decode(self, pcm: bytes) -> Hypothesis:
        """Return the most likely words of one utterance."""
        library, decoder, pcm = self._library, self._decoder, _prepare(pcm)
        score = ctypes.c_int32()
        failed = library.ps_reinit_feat(decoder, None) < 0
        failed = failed or library.ps_start_utt(decoder) < 0
        failed = failed or library.ps_process_raw(decoder, pcm, len(pcm) // 2, 0, 1) < 0
        if library.ps_end_utt(decoder) < 0 or failed:
            raise RecognitionError(f"pocketsphinx failed on an utterance of {len(pcm) // 32} ms")
        if not library.ps_get_hyp(decoder, ctypes.byref(score)):
            return Hypothesis((), 0.0)
        return Hypothesis(_words(self._segments()), score.value / max(1, library.ps_get_n_frames(decoder)))

    def _segments(self) -> Iterator[tuple[str, int, int]]:
        start, end = ctypes.c_int(), ctypes.c_int()
        segment = self._library.ps_seg_iter(self._decoder)
        while segment:
            self._library.ps_seg_frames(segment, ctypes.byref(start), ctypes.byref(end))
            yield self._library.ps_seg_word(segment).decode(), start.value, end.value
            segment = self._library.ps_seg_next(segment)


class CythonDecoder:
    """A decoder through pocketsphinx's own binding; other threads run between pieces of 160 ms."""

    def __init__(self, lm: Path, dictionary: Path, *, hurried: bool = False, language_weight: float = LANGUAGE_WEIGHT):
        import pocketsphinx

        try:
            self._decoder = pocketsphinx.Decoder(**_settings(lm, dictionary, hurried, language_weight))
        except RuntimeError as error:
            raise RecognitionError(f"pocketsphinx could not load {lm.name} with {dictionary.name}") from error
        self._search = self._decoder.current_search()
        # The cheapest possible search: for one word, silence.
        self._decoder.add_fsg("mean", self._decoder.create_fsg("mean", 0, 1, [(0, 1, 1.0, "<sil>")]))
        self.decode(_SILENCE)

    def decode(self, pcm: bytes) -> Hypothesis:
        """Return the most likely words of one utterance."""
        decoder, pcm = self._decoder, _prepare(pcm)
        decoder.reinit_feat()
        mean = self._mean(pcm[:_MEASURED_BYTES])
        decoder.activate_search(self._search)
        decoder.set_cmn(mean)
        self._feed(pcm)
        if (best := decoder.hyp()) is None:
            return Hypothesis((), 0.0)
        segments = ((part.word, part.start_frame, part.end_frame) for part in decoder.seg())
        return Hypothesis(_words(segments), decoder.logmath.log(best.score) / max(1, decoder.n_frames()))

    def _mean(self, pcm: bytes) -> str:
        """Return the mean of an utterance's cepstra."""
        decoder = self._decoder
        decoder.activate_search("mean")
        decoder.set_cmn("0")
        self._feed(pcm)
        frames = max(1, decoder.n_frames())
        share = (_MEAN_FRAMES + frames) / frames
        return ",".join(f"{float(value) * share:.3f}" for value in decoder.get_cmn(True).split(","))

    def _feed(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        try:
            for offset in range(0, len(pcm) // 2 * 2, _PIECE_BYTES):
                self._decoder.process_raw(pcm[offset : offset + _PIECE_BYTES], no_search=False, full_utt=False)
        finally:
            self._decoder.end_utt()


def _prepare(pcm: bytes) -> bytes:
    """Add faint noise to the utterance, and before and after it."""
    noisy = np.resize(_NOISE, len(pcm) // 2 + 2 * _PAD_SAMPLES).astype(np.int32)
    noisy[_PAD_SAMPLES:-_PAD_SAMPLES] += np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")
    return noisy.clip(-32768, 32767).astype("<i2").tobytes()


def _words(segments: Iterator[tuple[str, int, int]]) -> tuple[HeardWord, ...]:
    """Leave out silence and noise, and the number of a word's pronunciation ("read(2)")."""
    return tuple(
        HeardWord(text.partition("(")[0], max(0, start * FRAME_MS - _PAD_MS), max(0, (end + 1) * FRAME_MS - _PAD_MS))
        for text, start, end in segments
        if not _FILLER.fullmatch(text)
    )
