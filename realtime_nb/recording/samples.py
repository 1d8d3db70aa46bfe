"""Audio as it is on the wire, and as 16-bit samples on a track, without loss either way."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .. import g711
from ..timing import AUDIBLE
from ..wire.formats import base_of
from ..wire.formats import rate_of as rate_of

Samples16 = npt.NDArray[np.int16]

_CLICK = 8_000
_EVERY_BYTE = bytes(range(256))


def _levels(decoded: bytes) -> Samples16:
    return np.frombuffer(decoded, "<i2").astype(np.int16)


_LEVELS = {
    "audio/pcmu": _levels(g711.decode_ulaw(_EVERY_BYTE)),
    "audio/pcma": _levels(g711.decode_alaw(_EVERY_BYTE)),
}
# Mu-law has two zeros; on a track the negative one is -1, where no other level is.
_LEVELS["audio/pcmu"][0x7F] = -1
_ORDERS = {encoding: np.argsort(levels) for encoding, levels in _LEVELS.items()}


def to_samples(data: bytes, encoding: str) -> Samples16 | None:
    """Return what is on the wire as samples; `None` where it is no whole number of them."""
    levels = _LEVELS.get(base_of(encoding))
    if levels is not None:
        return levels[np.frombuffer(data, np.uint8)]
    return None if len(data) % 2 else np.frombuffer(data, "<i2").astype(np.int16, copy=False)


def from_samples(samples: Samples16, encoding: str) -> bytes:
    """Return samples as they were on the wire: the inverse of `to_samples`."""
    levels = _LEVELS.get(base_of(encoding))
    if levels is None:
        return samples.astype("<i2", copy=False).tobytes()
    order = _ORDERS[base_of(encoding)]
    at = np.searchsorted(levels, samples, sorter=order)
    return order[np.minimum(at, 255)].astype(np.uint8).tobytes()


def first_audible(samples: Samples16) -> int | None:
    """Return where the first sample is that can be heard."""
    loud = np.abs(samples.astype(np.int32)) > AUDIBLE * 32768
    return int(loud.argmax()) if loud.any() else None


def click(samples: int, encoding: str, at_sample: int) -> bytes:
    """Return so many samples as they would be on the wire, of which one alone can be heard."""
    levels = np.zeros(samples, np.int16)
    levels[at_sample] = _CLICK
    return from_samples(levels, encoding)


@lru_cache(maxsize=64)
def silence(samples: int, encoding: str) -> bytes:
    """Return so many silent samples as they would be on the wire."""
    zero = {"audio/pcmu": b"\xff", "audio/pcma": b"\xd5"}.get(base_of(encoding), b"\0\0")
    return zero * samples
