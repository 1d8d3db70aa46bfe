"""The two sound files of a recording, and where each payload is on them."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ..conversation.timing import AUDIBLE
from ..files import open_private, write_private
from ..media import g711
from ..media.clip import AudioClip, Resampler
from ..numeric import np, soundfile
from ..protocol import events as ev
from ..protocol.formats import base_of, encoding_of, rate_of
from ..protocol.local_events import Heard
from .files import Reference, TrackLayout, take_audio

if TYPE_CHECKING:
    import numpy.typing as npt

# --- Audio between the wire and a track's 16-bit samples, without loss in either direction ----------------------------

Samples16: TypeAlias = "npt.NDArray[np.int16]"

_CLICK = 8_000
_EVERY_BYTE = bytes(range(256))


@cache
def _levels(base: str) -> tuple[Samples16, npt.NDArray[np.intp]] | None:
    """Return the levels of G.711's 256 codes, and their order; `None` for PCM16."""
    if base not in ("audio/pcmu", "audio/pcma"):
        return None
    decode = g711.decode_ulaw if base == "audio/pcmu" else g711.decode_alaw
    levels = np.frombuffer(decode(_EVERY_BYTE), "<i2").astype(np.int16)
    if base == "audio/pcmu":
        levels[0x7F] = -1  # Mu-law has two zeros; on a track the negative one is -1, which no other level uses.
    return levels, np.argsort(levels)


def to_samples(data: bytes, encoding: str) -> Samples16 | None:
    """Return wire audio as samples; `None` if it is not a whole number of them."""
    if (known := _levels(base_of(encoding))) is not None:
        return known[0][np.frombuffer(data, np.uint8)]
    return None if len(data) % 2 else np.frombuffer(data, "<i2").astype(np.int16, copy=False)


def from_samples(samples: Samples16, encoding: str) -> bytes:
    """Return samples as they were on the wire; the inverse of `to_samples`."""
    known = _levels(base_of(encoding))
    if known is None:
        return samples.astype("<i2", copy=False).tobytes()
    levels, order = known
    at = np.searchsorted(levels, samples, sorter=order)
    return order[np.minimum(at, 255)].astype(np.uint8).tobytes()


def first_audible(samples: Samples16) -> int | None:
    """Return the index of the first audible sample."""
    loud = np.abs(samples.astype(np.int32)) > AUDIBLE * 32768
    return int(loud.argmax()) if loud.any() else None


def click(samples: int, encoding: str, at_sample: int) -> bytes:
    """Return wire audio of this many samples with a single audible one."""
    levels = np.zeros(samples, np.int16)
    levels[at_sample] = _CLICK
    return from_samples(levels, encoding)


@lru_cache(maxsize=64)
def silence(samples: int, encoding: str) -> bytes:
    """Return wire audio of this many silent samples."""
    zero = {"audio/pcmu": b"\xff", "audio/pcma": b"\xd5"}.get(base_of(encoding), b"\0\0")
    return zero * samples


# --- The sound files of a recording: FLAC, and raw samples beside it while it grows, which survive a crash ------------

#: Samples to read or write at once.
_BLOCK = 65_536
#: Samples to compare before a whole piece is compared.
_PROBES = 32
#: Bytes: with fewer a disk is full, and libsndfile says only "System error".
_FULL = 65_536
#: Samples in one of libFLAC's frames: a damaged byte costs this many.
_FRAME = 4_096


@contextmanager
def _as_disk_error(path: Path) -> Iterator[None]:
    """Turn libsndfile's errors on a full disk into `OSError`: it writes less than it got, or gives no reason."""
    try:
        yield
    except (soundfile.SoundFileError, AssertionError) as error:
        reason = str(error).rstrip(".") or "the disk took less than it was given"
        with suppress(OSError):  # How full the disk is stays unknown.
            if shutil.disk_usage(path.parent).free < _FULL:
                reason = os.strerror(errno.ENOSPC)
        raise OSError(f"{path.name} cannot be written: {reason}") from error


