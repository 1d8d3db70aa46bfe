"""The clips of a run: where the person speaks in them, and each kept under the SHA-256 of its samples."""

from __future__ import annotations

import functools
import io
import json
import threading
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from ..conversation.timing import first_audible_ms, silence_at_end_ms
from ..files import make_folder, open_private, seal, split_sealed, write_whole
from ..media.clip import AudioClip, from_pcm16
from ..recording.tracks import clip_hash, pcm_hash

# --- A clip, and where the person speaks in it, under any condition ---------------------------------------------------

#: Codecs and resampling may add or drop a few samples at the end of a clip.
_SAME_LENGTH_MS = 1.0


@dataclass(frozen=True, eq=False, repr=False)
class SpokenClip(AudioClip):
    """A clip, and where the person speaks in it, as it was before any condition."""

    speech_start_ms: float | None = field(default=None, kw_only=True)
    """Where the first audible sample of the clean clip is now; `None` if no one speaks, or that is not known."""
    speech_end_ms: float | None = field(default=None, kw_only=True)
    """Where its last audible sample ends."""
    turn_end_ms: float = field(default=0.0, kw_only=True)
    """Where the clean clip ends now, when the person lets go of a button; a room may echo longer."""

    @classmethod
    def of(cls, clip: AudioClip) -> SpokenClip:
        """Return a clip with its speech; a clip that does not know its speech counts as clean."""
        if isinstance(clip, cls):
            return clip
        start_ms, length_ms = first_audible_ms(clip), clip.duration_s * 1000
        end_ms = None if start_ms is None else length_ms - silence_at_end_ms(clip)
        return cls(
            clip.samples,
            clip.sample_rate,
            clip.comment,
            speech_start_ms=start_ms,
            speech_end_ms=end_ms,
            turn_end_ms=length_ms,
        )

    def changed_by(self, condition: Any, clip: AudioClip) -> SpokenClip:
        """Return the sound that a condition made of this clip, with the speech at its new place."""
        place_ms = getattr(condition, "place_ms", None)
        length_ms, before_ms = clip.duration_s * 1000, self.duration_s * 1000
        if place_ms is None and abs(length_ms - before_ms) > _SAME_LENGTH_MS:
            return SpokenClip(clip.samples, clip.sample_rate, clip.comment, turn_end_ms=length_ms)

        def placed(at_ms: float | None) -> float | None:
            return at_ms if at_ms is None or place_ms is None else float(place_ms(at_ms))

        return SpokenClip(
            clip.samples,
            clip.sample_rate,
            clip.comment,
            speech_start_ms=placed(self.speech_start_ms),
            speech_end_ms=placed(self.speech_end_ms),
            turn_end_ms=min(placed(self.turn_end_ms) or 0.0, length_ms),
        )

    @property
    def as_kept(self) -> SpokenClip:
        """The clip with 16 bits a sample, as it is kept and sent."""
        return replace(self, samples=from_pcm16(self.to_pcm16()), comment="")

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of its samples, as PCM16 at its own rate."""
        return clip_hash(self)

    @property
    def silence_ms(self) -> float | None:
        """How long the person is silent before they let go of a button; `None` if that is not known."""
        return None if self.speech_end_ms is None else self.turn_end_ms - self.speech_end_ms


# --- The clips of a run, each made once -------------------------------------------------------------------------------

_FOLDER, _INDEX = "clips", "clips/index.jsonl"
_TIMES = ("speech_start_ms", "speech_end_ms", "turn_end_ms")
_pack = msgspec.msgpack.encode
#: Names a clip in a run, e.g. ("heard", example_id, turn, condition).
Key = tuple[str | int, ...]


class KnownClip(NamedTuple):
    """A clip's entry in the index."""

    sha256: str
    sample_rate: Annotated[int, msgspec.Meta(gt=0, lt=2**32)]
    speech_start_ms: float | None
    speech_end_ms: float | None
    turn_end_ms: float


