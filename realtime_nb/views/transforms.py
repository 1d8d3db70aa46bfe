"""From samples to energy over time and frequency: librosa's transforms with one set of options.

The two that every record needs are computed here as librosa does, without it: it is missing where Python runs in a
browser, and elsewhere its first use takes seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..errors import AudioError
from ..media.clip import AudioClip
from ..media.mel import mel_edges_hz, mel_filters

Kind = Literal["mel", "stft", "cqt", "vqt"]
_OCTAVE_KINDS = ("cqt", "vqt")
_MEL_BANDS, _OCTAVE_BANDS = 80, 24
#: C2, below the lowest voices; lower bands would need windows of seconds.
_LOWEST_NOTE_HZ = 65.4
#: How much of the highest octave librosa's low-pass filters keep.
_PASSED = 0.85
#: How much of a Fourier transform is computed together; it stays in a processor's cache.
_SAMPLES_AT_ONCE = 2**18


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
        if self.kind == "mel":
            return self._mel_edges_hz[1:-1]
        if self.kind == "stft":
            return self._fourier_hz[self._rows]
        count = int(self.bands * math.log2(self.highest_hz / self.lowest_hz))
        return np.asarray(self.lowest_hz * 2.0 ** (np.arange(count) / self.bands), np.float64)

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

    @property
    def _fourier_hz(self) -> npt.NDArray[np.float64]:
        return np.asarray(np.fft.rfftfreq(self.window, 1 / self.sample_rate), np.float64)

    @property
    def _mel_edges_hz(self) -> npt.NDArray[np.float64]:
        return mel_edges_hz(self.lowest_hz, self.highest_hz, self.bands)

    @cached_property
    def _filters(self) -> npt.NDArray[np.float32]:
        return mel_filters(self._mel_edges_hz, self.sample_rate, self.window)

    def _fourier_power(self, samples: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
        """[shape=(rows, frames)] Yield the energy of some frames at a time: an hour's do not fit into memory."""
        from scipy import fft

        padded = np.pad(samples, self.window // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.window)[:: self.hop]
        hann = np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window), np.float32)
        at_once = max(1, _SAMPLES_AT_ONCE // self.window)
        for first in range(0, len(frames), at_once):
            yield np.abs(fft.rfft(frames[first : first + at_once] * hann)).T ** 2

    def _transformed(self, samples: npt.NDArray[np.float32]) -> Any:
        if self.kind == "mel":
            return np.hstack([self._filters @ power for power in self._fourier_power(samples)])
        if self.kind == "stft":
            return np.hstack([power[self._rows] for power in self._fourier_power(samples)])
        import librosa

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
