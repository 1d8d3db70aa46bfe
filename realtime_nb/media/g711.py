"""G.711, the telephone's codec, between PCM16 and one byte a sample.

Both laws map 8 bits to a fixed set of levels; encoding looks up the nearest level for each of the 65,536 PCM16 values.
Source: ITU-T G.711 (11/88).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..errors import AudioError
from ..numeric import np

if TYPE_CHECKING:
    import numpy.typing as npt


def _ulaw_levels() -> npt.NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    exponent = (code >> 4) & 7
    magnitude = (((code & 15).astype(np.int32) << 3) + 0x84 << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_levels() -> npt.NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = (code >> 4) & 7
    mantissa = (code & 15).astype(np.int32) << 4
    magnitude = np.where(exponent > 0, (mantissa + 0x108) << np.maximum(exponent.astype(np.int32) - 1, 0), mantissa + 8)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@cache
def _levels(law: str) -> npt.NDArray[np.int16]:
    return _ulaw_levels() if law == "ulaw" else _alaw_levels()


@cache
def _nearest_codes(law: str) -> npt.NDArray[np.uint8]:
    """Return the code of the nearest level for each PCM16 value, indexed by the value as uint16."""
    levels = _levels(law)
    order = np.argsort(levels, kind="stable")
    ordered = levels[order].astype(np.int32)
    values = np.arange(-32768, 32768)
    at = np.searchsorted((ordered[1:] + ordered[:-1]) / 2, values, side="right")
    codes = order[at].astype(np.uint8)
    return np.roll(codes, -32768)


def _encode_g711(law: str, pcm: bytes) -> bytes:
    if len(pcm) % 2:
        raise AudioError(f"PCM16 has two bytes a sample, but {len(pcm)} bytes were given")
    return bytes(_nearest_codes(law)[np.frombuffer(pcm, "<u2")].tobytes())


def _decode_g711(law: str, g711: bytes) -> bytes:
    return bytes(_levels(law)[np.frombuffer(g711, np.uint8)].astype("<i2").tobytes())


def encode_ulaw(pcm: bytes) -> bytes:
    """Encode PCM16 as G.711 mu-law ("audio/pcmu"), one byte a sample."""
    return _encode_g711("ulaw", pcm)


def decode_ulaw(g711: bytes) -> bytes:
    """Decode G.711 mu-law ("audio/pcmu") to PCM16."""
    return _decode_g711("ulaw", g711)


def encode_alaw(pcm: bytes) -> bytes:
    """Encode PCM16 as G.711 A-law ("audio/pcma"), one byte a sample."""
    return _encode_g711("alaw", pcm)


def decode_alaw(g711: bytes) -> bytes:
    """Decode G.711 A-law ("audio/pcma") to PCM16."""
    return _decode_g711("alaw", g711)
