"""The input audio buffer of one session: decoding, the clock of all audio ever appended, commit and clear."""

from __future__ import annotations

from typing import Any

from ...media.clip import WIRE_SAMPLE_RATE, Resampler
from ...media.g711 import decode_alaw, decode_ulaw
from ..api_errors import ApiError, invalid_value

LARGEST_APPEND = 15 * 1024 * 1024
SHORTEST_COMMIT_MS = 100
#: Most that waits for a commit. The API names no limit; this is ten minutes, 29 MB.
LONGEST_BUFFER_MS = 600_000
_BYTES_PER_MS = WIRE_SAMPLE_RATE * 2 // 1000
_DECODERS = {"audio/pcmu": decode_ulaw, "audio/pcma": decode_alaw}


class AudioDecoder:
    """From the session's input format to PCM16 at 24 kHz, chunk by chunk."""

    def __init__(self, format: dict[str, Any]):
        self._decode = _DECODERS.get(format["type"])
        self._resampler = Resampler(8_000 if self._decode else WIRE_SAMPLE_RATE, WIRE_SAMPLE_RATE)
        self._rest = b""

    def process(self, audio: bytes, *, last: bool = False) -> bytes:
        """Decode the next chunk; half a sample at its end waits for the rest."""
        if self._decode:
            return self._resampler.process(self._decode(audio), last=last)
        if not self._rest and not len(audio) % 2:
            return audio
        audio = self._rest + audio
        whole = len(audio) // 2 * 2
        self._rest = audio[whole:]
        return audio[:whole]


def decode_audio(audio: bytes, format: dict[str, Any]) -> bytes:
    """Decode a whole clip in the session's input format to PCM16 at 24 kHz."""
    return AudioDecoder(format).process(audio, last=True)


class InputAudioBuffer:
    """What was appended since the last commit or clear."""

    def __init__(self, format: dict[str, Any]):
        self._pcm = bytearray()
        self._decoder = AudioDecoder(format)
        self.total_ms = 0.0
        """Length of all audio ever appended in the session; every time in events is on this clock."""

    def set_format(self, format: dict[str, Any]) -> None:
        """Take audio in another format from now on."""
        self._decoder = AudioDecoder(format)

    def append(self, audio: bytes) -> bytes:
        """Add audio in the session's format.

        Returns the new audio as PCM16 at 24 kHz.

        Raises `ApiError` if it is more than one event, or the buffer, may hold.
        """
        if len(audio) > LARGEST_APPEND:
            raise invalid_value("audio", f"one event carries at most 15 MiB of audio, but there are {len(audio)} bytes")
        if self.duration_ms > LONGEST_BUFFER_MS:
            raise ApiError(
                f"The input audio buffer is full: it holds {self.duration_ms / 1000:.0f} s. Commit or clear it.",
                code="invalid_value",
                param="audio",
            )
        pcm = self._decoder.process(audio)
        self._pcm += pcm
        self.total_ms += len(pcm) / _BYTES_PER_MS
        return pcm

    @property
    def duration_ms(self) -> float:
        """Length of what waits."""
        return len(self._pcm) / _BYTES_PER_MS

    def keep_latest(self, duration_ms: int) -> None:
        """Forget all but the latest audio: what the server's own turns have no use for."""
        excess = len(self._pcm) - duration_ms * _BYTES_PER_MS
        if excess > duration_ms * _BYTES_PER_MS:
            del self._pcm[:excess]

    def commit(self) -> bytes:
        """Return what waits, and begin anew.

        Raises `ApiError` if it is shorter than 100 ms.
        """
        tail = self._decoder.process(b"", last=True)
        self._pcm += tail
        self.total_ms += len(tail) / _BYTES_PER_MS
        if self.duration_ms < SHORTEST_COMMIT_MS:
            raise ApiError(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{SHORTEST_COMMIT_MS}ms of audio, but buffer only has {self.duration_ms:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        pcm = bytes(self._pcm)
        self.clear()
        return pcm

    def clear(self) -> None:
        """Forget what waits."""
        self._pcm = bytearray()
