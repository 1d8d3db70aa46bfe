"""How something was said: pitch, rate and loudness, measured on the sound."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .audio import AudioClip, check_is_clip

# Speaking voices, from a low man's to a child's.
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 450.0
_SAMPLE_RATE = 16_000
_HOP = 320
#: Pitch is looked for beyond that, so that a sound outside of it is not taken for its half or double.
_LOWEST_SOUGHT_HZ, _HIGHEST_SOUGHT_HZ = 40.0, 990.0
#: A voice repeats itself at its period: the correlation of the two, in the middle of all that is voiced, is above this.
#: Noise in a narrow band, such as whispered vowels, stays below.
_LEAST_CORRELATION = 0.65
#: A sound that is more like itself two periods later by this was taken for its own octave: a telephone leaves out the
#: fundamental, and a formant may lift the second harmonic far above the others. Measured: 0.05 then, below 0 else.
_OCTAVE_CORRELATION = 0.02
#: Longer clips are measured at their beginning; pitch takes a third of their length to find.
_MEASURED_S = 10.0


@dataclass(frozen=True)
class Prosody:
    """How a clip sounds.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> measured = rt.prosody(rt.speak("What can you do?"))
    >>> 60 < measured.pitch_hz < 400
    True
    """

    pitch_hz: float | None
    """Median of the fundamental, 65 to 450; `None` where nothing is voiced, or most of it is outside of that."""
    pitch_range_semitones: float | None
    """From the 5th to the 95th percentile of the fundamental."""
    loudness_db: float
    """Root mean square of the louder half of 32 ms frames, relative to full scale."""
    times_s: npt.NDArray[np.floating] = field(compare=False, repr=False)
    """Where in the clip `fundamental_hz` was measured, every 20 ms."""
    fundamental_hz: npt.NDArray[np.floating] = field(compare=False, repr=False)
    """The contour of the pitch; NaN where nothing is voiced."""

    @property
    def contour_semitones(self) -> npt.NDArray[np.floating]:
        """The contour above and below its own median, so that a high and a low voice lie on one line."""
        semitones: npt.NDArray[np.floating] = 12 * np.log2(self.fundamental_hz / (self.pitch_hz or 1.0))
        return semitones


def prosody(clip: AudioClip) -> Prosody:
    """Measure how a clip is spoken.

    Parameters
    ----------
    clip : AudioClip
        Speech; of longer clips the first 10 s.

    Returns
    -------
    measured : Prosody
        Pitch by probabilistic YIN (`librosa.pyin`; Mauch & Dixon 2014) from 65 to 450 Hz, loudness by
        `librosa.feature.rms`.

    Notes
    -----
    Pitch is looked for from 40 to 990 Hz, so that a sound outside of the range is not taken for its half or double.
    There is none where half of what has a pitch or more is outside; and for noise, where the correlation of the sound
    with itself one period later has a median below 0.65, or is clearly higher two periods later.

    Examples
    --------
    >>> from realtime_nb import speak
    >>> measured = prosody(speak("What time is it?"))
    >>> measured.fundamental_hz.shape == measured.times_s.shape
    True
    """
    import librosa

    check_is_clip(clip)
    samples = clip.cut(0, _MEASURED_S).resample(_SAMPLE_RATE).samples
    rms = librosa.feature.rms(y=samples, frame_length=512, hop_length=512)[0]
    loud = np.sort(rms)[len(rms) // 2 :]
    loudness_db = 20 * np.log10(max(float(np.sqrt(np.mean(loud**2))), 1e-6))
    found, _, _ = librosa.pyin(
        samples,
        sr=_SAMPLE_RATE,
        fmin=_LOWEST_SOUGHT_HZ,
        fmax=_HIGHEST_SOUGHT_HZ,
        frame_length=1024,
        hop_length=_HOP,
    )
    times_s = np.arange(len(found)) * _HOP / _SAMPLE_RATE
    pitch = np.where((found >= _LOWEST_HZ) & (found <= _HIGHEST_HZ), found, np.nan)
    voiced = pitch[np.isfinite(pitch)]
    likeness = _correlation(samples, pitch)
    is_octave = _correlation(samples, pitch, periods=2) > likeness + _OCTAVE_CORRELATION
    if 2 * len(voiced) <= np.isfinite(found).sum() or likeness < _LEAST_CORRELATION or is_octave:
        return Prosody(None, None, loudness_db, times_s, np.full(len(found), np.nan))
    low, middle, high = np.percentile(voiced, (5, 50, 95))
    return Prosody(float(middle), float(12 * np.log2(high / low)), loudness_db, times_s, pitch)


def _correlation(samples: npt.NDArray[np.floating], pitch: npt.NDArray[np.floating], periods: int = 1) -> float:
    """Return how like itself sound is so many periods later: the median over voiced frames, each at its best lag."""
    found = [0.0]
    for frame in np.flatnonzero(np.isfinite(pitch)):
        period = round(periods * _SAMPLE_RATE / pitch[frame])
        length = max(512, 3 * period)
        first = max(0, frame * _HOP - (length + period) // 2)
        passage = samples[first : first + length + period].astype(float)
        found.append(_peak(*(_alike(passage, lag) for lag in (period - 1, period, period + 1))))
    return float(np.median(found[1:] or found))


def _peak(before: float, middle: float, behind: float) -> float:
    """Return the height of a peak between samples, by the parabola through three of them."""
    bend = before - 2 * middle + behind
    vertex = middle - (before - behind) ** 2 / (8 * bend) if bend < 0 else 1.0
    return min(1.0, max(before, middle, behind, vertex if abs(before - behind) <= -2 * bend else 0.0))


def _alike(passage: npt.NDArray[np.floating], lag: int) -> float:
    before, behind = passage[: max(0, len(passage) - lag)], passage[lag:]
    energy = float(np.sqrt((before @ before) * (behind @ behind)))
    return float(before @ behind) / energy if energy else 0.0


def words_per_minute(text: str, clip: AudioClip) -> float | None:
    """Return the speaking rate, pauses included; `None` without words or sound."""
    words = len(text.split())
    return words / clip.duration_s * 60 if words and len(clip.samples) else None
