"""Facts that only a page knows: its audio, its permissions, and whether its person hears it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from ..loop import call_soon, io_loop
from ..media.clip import WIRE_SAMPLE_RATE
from ..views import mimebundle
from ..widgets.base import BaseWidget, Outputs, Uplink, static_text
from ..widgets.microphone import Capture
from ..widgets.road import Frame
from ..widgets.speaker import Playback
from .probes import BrowserPage, Comm, Played, ProbedMicrophone

_ENDED = "Run this cell again to check again."
_TONE_HZ, _TONE_S, _TONE_LEVEL = 660.0, 0.6, 0.25
#: How long the page may take to play it, with a device that is slow to wake.
_TONE_WITHIN_S = 6.0
_TENTH = WIRE_SAMPLE_RATE // 10
_FULL_SCALE = 32700
#: How many messages are sent while the main thread is kept busy, and for how long.
_PROBES, _PROBE_EVERY_MS, _BUSY_S = 8, 40, 0.6
_SETTLES_S = 0.6
_WARM_UPS = 3


def tone() -> bytes:
    """Return a short tone as PCM16, with soft ends."""
    t = np.arange(int(_TONE_S * WIRE_SAMPLE_RATE)) / WIRE_SAMPLE_RATE
    ends = np.clip(np.minimum(t, _TONE_S - t) / 0.02, 0, 1)
    return (32767 * _TONE_LEVEL * ends * np.sin(2 * np.pi * _TONE_HZ * t)).astype("<i2").tobytes()


class CommProbe:
    """True if widget messages are handled while the kernel's main thread is busy."""

    def __init__(
        self,
        run_on_main: Callable[[Callable[[], None]], None],
        ask_page: Callable[[int], None],
        tell: Callable[[Comm], None],
    ):
        self._run_on_main = run_on_main
        self._ask_page = ask_page
        self._tell = tell
        self._began_s = self._ended_s = 0.0
        self._handled: list[tuple[float, str]] = []
        self._rounds = 0

    def receive_comm(self, content: dict[str, Any], buffers: list[Any]) -> None:
        """Note a message. Any thread."""
        self._handled.append((time.monotonic(), threading.current_thread().name))
        self._rounds += 1
        # The first says that the page is there. A few answers teach ipykernel 7.4 to which shell they go, which the
        # page itself does not know at first.
        if self._rounds < _WARM_UPS:
            call_soon(io_loop().call_later, _SETTLES_S, self._ask_page, 1)
        elif self._rounds == _WARM_UPS:
            call_soon(io_loop().call_later, _SETTLES_S, self._run_on_main, self._be_busy)

    def _be_busy(self) -> None:
        self._handled = []
        self._began_s = time.monotonic()
        self._ask_page(_PROBES)
        time.sleep(_BUSY_S)
        self._ended_s = time.monotonic()
        call_soon(io_loop().call_later, _SETTLES_S, self._conclude)

    def _conclude(self) -> None:
        during = [name for at_s, name in self._handled if self._began_s <= at_s <= self._ended_s]
        self._tell(Comm(_PROBES, len(during), during[-1] if during else ""))


