"""A microphone button that streams sound to Python, with ipywebrtc streams as possible sources."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import traitlets
from ipywidgets import Widget, widget_serialization

from ..errors import AudioError
from ..loop import Pending, io_loop, submit
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip, Resampler
from ..numeric import np
from .base import BaseWidget, static_text
from .road import Frame

# --- ipywebrtc's media streams as sources of sound and pictures: the only place that imports it -----------------------


def checked_stream(stream: Any) -> Widget | None:
    """Return an ipywebrtc stream widget, or `None` for the browser's own microphone or camera.

    `stream`: `CameraStream`, `AudioStream`, `VideoStream` or another one. You need not display it, and should not
    display a microphone: ipywebrtc plays aloud what it displays.

    Raises `TypeError` if it is something else.
    """
    if stream is None:
        return None
    from ipywebrtc import MediaStream

    if not isinstance(stream, MediaStream):
        raise TypeError(
            f"stream={stream!r} is not an ipywebrtc media stream: pass a CameraStream, AudioStream or VideoStream, "
            "or leave it out to use the browser's own microphone or camera"
        )
    return stream


# --- A microphone button that streams sound to Python -----------------------------------------------------------------

#: If no one stops the microphone, `Microphone.clip` holds the last ten minutes.
_MAX_CLIP_BYTES = 2 * WIRE_SAMPLE_RATE * 600
#: With echo cancellation: without it, the voice would hear itself and answer itself.
DEFAULT_CONSTRAINTS = {"channelCount": 1, "echoCancellation": True, "noiseSuppression": True, "autoGainControl": True}


class Capture:
    """Frames of one page's microphone as PCM16 at 24 kHz.

    Browsers that refuse a 24 kHz context send their own rate; this resamples it, keeping state between frames.
    """

    def __init__(self) -> None:
        self._resampler = Resampler(WIRE_SAMPLE_RATE, WIRE_SAMPLE_RATE)

    def take(self, frame: Frame) -> bytes:
        """Return the frame's sound at 24 kHz."""
        if frame.sample_rate != self._resampler.rate_in:
            self._resampler = Resampler(frame.sample_rate, WIRE_SAMPLE_RATE)
        return self._resampler.process(frame.pcm)


def level(pcm: bytes) -> float:
    """Return the root mean square of PCM16 samples; full scale is 1.0."""
    y = np.frombuffer(pcm, "<i2").astype(np.float32)
    return math.sqrt(float(np.mean(y * y))) / 32768.0 if len(y) else 0.0


class StreamTraits(traitlets.HasTraits):
    """A widget's source of sound."""

    stream = traitlets.Instance(Widget, allow_none=True).tag(sync=True, **widget_serialization)
    """An ipywebrtc stream widget, or `None` for the browser's own microphone. Default: `None`."""
    constraints = traitlets.Dict(DEFAULT_CONSTRAINTS).tag(sync=True)
    """Audio constraints of `getUserMedia`. Default: mono, with echo cancellation, noise suppression and gain control.
    A `stream` brings its own."""

    @traitlets.validate("stream")
    def _check_stream(self, proposal: Any) -> Widget | None:
        return checked_stream(proposal["value"])


