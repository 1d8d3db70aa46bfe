"""The text files of a recording: the lines of ``events.jsonl``, and ``manifest.json``."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ..files import seal, write_whole
from ..protocol import events as ev
from ..protocol import local_events as local
from ..protocol.formats import bytes_per_ms, rate_of
from ..protocol.local_events import Heard
from ..secrecy import Secrets, bare_address

# --- Where sound is on a recording's two tracks, which share one clock ------------------------------------------------

#: Longer chunks are clips that were sent at once; a microphone's frames are shorter.
_CLIP_MS = 500.0
#: A chunk that comes later than this after the end of the last one leaves a gap; an earlier one is just late, and
#: follows it without one.
_JITTER_MS = 200.0


class ChunkPlace(NamedTuple):
    """Where a chunk is on its track, in samples."""

    start_sample: int
    """Where it is stored."""
    at_sample: int
    """Where it sounded: before `start_sample` if the track still holds audio that was cut off before it."""


class TrackLayout:
    """The clock of a recording's tracks, and where each sound is on them.

    The clock is session time, but it waits in two cases, so that the tracks sound like a conversation: until a clip is
    over that was sent faster than it sounds; and, if no speaker reports what it plays, until an answer is over before
    the next question begins. In a live conversation it never waits.

    The microphone's frames end when they were sent. An item of the model's begins when it arrived, or when the one
    before it was over. Nothing on a track is overwritten: sound that follows an answer which was cut off is stored
    after all of that answer, with a note that it sounded earlier.
    """

    def __init__(self) -> None:
        self.wait_ms = 0.0
        """How far the clock is ahead of session time by now."""
        self._rates: dict[str, int] = {}
        self._ends: dict[str, int] = {"user": 0, "assistant": 0}
        self._item = ""
        self._quiet_from_ms = 0.0
        self._is_reported = False
        self._stopped: set[str] = set()

    def note(self, event: Any, elapsed_ms: float) -> None:
        """Take into account an event without sound."""
        if isinstance(event, Heard):
            self._is_reported = True
            if event.stopped and event.item_id not in self._stopped:
                self._stopped.add(event.item_id)
                self._quiet_from_ms = min(self._quiet_from_ms, elapsed_ms + self.wait_ms)
        elif isinstance(event, ev.ConversationItemCreate | ev.ConversationItemAdded) and event.item.role == "user":
            self._let_finish(elapsed_ms)

    def place_user(self, samples: int, rate: int, elapsed_ms: float) -> ChunkPlace:
        """Find room for a chunk of the person's audio."""
        length_ms = samples / rate * 1000
        end_ms = self._end_ms("user", rate)
        if length_ms > _CLIP_MS:
            self._let_finish(elapsed_ms)
            start_ms = elapsed_ms + self.wait_ms
        else:
            start_ms = elapsed_ms + self.wait_ms - length_ms
        start_ms = end_ms if start_ms - end_ms <= _JITTER_MS else start_ms
        start = self._store("user", start_ms, samples)
        self._wait_until((start + samples) / rate * 1000, elapsed_ms)
        return ChunkPlace(start, start)

    def place_assistant(self, samples: int, rate: int, elapsed_ms: float, item_id: str) -> ChunkPlace:
        """Find room for a chunk of one of the model's items."""
        self._end_ms("assistant", rate)
        now_ms = elapsed_ms + self.wait_ms
        joins = item_id == self._item and now_ms - self._quiet_from_ms <= _JITTER_MS
        at_ms = self._quiet_from_ms if joins else max(now_ms, self._quiet_from_ms)
        self._item = item_id
        start = self._store("assistant", at_ms, samples)
        at = min(start, round(at_ms * rate / 1000))
        if item_id not in self._stopped:  # The late rest of an answer that was cut off is not heard.
            self._quiet_from_ms = (at + samples) / rate * 1000
        return ChunkPlace(start, at)

    def _end_ms(self, track: str, rate: int) -> float:
        self._rates.setdefault(track, rate)
        return self._ends[track] / rate * 1000

    def _store(self, track: str, start_ms: float, samples: int) -> int:
        start = max(self._ends[track], round(start_ms * self._rates[track] / 1000))
        self._ends[track] = start + samples
        return start

    def _let_finish(self, elapsed_ms: float) -> None:
        """Wait until an answer is over before the next question, unless a speaker reports how much of it was heard."""
        if not self._is_reported:
            self._wait_until(self._quiet_from_ms, elapsed_ms)

    def _wait_until(self, clock_ms: float, elapsed_ms: float) -> None:
        self.wait_ms = max(self.wait_ms, clock_ms - elapsed_ms)


