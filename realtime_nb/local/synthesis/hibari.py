"""A neural voice from a wheel: "heart" of hibari-tts, with the time of every word.

`load_hibari` reads the package's model once per process; `HibariVoice.speak` makes the sound of one sentence::

    for pcm, words in load_hibari().speak("How are you?"): ...    # nothing where it cannot say all of the text

hibari-tts is Apache-2.0, by M. Williams; its model learned from Kokoro-82M's voice af_heart. The package could download
other voices, but nothing here asks for one, and only the model file that was measured here is run.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ...errors import MissingExtra
from ...protocol.parts import LocalPart
from ..onnx_file import with_output
from ..weights import HIBARI_HEART, Weights
from .neural import NeuralVoice, Samples

if TYPE_CHECKING:
    from hibari import Hibari
    from hibari.g2p.token import Tok

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
