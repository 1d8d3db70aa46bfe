"""The two sound files of a recording: FLAC, and raw samples beside it while it grows, which survive anything."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import soundfile

from ..files import open_private
from .samples import Samples16

#: Samples that are read or written at once.
_BLOCK = 65_536
#: Samples by which a piece is looked for before it is compared.
_PROBES = 32
#: Samples in a FLAC frame, as libFLAC makes them: what a damaged byte costs.
_FRAME = 4_096


@contextmanager
def _as_disk_error(path: Path) -> Iterator[None]:
    """Let what libsndfile says where a disk takes no more be an `OSError`; it writes less, or says no reason."""
    try:
        yield
    except (soundfile.SoundFileError, AssertionError) as error:
        raise OSError(f"{path.name} cannot be written: {error or 'the disk took less than it was given'}") from error


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
        open_private(self._flac_path, "wb").close()
        with _as_disk_error(self._flac_path):
            self._flac = soundfile.SoundFile(self._flac_path, "w", rate, 1, subtype="PCM_16", format="FLAC")
        self._pcm = open_private(self._pcm_path, "ab")
        self._unencoded = bytearray()
        while self.samples < earlier:
            block = np.fromfile(self._pcm_path, "<i2", _BLOCK, offset=2 * self.samples)
            with _as_disk_error(self._flac_path):
                self._flac.write(block)
            self.samples += len(block)

    def _unpack(self) -> int:
        """Turn a FLAC file that is there back into raw samples; return how many there are."""
        if not self._flac_path.is_file():
            return 0
        part = self._pcm_path.with_suffix(".part")
        with soundfile.SoundFile(self._flac_path) as flac, open_private(part, "wb") as pcm:
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
        with _as_disk_error(self._flac_path):
            self._flac.write(np.frombuffer(block, "<i2"))

    def flush(self) -> None:
        """Hand everything to the operating system: from here on it survives the process."""
        self._pcm.flush()

    def close(self) -> None:
        """Finish the FLAC file; the raw samples stay where it is not whole."""
        self._encode()
        self._pcm.close()
        with _as_disk_error(self._flac_path):
            self._flac.close()
            assert soundfile.info(self._flac_path).frames == self.samples
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
        Samples a second.
    length : int, default 0
        How many samples it should hold, at least.
    digest : str, optional
        The SHA-256 of the FLAC file as it was written, where that is known.
    """

    def __init__(self, folder: Path, name: str, rate: int, *, length: int = 0, digest: str = ""):
        self.rate = rate
        self.remarks: list[str] = []
        """What is wrong with it: complete once `whole` was read."""
        self._length = length
        self._digest = digest
        self._pcm_path = folder / f"{name}.pcm"
        self._flac_path = folder / f"{name}.flac"
        self._whole: Samples16 | None = None

    @property
    def whole(self) -> Samples16:
        """All samples; read once. Silence stands in for what is damaged."""
        if self._whole is None:
            is_growing = self._pcm_path.is_file()
            path = self._pcm_path if is_growing else self._flac_path
            self._whole = self._raw() if is_growing else self._decoded()
            if len(self._whole) < self._length and not self.remarks:
                lacking_s = (self._length - len(self._whole)) / self.rate
                self.remarks.append(f"{path.name} ends {lacking_s:.3g} s too early: its sound is silence from there on")
        return self._whole

    def read(self, start: int, samples: int) -> Samples16:
        """Return a piece; what the file does not hold is silence."""
        piece = self.whole[start : start + samples]
        return piece if len(piece) == samples else np.pad(piece, (0, samples - len(piece)))

    def _raw(self) -> Samples16:
        size = self._pcm_path.stat().st_size // 2
        return np.fromfile(self._pcm_path, "<i2", size).astype(np.int16, copy=False)

    def _decoded(self) -> Samples16:
        name = self._flac_path.name
        if not self._flac_path.is_file():
            self.remarks.append(f"{name} is missing: its sound is silence here")
            return np.zeros(0, np.int16)
        try:
            with self._flac_path.open("rb") as file:
                is_whole = not self._digest or hashlib.file_digest(file, "sha256").hexdigest() == self._digest
            pieces, lost = self._frames()
        except (OSError, soundfile.LibsndfileError) as error:
            reason = getattr(error, "error_string", None) or error
            self.remarks.append(f"{name} cannot be read ({reason}): its sound is silence here")
            return np.zeros(0, np.int16)
        if lost:
            self.remarks.append(f"{name} is damaged: {lost / self.rate:.3g} s of its sound are silence here")
        elif not is_whole:
            self.remarks.append(f"{name} is not as it was written")
        return np.concatenate([np.zeros(0, np.int16), *pieces])

    def _frames(self) -> tuple[list[Samples16], int]:
        """Return what can be decoded, with silence between, and how much is silent; libFLAC checks every frame."""
        pieces: list[Samples16] = []
        at = 0
        with soundfile.SoundFile(self._flac_path) as flac:
            if (flac.samplerate, flac.channels, flac.subtype) != (self.rate, 1, "PCM_16"):
                raise OSError(f"its head says {flac.samplerate} Hz, {flac.channels} channels, {flac.subtype}")
            try:
                while len(block := flac.read(_BLOCK, dtype="int16")):
                    pieces.append(block)
                    at += len(block)
                return pieces, 0
            except soundfile.LibsndfileError:
                known = max(at, self._length)
                # A damaged head may claim years.
                end = flac.frames if flac.frames <= 2 * known + self.rate else known
        return self._salvaged(end)

    def _salvaged(self, end: int) -> tuple[list[Samples16], int]:
        """Decode frame by frame, anew behind each that is damaged."""
        pieces: list[Samples16] = []
        lost = 0
        flac = soundfile.SoundFile(self._flac_path)
        for at in range(0, end, _FRAME):
            count = min(_FRAME, end - at)
            try:
                block = flac.read(count, dtype="int16")
                assert len(block) == count
            except (soundfile.LibsndfileError, AssertionError):
                block = np.zeros(count, np.int16)
                lost += count
                flac.close()
                flac = soundfile.SoundFile(self._flac_path)
                with suppress(soundfile.LibsndfileError):
                    flac.seek(at + count)
            pieces.append(block)
        flac.close()
        return pieces, lost