class RunClips:
    """The clips of a run, each made once, and kept in its folder: ``clips/SHA256.wav``.

    ``clips/index.jsonl`` says which is which. Threads may ask for the same clip at once.

    `path`: the run's folder.
    """

    def __init__(self, path: Path):
        self._path = path
        self._folder, self._index = path / _FOLDER, path / _INDEX
        self._known = {key: _pack(entry) for key, entry in read_index(path).items()}
        """Packed, because a run may have ten thousand."""
        self._written: dict[bytes, bytes] = {}
        """The packed entries whose files were written here; a clean clip is the one that was said."""
        self._lock = threading.Lock()
        self._making: dict[Key, threading.Lock] = {}
        self.unwritten: dict[str, bytes] = {}
        """Files that did not fit on the disk, by their paths in the folder."""

    def keep(self, key: Key, make: Callable[[], AudioClip]) -> SpokenClip:
        """Return a clip, and make it if it was never made, or its file is not what it was."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            clip = self.known(key) or self._write(key, SpokenClip.of(make()).as_kept)
        with self._lock:
            self._making.pop(key, None)
        return clip

    def known(self, key: Key) -> SpokenClip | None:
        """Return a clip that was made before; `None` if there is none, or its file is not what it was."""
        packed = self._known.get(key)
        if packed is None:
            return None
        entry = msgspec.msgpack.decode(packed, type=KnownClip)
        name = file_name(entry.sha256)
        pcm = _samples_in(self.unwritten.get(name) or _read_file(f"{self._path}/{name}"))
        if pcm_hash(pcm) != entry.sha256:
            self._written.pop(packed, None)
            return None
        return SpokenClip(from_pcm16(pcm), entry.sample_rate, **{name: getattr(entry, name) for name in _TIMES})

    def _write(self, key: Key, clip: SpokenClip) -> SpokenClip:
        entry = KnownClip(clip.sha256, clip.sample_rate, *(getattr(clip, name) for name in _TIMES))
        packed, name = _pack(entry), file_name(clip.sha256)
        with self._lock:
            try:
                if packed not in self._written:
                    make_folder(self._folder)
                    write_whole(f"{self._path}/{name}", clip.encode("wav"))  # A `Path` would keep each name.
                    self._written[packed] = packed
                with open_private(self._index, "ab", buffering=0) as file:
                    told = {"clip": list(key)} | entry._asdict()
                    file.write(seal(json.dumps(told, ensure_ascii=False).encode()) + b"\n")
            except OSError:  # The run's folder says so when it writes the row.
                self.unwritten[name] = clip.encode("wav")
            self._known[key] = self._written.get(packed, packed)  # One object for both.
        return clip


def file_name(sha256: str) -> str:
    """Return where the clip with a hash is in the folder of its run."""
    return f"{_FOLDER}/{sha256}.wav"


def clip_files(path: Path) -> list[Path]:
    """Return the files in which a run keeps its clips."""
    return [each for each in (path / _FOLDER).glob("*") if each.suffix in (".wav", ".jsonl")]


def read_index(path: Path) -> dict[Key, KnownClip]:
    """Return what a run's folder says of its clips; damaged lines are left out, and their clips made again."""
    found: dict[Key, KnownClip] = {}
    for line in split_sealed(_read_file(path / _INDEX), "clip").whole:
        try:
            entry = json.loads(line)
            found[tuple(entry["clip"])] = msgspec.convert([entry[name] for name in KnownClip._fields], KnownClip)
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found


def _read_file(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _samples_in(data: bytes) -> bytes:
    """Return the samples of a WAV file; nothing if it is not one."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            return bytes(file.readframes(file.getnframes()))
    except (wave.Error, EOFError):
        return b""


# --- What was heard, by the rows of a run -----------------------------------------------------------------------------


def heard_in(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], set[str]]:
    """Return the hashes of the clips that were heard, by example, condition, turn and words."""
    found: dict[tuple[Any, ...], set[str]] = {}
    for row in rows:
        turns = [row, *json.loads(row.get("turn_measures") or "[]")]
        for turn in (each for each in turns if each.get("input_sha256")):
            key = (row["example_id"], row["condition"], turn.get("turn", 1), turn.get("user_text", ""))
            found.setdefault(key, set()).add(turn["input_sha256"])
    return found


def clip_remarks(path: Path, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Check the clips of a run, and yield what is wrong with them."""
    heard = heard_in(rows)
    kept = {each.stem: pcm_hash(_samples_in(_read_file(each))) for each in (path / _FOLDER).glob("*.wav")}
    if damaged := sorted(name for name, sha256 in kept.items() if sha256 != name):
        yield f"{_counted(len(damaged), len(kept))} changed since they were heard: {_some(map(file_name, damaged))}"
    without = [row for row in rows if row["status"] == "completed" and not _is_known(row)]
    if heard and without:
        yield f"{len(without)} of {len(rows)} answers are from an earlier version: what they heard is not known by hash"
    wanted = set().union(*heard.values()) if heard else set()
    if gone := sorted(wanted - kept.keys()):
        yield f"{_counted(len(gone), len(wanted))} gone: {_some(map(file_name, gone))}"
    if mixed := [key for key, hashes in heard.items() if len(hashes) > 1]:
        yield (
            f"{_counted(len(mixed), len(heard))} not the same for all systems and repeats: {_some(map(_named, mixed))}"
        )


def _is_known(row: Mapping[str, Any]) -> bool:
    return "input_sha256" in row or "input_sha256" in row.get("turn_measures", "")


def heard_differently(rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a remark if two runs heard different sounds of the same examples and conditions."""
    ours, theirs = heard_in(rows), heard_in(others)
    if bool(ours) != bool(theirs):
        yield "one run kept no hashes of its clips: whether both heard the same sounds is not known"
    both = ours.keys() & theirs.keys()
    if different := [key for key in ours if key in both and ours[key] != theirs[key]]:
        yield f"{_counted(len(different), len(both))} not the same sound in both runs: {_some(map(_named, different))}"


def _counted(count: int, total: int) -> str:
    return f"{count} of {total} clips {'is' if count == 1 else 'are'}"


def _named(key: tuple[Any, ...]) -> str:
    example_id, condition, turn, _ = key
    return f"{example_id} · {condition}" + (f" · turn {turn}" if turn != 1 else "")


def _some(names: Iterator[str], most: int = 3) -> str:
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