class CheckPanel(BaseWidget):
    """Buttons for the checks that need a click, and the lines below them."""

    _esm = static_text("doctor.js")
    _parts_needed = ("road.js", "carrier.worker.js", "audio.js", "capture.worklet.js", "player.worklet.js")

    stream = traitlets.Any(None).tag(sync=True)
    constraints = traitlets.Dict({"channelCount": 1}).tag(sync=True)
    _probe = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)

    def __init__(
        self,
        checkup: Callable[[], Any],
        tell: Callable[[str, Any], None],
        run_on_main: Callable[[Callable[[], None]], None] | None = None,
    ):
        super().__init__()
        self._tell = tell
        self._checkup = checkup
        self._capture = Capture()
        self._pcm = bytearray()
        self._device, self._sample_rate = "", 0
        self._played: Played | None = None
        self._audible_before = 0
        self._tones = 0
        self._playback = Playback(self._road, self._on_rendered)
        self._outputs = Lines(checkup, on_error=self._show_error)
        self._handlers |= {
            "page": self._on_page,
            "stopped": self._on_stopped,
            "no_microphone": self._on_no_microphone,
            "tone": self._on_tone,
            "no_speaker": self._on_no_speaker,
            "heard": self._on_heard,
            "finish": self._on_finish,
            "played": self._playback.on_played,
            "audio": self._playback.on_audio,
        }
        if run_on_main is not None:
            self._probe = Uplink(CommProbe(run_on_main, self._ask_for_messages, partial(tell, "comm")))  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return "CheckPanel: run the cell to check microphone and speaker"

    def update(self) -> None:
        """Show the lines as they are now."""
        self._outputs.update()
        self._say_state()

    def finish(self) -> None:
        """Remove the buttons, and keep the lines."""
        self._outputs.end()
        self.close()

    def _ipython_display_(self, **kwargs: Any) -> None:
        shown = super()._repr_mimebundle_()
        if shown is None:
            print(_ENDED)
            return
        self._outputs.show(*shown)

    def _ask_for_messages(self, count: int) -> None:
        self._road.send({"kind": "probe", "count": count, "every_ms": _PROBE_EVERY_MS}, urgent=True)

    def _say_state(self) -> None:
        self._road.send({"kind": "state", "text": self._checkup().verdict}, urgent=True)

    def _on_hello(self, message: dict[str, Any]) -> None:
        super()._on_hello(message)
        self._say_state()

    def _on_page(self, message: dict[str, Any]) -> None:
        known = {name: message[name] for name in BrowserPage.__slots__ if name in message}
        self._device = str(message.get("device", ""))
        self._tell("page", BrowserPage(**known | {"road": self._road.kind}))

    def _on_frame(self, frame: Frame) -> None:
        self._pcm += self._capture.take(frame)
        self._sample_rate = frame.sample_rate

    def _on_stopped(self, message: dict[str, Any]) -> None:
        """Judge the sound; the page sends this after the last frame."""
        y = np.frombuffer(bytes(self._pcm), "<i2").astype(np.float32)
        self._pcm.clear()
        tenths = y[: len(y) // _TENTH * _TENTH].reshape(-1, _TENTH) / 32768
        self._tell(
            "heard",
            ProbedMicrophone(
                device=self._device,
                duration_s=len(y) / WIRE_SAMPLE_RATE,
                level=float(np.sqrt((tenths**2).mean(axis=1)).max()) if len(tenths) else 0.0,
                clipped=float((np.abs(y) >= _FULL_SCALE).mean()) if len(y) else 0.0,
                sample_rate=self._sample_rate,
            ),
        )

    def _on_no_microphone(self, message: dict[str, Any]) -> None:
        self._tell("heard", ProbedMicrophone(error=str(message["text"])))

    def _on_tone(self, message: dict[str, Any]) -> None:
        """Play the tone: the person has clicked, so the browser allows it."""
        self._tones += 1
        item_id, pcm = f"tone-{self._tones}", tone()
        self._audible_before = self._playback.audible_samples
        self._played = Played(sent=len(pcm) // 2)
        self._playback.feed(item_id, pcm)
        self._playback.end(item_id)
        io_loop().call_later(_TONE_WITHIN_S, self._give_up, self._tones)

    def _on_rendered(self, item_id: str, played_ms: float, stopped: bool) -> None:
        if self._playback.busy or self._played is None:
            return
        self._played = replace(
            self._played,
            rendered=round(played_ms * WIRE_SAMPLE_RATE / 1000),
            audible=self._playback.audible_samples - self._audible_before,
            underruns=self._playback.underruns,
        )
        self._tell("played", self._played)
        self._road.send({"kind": "did_you_hear"}, urgent=True)

    def _give_up(self, number: int) -> None:
        if number == self._tones and self._playback.busy:
            self._playback.flush()  # It must not sound later, unexpectedly.
            self._playback.forget()
            problem = f"The page played no tone within {_TONE_WITHIN_S:g} s. Reload it, and try again."
            self._tell("played", Played(error=problem))
            self._road.send({"kind": "no_sound", "text": problem}, urgent=True)

    def _on_no_speaker(self, message: dict[str, Any]) -> None:
        self._tell("played", Played(error=str(message["text"])))

    def _on_heard(self, message: dict[str, Any]) -> None:
        if self._played:
            self._played = replace(self._played, heard=bool(message["yes"]))
            self._tell("played", self._played)

    def _on_finish(self, message: dict[str, Any]) -> None:
        self.finish()


class Lines(Outputs):
    """The lines below the buttons, which stay when the buttons are removed."""

    def __init__(self, checkup: Callable[[], Any], *, on_error: Callable[[Exception], None]):
        super().__init__(None, note={"text/plain": _ENDED, "text/html": f"<p>{_ENDED}</p>"}, on_error=on_error)
        self._checkup = checkup

    def _draw(self) -> dict[str, dict[str, Any]]:
        return {"record": mimebundle(self._checkup())}
