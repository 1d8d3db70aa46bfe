"""How likely a person has finished their turn, judged by the sound: the network smart-turn v3.2."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MissingExtra
from ..weights import SMART_TURN, Weights
from .whisper import filters_of

log = logging.getLogger(__name__)

# --- The network's input: the logarithm of 80 mel bands every 10 ms of the last 8 s -----------------------------------
#
# Whisper's features (`whisper.log_mel`) of 8 s of sound at one loudness, with the silence before it.

SAMPLE_RATE = 16_000
_SAMPLES = 8 * SAMPLE_RATE
_WINDOW, _HOP, _BANDS = 400, 160, 80
_FRAMES = _SAMPLES // _HOP
#: Frames that are multiplied at once: below 262,144 multiplications OpenBLAS keeps its threads asleep, see
#: `voice_activity`.
_FRAMES_AT_ONCE = 16
_HANN = np.hanning(_WINDOW + 1)[:-1]  # periodic


def turn_features(pcm: bytes) -> NDArray[np.float32]:
    """Return the network's input.

    `pcm`: PCM16 at 16 kHz; the last 8 s count, and zeros come before shorter sound.

    Returns an array of shape (80, 800), about -1.0 to 1.0.
    """
    heard = np.frombuffer(pcm, "<i2")[-_SAMPLES:]
    samples = np.zeros(_SAMPLES, np.float32)
    samples[_SAMPLES - len(heard) :] = heard.astype(np.float32) / 32_768
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + np.float32(1e-7))
    padded = np.pad(samples.astype(np.float64), _WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:_FRAMES]
    power = np.square(np.abs(np.fft.rfft(windows * _HANN)))
    bands = (power.reshape(-1, _FRAMES_AT_ONCE, power.shape[1]) @ filters_of(_BANDS).T).reshape(_FRAMES, _BANDS)
    level = np.log10(np.maximum(bands, 1e-10))
    features: NDArray[np.float32] = ((np.maximum(level, level.max() - 8) + 4) / 4).T.astype(np.float32)
    return features


# --- The network, for all sessions: one thread, never the loop's ------------------------------------------------------
#
# How to use it::
#
#     model = TurnModel()                             # never fails
#     model.prepare()                                 # loads in the background, when first needed (55 MB)
#     await model.probability(pcm16k)                 # the turn so far, including the quiet at its end; None without it
#     model.name                                      # "smart-turn 3.2", or "" if it is not installed
#     model.close()
#
# Ask only where there was speech: silence and noise alone sound finished to it (0.91 to 0.99, measured). An answer
# takes about 30 ms. Cancel the coroutine to drop a question that still waits.


def load_turn_model(weights: Weights = SMART_TURN) -> Any:
    """Return the network's ONNX session.

    Raises `MissingExtra` if its package, or onnxruntime, is not installed; `WeightsError` if its file is another one.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(weights.name, "local", str(error)) from error
    folder = weights.check()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    (file,) = weights.files
    return onnxruntime.InferenceSession(folder / file, options, providers=["CPUExecutionProvider"])


class TurnModel:
    """Tells by the sound whether a turn is over or only pauses."""

    def __init__(self, weights: Weights = SMART_TURN):
        self._pool = ThreadPoolExecutor(1, "realtime_nb-turn")
        self._weights = weights
        self._is_there = weights.is_installed
        self._network: Future[Any] | None = None

    @property
    def name(self) -> str:
        """The network's name; empty if it is not installed, or its file is another one."""
        return self._weights.name if self._is_there else ""

    def prepare(self) -> None:
        """Begin to load, in the background."""
        if self._network is None:
            self._network = self._pool.submit(self._load)

    async def probability(self, pcm: bytes) -> float | None:
        """Return how likely the turn is over, 0.0 to 1.0; `None` without a network.

        `pcm`: the turn so far, PCM16 at 16 kHz, with the quiet at its end.
        """
        self.prepare()
        assert self._network is not None
        network = await asyncio.shield(
            asyncio.wrap_future(self._network)
        )  # It goes on loading even if this is cancelled.
        return None if network is None else await asyncio.wrap_future(self._pool.submit(_ask, network, pcm))

    def close(self) -> None:
        """Drop what waits and end the thread."""
        self._pool.shutdown(cancel_futures=True)

    def _load(self) -> Any:
        try:
            network = load_turn_model(self._weights)
            _ask(network, b"")  # The first run takes longer than the others.
        except Exception as error:  # A server without it still works.
            self._is_there = False
            if not isinstance(error, MissingExtra):
                log.warning("turns end by their words alone: %s", error)
            return None
        return network


def _ask(network: Any, pcm: bytes) -> float:
    # The output is called logits, but has been through the sigmoid.
    (probability,) = network.run(None, {"input_features": turn_features(pcm)[None]})
    return float(probability[0, 0])
