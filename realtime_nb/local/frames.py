"""Sound at 24 kHz cut into frames of 32 ms at 16 kHz, which is what detectors and recogniser take.

A frame is out 1 ms after its last sample came in. soxr's stream withholds 21 ms on average and up to 37 (measured, all
qualities worth having), and every turn would be noticed that much later.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 32
FRAME_SAMPLES = 512
FRAME_BYTES = 2 * FRAME_SAMPLES

_FRAME_SAMPLES_24K = 768
_REACH = 24
"""Samples at 24 kHz on either side that an output sample is made of."""
_CUTOFF_HZ = 7_500
# 48 samples become 32: a frame is 16 such blocks, and one small matrix resamples them all.
_BLOCK, _BLOCK_16K = 48, 32
_BLOCKS = _FRAME_SAMPLES_24K // _BLOCK
_NEEDED_BYTES = 2 * (_FRAME_SAMPLES_24K + 2 * _REACH)


def _weights() -> NDArray[np.float32]:
    """Return the matrix from a block with `_REACH` samples on either side to the block at 16 kHz: windowed sinc."""
    places = _REACH + 1.5 * np.arange(_BLOCK_16K)
    distance = np.arange(_BLOCK + 2 * _REACH)[:, None] - places
    window = np.where(abs(distance) < _REACH, np.i0(8 * np.sqrt(np.clip(1 - (distance / _REACH) ** 2, 0, 1))), 0)
    weights = np.sinc(distance * 2 * _CUTOFF_HZ / 24_000) * window
    normalized: NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return normalized


_WEIGHTS = _weights()


class Frames:
    """A stream's framer."""

    def __init__(self) -> None:
        self._waiting = bytearray(2 * _REACH)  # before the first sample there was silence

    def feed(self, pcm: bytes) -> list[bytes]:
        """Take PCM16 at 24 kHz, return the frames that are complete by now, PCM16 at 16 kHz."""
        self._waiting += pcm
        frames = []
        while len(self._waiting) >= _NEEDED_BYTES:
            # Frame by frame, so that the same sound gives the same frames to the bit, whatever the chunks.
            samples = np.frombuffer(bytes(self._waiting[:_NEEDED_BYTES]), "<i2").astype(np.float32)
            blocks: NDArray[np.float32] = np.ndarray(
                (_BLOCKS, _BLOCK + 2 * _REACH), np.float32, samples.data, strides=(4 * _BLOCK, 4)
            )
            resampled = np.rint(blocks @ _WEIGHTS)
            np.minimum(np.maximum(resampled, -32768, out=resampled), 32767, out=resampled)
            frames.append(resampled.astype("<i2").tobytes())
            del self._waiting[: 2 * _FRAME_SAMPLES_24K]
        return frames
