"""A neural voice from a wheel: "heart" of hibari-tts, with the time of every word.

`load_hibari` reads the package's model once a process; `HibariVoice.speak` makes the sound of one sentence::

    for pcm, words in load_hibari().speak("How are you?"): ...    # nothing where it cannot say all of the text

hibari-tts is Apache-2.0, by M. Williams; its model was taught by Kokoro-82M's voice af_heart. The package can download
other voices: nothing here asks for one, and a model file other than the one that was measured here is not run.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import MissingExtra
from ...media.clip import to_pcm16
from ..weights import HIBARI_HEART, Weights

if TYPE_CHECKING:
    from hibari import Hibari
    from hibari.g2p.token import Tok

SAMPLE_RATE = 24_000
#: The slowest and fastest that the API knows. From twice on, the shortest sounds are as short as the model makes them.
_SLOWEST, _FASTEST = 0.25, 4.0
_SEED = 1
_KEPT_MS = 50
# Measured against forced alignment: see benchmarks/voices.py.
_EARLY_MS = 35
# As loud as the voices of espeak-ng; the highest peaks come to 0.7 of full scale.
_GAIN = 1.3
# The model was taught with no more at once.
_LONGEST_PHONEMES = 400
# The network's own count of frames for each phoneme, which the published graph keeps to itself.
_FRAMES = "/Cast_32_output_0"
_OUTPUTS = ("lh", "theta", "ln", "lr", "phi", "f0", _FRAMES)

_loading = threading.Lock()


def load_hibari() -> HibariVoice:
    """Return this process's voice, loaded in about half a second by the first call.

    Raises what `HibariVoice.load` does.
    """
    with _loading:
        return _loaded()


@cache
def _loaded() -> HibariVoice:
    return HibariVoice.load()


def _field(number: int, payload: bytes) -> bytes:
    """Return a field of a protocol buffer, of less than 128 bytes."""
    return bytes([number << 3 | 2, len(payload)]) + payload


class HibariVoice:
    """The voice "heart", in any thread."""

    @classmethod
    def load(cls, weights: Weights = HIBARI_HEART) -> HibariVoice:
        """Check the files and load them.

        Raises `MissingExtra` if hibari-tts, or onnxruntime, is not installed; `WeightsError` if its files are others.
        """
        folder = weights.check()
        try:
            import onnxruntime  # noqa: F401
            from hibari import Hibari
        except ImportError as error:
            raise MissingExtra(weights.name, "local", str(error)) from error
        # What follows a protocol buffer is merged into it: one more output of the graph.
        model = (folder / "hibari.onnx").read_bytes() + _field(7, _field(12, _field(1, _FRAMES.encode())))
        return cls(Hibari(model=model))

    def __init__(self, hibari: Hibari):
        self._hibari = hibari
        list(self.speak("Hello."))  # Reads the lexicon while nobody waits.

    def speak(self, sentence: str, speed: float = 1.0) -> Iterator[tuple[bytes, list[tuple[int, int]]]]:
        """Yield the sound, in parts of 25 s at most: PCM16 at 24 kHz, and the words that begin in it.

        A word is (index of its first character in `sentence`, ms from the start of the first part). The same sentence
        at the same speed is the same sound, whatever was said before.

        `speed`: times the voice's own, clipped to 0.25 to 4. A speed of 4 is 2.4 times as fast.

        Yields nothing if there is nothing to say, or a word that the voice cannot read, e.g. one written in Chinese.
        """
        words = self._words(sentence)
        said = _aligned(sentence, [text for text, _ in words])
        first, start_ms = 0, 0.0
        for group in _groups([phonemes for _, phonemes in words]):
            samples, starts_ms = self._sound(group, min(_FASTEST, max(_SLOWEST, speed)))
            here = [(index, number - first) for index, number in said if 0 <= number - first < len(group)]
            pcm = to_pcm16(samples * np.float32(_GAIN))
            yield pcm, [(index, int(start_ms + starts_ms[number])) for index, number in here]
            first += len(group)
            start_ms += len(samples) * 1000 / SAMPLE_RATE

    def _words(self, sentence: str) -> list[tuple[str, str]]:
        """Return each word as it is said, and its phonemes with what stands between it and the next.

        None at all if one of them has no phonemes.
        """
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

    def _sound(self, words: list[str], speed: float) -> tuple[np.ndarray[Any, np.dtype[np.float32]], list[float]]:
        """Return the samples of some words, and where in them each begins, in ms."""
        from hibari import dsp

        ids = np.asarray([self._hibari.ids("".join(words).rstrip())], np.int64)
        given = {"ids": ids, "speed": np.asarray([speed], np.float32)}
        *spectra, frames = self._hibari.sess.run(_OUTPUTS, given)
        samples = dsp.synth(*(each[0] for each in spectra), np.random.default_rng(_SEED))
        ends_ms = np.cumsum(frames) * (len(samples) / frames.sum() * 1000 / SAMPLE_RATE)
        # What goes before the first word is more pause than the network says, and delays an answer.
        onset_ms = _onset_ms(samples)
        skipped = max(0, round((onset_ms - _KEPT_MS) * SAMPLE_RATE / 1000))
        # Others begin with the space before them, which is the id of that number: the first of the ids is a pause.
        spaces = (end - 1 for end in accumulate(map(len, words[:-1])))
        starts_ms = [onset_ms, *(max(onset_ms, ends_ms[space] - _EARLY_MS) for space in spaces)]
        return samples[skipped:], [start_ms - skipped * 1000 / SAMPLE_RATE for start_ms in starts_ms]


def _onset_ms(samples: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    """Return where a sound begins: at the first 5 ms that are no more than 45 dB below the loudest."""
    size = SAMPLE_RATE // 200
    power = np.square(samples[: len(samples) // size * size].reshape(-1, size)).mean(axis=1)
    return 5.0 * int(np.argmax(power >= power.max() * 10**-4.5))


def _groups(words: list[str]) -> list[list[str]]:
    """Cut words into groups that the model takes at once."""
    groups: list[list[str]] = []
    size = 0
    for word in words:
        if not groups or size + len(word) > _LONGEST_PHONEMES:
            groups.append([])
            size = 0
        groups[-1].append(word)
        size += len(word)
    return groups


def _aligned(written: str, said: list[str]) -> list[tuple[int, int]]:
    """Return, for each word of a text, the index of its first character and which of the words said stands for it."""
    words = list(re.finditer(r"\S+", written))
    same = difflib.SequenceMatcher(None, [word.group() for word in words], said, autojunk=False)
    return [
        (words[i].start(), j1 + (i - i1) * (j2 - j1) // (i2 - i1))
        for _, i1, i2, j1, j2 in same.get_opcodes()
        if j2 > j1
        for i in range(i1, i2)
        if any(map(str.isalnum, words[i].group()))
    ]
