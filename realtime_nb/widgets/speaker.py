"""A loudspeaker in the page that reports how much was heard, and notices when the voice interrupts itself."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import traitlets

from ..loop import Pending
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip, Resampler, check_is_clip
from ..numeric import np
from ..protocol.local_events import EchoHeard
from .base import BaseWidget, static_text
from .road import Frame, Road

if TYPE_CHECKING:
    from numpy.typing import NDArray

# --- Notice when an answer's own echo in the microphone stopped it ----------------------------------------------------

Samples: TypeAlias = "NDArray[np.float64]"

#: From this similarity on, the microphone recorded the answer. For an answer in a room (echo 0.2 to 0.5 s long, noise
#: 5 to 20 dB below it) 95 % of windows are above 0.49; for another speaker none are, and 95 % are below 0.35.
ECHO_LIKENESS = 0.48
#: The window to compare, in ms; one shorter than the minimum proves nothing.
_LONGEST_MS, _LEAST_MS = 1200, 500
#: The longest delay of the echo: the browser's output, the air, and the browser's input.
_LATEST_MS = 500
_KEPT_MS = 3000

NOTICE = (
    "The AI interrupted itself: its own voice came back through your microphone. Use headphones, let the browser "
    "cancel the echo (echoCancellation), or tick “Mute me while the AI speaks” under Settings."
)

_HOP, _WINDOW = WIRE_SAMPLE_RATE // 100, WIRE_SAMPLE_RATE // 50
#: Sixteen bands of speech, as bins of a window's spectrum.
_EDGES = sorted({round(hz * _WINDOW / WIRE_SAMPLE_RATE) for hz in (200 * 25 ** (band / 16) for band in range(17))})
_LOW_HZ, _HIGH_HZ = 200, 4000


class Echo(NamedTuple):
    """How similar microphone and answer are, 0.0 to 1.0, and the delay between them."""

    likeness: float
    delay_ms: float


def find_echo(heard: Samples, played: Samples) -> Echo:
    """Look for a stretch of the answer in the microphone.

    `played`: the answer, which ends when `heard` does, and began up to the longest delay before it; at 24 kHz, `m` ≥
    `n`.

    The result is the mean of two normalised cross-correlations, each at its best delay: of the waves, where another
    voice is never similar for long, and of the bands' levels, which a room and the browser's noise suppression change
    least. Each alone finds fewer echoes without a false alarm.
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
    """Return the logarithms of the bands' energies, every 10 ms; 30 dB below a band's mean counts as silence."""
    frames = np.lib.stride_tricks.sliding_window_view(y, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    energies = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    bands: Samples = np.add.reduceat(energies[:, : _EDGES[-1]], _EDGES[:-1], axis=1)
    return np.log(bands + 1e-3 * bands.mean(axis=0) + 1e-12)


class EchoWatch:
    """Compares each answer that was stopped by speech with the microphone's sound. Runs on the I/O thread."""

    def __init__(self, session: Any, road: Road) -> None:
        self._session = session
        self._road = road
        self._suspected = False
        self._heard: deque[tuple[float, bytes]] = deque()
        self._played: tuple[int, int, float] = (0, -1, 0.0)

    def hear(self, pcm: bytes, page_ms: float) -> None:
        """Take PCM16 at 24 kHz, and the time at which the page captured its last sample."""
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
        # An answer that was paused and then dropped fell silent at the pause.
        if (position["key"], position["samples"]) != self._played[:2]:
            self._played = (position["key"], position["samples"], page_ms)

    def suspect(self) -> None:
        """Check the next answer that is stopped: the server has detected speech."""
        self._suspected = True

    def judge(self, item_id: str, played_ms: float) -> None:
        """Check an answer that was stopped after `played_ms`, and report if its own echo stopped it."""
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
            return None  # Part of what was played is not known.
        played[-len(there) :] = there
        echo = find_echo(heard, played)
        return echo if echo.likeness >= ECHO_LIKENESS else None

    def _window(self, end_ms: float, length_ms: float) -> Samples | None:
        """Return what was heard in the `length_ms` before a time; `None` if some of it is missing."""
        pcm = b"".join(pcm for _, pcm in self._heard)
        if not pcm:
            return None
        late = round((self._heard[-1][0] - end_ms) * WIRE_SAMPLE_RATE / 1000)
        samples = np.frombuffer(pcm, "<i2")
        stop = len(samples) - max(0, late)
        start = stop - round(length_ms * WIRE_SAMPLE_RATE / 1000)
        return samples[start:stop] / 32768 if start >= 0 else None


# --- A loudspeaker in the page: one queue, fed from Python, that reports how much was heard ---------------------------

#: Called with ``(item_id, played_ms, stopped)``.
HeardCallback = Callable[[str, float, bool], None]
#: Called with the item's id and the page's message, whose ``time_ms`` is by the page's clock.
BeganCallback = Callable[[str, dict[str, Any]], None]

#: A clip is sent in pieces, so that after a flush the rest need not be sent.
_PIECE_BYTES = 2 * WIRE_SAMPLE_RATE // 5
#: How long a question waits for the page to report how much was played of the answer that it cuts off.
_ACCOUNT_WAIT_S = 0.5


@dataclass(slots=True)
class _Item:
    item_id: str
    key: int
    resampler: Resampler
    live: bool = False
    ended: bool = False
    position: int = 0
    """How many samples the page has played, by its last report."""

    def played_ms(self, samples: int) -> float:
        return samples * 1000 / self.resampler.rate_out


class Playback:
    """The kernel's side of one page's playback queue.

    On the road an item has a number, its key. Keys only grow, so the page can tell which items are older than an
    interruption.

    `on_heard`: called on the I/O thread with ``(item_id, played_ms, stopped)``: about ten times a second while an item
    plays, once when it is over, and with ``stopped=True`` when it was cut off.
    `on_began`: called on the I/O thread with ``(item_id, message)`` when the page has rendered an item's first
    sample, and again for its first audible one.
    """

    def __init__(self, road: Road, on_heard: HeardCallback, on_began: BeganCallback | None = None):
        self._road = road
        self._on_heard = on_heard
        self._on_began = on_began
        self._names: dict[int, str] = {}
        self._had: set[str] = set()
        self._items: dict[str, _Item] = {}
        self._keys = itertools.count(1)
        self._seq = itertools.count()
        self._lock = threading.Lock()
        self._cut: set[str] = set()
        self._accounted = asyncio.Event()
        self._accounted.set()
        self.sample_rate = WIRE_SAMPLE_RATE
        self.playing = ""
        """The item that the page plays now; empty in silence."""
        self.underruns = 0
        self.holds = 0
        """How often a sound of the person paused the answer in the page."""
        self.audible_samples = 0

    def feed(self, item_id: str, pcm: bytes, sample_rate: int = WIRE_SAMPLE_RATE, *, live: bool = False) -> None:
        """Queue more of an item: PCM16 mono at `sample_rate` Hz. Any thread; see `Speaker.feed`.

        Audio for an item that was cut off is not played.
        """
        with self._lock:
            if item_id in self._cut:
                return
            item = self._items.get(item_id) or self._add(item_id, sample_rate, live)
            if item.resampler.rate_in != sample_rate:
                item.resampler = Resampler(sample_rate, item.resampler.rate_out)
            self._send(item, item.resampler.process(pcm), last=False)

    def end(self, item_id: str) -> None:
        """Say that an item is complete. Any thread."""
        with self._lock:
            item = self._items.get(item_id)
            if item is not None and not item.ended:
                item.ended = True
                self._send(item, item.resampler.process(b"", last=True), last=True)

    def flush(self) -> None:
        """Silence the page at once; `on_heard` follows for each item that was cut off. Any thread."""
        with self._lock:
            self._cut.update(self._items)
            if self._items:
                self._accounted.clear()
        self._road.send({"kind": "flush"}, urgent=True)

    async def accounted(self) -> None:
        """Wait, half a second at most, until the page has reported how far it played the flushed items. I/O thread."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._accounted.wait(), _ACCOUNT_WAIT_S)

    def refuse(self, item_id: str) -> None:
        """Ignore all audio of an item."""
        with self._lock:
            self._cut.add(item_id)
            self._had.add(item_id)

    def has_had(self, item_id: str) -> bool:
        """Return whether any audio of an item was sent to a page, or refused."""
        return item_id in self._had

    @property
    def busy(self) -> bool:
        """True if the page has something to play, or will soon."""
        return bool(self._items)

    def forget(self) -> list[tuple[str, float]]:
        """Forget the items of a page that is gone; returns how many ms it is known to have played of each."""
        with self._lock:
            lost = [(item.item_id, item.played_ms(item.position)) for item in self._items.values()]
            self._items.clear()
            self.playing = ""
            self._accounted.set()
        return lost

    def _add(self, item_id: str, sample_rate: int, live: bool) -> _Item:
        item = _Item(item_id, next(self._keys), Resampler(sample_rate, self.sample_rate), live)
        self._items[item_id] = item
        self._names[item.key] = item_id
        self._had.add(item_id)
        return item

    def _send(self, item: _Item, pcm: bytes, *, last: bool) -> None:
        if pcm or last:
            frame = Frame(pcm, item.resampler.rate_out, item.key, next(self._seq), last=last, live=item.live)
            self._road.send(frame)

    def _item(self, key: int) -> _Item | None:
        return next((item for item in self._items.values() if item.key == key), None)

    def on_played(self, message: dict[str, Any]) -> None:
        """Take the page's ``played`` report: its position, finished items, and counters."""
        self.underruns, self.audible_samples = message["underruns"], message["audible"]
        self.holds = message.get("holds", 0)
        playing = message["playing"]
        with self._lock:
            finished = [(self._item(p["key"]), p["samples"]) for p in message["finished"]]
            current = self._item(playing["key"]) if playing else None
            self.playing = ""
            if current:
                self.playing, current.position = current.item_id, playing["samples"]
            for item, _ in finished:
                if item:
                    self._items.pop(item.item_id, None)
        for item, samples in finished:
            if item:
                self._on_heard(item.item_id, item.played_ms(samples), False)
        if current:
            self._on_heard(current.item_id, current.played_ms(playing["samples"]), False)

    def on_began(self, message: dict[str, Any]) -> None:
        """Take the page's ``began`` report. It may come after the item's end."""
        item_id = self._names.get(message["key"])
        if item_id and self._on_began:
            self._on_began(item_id, message)

    def on_flushed(self, message: dict[str, Any]) -> None:
        """Take the page's ``flushed`` report: how far it played each dropped item."""
        with self._lock:
            self.playing = ""
            flushed = [(self._item(p["key"]), p["samples"]) for p in message["positions"]]
            for item, _ in flushed:
                if item:
                    self._cut.add(item.item_id)
                    self._items.pop(item.item_id, None)
        for item, samples in flushed:
            if item:
                self._on_heard(item.item_id, item.played_ms(samples), True)
        self._accounted.set()

    def on_audio(self, message: dict[str, Any]) -> None:
        """Take the page's ``audio`` control: the sample rate of its context."""
        self.sample_rate = int(message["sample_rate"])


class Speaker(BaseWidget):
    """A loudspeaker in the page.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> speaker = rt.Speaker()
    >>> speaker                             # as a cell's last line it shows itself
    Speaker: run the cell to use it

    In a later cell, when the page is there: ``played_ms = await speaker.play(rt.speak("Hello!"))``.
    """

    _esm = static_text("speaker.js")
    _parts_needed = ("road.js", "carrier.worker.js", "audio.js", "player.worklet.js")

    playing = traitlets.Bool(False, read_only=True)
    """True if something sounds or waits to sound. Read only."""
    blocked = traitlets.Bool(False, read_only=True)
    """True if the browser waits for a click before the page may play sound. Read only."""
    underruns = traitlets.Int(0, read_only=True)
    """How often the queue ran empty inside an item. Read only."""

    def __init__(self, **kwargs: Any):
        self._listeners: list[HeardCallback] = []
        self._waiting: dict[str, Pending] = {}
        self._clips = itertools.count(1)
        super().__init__(**kwargs)
        self.playback = Playback(self._road, self._heard)
        self._handlers |= {
            "played": self._on_played,
            "flushed": self._on_flushed,
            "audio": self._on_audio,
        }

    def play(self, clip: AudioClip) -> Pending:
        """Play a clip after everything in the queue.

        Returns
        -------
        played_ms : Pending[float]
            How much of it was played, once it is over, or `stop` or the end of the page has cut it off.
        """
        check_is_clip(clip)
        item_id = f"clip-{next(self._clips)}"
        pcm = clip.to_pcm16()
        self._waiting[item_id] = done = Pending()
        self.set_trait("playing", True)
        piece = _PIECE_BYTES * clip.sample_rate // WIRE_SAMPLE_RATE // 2 * 2
        for start in range(0, len(pcm), piece):
            self.playback.feed(item_id, pcm[start : start + piece], clip.sample_rate)
        self.playback.end(item_id)
        return done

    def feed(self, item_id: str, pcm: bytes, sample_rate: int = WIRE_SAMPLE_RATE, *, live: bool = False) -> None:
        """Queue more audio of an item; the page holds it until its turn. Returns at once.

        Parameters
        ----------
        item_id : str
            Name of the item; items play one after the other.
        pcm : bytes
            Mono PCM16.
        sample_rate : int, default 24000
            Sample rate of `pcm`, in Hz.
        live : bool, default False
            Whether the item is made while it plays, like an echo or a call. After a gap it then catches up: audio that
            has waited in the page for 3 s is skipped and counts as played. Otherwise every sample is heard, however
            late.
        """
        self.playback.feed(item_id, pcm, sample_rate, live=live)

    def end(self, item_id: str) -> None:
        """Say that an item is complete."""
        self.playback.end(item_id)

    def stop(self) -> None:
        """Silence the page at once, with a 3 ms fade, and empty the queue."""
        self.playback.flush()

    def on_heard(self, callback: HeardCallback) -> Callable[[], None]:
        """Call `callback(item_id, played_ms, stopped)` as items are played; see `Playback`.

        Returns
        -------
        stop : callable
            Stops the calls.
        """
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def _heard(self, item_id: str, played_ms: float, stopped: bool) -> None:
        over = item_id not in self.playback._items
        if over and (done := self._waiting.pop(item_id, None)):
            done.set_result(played_ms)
        for callback in list(self._listeners):
            callback(item_id, played_ms, stopped)

    def _on_gone(self, message: dict[str, Any]) -> None:
        super()._on_gone(message)
        for item_id, played_ms in self.playback.forget():
            self._heard(item_id, played_ms, True)
        self.set_trait("playing", bool(self._waiting))

    def _on_played(self, message: dict[str, Any]) -> None:
        self.playback.on_played(message)
        self.set_trait("playing", bool(self.playback.playing or self._waiting))
        self.set_trait("underruns", self.playback.underruns)

    def _on_flushed(self, message: dict[str, Any]) -> None:
        self.playback.on_flushed(message)
        self.set_trait("playing", bool(self._waiting))

    def _on_audio(self, message: dict[str, Any]) -> None:
        self.playback.on_audio(message)
        self.set_trait("blocked", bool(message["blocked"]))
