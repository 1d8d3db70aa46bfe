"""The common part of the neural voices: from the words of a sentence to sound, with the time of every word.

Each voice adds the phonemes of a word, and the network's sound for some phonemes; see `hibari` and `voice_files`::

    for pcm, words in voice.speak("How are you?"): ...    # nothing if it cannot say the whole text
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from ...media.clip import to_pcm16
from ...protocol.parts import LocalPart

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
