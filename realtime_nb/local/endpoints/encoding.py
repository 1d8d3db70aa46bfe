"""Encode and decode audio files for the endpoints. Long ones take seconds: call these in a thread."""

from __future__ import annotations

import base64

from ...errors import AudioError
from ...media.clip import WIRE_SAMPLE_RATE, AudioClip
from ..api_errors import ApiError, invalid_value

#: The longest audio in a file: 25 MB can hold hours, which decode to gigabytes.
LONGEST_S = 1500.0
_RATES = range(4_000, 384_001)
_SHORTEST_PCM = bytes(WIRE_SAMPLE_RATE // 5)  # 100 ms: some formats cannot be empty


def encode(pcm: bytes, format: str) -> bytes:
    """Return PCM16 at 24 kHz as a file: "wav", "mp3", "flac", "opus" or "aac"; "pcm" and "pcm16" change nothing."""
    if format in ("pcm", "pcm16"):
        return pcm
    return AudioClip.from_pcm16(pcm or _SHORTEST_PCM).encode(format)


def decode(data: bytes, param: str) -> AudioClip:
    """Return the audio of a file in any format that `AudioClip` reads.

    Raises `ApiError` if it is not audio, or longer than `LONGEST_S`.
    """
    try:
        clip = AudioClip.from_bytes(data, longest_s=LONGEST_S)
    except AudioError as error:
        raise ApiError(
            f"Audio file might be corrupted or unsupported: {error}", code="invalid_value", param=param
        ) from error
    if clip.sample_rate not in _RATES:
        raise invalid_value(param, f"a sample rate of {clip.sample_rate} Hz is not usable for speech")
    return clip


def decode_base64(text: str, param: str) -> bytes:
    """Return the bytes of a base64 text; raises `ApiError` if it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise invalid_value(param, "expected a base64-encoded string") from error