class TrackWriter:
    """A track that grows.

    Everything is written twice: into a FLAC file, which can be read only after it is closed, and as raw samples
    (``.pcm``, 16-bit little-endian), which can always be read and are deleted when the FLAC file is closed.
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
        """Turn an existing FLAC file back into raw samples; return how many there are."""
        if not self._flac_path.is_file():
            return 0
        part = self._pcm_path.with_suffix(".part")
        with soundfile.SoundFile(self._flac_path) as flac, open_private(part, "wb") as pcm:
            for block in flac.blocks(_BLOCK, dtype="int16"):
                pcm.write(block.astype("<i2").tobytes())
        os.replace(part, self._pcm_path)
        return self._pcm_path.stat().st_size // 2

    def write(self, start_sample: int, samples: Samples16) -> None:
        """Add samples, with silence between the end of the track and their start."""
        while self.samples < start_sample:
            self._add(np.zeros(min(_BLOCK, start_sample - self.samples), np.int16))
        self._add(samples)

    def find(self, samples: Samples16) -> int | None:
        """Return where the track already holds exactly these samples; `None` if it does not."""
        if not self.samples:
            return None
        self.flush()
        return _find(samples, np.memmap(self._pcm_path, "<i2", "r", shape=(self.samples,)))

    def _add(self, samples: Samples16) -> None:
        data = samples.astype("<i2", copy=False).tobytes()
        self._pcm.write(data)
        self._unencoded += data
        # A microphone's frames are encoded many at a time, because a call costs more than a frame.
        while len(self._unencoded) >= 2 * _BLOCK:
            self._encode()
        self.samples += len(samples)

    def _encode(self) -> None:
        """Encode one block; libsndfile's encoder puts everything that it is given at once on the stack."""
        block = bytes(self._unencoded[: 2 * _BLOCK])
        del self._unencoded[: 2 * _BLOCK]
        with _as_disk_error(self._flac_path):
            self._flac.write(np.frombuffer(block, "<i2"))

    def flush(self) -> None:
        """Hand everything to the operating system, so that it survives the process."""
        self._pcm.flush()

    def close(self) -> dict[str, Any]:
        """Finish the FLAC file, and return its entry for the manifest; raw samples stay if it is not complete."""
        self._encode()
        self._pcm.close()
        with _as_disk_error(self._flac_path):
            self._flac.close()
            assert soundfile.info(self._flac_path).frames == self.samples
        self._pcm_path.unlink()
        return {"file": self._flac_path.name, "sample_rate": self.rate}

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for file in (self._pcm, self._flac):
            with suppress(OSError, soundfile.LibsndfileError):  # Of errors on the way out, the first was told.
                file.close()


def _find(samples: Samples16, track: Samples16) -> int | None:
    """Return where a track holds exactly these samples, unless they are silent; `None` if it does not."""
    if not samples.any() or len(samples) > len(track):
        return None
    # The loudest sample has the rarest value; a few others rule out nearly all remaining places.
    loudest = int(np.abs(samples.astype(np.int32)).argmax())
    starts = np.flatnonzero(track == samples[loudest]) - loudest
    starts = starts[(starts >= 0) & (starts <= len(track) - len(samples))]
    for at in np.linspace(0, len(samples) - 1, _PROBES, dtype=int):
        starts = starts[track[starts + at] == samples[at]]
    same = (int(start) for start in starts if np.array_equal(track[start : start + len(samples)], samples))
    return next(same, None)


# --- The tracks of a recording that is one of many: a clip that they share is kept once, and sound may be Opus --------

#: Where shared clips are, seen from a recording: PCM16 in a WAV file that is named by the SHA-256 of its samples.
SHARED = "../../clips"
_SHARED = re.compile(rf"{re.escape(SHARED)}/[0-9a-f]{{64}}\.wav")


def clip_hash(clip: AudioClip) -> str:
    """Return the SHA-256 of a clip's 16-bit samples."""
    return pcm_hash(clip.to_pcm16())


def pcm_hash(pcm: bytes) -> str:
    """Return the SHA-256 of 16-bit samples."""
    return hashlib.sha256(pcm).hexdigest()


class Compact(NamedTuple):
    """How to store the tracks of a recording that is one of many."""

    said: AudioClip | None = None
    """A shared clip: a person's track that is nothing but this and silence refers to it."""
    sound: Literal["flac", "opus"] = "flac"
    """The codec of other tracks; Opus changes their samples, but nothing that can be heard."""
    without: tuple[str, ...] = ()
    """Tracks to leave out; silence takes their place."""


