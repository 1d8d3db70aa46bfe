"""Neural voices: from the words of a sentence to sound, with the time of every word; and the one that is installed.

Each voice adds the phonemes of a word, and the network's sound for some phonemes; `voice_files` has others::

    for pcm, words in load_hibari().speak("How are you?"): ...    # nothing if it cannot say the whole text
"""

from __future__ import annotations

import difflib
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import MissingExtra
from ...media.clip import to_pcm16
from ...protocol.parts import LocalPart
from ..weights import HIBARI_HEART, Weights, with_output

if TYPE_CHECKING:
    from hibari import Hibari
    from hibari.g2p.token import Tok

Samples = np.ndarray[Any, np.dtype[np.float32]]

#: The API's slowest and fastest speed.
_SLOWEST, _FASTEST = 0.25, 4.0
_KEPT_MS = 50


class NeuralVoice(ABC):
    """A voice; use it from any thread, but only one at a time."""

    name: str
    """The engine's name, for `Speech.engine`."""
    part: LocalPart
    sample_rate = 24_000
    # The longest input of a network.
    _longest_phonemes = 400
    _gain = 1.0
    # A word begins this long after the space before it, by forced alignment: see benchmarks/voices.py.
    _late_ms = 0.0

    @abstractmethod
    def _words(self, sentence: str) -> list[tuple[str, str]]:
        """Return each word as it is said, with its phonemes and those up to the next word.

        The result is empty if a word has no phonemes.
        """

    @abstractmethod
    def _render(self, phonemes: str, speed: float) -> tuple[Samples, list[float]]:
        """Return the sound of some phonemes, and where in it each begins, in ms."""

    def speak(self, sentence: str, speed: float = 1.0) -> Iterator[tuple[bytes, list[tuple[int, int]]]]:
        """Yield the sound, in parts of 25 s at most: PCM16 at `sample_rate`, and the words that begin in it.

        A word is (index of its first character in `sentence`, ms from the start of the first part). The same sentence
        at the same speed always gives the same sound.

        `speed`: a multiple of the voice's own speed, clipped to 0.25 to 4.

        Yields nothing if there is nothing to say, or a word that the voice cannot read, e.g. one written in Chinese.
        """
        words = self._words(sentence)
        said = _aligned(sentence, [text for text, _ in words])
        first, start_ms = 0, 0.0
        for group in _groups([phonemes for _, phonemes in words], self._longest_phonemes):
            samples, starts_ms = self._sound(group, min(_FASTEST, max(_SLOWEST, speed)))
            here = [(index, number - first) for index, number in said if 0 <= number - first < len(group)]
            pcm = to_pcm16(samples * np.float32(self._gain))
            yield pcm, [(index, int(start_ms + starts_ms[number])) for index, number in here]
            first += len(group)
            start_ms += len(samples) * 1000 / self.sample_rate

    def _sound(self, words: list[str], speed: float) -> tuple[Samples, list[float]]:
        """Return the samples of some words, and where in them each begins, in ms."""
        phonemes = "".join(words).rstrip()
        samples, at_ms = self._render(phonemes, speed)
        # The sound before the first word is a longer pause than the network says, and delays the answer.
        onset_ms = self._onset_ms(samples)
        skipped = max(0, round((onset_ms - _KEPT_MS) * self.sample_rate / 1000))
        # Others begin with the space before them, if there is one.
        begins = (end - (phonemes[end - 1 : end] == " ") for end in accumulate(map(len, words[:-1])))
        starts_ms = [onset_ms, *(max(onset_ms, at_ms[min(at, len(at_ms) - 1)] + self._late_ms) for at in begins)]
        return samples[skipped:], [start_ms - skipped * 1000 / self.sample_rate for start_ms in starts_ms]

    def _onset_ms(self, samples: Samples) -> float:
        """Return where a sound begins: at the first 5 ms that are no more than 45 dB below the loudest."""
        size = self.sample_rate // 200
        power = np.square(samples[: len(samples) // size * size].reshape(-1, size)).mean(axis=1)
        return 5.0 * int(np.argmax(power >= power.max() * 10**-4.5))


def _groups(words: list[str], longest: int) -> list[list[str]]:
    """Cut words into groups of at most `longest` phonemes."""
    groups: list[list[str]] = []
    size = 0
    for word in words:
        if not groups or size + len(word) > longest:
            groups.append([])
            size = 0
        groups[-1].append(word)
        size += len(word)
    return groups


def _aligned(written: str, said: list[str]) -> list[tuple[int, int]]:
    """Return, for each word of a text, the index of its first character and of the spoken word for it."""
    words = list(re.finditer(r"\S+", written))
    same = difflib.SequenceMatcher(None, [word.group() for word in words], said, autojunk=False)
    return [
        (words[i].start(), j1 + (i - i1) * (j2 - j1) // (i2 - i1))
        for _, i1, i2, j1, j2 in same.get_opcodes()
        if j2 > j1
        for i in range(i1, i2)
        if any(map(str.isalnum, words[i].group()))
    ]


# --- The voice "heart" of hibari-tts, with the time of every word -----------------------------------------------------
#
# `load_hibari` reads the package's model once per process. hibari-tts is Apache-2.0, by M. Williams; its model learned
# from Kokoro-82M's voice af_heart. The package could download other voices, but nothing here asks for one, and only the
# model file that was measured here is run.

_SEED = 1
# The network's own count of frames for each phoneme, which the published graph does not return.
_FRAMES = "/Cast_32_output_0"
_OUTPUTS = ("lh", "theta", "ln", "lr", "phi", "f0", _FRAMES)

_loading = threading.Lock()


def load_hibari() -> HibariVoice:
    """Return this process's voice; the first call loads it, in about half a second.

    Raises the errors of `HibariVoice.load`.
    """
    with _loading:
        return _loaded()


@cache
def _loaded() -> HibariVoice:
    return HibariVoice.load()


class HibariVoice(NeuralVoice):
    """The voice "heart"."""

    name = "hibari"
    # As loud as espeak-ng's voices; the highest peaks reach 0.7 of full scale.
    _gain = 1.3
    _late_ms = -35.0

    @classmethod
    def load(cls, weights: Weights = HIBARI_HEART) -> HibariVoice:
        """Check the files and load them.

        Raises `MissingExtra` if hibari-tts or onnxruntime is not installed; `WeightsError` if its files are not the
        expected ones.
        """
        folder = weights.check()
        try:
            import onnxruntime  # noqa: F401
            from hibari import Hibari
        except ImportError as error:
            raise MissingExtra(weights.name, "local", str(error)) from error
        return cls(Hibari(model=with_output((folder / "hibari.onnx").read_bytes(), _FRAMES)))

    def __init__(self, hibari: Hibari):
        self._hibari = hibari
        self.part = LocalPart.of_package(HIBARI_HEART.name, HIBARI_HEART.package, "Apache-2.0")
        list(self.speak("Hello."))  # Read the lexicon before anyone waits for it.

    def _words(self, sentence: str) -> list[tuple[str, str]]:
        from hibari.g2p.normalize import normalize

        g2p, known = self._hibari.g2p, self._hibari.vocab
        words: list[tuple[str, str]] = []
        is_open = False
        token: Tok
        for token in g2p.phonemize_tokens(g2p.tokenize(normalize(sentence))):
            phonemes = "".join(each for each in token.phonemes or "" if each in known)
            if any(map(str.isalnum, token.text)) and not any(map(str.isalpha, phonemes)):
                return []
            space = " " if token.whitespace else ""
            before = words.pop() if is_open else ("", "")
            words.append((before[0] + token.text, before[1] + phonemes + space))
            is_open = not space
        return words if any(phonemes.strip() for _, phonemes in words) else []

    def _render(self, phonemes: str, speed: float) -> tuple[Samples, list[float]]:
        from hibari import dsp

        ids = np.asarray([self._hibari.ids(phonemes)], np.int64)
        given = {"ids": ids, "speed": np.asarray([speed], np.float32)}
        *spectra, frames = self._hibari.sess.run(_OUTPUTS, given)
        samples = dsp.synth(*(each[0] for each in spectra), np.random.default_rng(_SEED))
        # The first of the ids is a pause.
        return samples, list(np.cumsum(frames)[:-1] * (len(samples) / frames.sum() * 1000 / self.sample_rate))
