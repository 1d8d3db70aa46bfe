"""Bands of the mel scale, as pictures and networks take them: those of M. Slaney's Auditory Toolbox (1998)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

# Linear up to a bend, logarithmic above it.
_BEND_HZ, _HZ_PER_MEL, _LOG_STEP = 1000.0, 200 / 3, math.log(6.4) / 27
_BEND = _BEND_HZ / _HZ_PER_MEL


def mel_edges_hz(lowest_hz: float, highest_hz: float, bands: int) -> npt.NDArray[np.float64]:
    """Return the lower edge of the first band, the centres of all, and the upper edge of the last."""
    mels = np.linspace(_mel(lowest_hz), _mel(highest_hz), bands + 2)
    return np.where(mels < _BEND, mels * _HZ_PER_MEL, _BEND_HZ * np.exp((mels - _BEND) * _LOG_STEP))


def mel_filters(edges_hz: npt.NDArray[np.float64], sample_rate: int, window: int) -> npt.NDArray[np.float32]:
    """Return a triangle of area 1 for each band, shape ``(bands, window // 2 + 1)``, for the energies of a window."""
    widths_hz = np.diff(edges_hz)[:, None]
    slopes_hz = np.fft.rfftfreq(window, 1 / sample_rate) - edges_hz[:, None]
    sides = np.minimum(slopes_hz[:-2] / widths_hz[:-1], -slopes_hz[2:] / widths_hz[1:])
    areas = 2 / (edges_hz[2:] - edges_hz[:-2])
    return np.asarray(np.maximum(0, sides) * areas[:, None], np.float32)


def _mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _BEND_HZ else _BEND + math.log(hz / _BEND_HZ) / _LOG_STEP
