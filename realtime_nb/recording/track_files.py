"""The two sound files of a recording: FLAC, and raw samples beside it while it grows, which survive anything."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile

from .samples import Samples16

#: Samples that are read or written at once.
_BLOCK = 65_536
#: Samples by which a piece is looked for before it is compared.
_PROBES = 32


class TrackWriter:
    """A track that grows.

    Everything is written twice: into a FLAC file, which can be read only once it is closed, and as raw samples
    (``.pcm``, 16-bit little-endian), which can be read whatever happens and are deleted when the FLAC file is closed.

    Parameters
    ----------
    folder : Path
        Where it is; a track that is there already goes on.
    name : str
        Of the files, without ending.
    rate : int
        Samples a second.
    """

    def __init__(self, folder: Path, name: str, rate: int):
        self.name = name
        self.rate = rate
        self.samples = 0
        self._pcm_path = folder / f"{name}.pcm"
        self._flac_path = folder / f"{name}.flac"
        earlier = self._unpack()
        self._flac = soundfile.SoundFile(self._flac_path, "w", rate, 1, subtype="PCM_16", format="FLAC")
        self._pcm = self._pcm_path.open("ab")
        self._unencoded = bytearray()
        while self.samples < earlier:
            block = np.fromfile(self._pcm_path, "<i2", _BLOCK, offset=2 * self.samples)
            self._flac.write(block)
            self.samples += len(block)

    def _unpack(self) -> int:
        """Turn a FLAC file that is there back into raw samples; return how many there are."""
        if not self._flac_path.is_file():
            return 0
        part = self._pcm_path.with_suffix(".part")
        with soundfile.SoundFile(self._flac_path) as flac, part.open("wb") as pcm:
            for block in flac.blocks(_BLOCK, dtype="int16"):
                pcm.write(block.astype("<i2").tobytes())
        os.replace(part, self._pcm_path)
        return self._pcm_path.stat().st_size // 2

    def write(self, start_sample: int, samples: Samples16) -> None:
        """Add samples; what is between the end and their start becomes silence."""
        while self.samples < start_sample:
            self._add(np.zeros(min(_BLOCK, start_sample - self.samples), np.int16))
        self._add(samples)

    def find(self, samples: Samples16) -> int | None:
        """Return where the very same samples begin that the track holds already; `None` where it does not."""
        if not samples.any() or len(samples) > self.samples:
            return None
        self.flush()
        track = np.memmap(self._pcm_path, "<i2", "r", shape=(self.samples,))
        # The loudest sample has the rarest value; a few others rule out nearly all that is left.
        loudest = int(np.abs(samples.astype(np.int32)).argmax())
        starts = np.flatnonzero(track == samples[loudest]) - loudest
        starts = starts[(starts >= 0) & (starts <= self.samples - len(samples))]
        for at in np.linspace(0, len(samples) - 1, _PROBES, dtype=int):
            starts = starts[track[starts + at] == samples[at]]
        same = (int(start) for start in starts if np.array_equal(track[start : start + len(samples)], samples))
        return next(same, None)

    def _add(self, samples: Samples16) -> None:
        data = samples.astype("<i2", copy=False).tobytes()
        self._pcm.write(data)
        self._unencoded += data
        # A microphone's frames are encoded many at a time: a call costs more than a frame.
        while len(self._unencoded) >= 2 * _BLOCK:
            self._encode()
        self.samples += len(samples)

    def _encode(self) -> None:
        """Encode a block of what waits; libsndfile's encoder takes what it is given at once onto the stack."""
        block = bytes(self._unencoded[: 2 * _BLOCK])
        del self._unencoded[: 2 * _BLOCK]
        self._flac.write(np.frombuffer(block, "<i2"))

    def flush(self) -> None:
        """Hand everything to the operating system: from here on it survives the process."""
        self._pcm.flush()

    def close(self) -> None:
        """Finish the FLAC file."""
        self._encode()
        self._pcm.close()
        self._flac.close()
        self._pcm_path.unlink()

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for file in (self._pcm, self._flac):
            with suppress(OSError, soundfile.LibsndfileError):
                file.close()


class TrackReader:
    """A track that is read: pieces of it, or all of it at once.

    Parameters
    ----------
    folder : Path
        Where it is.
    name : str
        Of the files, without ending.
    rate : int
        Samples a second, where the file does not say so.
    """

    def __init__(self, folder: Path, name: str, rate: int):
        self.rate = rate
        self.remark = ""
        """What is wrong with it."""
        self._pcm_path = folder / f"{name}.pcm"
        self._flac_path = folder / f"{name}.flac"
        self._whole: Samples16 | None = None
        if not self._pcm_path.is_file():
            self.remark = self._check()

    def _check(self) -> str:
        """Return what is wrong with the FLAC file, or nothing."""
        if not self._flac_path.is_file():
            return f"{self._flac_path.name} is missing: its sound is silence here"
        try:
            self.rate = soundfile.info(self._flac_path).samplerate
        except soundfile.LibsndfileError as error:
            return f"{self._flac_path.name} cannot be read ({error.error_string}): its sound is silence here"
        return ""

    @property
    def whole(self) -> Samples16:
        """All samples; read once."""
        if self._whole is None:
            self._whole = self._read(0, -1)
        return self._whole

    def read(self, start: int, samples: int) -> Samples16:
        """Return a piece; what the file does not hold is silence."""
        if self._whole is not None:
            piece = self._whole[start : start + samples]
        else:
            piece = self._read(start, samples)
        return piece if len(piece) == samples else np.pad(piece, (0, samples - len(piece)))

    def _read(self, start: int, samples: int) -> Samples16:
        if self._pcm_path.is_file():
            size = self._pcm_path.stat().st_size // 2
            count = max(0, size - start) if samples < 0 else max(0, min(samples, size - start))
            return np.fromfile(self._pcm_path, "<i2", count, offset=2 * start).astype(np.int16, copy=False)
        if self.remark:
            return np.zeros(0, np.int16)
        try:
            with soundfile.SoundFile(self._flac_path) as flac:
                if start > flac.frames:
                    return np.zeros(0, np.int16)
                flac.seek(start)
                piece: Samples16 = flac.read(samples, dtype="int16")
                return piece
        except soundfile.LibsndfileError as error:
            self.remark = f"{self._flac_path.name} breaks off ({error.error_string}): the rest is silence here"
            return np.zeros(0, np.int16)
