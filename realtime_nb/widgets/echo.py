"""Notices when the voice interrupts itself: the answer was stopped by itself, come back through the microphone."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..audio import WIRE_SAMPLE_RATE, AudioClip
from ..bridge import Road
from ..wire.local import EchoHeard

Samples = NDArray[np.float64]

#: At which likeness of microphone and answer it is the answer. Of an answer in a room (echo 0.2 to 0.5 s long, noise 5
#: to 20 dB below it) 95 % of windows are more alike than 0.49; of another speaker none, and 95 % less than 0.35.
ECHO_LIKENESS = 0.48
#: The window that is compared, in ms; a shorter one than the least tells nothing.
_LONGEST_MS, _LEAST_MS = 1200, 500
#: How late the echo may come: the browser's output, the air, and the browser's input.
_LATEST_MS = 500
_KEPT_MS = 3000

NOTICE = (
    "The AI interrupted itself: its own voice came back through your microphone. Use headphones, let the browser "
    "cancel the echo (echoCancellation), or tick “Mute me while the AI speaks”."
)

_HOP, _WINDOW = WIRE_SAMPLE_RATE // 100, WIRE_SAMPLE_RATE // 50
#: Sixteen bands of speech, as bins of a window's spectrum.
_EDGES = np.unique(np.round(np.geomspace(200, 5000, 17) * _WINDOW / WIRE_SAMPLE_RATE).astype(int))
_LOW_HZ, _HIGH_HZ = 200, 4000


class Echo(NamedTuple):
    """How alike a microphone and an answer are, 0.0 to 1.0, and how late the one follows the other."""

    likeness: float
    delay_ms: float


def find_echo(heard: Samples, played: Samples) -> Echo:
    """Look for a stretch of the answer in the microphone.

    Parameters
    ----------
    heard : np.ndarray [shape=(n,)], floating
        The microphone, at 24 kHz.
    played : np.ndarray [shape=(m,)], floating
        The answer, which ends when `heard` does, and began up to the longest delay before it; at 24 kHz, `m` ≥ `n`.

    Notes
    -----
    The mean of two normalised cross-correlations, each at its best delay: of the waves, in which another voice is never
    alike for long, and of the bands' levels, which a room and the browser's noise suppression change least. Alone, each
    catches fewer echoes with no false alarm.
    """
    waves, late = _waves(heard, played)
    return Echo(max(0.0, (waves + _bands(heard, played)) / 2), late * 1000 / WIRE_SAMPLE_RATE)


def _waves(heard: Samples, played: Samples) -> tuple[float, int]:
    n, most = len(heard), len(played) - len(heard)
    size = 1 << (len(played) + n).bit_length()
    hz = np.fft.rfftfreq(size, 1 / WIRE_SAMPLE_RATE)
    speech = (hz > _LOW_HZ) & (hz < _HIGH_HZ)
    spectra = [np.where(speech, np.fft.rfft(y, size), 0) for y in (heard, played)]
    filtered = np.fft.irfft(spectra[1], size)[: len(played)]
    power = np.concatenate([[0.0], np.cumsum(filtered**2)])
    powers = (power[n:] - power[:-n]) * np.sum(np.fft.irfft(spectra[0], size)[:n] ** 2)
    products = np.fft.irfft(spectra[1] * np.conj(spectra[0]), size)[: most + 1]
    alike = np.abs(products) / (np.sqrt(np.maximum(powers, 0)) + 1e-12)
    best = int(np.argmax(alike))
    return float(alike[best]), most - best


def _bands(heard: Samples, played: Samples) -> float:
    one, other = _levels(heard), _levels(played)
    one = one - one.mean(axis=0)
    best = 0.0
    for start in range(len(other) - len(one) + 1):
        part = other[start : start + len(one)]
        part = part - part.mean(axis=0)
        scale = np.sqrt(np.sum(one**2) * np.sum(part**2)) + 1e-12
        best = max(best, float(np.sum(one * part) / scale))
    return best


def _levels(y: Samples) -> Samples:
    """Return the logarithms of the bands' energies, every 10 ms; what is 30 dB below a band's mean is silence."""
    frames = np.lib.stride_tricks.sliding_window_view(y, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    energies = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    bands: Samples = np.add.reduceat(energies[:, : _EDGES[-1]], _EDGES[:-1], axis=1)
    return np.log(bands + 1e-3 * bands.mean(axis=0) + 1e-12)


class EchoWatch:
    """Compares each answer that speech has stopped with what the microphone heard. Lives on the I/O thread.

    Parameters
    ----------
    session : Session
        Has the answers, and is told of echoes.
    road : Road
        The way to the page of the person who can do something about them.
    """

    def __init__(self, session: Any, road: Road) -> None:
        self._session = session
        self._road = road
        self._suspected = False
        self._heard: deque[tuple[float, bytes]] = deque()
        self._played: tuple[int, int, float] = (0, -1, 0.0)

    def hear(self, pcm: bytes, page_ms: float) -> None:
        """Take PCM16 at 24 kHz, the last sample of which the page heard at a time."""
        if page_ms:
            self._heard.append((page_ms, pcm))
            while self._heard[0][0] < page_ms - _KEPT_MS:
                self._heard.popleft()

    def on_played(self, message: dict[str, Any]) -> None:
        """Take the page's ``played`` report."""
        if message["playing"]:
            self._note(message["playing"], message["timeMs"])

    def on_flushed(self, message: dict[str, Any]) -> None:
        """Take the page's ``flushed`` report."""
        if message["positions"]:
            self._note(message["positions"][0], message["time_ms"])

    def _note(self, position: dict[str, int], page_ms: float) -> None:
        # An answer that was paused before it was dropped stopped sounding then.
        if (position["key"], position["samples"]) != self._played[:2]:
            self._played = (position["key"], position["samples"], page_ms)

    def suspect(self) -> None:
        """Look at the next answer that is stopped: the server says that somebody speaks."""
        self._suspected = True

    def judge(self, item_id: str, played_ms: float) -> None:
        """Take note of an answer that was stopped after `played_ms`, and say so if it was stopped by itself."""
        turn = self._session.conversation.turn(item_id)
        if not self._suspected or not played_ms or turn is None or turn.audio is None:
            return
        self._suspected = False
        if echo := self._look(turn.audio, played_ms):
            self._session.note(
                EchoHeard(item_id=item_id, likeness=round(echo.likeness, 3), delay_ms=round(echo.delay_ms))
            )
            self._road.send({"kind": "notice", "text": NOTICE, "fix": "half_duplex"}, urgent=True)

    def _look(self, answer: AudioClip, played_ms: float) -> Echo | None:
        length_ms = min(played_ms, _LONGEST_MS)
        heard = self._window(self._played[2], length_ms)
        if length_ms < _LEAST_MS or heard is None or not heard.any():
            return None
        clip = answer.resample(WIRE_SAMPLE_RATE) if answer.sample_rate != WIRE_SAMPLE_RATE else answer
        end = round(played_ms * WIRE_SAMPLE_RATE / 1000)
        needed = len(heard) + _LATEST_MS * WIRE_SAMPLE_RATE // 1000
        played = np.zeros(needed)
        there = clip.samples[max(0, end - needed) : end]
        if len(there) < len(heard):
            return None  # Not all that was played is known.
        played[-len(there) :] = there
        echo = find_echo(heard, played)
        return echo if echo.likeness >= ECHO_LIKENESS else None

    def _window(self, end_ms: float, length_ms: float) -> Samples | None:
        """Return what was heard in the `length_ms` before a time; `None` where some of it is missing."""
        pcm = b"".join(pcm for _, pcm in self._heard)
        if not pcm:
            return None
        late = round((self._heard[-1][0] - end_ms) * WIRE_SAMPLE_RATE / 1000)
        samples = np.frombuffer(pcm, "<i2")
        stop = len(samples) - max(0, late)
        start = stop - round(length_ms * WIRE_SAMPLE_RATE / 1000)
        return samples[start:stop] / 32768 if start >= 0 else None
