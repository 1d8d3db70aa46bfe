"""Neural voices from your own files: Piper's, and Kokoro-82M.

`load_voice` takes the path of an ONNX file:

- Piper (https://github.com/OHF-Voice/piper1-gpl): ``en_US-joe-medium.onnx``, with ``en_US-joe-medium.onnx.json`` beside
  it. Its phonemes are espeak-ng's, from a separate process (see `espeak_process`).
- Kokoro-82M, as kokoro-onnx publishes it: ``kokoro-v1.0.onnx``, with ``voices-v1.0.bin`` beside it. The voice comes
  after ``#``; it is ``af_heart`` by default. Its phonemes are those of hibari-tts, which learned from it.

Neither file returns how long each phoneme lasts. That is the only ``Ceil`` of Piper's graph, and the only ``Clip`` of
Kokoro's; if a file has none, or several, its words have no times.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
import threading
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import MissingExtra, RealtimeError, SettingsError
from ...protocol.parts import LocalPart
from ..weights import HIBARI_HEART, results_of, with_output
from .espeak import Phonemes
from .neural import HibariVoice, NeuralVoice, Samples

if TYPE_CHECKING:
    from hibari import Hibari

VOICE_VARIABLE = "REALTIME_NB_VOICE"
"""The environment variable for the voice's file, if no option says so."""
_DEFAULT = "af_heart"
_PUNCTUATION = ".,;:!?"

_loading = threading.Lock()


def load_voice(spec: str) -> NeuralVoice:
    """Return the voice of a file; it is loaded once per process.

    Raises `SettingsError`, which names the path, if there is no voice that can be loaded; `MissingExtra` if the package
    that runs it is not installed.
    """
    with _loading:
        return _loaded(spec)


@cache
def _loaded(spec: str) -> NeuralVoice:
    file, _, name = spec.partition("#")
    path = Path(file).expanduser()
    if not path.is_file():
        raise SettingsError(f"voice={spec!r}: there is no file {str(path)!r}")
    settings = path.with_name(path.name + ".json")
    packs = sorted([*path.parent.glob("voices*.bin"), *path.parent.glob("voices*.npz")])
    if not settings.is_file() and not packs:
        raise SettingsError(
            f"voice={spec!r}: beside {path.name} there is neither {settings.name}, as for a voice of Piper, nor a "
            "voices*.bin, as for Kokoro"
        )
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtra(f"the voice {path.name}", "local", "no module onnxruntime")
    try:
        voice = PiperVoice(path, settings) if settings.is_file() else KokoroVoice.of(path, packs[-1], name or _DEFAULT)
        list(voice.speak("Hello."))  # The first sound takes longer, and may show that this is not a voice.
    except RealtimeError:
        raise
    except Exception as error:  # The runtime's own exceptions have no common class.
        raise SettingsError(f"voice={spec!r} cannot be used: {type(error).__name__}: {error}") from error
    return voice


class _Network:
    """A network whose graph also returns how long each phoneme lasts, if exactly one node can be that."""

    def __init__(self, path: Path, operator: str):
        import onnxruntime

        model = path.read_bytes()
        lengths = results_of(model, operator)
        self._has_lengths = len(lengths) == 1
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            with_output(model, lengths[0]) if self._has_lengths else model, options, ["CPUExecutionProvider"]
        )
        self.inputs = [each.name for each in self._session.get_inputs()]

    def run(self, given: dict[str, Any]) -> tuple[Samples, list[float]]:
        """Return the samples, and the share of them before each phoneme; no shares if they are not known."""
        sound, *lengths = self._session.run(None, {name: given[name] for name in self.inputs if name in given})
        samples = np.asarray(sound, np.float32).reshape(-1)
        if not self._has_lengths:
            return samples, []
        frames = np.asarray(lengths[-1], float).reshape(-1)
        return samples, list((np.cumsum(frames) - frames) / frames.sum())