class Microphone(StreamTraits, BaseWidget):
    """A microphone button that streams sound to Python.

    Parameters
    ----------
    stream : ipywebrtc.MediaStream, optional
        The source of the sound; by default the browser's microphone.
    constraints : dict, optional
        Audio constraints for the browser's microphone.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> microphone = rt.Microphone()
    >>> microphone                          # as a cell's last line it shows the button
    Microphone: run the cell to use it

    In a later cell, when the page is there: ``clip = await microphone.record(seconds=3)``.
    """

    _esm = static_text("microphone.js")
    _parts_needed = ("road.js", "carrier.worker.js", "audio.js", "capture.worklet.js")
    _shared = ("recording", "muted")

    recording = traitlets.Bool(False)
    """True if the microphone is open. Either side may set it. Default: `False`."""
    muted = traitlets.Bool(False)
    """True if the microphone records silence. Either side may set it. Default: `False`."""
    level = traitlets.Float(0.0)
    """Loudness of the last 20 ms: root mean square, full scale 1.0."""

    def __init__(self, stream: Widget | None = None, **kwargs: Any):
        self._capture = Capture()
        self._listeners: list[Callable[[bytes], None]] = []
        self._recorded = bytearray()
        self._news = asyncio.Event()
        super().__init__(stream=checked_stream(stream), **kwargs)
        self._handlers["stopped"] = self._on_stopped

    def on_audio(self, callback: Callable[[bytes], None]) -> Callable[[], None]:
        """Call `callback(pcm)` with each piece of sound: mono PCM16 at 24 kHz, about 20 ms (100 ms on the comm).

        Parameters
        ----------
        callback : callable
            Runs on the I/O thread, so it must not block; the widget shows its errors.

        Returns
        -------
        stop : callable
            Stops the calls.
        """
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def start(self) -> None:
        """Open the microphone, and start a new `clip`. Returns at once."""
        self._recorded = bytearray()
        self.recording = True

    def stop(self) -> None:
        """Close the microphone. Returns at once; the last frames may still be on their way."""
        self.recording = False

    @property
    def clip(self) -> AudioClip:
        """The sound since `start`."""
        return AudioClip.from_pcm16(bytes(self._recorded), WIRE_SAMPLE_RATE)

    def record(self, seconds: float) -> Pending:
        """Record for a while.

        Parameters
        ----------
        seconds : float
            Length of the clip, counted in samples.

        Returns
        -------
        clip : Pending[AudioClip]
            Await it, or call ``.result()``. Fails with `AudioError` if the browser gives no microphone.
        """
        if not seconds > 0:
            raise AudioError(f"seconds={seconds} must be positive")
        return submit(self._record(seconds))

    async def _record(self, seconds: float) -> AudioClip:
        wanted_bytes = 2 * round(seconds * WIRE_SAMPLE_RATE)
        self.error = ""
        if self.recording:
            self._recorded = bytearray()
        else:
            self.start()
        try:
            while len(self._recorded) < wanted_bytes and self.recording:
                self._news.clear()
                await self._news.wait()
        finally:
            self.stop()
        if len(self._recorded) < wanted_bytes and self.error:
            raise AudioError(self.error)
        return AudioClip.from_pcm16(bytes(self._recorded[:wanted_bytes]), WIRE_SAMPLE_RATE)

    def _on_frame(self, frame: Frame) -> None:
        pcm = self._capture.take(frame)
        if not pcm:
            return
        self._recorded += pcm
        del self._recorded[:-_MAX_CLIP_BYTES]
        self.level = level(pcm)
        self._news.set()
        for callback in list(self._listeners):
            callback(pcm)

    def _on_shared(self, message: dict[str, Any]) -> None:
        if message["name"] == "recording" and message["value"]:
            self._recorded = bytearray()
        super()._on_shared(message)

    def _on_stopped(self, message: dict[str, Any]) -> None:
        self.level = 0.0

    @traitlets.observe("recording", "error")
    def _wake(self, change: Any) -> None:
        io_loop().call_soon_threadsafe(self._news.set)


def record(seconds: float = 5.0) -> AudioClip:
    """Record a clip in Colab, where a widget may get no microphone. Returns when it is there.

    Colab lets a running cell ask its page, and shows you the browser's question for the microphone.

    Parameters
    ----------
    seconds : float, default 5.0
        Length of the clip.

    Returns
    -------
    clip : AudioClip
        At 24 kHz. On its way from the browser it is compressed, with Opus as a rule.

    Raises
    ------
    AudioError
        If the browser gives no microphone, or this is not Colab.

    Examples
    --------
    In Colab ``session.ask(rt.record(5)).result()`` asks with your voice. Elsewhere:

    >>> import realtime_nb as rt
    >>> try:
    ...     rt.record(5)
    ... except rt.AudioError as error:
    ...     print(error)
    record() needs Colab: elsewhere, show rt.Microphone() in a cell, and await its record(…) in a later one
    """
    if not seconds > 0:
        raise AudioError(f"seconds={seconds} must be positive")
    # It is there in Colab's kernels from the start.
    output = sys.modules.get("google.colab.output")
    if output is None:
        where = "elsewhere, show rt.Microphone() in a cell, and await its record(…) in a later one"
        raise AudioError(f"record() needs Colab: {where}")
    module = f"URL.createObjectURL(new Blob([{json.dumps(static_text('audio.js'))}], {{ type: 'text/javascript' }}))"
    call = f"audio.recordClip({json.dumps(seconds)}, {json.dumps(DEFAULT_CONSTRAINTS)})"
    try:
        answer = output.eval_js(f"import({module}).then((audio) => {call})") or {}
    except Exception as error:
        raise AudioError(f"Colab's page could not record: {error}") from error
    if "pcm" not in answer:
        raise AudioError(answer.get("error") or "Colab's page sent no sound: run the cell again")
    return AudioClip.from_pcm16(base64.b64decode(answer["pcm"]), WIRE_SAMPLE_RATE)