class CompactTrack:
    """A track that is kept in memory, and stored when it is closed."""

    def __init__(self, folder: Path, name: str, rate: int, form: Compact):
        self.name = name
        self.rate = rate
        self._folder = folder
        self._form = form
        self._pieces: list[Samples16] = []
        self._samples = 0

    def write(self, start_sample: int, samples: Samples16) -> None:
        """Add samples, with silence between the end of the track and their start."""
        self._pieces += [np.zeros(start_sample - self._samples, np.int16), samples]
        self._samples = start_sample + len(samples)

    @property
    def _whole(self) -> Samples16:
        self._pieces = [np.concatenate([np.zeros(0, np.int16), *self._pieces])]
        return self._pieces[0]

    def find(self, samples: Samples16) -> int | None:
        """Return where the track already holds exactly these samples; `None` if it does not."""
        return _find(samples, self._whole)

    def flush(self) -> None:
        """Do nothing: it is written as a whole."""

    abandon = flush

    def close(self) -> dict[str, Any]:
        """Write the track, and return its entry for the manifest."""
        samples, told = self._whole, {"sample_rate": self.rate, "samples": self._samples}
        said = self._form.said if self.name == "user" else None
        if self.name in self._form.without:
            return {"file": None} | told
        if said is not None and (place := _place(samples, said, self.rate)) is not None:
            return {"file": f"{SHARED}/{clip_hash(said)}.wav", "first_sample": place} | told
        path = self._folder / f"{self.name}.{self._form.sound}"
        if self._form.sound == "opus":
            write_private(path, AudioClip.from_pcm16(samples.tobytes(), self.rate).encode("opus"))
            return {"file": path.name} | told
        open_private(path, "wb").close()
        with _as_disk_error(path), soundfile.SoundFile(path, "w", self.rate, 1, "PCM_16", format="FLAC") as flac:
            for at in range(0, len(samples), _BLOCK):
                flac.write(samples[at : at + _BLOCK])
        return {"file": path.name, "sample_rate": self.rate}


def _place(track: Samples16, said: AudioClip, rate: int) -> int | None:
    """Return where a clip is on a track; `None` if the track holds anything else."""
    if said.sample_rate != rate:
        return None
    samples = np.frombuffer(said.to_pcm16(), "<i2")
    sounds, ours = np.flatnonzero(track), np.flatnonzero(samples)
    if not len(sounds) or not len(ours):
        return None
    start = int(sounds[0] - ours[0])
    is_there = 0 <= start <= len(track) - len(samples) and sounds[-1] < start + len(samples)
    return start if is_there and np.array_equal(track[start : start + len(samples)], samples) else None


# --- Reading a track, whatever is damaged -----------------------------------------------------------------------------

#: Samples that a track can have: a week.
_LONGEST = 2**34