class KokoroVoice(HibariVoice):
    """A voice of Kokoro-82M."""

    name = "kokoro"
    # So that one of its voices, jf_alpha, is as loud as hibari's.
    _gain = 0.62
    _late_ms = -30.0

    @classmethod
    def of(cls, path: Path, pack: Path, name: str) -> KokoroVoice:
        """Load the network, and one voice of a pack.

        Raises `SettingsError` if the pack has no such voice; `MissingExtra` if hibari-tts is not installed.
        """
        HIBARI_HEART.check()
        try:
            from hibari import Hibari
        except ImportError as error:
            raise MissingExtra("Kokoro's phonemes", "local", str(error)) from error
        with np.load(pack) as voices:
            if name not in voices:
                raise SettingsError(f"{pack.name} has no voice {name!r}, but {', '.join(voices)}: say {path.name}#NAME")
            return cls(Hibari(), _Network(path, "Clip"), voices[name], name)

    def __init__(self, hibari: Hibari, network: _Network, styles: Any, name: str):
        self._network, self._styles = network, np.asarray(styles, np.float32).reshape(-1, 256)
        super().__init__(hibari)
        self.part = LocalPart(f"Kokoro-82M {name}", "from a file", "Apache-2.0")

    def _render(self, phonemes: str, speed: float) -> tuple[Samples, list[float]]:
        ids = np.asarray([self._hibari.ids(phonemes)], np.int64)
        style = self._styles[min(len(phonemes), len(self._styles) - 1)][None]
        given = {"tokens": ids, "input_ids": ids, "style": style, "speed": np.asarray([speed], np.float32)}
        samples, shares = self._network.run(given)
        length_ms = len(samples) * 1000 / self.sample_rate
        return samples, [share * length_ms for share in shares[1:]]  # The first of the ids is a pause.


class PiperVoice(NeuralVoice):
    """A voice of Piper."""

    name = "piper"
    # So that one of its voices, en_US-joe-medium, is as loud as hibari's.
    _gain = 1.15
    _late_ms = -10.0

    def __init__(self, path: Path, settings: Path):
        known = json.loads(settings.read_text("utf-8"))
        self._ids: dict[str, list[int]] = known["phoneme_id_map"]
        self._length = float(known.get("inference", {}).get("length_scale", 1))
        self.sample_rate = int(known["audio"]["sample_rate"])
        language = str(known["espeak"]["voice"])
        self._network = _Network(path, "Ceil")
        self._phonemes = Phonemes(language)
        self.part = LocalPart(f"Piper {path.stem}", "from a file")

    def _words(self, sentence: str) -> list[tuple[str, str]]:
        written = [word for word in sentence.split() if any(map(str.isalnum, word))]
        ends = [re.sub(rf"[^{_PUNCTUATION}]", "", word.lstrip(_PUNCTUATION))[-1:] for word in written]
        clauses: list[list[str]] = [[]]
        for word, end in zip(written, ends, strict=True):
            clauses[-1].append(word)
            if end:
                clauses.append([])
        clauses = [clause for clause in clauses if clause]
        said = self._phonemes([*(" ".join(clause) for clause in clauses), *written])
        alone = iter(said[len(clauses) :])
        parts = [
            part
            for clause, together in zip(clauses, said, strict=False)
            for part in parted(together, [next(alone) for _ in clause])
        ]
        return [
            (word, part.rstrip() + end + " " if end else part)
            for word, part, end in zip(written, parts, ends, strict=True)
        ]

    def _render(self, phonemes: str, speed: float) -> tuple[Samples, list[float]]:
        ids, at = [*self._ids["^"], *self._ids["_"]], []
        for phoneme in phonemes:
            at.append(len(ids))
            if phoneme in self._ids:
                ids += [*self._ids[phoneme], *self._ids["_"]]
        ids += self._ids["$"]
        # Without noise: the network's own would make another sound each time.
        given = {
            "input": np.asarray([ids], np.int64),
            "input_lengths": np.asarray([len(ids)], np.int64),
            "scales": np.asarray([0, self._length / speed, 0], np.float32),
            "sid": np.asarray([0], np.int64),
        }
        samples, shares = self._network.run(given)
        length_ms = len(samples) * 1000 / self.sample_rate
        return samples, [shares[each] * length_ms for each in at] if shares else []


def parted(together: str, alone: list[str]) -> list[str]:
    """Cut the phonemes of some words where each word begins, using the phonemes of each word alone.

    espeak-ng joins words ("of the") and says them differently next to others, so spaces do not tell.
    """
    ends = list(accumulate(len(each.replace(" ", "")) for each in alone))
    cuts = []
    same = difflib.SequenceMatcher(None, "".join(alone).replace(" ", ""), together, autojunk=False)
    for end in ends[:-1]:
        # Words without phonemes may come first.
        _, i1, i2, j1, j2 = next((each for each in same.get_opcodes() if each[1] < end <= each[2]), ("", 0, 0, 0, 0))
        cut = j2 if end == i2 else min(j2, j1 + end - i1)
        cuts.append(cut + (together[cut : cut + 1] == " "))
    return [together[start:end] for start, end in zip([0, *cuts], [*cuts, len(together)], strict=True)]