# --- One line of ``events.jsonl``: an event as it was on the wire, with its audio on a track --------------------------
#
# ``{"elapsed_ms": …, "direction": "sent" | "received" | "local", "event": {…}, "audio": {POINTER: REFERENCE}}``: audio
# payloads are taken out of the event; ``audio`` says by JSON Pointer (RFC 6901) where each belongs in the event and
# where it is on a track. A message that could not be read as an event is under ``malformed`` instead of ``event``.
# ``wait_ms`` is set when the tracks' clock has moved: from that line on it is this far ahead of session time. Each line
# begins with its checksum, ``"crc32"``, see `realtime_nb.files.seal`; earlier versions wrote none.

_DELTA = "response.output_audio.delta"
_APPEND = "input_audio_buffer.append"


class Reference(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where an audio payload is stored."""

    track: str
    start_sample: int
    samples: int
    encoding: str = "audio/pcm"
    at_sample: int | None = None
    """Where it sounded on the tracks' clock, if that is not where it is stored."""
    audible_at: int | None = None
    """Where its first audible sample is, in the first chunk of an item that has one."""
    data: str | None = None
    """The payload itself, in base64, if the track cannot reproduce it."""
    resampled_to: int | None = None
    """The track's rate, if the payload has another one; the track then holds it resampled."""

    @property
    def track_rate(self) -> int:
        """Rate of the samples on the track, in Hz."""
        return self.resampled_to or rate_of(self.encoding)

    @property
    def audio_ms(self) -> float:
        """How long the payload is."""
        if self.data is not None:
            return len(base64.b64decode(self.data)) / bytes_per_ms(self.encoding)
        return self.samples / (rate_of(self.encoding) / 1000)


class EventRow(Struct, gc=False):
    """The fields of the common events; others are skipped."""

    type: str
    event_id: Any = None
    item_id: Any = None
    response_id: Any = None
    output_index: Any = None
    content_index: Any = None
    delta: Any = None
    text: Any = None
    transcript: Any = None
    item: Any = None


class Line(Struct, kw_only=True, omit_defaults=True, gc=False):
    """A line as it is read quickly, without the event's less common fields."""

    elapsed_ms: float
    direction: str
    event: EventRow = msgspec.field(default_factory=lambda: EventRow(type="malformed"))
    audio: dict[str, Reference] | UnsetType = UNSET
    wait_ms: float | UnsetType = UNSET
    malformed: Any = UNSET


class _WholeLine(Struct):
    event: dict[str, Any] | UnsetType = UNSET
    malformed: dict[str, Any] | UnsetType = UNSET


_decode_whole = msgspec.json.Decoder(_WholeLine).decode
#: Encodes a line without its line end; audio that is still inside its event becomes base64.
encode = msgspec.json.Encoder().encode

Payload = Callable[[Reference], bytes]


def to_tree(event: Any) -> dict[str, Any]:
    """Return an event as JSON values, except for audio, which stays `bytes`."""
    if isinstance(event, ev.Unknown):
        return dict(event.data)
    tree: dict[str, Any] = msgspec.to_builtins(event, builtin_types=(bytes,))
    return tree


def take_audio(tree: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Find the audio in an event: its pointer, and the object and key that hold it."""
    if isinstance(tree, dict):
        for key, value in list(tree.items()):
            if isinstance(value, bytes):
                yield f"{pointer}/{key}", tree, key
            else:
                yield from take_audio(value, f"{pointer}/{key}")
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from take_audio(value, f"{pointer}/{index}")


def put_audio(tree: dict[str, Any], pointer: str, data: bytes) -> None:
    """Put audio back into an event, as base64."""
    *path, last = pointer.split("/")[1:]
    at: Any = tree
    for key in path:
        at = at[int(key) if isinstance(at, list) else key]
    at[last] = base64.b64encode(data).decode()


def decode_event(line: Line, text: bytes | memoryview, payload: Payload) -> Any:
    """Return the event of a line, as it passed."""
    row, references = line.event, {} if line.audio is UNSET else line.audio
    if row.type == _APPEND and line.direction == "sent" and "/audio" in references:
        return ev.InputAudioBufferAppend(audio=payload(references["/audio"]), event_id=row.event_id or UNSET)
    if row.type == _DELTA and line.direction == "received" and "/delta" in references:
        return ev.ResponseOutputAudioDelta(
            event_id=row.event_id or "",
            response_id=row.response_id,
            item_id=row.item_id,
            output_index=row.output_index or 0,
            content_index=row.content_index or 0,
            delta=payload(references["/delta"]),
        )
    whole = _decode_whole(text)
    if whole.event is UNSET:
        malformed = whole.malformed or {}
        return ev.Malformed(message=str(malformed.get("message", "")), data=malformed.get("data"))
    for pointer, reference in references.items():
        put_audio(whole.event, pointer, payload(reference))
    return _read(line.direction, row.type, encode(whole.event))


def _read(direction: str, kind: str, message: bytes) -> Any:
    if direction == "sent":
        return ev.decode_client(message)
    known = local_events().get(kind) if direction == "local" else None
    if known is None:
        return ev.decode_server(message)
    try:
        return msgspec.json.decode(message, type=known)
    except msgspec.MsgspecError as error:
        return ev.Malformed(message=f"{kind}: {error}", data=msgspec.json.decode(message))


@cache
def local_events() -> dict[str, type[Struct]]:
    """Return the local events by their types."""
    return {
        field.default: kind
        for kind in vars(local).values()
        if isinstance(kind, type) and issubclass(kind, Struct) and kind is not Struct
        for field in msgspec.structs.fields(kind)
        if field.name == "type" and isinstance(field.default, str)
    }


# --- A microphone's frames, gathered: they are nearly all lines of a recording, and nearly all alike ------------------

_AN_APPEND = "input_audio_buffer.append"
_AUDIO = "/audio"


class LineRun(NamedTuple):
    """Consecutive lines."""

    line: Line
    """The single line, or all of them as one, with the time of the last and the audio of all."""
    first: int
    """Index of the first line."""
    length: int
    """Number of lines; if more than one, they are frames of equal length whose sound has no gaps."""


def gather(lines: Sequence[Line]) -> list[LineRun]:
    """Group consecutive frames; every other line stays alone."""
    runs: list[LineRun] = []
    first, begun, samples, next_sample = 0, None, 0, 0
    for index, line in enumerate(lines):
        frame = _frame(line)
        if frame is not None and begun is not None:
            if frame.start_sample == next_sample and frame.samples == samples and frame.encoding == begun.encoding:
                next_sample += samples
                continue
        if begun is not None:
            runs.append(_run(lines, first, index, begun))
        first, begun = index, frame
        if frame is None:
            runs.append(LineRun(line, index, 1))
        else:
            samples = frame.samples
            next_sample = frame.start_sample + samples
    if begun is not None:
        runs.append(_run(lines, first, len(lines), begun))
    return runs


def _frame(line: Line) -> Reference | None:
    """Return the audio of a line that is nothing but a frame."""
    if line.event.type != _AN_APPEND or line.audio is UNSET or line.event.event_id is not None:
        return None
    frame = line.audio.get(_AUDIO)
    if (
        frame is None
        or frame.data is not None
        or not frame.samples
        or line.direction != "sent"
        or line.wait_ms is not UNSET
    ):
        return None
    return frame


def _run(lines: Sequence[Line], first: int, end: int, begun: Reference) -> LineRun:
    count, last = end - first, lines[end - 1]
    if count == 1:
        return LineRun(last, first, 1)
    whole = msgspec.structs.replace(begun, samples=count * begun.samples)
    return LineRun(msgspec.structs.replace(last, audio={_AUDIO: whole}), first, count)


# --- ``manifest.json``: what the recording is, who spoke, how it was made, and whether it is unchanged ----------------

NAME = "manifest.json"
EVENTS = "events.jsonl"
TRACKS = ("user", "assistant")
FORMAT = "realtime_nb recording"
#: Increased when earlier versions would misread a folder: 2 for tracks in other files, see `tracks.Compact`.
VERSION = 2

PROVENANCE = (
    "The assistant's voice in assistant.flac and its words in events.jsonl were generated by an AI model; "
    "user.flac holds what was sent to it."
)
_LIBRARIES = ("realtime_nb", "msgspec", "numpy", "openai", "soundfile", "websockets")


class About(Struct, frozen=True, kw_only=True):
    """The facts that a recording keeps about its session, and the secrets that it must not contain."""

    session: str = ""
    """The session's class."""
    model: str = ""
    backend: str = ""
    url: str = ""
    began_at: datetime | None = None
    """Wall time at which session time began."""
    secrets: tuple[str, ...] = ()


@cache
def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe(about: About, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a manifest says from the start of a recording."""
    return {
        "format": FORMAT,
        "version": 1,
        "provenance": PROVENANCE,
        "ai_generated": True,
        "complete": False,
        "session": about.session,
        "model": about.model,
        "backend": {"name": about.backend, "url": bare_address(about.url) if about.url else ""},
        "clock": {"origin": about.began_at.isoformat() if about.began_at else None, "elapsed_ms": 0.0},
        "settings": settings,
        "versions": _versions(),
    }


def content_hash(folder: Path, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the SHA-256 of a recording's content and of each of its files.

    The first is the hash of what ``sha256sum`` prints for the files, sorted by name.
    """
    files = {}
    for name in sorted(names):
        with (folder / name).open("rb") as file:
            files[name] = hashlib.file_digest(file, "sha256").hexdigest()
    listing = "".join(f"{digest}  {name}\n" for name, digest in files.items())
    return hashlib.sha256(listing.encode()).hexdigest(), files


def write_manifest(folder: Path, secrets: Secrets, manifest: dict[str, Any]) -> None:
    """Write a manifest, as a whole or not at all."""
    text = json.dumps(secrets.hide_named(manifest))
    # json's own indenting is written in Python, and takes ten times as long.
    write_whole(folder / NAME, seal(secrets.hide(msgspec.json.format(text.encode(), indent=2))) + b"\n")