class TrackReader:
    """A track for reading, in pieces or as a whole."""

    def __init__(
        self,
        folder: Path,
        name: str,
        rate: int,
        *,
        length: int = 0,
        digest: str = "",
        told: Mapping[str, Any] | None = None,
    ):
        self.rate = rate
        self._told = told or {}
        """The manifest's entry for its file, if that is not simply a FLAC file beside it."""
        self.remarks: list[str] = []
        """Remarks on damage; complete after `whole` was read."""
        self._length = length
        self._digest = digest
        self._pcm_path = folder / f"{name}.pcm"
        file = str(self._told.get("file") or "")
        # A folder may come from someone else, and must not lead to any other file.
        is_known = file == f"{name}.opus" or _SHARED.fullmatch(file)
        self._flac_path = folder / (file if is_known else f"{name}.flac")
        self._whole: Samples16 | None = None

    @property
    def whole(self) -> Samples16:
        """All samples, read once, with silence in place of what is damaged."""
        if self._whole is None:
            is_growing = self._pcm_path.is_file()
            path = self._pcm_path if is_growing else self._flac_path
            self._whole = self._raw() if is_growing else self._placed(self._decoded())
            if len(self._whole) < self._length and not self.remarks:
                lacking_s = (self._length - len(self._whole)) / self.rate
                self.remarks.append(f"{path.name} ends {lacking_s:.3g} s too early: its sound is silence from there on")
        return self._whole

    def read(self, start: int, samples: int) -> Samples16:
        """Return a piece, with silence in place of what the file does not hold."""
        piece = self.whole[start : start + samples]
        return piece if len(piece) == samples else np.pad(piece, (0, samples - len(piece)))

    def _raw(self) -> Samples16:
        size = self._pcm_path.stat().st_size // 2
        return np.fromfile(self._pcm_path, "<i2", size).astype(np.int16, copy=False)

    def _placed(self, samples: Samples16) -> Samples16:
        """Return a shared clip at its place on the track, or a track in Opus at its length."""
        length = self._told.get("samples")
        if not isinstance(length, int) or not 0 <= length <= _LONGEST or not len(samples):
            return samples
        first = self._told.get("first_sample", 0)
        first = first if isinstance(first, int) and 0 <= first <= length else 0
        whole = np.zeros(length, np.int16)
        piece = samples[: length - first]
        whole[first : first + len(piece)] = piece
        return whole

    def _decoded(self) -> Samples16:
        name = self._flac_path.name
        if "file" in self._told and self._told["file"] is None:
            return np.zeros(0 if self._length > _LONGEST else self._length, np.int16)  # Left out on purpose.
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
            self.remarks.append(f"{name} was changed after it was written")
        return np.concatenate([np.zeros(0, np.int16), *pieces])

    def _frames(self) -> tuple[list[Samples16], int]:
        """Return what can be decoded, with silence in the gaps, and how much is silent; libFLAC checks every frame."""
        pieces: list[Samples16] = []
        at = 0
        with soundfile.SoundFile(self._flac_path) as flac:
            subtype = "OPUS" if self._flac_path.suffix == ".opus" else "PCM_16"
            if (flac.samplerate, flac.channels, flac.subtype) != (self.rate, 1, subtype):
                raise OSError(f"its header says {flac.samplerate} Hz, {flac.channels} channels, {flac.subtype}")
            try:
                while len(block := flac.read(_BLOCK, dtype="int16")):
                    pieces.append(block)
                    at += len(block)
                return pieces, 0
            except soundfile.LibsndfileError:
                known = max(at, self._length)
                # A damaged header may claim years.
                end = flac.frames if flac.frames <= 2 * known + self.rate else known
        return self._salvaged(end)

    def _salvaged(self, end: int) -> tuple[list[Samples16], int]:
        """Decode frame by frame, starting again after each damaged one."""
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
                with suppress(soundfile.LibsndfileError):  # Then the next frame cannot be read, either.
                    flac.seek(at + count)
            pieces.append(block)
        flac.close()
        return pieces, lost


# --- Writing the sound of a session: two tracks, and a reference for each payload -------------------------------------

#: Events whose audio goes to a track. Other events only repeat audio, and keep it.
_ON_TRACK = (
    ev.InputAudioBufferAppend,
    ev.ResponseOutputAudioDelta,
    ev.ConversationItemCreate,
    ev.ConversationItemAdded,
    ev.ConversationItemDone,
)
_SIDES = {"user": "input", "assistant": "output"}


