"""Spectrograms: the only room with librosa and matplotlib, which load when the first picture is drawn."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..audio import AudioClip
from ..errors import AudioError
from ..record import Record
from ..turns import Reply
from .html import picture
from .plots import BLUE, compact, quiet

if TYPE_CHECKING:
    pass

#: Quieter than the loudest point by more than this is drawn as silence.
_RANGE_DB = 80.0
# matplotlib's state and librosa's first call are not made for several threads.
_drawing = threading.Lock()


@dataclass(frozen=True, eq=False, repr=False)
class Spectrogram(Record):
    """The energy of a clip over time and frequency.

    Parameters
    ----------
    power_db : np.ndarray [shape=(frequencies, times)]
        In dB below the loudest point, at least -80.
    times_s : np.ndarray [shape=(times,)]
        Centre of each frame.
    frequencies_hz : np.ndarray [shape=(frequencies,)]
        Centre of each band.
    clip : AudioClip
        What was analysed.
    """

    power_db: npt.NDArray[np.float32]
    times_s: npt.NDArray[np.float64]
    frequencies_hz: npt.NDArray[np.float64]
    clip: AudioClip

    @cached_property
    def png(self) -> bytes:
        """The picture: waveform above, spectrogram below, on a transparent ground."""
        with _drawing:
            return _draw(self)

    def __repr__(self) -> str:
        return f"Spectrogram({len(self.frequencies_hz)} bands, {self.clip.duration_s:.2f} s)"


def spectrogram(source: AudioClip | Reply, *, bands: int = 80, hop_ms: float = 10.0) -> Spectrogram:
    """Analyse a clip, or a reply's audio, on the mel scale.

    Parameters
    ----------
    source : AudioClip or Reply
        What to analyse.
    bands : int, default 80
        Number of mel bands, from 0 Hz to half the sample rate.
    hop_ms : float, default 10.0
        Distance of frames; the window is four times as long.

    Returns
    -------
    spectrogram : Spectrogram
        Arrays, and a picture.

    Raises
    ------
    AudioError
        If there is no audio, or an option is not positive.

    Notes
    -----
    `librosa.feature.melspectrogram` with power 2 and the Slaney scale, in dB relative to the maximum.
    """
    clip = source.audio if isinstance(source, Reply) else source
    if clip is None or not len(clip.samples):
        raise AudioError("there is no audio to draw")
    for name, value in (("bands", bands), ("hop_ms", hop_ms)):
        if not value > 0:
            raise AudioError(f"{name}={value} must be positive")
    import librosa

    hop = max(1, round(clip.sample_rate * hop_ms / 1000))
    window = max(4 * hop, 64)
    # librosa warns of clips that are shorter than a window.
    samples = np.pad(clip.samples, (0, max(0, window - len(clip.samples))))
    with _drawing:
        power = librosa.feature.melspectrogram(
            y=samples, sr=clip.sample_rate, n_fft=window, hop_length=hop, n_mels=min(bands, window // 4)
        )
        power = power[:, : 1 + len(clip.samples) // hop]
        power_db = librosa.power_to_db(power, ref=np.max, top_db=_RANGE_DB) if power.any() else power - _RANGE_DB
        return Spectrogram(
            power_db=power_db.astype(np.float32),
            times_s=librosa.times_like(power, sr=clip.sample_rate, hop_length=hop),
            # The first and the last are edges of bands, not centres.
            frequencies_hz=librosa.mel_frequencies(n_mels=len(power) + 2, fmax=clip.sample_rate / 2)[1:-1],
            clip=clip,
        )


def spectrogram_bundle(record: Spectrogram) -> dict[str, Any]:
    """Return a spectrogram's looks."""
    return {
        "text/plain": repr(record),
        "text/html": picture(record.png, repr(record)),
        "image/png": base64.b64encode(record.png).decode(),
    }


def _draw(record: Spectrogram) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    # A figure of its own: pyplot's state belongs to the person's cells.
    figure = Figure(figsize=(8, 2.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    wave, mel = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    for axes in (wave, mel):
        axes.patch.set_alpha(0)
    low, high = _envelope(record.clip, 800)
    seconds = np.linspace(0, record.clip.duration_s, len(low))
    wave.fill_between(seconds, low, high, color=BLUE, linewidth=0.4)
    wave.set(yticks=[], ylim=(-1, 1), xlim=(0, record.clip.duration_s))
    image = mel.pcolormesh(
        record.times_s, np.arange(len(record.frequencies_hz)), record.power_db, cmap="magma", shading="nearest"
    )
    shown = [hz for hz in (250, 500, 1000, 2000, 4000, 8000) if hz < record.frequencies_hz[-1]]
    heights = np.interp(shown, record.frequencies_hz, np.arange(len(record.frequencies_hz)))
    mel.set_yticks(heights, labels=map(str, shown))
    mel.set(xlabel="time in s", ylabel="frequency in Hz")
    bar = figure.colorbar(image, ax=[wave, mel], format=FuncFormatter(lambda db, _: f"{db:.0f} dB"), pad=0.01)
    for axes in (wave, mel, bar.ax):
        quiet(axes)
    return compact(figure)


def _envelope(clip: AudioClip, points: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the least and the greatest sample of each of about `points` stretches."""
    stretches = np.array_split(clip.samples, min(points, len(clip.samples)))
    return np.array([s.min() for s in stretches]), np.array([s.max() for s in stretches])
