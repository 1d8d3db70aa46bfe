"""From samples to energy over time and frequency: librosa's transforms with one set of options."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..errors import AudioError
from ..media.clip import AudioClip

Kind = Literal["mel", "stft", "cqt", "vqt"]
_OCTAVE_KINDS = ("cqt", "vqt")
_MEL_BANDS, _OCTAVE_BANDS = 80, 24
#: C2, below the lowest voices; lower bands would need windows of seconds.
_LOWEST_NOTE_HZ = 65.4
#: How much of the highest octave librosa's low-pass filters keep.
_PASSED = 0.85


class Transform:
    """One of librosa's transforms at a sample rate; arguments as for `realtime_nb.spectrogram`, checked here."""

    def __init__(
        self,
        kind: Kind,
        sample_rate: int,
        *,
        hop_ms: float,
        bands: int | None = None,
        window_ms: float | None = None,
        lowest_hz: float | None = None,
        highest_hz: float | None = None,
    ):
        if kind not in get_args(Kind):
            raise AudioError(f"kind={kind!r} is not one of {', '.join(get_args(Kind))}")
        for name, value in (("bands", bands), ("hop_ms", hop_ms), ("window_ms", window_ms)):
            if value is not None and not 0 < value < math.inf:
                raise AudioError(f"{name}={value} must be positive")
        if bands is not None and kind == "stft":
            raise AudioError(f"bands={bands} does not go with kind='stft', whose bands follow from window_ms")
        if window_ms is not None and kind in _OCTAVE_KINDS:
            raise AudioError(f"window_ms={window_ms} does not go with kind={kind!r}, which has a window for each band")
        self.kind, self.sample_rate = kind, sample_rate
        self.hop = max(1, round(sample_rate * hop_ms / 1000))
        self.window = max(4 * self.hop if window_ms is None else round(sample_rate * window_ms / 1000), 64)
        top_hz = sample_rate / 2 * (_PASSED if kind in _OCTAVE_KINDS else 1.0)
        self.highest_hz = top_hz if highest_hz is None else min(float(highest_hz), top_hz)
        self.lowest_hz = float(lowest_hz or (_LOWEST_NOTE_HZ if kind in _OCTAVE_KINDS else 0.0))
        if not 0 <= self.lowest_hz < self.highest_hz:
            raise AudioError(
                f"lowest_hz={self.lowest_hz:g} must be below highest_hz={self.highest_hz:g}, which the sample rate of "
                f"{sample_rate} Hz limits to {top_hz:g}"
            )
        default = _OCTAVE_BANDS if kind in _OCTAVE_KINDS else min(_MEL_BANDS, self.window // 4)
        self.bands = default if bands is None else int(bands)
        if not len(self.frequencies_hz):
            raise AudioError(f"there is no band from lowest_hz={self.lowest_hz:g} to highest_hz={self.highest_hz:g}")

    @cached_property
    def frequencies_hz(self) -> npt.NDArray[np.float64]:
        """[shape=(frequencies,)] Centre of each band."""
        import librosa

        found: Any
        if self.kind == "mel":
            # The first and the last are the edges of bands, not centres.
            found = librosa.mel_frequencies(n_mels=self.bands + 2, fmin=self.lowest_hz, fmax=self.highest_hz)[1:-1]
        elif self.kind == "stft":
            found = librosa.fft_frequencies(sr=self.sample_rate, n_fft=self.window)[self._rows]
        else:
            count = int(self.bands * math.log2(self.highest_hz / self.lowest_hz))
            found = librosa.cqt_frequencies(count, fmin=self.lowest_hz, bins_per_octave=self.bands)
        return np.asarray(found, np.float64)

    def power(self, clip: AudioClip, silence: int) -> npt.NDArray[np.float32]:
        """Return the energy of a clip after `silence` samples of silence.

        Frames are centred at multiples of `hop` samples, counted from the start of the silence.
        """
        samples = clip.resample(self.sample_rate).samples
        frames = 1 + (silence + len(samples)) // self.hop
        # librosa warns about sounds that are shorter than a window.
        behind = max(0, self._longest_window - silence - len(samples))
        found = self._transformed(np.pad(samples, (silence, behind)))
        return np.asarray(found[:, :frames], np.float32)

    @property
    def _rows(self) -> slice:
        """The rows of a Fourier transform within the limits."""
        width_hz = self.sample_rate / self.window
        return slice(math.ceil(self.lowest_hz / width_hz), int(self.highest_hz / width_hz) + 1)

    @cached_property
    def _longest_window(self) -> int:
        if self.kind not in _OCTAVE_KINDS:
            return self.window
        longest = self.sample_rate / (self.lowest_hz * (2 ** (1 / self.bands) - 1))
        return int(2 ** math.ceil(1 + math.log2(longest)))

    def _transformed(self, samples: npt.NDArray[np.float32]) -> Any:
        import librosa

        if self.kind == "mel":
            return librosa.feature.melspectrogram(
                y=samples,
                sr=self.sample_rate,
                n_fft=self.window,
                hop_length=self.hop,
                n_mels=self.bands,
                fmin=self.lowest_hz,
                fmax=self.highest_hz,
            )
        if self.kind == "stft":
            return np.abs(librosa.stft(samples, n_fft=self.window, hop_length=self.hop)[self._rows]) ** 2
        transformed = librosa.cqt if self.kind == "cqt" else librosa.vqt
        return (
            np.abs(
                transformed(
                    samples,
                    sr=self.sample_rate,
                    hop_length=self.hop,
                    fmin=self.lowest_hz,
                    n_bins=len(self.frequencies_hz),
                    bins_per_octave=self.bands,
                )
            )
            ** 2
        )