class TrackBuilder:
    """Takes the audio out of events and puts it on tracks.

    `form`: how to store them, if they are written as a whole.
    """

    def __init__(self, folder: Path, form: Compact | None = None):
        self.items: dict[str, dict[str, Any]] = {}
        """The model's audio by item: where it is, and how much of it was heard."""
        self.rates: dict[str, int] = {}
        """Sample rate of each track; its first sound decides."""
        self.stored: dict[str, dict[str, Any]] = {}
        """The manifest's entry of each track that was closed."""
        self._folder = folder
        self._form = form
        self._layout = TrackLayout()
        self._writers: dict[str, TrackWriter | CompactTrack] = {}
        self._encodings = dict.fromkeys(_SIDES, "audio/pcm")
        self._audible: set[str] = set()
        self._known: dict[bytes, Reference] = {}
        self._resamplers: dict[str, tuple[str, Resampler]] = {}
        """For tracks whose rate is no longer the server's: the item, and its resampler."""

    @property
    def wait_ms(self) -> float:
        """How far the tracks' clock is ahead of session time."""
        return round(self._layout.wait_ms, 3)

    def note(self, event: Any, elapsed_ms: float) -> None:
        """Take an event into account, before `take` takes its sound."""
        self._layout.note(event, elapsed_ms)
        if isinstance(event, ev.SessionCreated | ev.SessionUpdated):
            self._encodings = {track: encoding_of(event.session, side) for track, side in _SIDES.items()}
        elif isinstance(event, Heard) and event.item_id in self.items:
            item = self.items[event.item_id]
            item["played_ms"] = max(item["played_ms"] or 0, event.played_ms)
            item["interrupted"] = item["interrupted"] or event.stopped

    def take(self, event: Any, tree: dict[str, Any], elapsed_ms: float) -> dict[str, Reference]:
        """Take the audio out of an event's JSON; return where it went, by JSON Pointer."""
        if not isinstance(event, _ON_TRACK):
            return {}
        return {
            pointer: self._stored(event, owner.pop(key), elapsed_ms) for pointer, owner, key in list(take_audio(tree))
        }

    def _stored(self, event: Any, data: bytes, elapsed_ms: float) -> Reference:
        if isinstance(event, ev.ResponseOutputAudioDelta):
            return self._placed("assistant", data, elapsed_ms, event.item_id)
        if isinstance(event, ev.InputAudioBufferAppend):
            return self._placed("user", data, elapsed_ms, "")
        # An item is sent again when it is done.
        if data not in self._known:
            track = "assistant" if event.item.role == "assistant" else "user"
            found = self._found(data) if track == "user" else None
            self._known[data] = found or self._placed(track, data, elapsed_ms, event.item.id or "", is_whole=True)
        return self._known[data]

    def _found(self, data: bytes) -> Reference | None:
        """Return where the person already said this: in a turn that is asked again, or sent to another server."""
        encoding = self._encodings["user"]
        samples = to_samples(data, encoding)
        if samples is None or self.rates.get("user") != rate_of(encoding):
            return None
        start = self._writer("user").find(samples)
        if start is None:
            return None
        return Reference(track="user", start_sample=start, samples=len(samples), encoding=encoding)

    def _placed(self, track: str, data: bytes, elapsed_ms: float, item_id: str, *, is_whole: bool = False) -> Reference:
        encoding = self._encodings[track]
        samples = to_samples(data, encoding)
        text = base64.b64encode(data).decode()
        if samples is None or not len(samples):
            # Half a sample or none: kept, but not audible.
            return Reference(track=track, start_sample=0, samples=0, encoding=encoding, data=text)
        rate = self.rates.setdefault(track, rate_of(encoding))
        is_other = rate != rate_of(encoding)
        if is_other:
            samples = self._resampled(samples, rate_of(encoding), track, item_id, is_whole)
        writer = self._writer(track)
        if track == "user":
            place = self._layout.place_user(len(samples), rate, elapsed_ms)
        else:
            place = self._layout.place_assistant(len(samples), rate, elapsed_ms, item_id)
            item = self.items.setdefault(item_id, {**place._asdict(), "played_ms": None, "interrupted": False})
            item["samples"] = item.get("samples", 0) + len(samples)
        writer.write(place.start_sample, samples)
        audible_at = None
        if track == "assistant" and item_id not in self._audible:
            audible_at = first_audible(samples)
            if audible_at is not None:
                self._audible.add(item_id)
        moved = place.at_sample != place.start_sample
        return Reference(
            track=track,
            start_sample=place.start_sample,
            samples=len(samples),
            encoding=encoding,
            at_sample=place.at_sample if moved else None,
            audible_at=audible_at,
            data=text if is_other else None,
            resampled_to=rate if is_other else None,
        )

    def _resampled(self, samples: Samples16, rate: int, track: str, item_id: str, is_whole: bool) -> Samples16:
        """Return the next samples of an item at its track's rate.

        If the item comes in pieces, the filter holds back about 30 ms, which come with the next piece, if there is one.
        """
        said, resampler = self._resamplers.get(track, ("", None))
        if resampler is None or (said, resampler.rate_in) != (item_id, rate):
            resampler = Resampler(rate, self.rates[track])
            self._resamplers[track] = item_id, resampler
        pcm = resampler.process(samples.astype("<i2", copy=False).tobytes(), last=is_whole)
        return np.frombuffer(pcm, "<i2").astype(np.int16)

    def _writer(self, track: str) -> TrackWriter | CompactTrack:
        """Return a track's writer; a closed track is continued."""
        if track not in self._writers:
            at = (self._folder, track, self.rates[track])
            self._writers[track] = CompactTrack(*at, self._form) if self._form else TrackWriter(*at)
        return self._writers[track]

    def flush(self) -> None:
        """Hand everything to the operating system."""
        for writer in self._writers.values():
            writer.flush()

    def abandon(self) -> None:
        """Let go of the tracks as they are."""
        for writer in self._writers.values():
            writer.abandon()

    def close(self) -> None:
        """Finish the tracks; more sound may follow."""
        for track, writer in self._writers.items():
            self.stored[track] = writer.close()
        self._writers = {}
