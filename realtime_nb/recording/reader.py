"""Reading a recording, even a damaged one."""

from __future__ import annotations

import base64
import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from ..conversation.input_track import SentFrames
from ..errors import RecordingError
from ..files import is_sealed, read_sealed, split_sealed, unseal
from ..protocol import events as ev
from .files import EVENTS, FORMAT, NAME, TRACKS, VERSION, Line, LineRun, Payload, Reference, decode_event, gather
from .tracks import TrackReader, click, from_samples, silence

_read_lines = msgspec.json.Decoder(Line).decode_lines
_read_line = msgspec.json.Decoder(Line).decode
#: Samples that one event can carry: three hours.
_LONGEST = 2**28
#: The type of each entry of a manifest; an entry of another type is damaged.
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("session", "model", "provenance", "content_hash"), str),
    **dict.fromkeys(("backend", "clock", "settings", "versions", "tracks", "heard", "files"), dict),
    **{"remarks": list, "complete": bool, "length_ms": int | float},
}
#: What a damaged line raises.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@contextmanager
def many_records() -> Iterator[None]:
    """Speed up making hundreds of thousands of records at once.

    None of them is part of a cycle, so the garbage collector finds nothing, and it would take half the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class RecordedEvent(NamedTuple):
    """An event of a recording."""

    elapsed_ms: float
    direction: str
    event: Any


class Folder:
    """A recording's folder, opened for reading.

    Raises `RecordingError` if it is not a recording, or was written by a later version.
    """

    def __init__(self, path: Path):
        self.path = path
        self._remarks: list[str] = []
        try:
            data = (path / EVENTS).read_bytes()
        except OSError as error:
            raise RecordingError(
                f"{str(path)!r} is not a recording, because {EVENTS} cannot be read ({error.strerror}): give the "
                "folder that save() or recording=… has written"
            ) from None
        told, is_whole = self._told()
        self.manifest: dict[str, Any] = told or {}
        sealed = str(self.manifest.get("files", {}).get(EVENTS, ""))
        is_same = self.manifest.get("complete") is True and sealed == hashlib.sha256(data).hexdigest()
        with many_records():
            self.lines, self._texts = self._read(data) if is_same else self._salvaged(data)
        if data.strip() and not self.lines:
            why = f"no line of its {EVENTS} can be read" if told is not None else f"its {NAME} does not describe one"
            raise RecordingError(f"{str(path)!r} is not a recording of realtime_nb: {why}")
        if not is_whole:
            self.manifest = self._rebuilt() | self.manifest
        self._check(told is not None, is_same)
        self._tracks: dict[str, TrackReader] = {}

    @property
    def remarks(self) -> list[str]:
        """Remarks on what is wrong with it and how it was mended; reads the sound."""
        self._read_tracks()
        return [*self._remarks, *(remark for track in self._tracks.values() for remark in track.remarks)]

    # --- the files ---

    def _told(self) -> tuple[dict[str, Any] | None, bool]:
        """Return what can be read of the manifest, and whether it is intact; `None` if it is not a recording's."""
        what = "what the events do not say, such as versions, backend and wall time, is not known"
        try:
            manifest, is_whole = read_sealed((self.path / NAME).read_bytes())
        except OSError:
            self._remarks.append(f"{NAME} is missing: {what}")
            return {}, False
        except ValueError as error:
            self._remarks.append(f"{NAME} cannot be read ({error}): {what}")
            return {}, False
        if not is_whole:
            self._remarks.append(f"{NAME} was changed after it was written: what it says may be wrong")
        elif manifest.get("format") != FORMAT:
            self._remarks.append(f"{NAME} is not a recording's: {what}")
            return None, False
        elif manifest.get("version", 0) > VERSION:
            raise RecordingError(
                f"{str(self.path)!r} was written by realtime_nb {manifest.get('versions', {}).get('realtime_nb')}, in "
                f"a format that this version does not know: update realtime_nb"
            )
        manifest = {name: value for name, value in manifest.items() if isinstance(value, _KINDS.get(name, object))}
        self._remarks += map(str, manifest.get("remarks", []))
        return manifest, is_whole

    def _rebuilt(self) -> dict[str, Any]:
        """Return as much of a manifest as the events tell."""
        settings: dict[str, Any] = {}
        for line, text in zip(self.lines, self._texts, strict=True):
            if line.event.type in ("session.created", "session.updated"):
                event = self._decoded(line, text, _outlined)
                settings = getattr(event, "session", None) or settings
        length_ms = max((line.elapsed_ms for line in self.lines), default=0.0)
        model = str(settings.get("model") or "")
        return {"format": FORMAT, "version": VERSION, "model": model, "settings": settings, "length_ms": length_ms}

    def _read(self, data: bytes) -> tuple[list[Line], list[bytes]]:
        """Read the lines of an unchanged file."""
        try:
            return _read_lines(data), [text for text in data.split(b"\n") if text.strip()]
        except _UNREADABLE:
            return self._salvaged(data)

    def _salvaged(self, data: bytes) -> tuple[list[Line], list[bytes]]:
        """Read the lines that are intact."""
        found = split_sealed(data, "elapsed_ms")
        try:
            lines, good = _read_lines(b"\n".join(found.whole)), found.whole
        except _UNREADABLE:
            lines, good = [], []
            for text in found.whole:
                with suppress(*_UNREADABLE):  # It is counted below.
                    lines.append(_read_line(text))
                    good.append(text)
        if not found.is_sealed:
            kept = [index for index, line in enumerate(lines) if _is_plausible(line)]
            lines, good = [lines[index] for index in kept], [good[index] for index in kept]
        lost = len(found.damaged) + len(found.whole) - len(good)
        is_cut = bool(data) and not data.endswith(b"\n") and lost and not _can_be_read(data.rpartition(b"\n")[2])
        if is_cut:
            # The process ended while writing a line.
            self._remarks.append(f"the last line of {EVENTS} is incomplete: the recording ends before it")
            lost -= 1
        if lost:
            total = len(good) + lost + is_cut
            self._remarks.append(f"{lost} of {total} lines of {EVENTS} cannot be read: left out")
        return lines, good

    def _check(self, is_known: bool, is_same: bool) -> None:
        if not is_known or is_same:
            return
        if self.manifest.get("complete") is True:
            if not any(EVENTS in remark for remark in self._remarks):
                self._remarks.append(f"{EVENTS} was changed after it was written")
        elif "complete" in self.manifest:
            length_s = self.lines[-1].elapsed_ms / 1000 if self.lines else 0.0
            self._remarks.append(
                f"the session was not closed, or is still open: the recording ends after {length_s:.1f} s"
            )

    # --- what is in it ---

    @cached_property
    def runs(self) -> list[LineRun]:
        """The lines, with the microphone's frames gathered."""
        with many_records():
            return gather(self.lines)

    def track(self, name: str) -> TrackReader | None:
        """Return a track, or `None` if the session had no such sound."""
        if name not in self._tracks:
            found = [
                reference
                for line, _, _ in self.runs
                if line.audio is not UNSET
                for reference in line.audio.values()
                if reference.track == name and (reference.data is None or reference.samples)
            ]
            if not found or name not in TRACKS:
                return None
            length = max(reference.start_sample + reference.samples for reference in found)
            told = self.manifest.get("tracks", {}).get(name)
            told = told if isinstance(told, dict) else {}
            file = told.get("file")
            digest = str(
                self.manifest.get("files", {}).get(file if file and isinstance(file, str) else f"{name}.flac", "")
            )
            rate = found[0].track_rate
            self._tracks[name] = TrackReader(self.path, name, rate, length=length, digest=digest, told=told)
        return self._tracks[name]

    def entries(self) -> Iterator[RecordedEvent]:
        """Yield every event as it was sent or received, with its audio."""
        self._read_tracks()
        for line, text in zip(self.lines, self._texts, strict=True):
            yield RecordedEvent(line.elapsed_ms, line.direction, self._decoded(line, text, self._payload))

    def _decoded(self, line: Line, text: bytes, payload: Payload) -> Any:
        """Return a line's event, which may be damaged if it is from an earlier version without checksums."""
        try:
            return decode_event(line, text, payload)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            remark = f"an event of {EVENTS}, {line.event.type}, cannot be read: left out"
            if remark not in self._remarks:
                self._remarks.append(remark)
            return ev.Malformed(message=f"{line.event.type}: {error!r}", data=None)

    def gathered(self) -> Iterator[RecordedEvent]:
        """Yield events with their audio, which give the same records as all events do."""
        self._read_tracks()
        return self._gathered(self._payload)

    def outline(self) -> Iterator[RecordedEvent]:
        """Yield events that give the same records, with silence in place of the sound, which takes long to read.

        A click marks the first audible sample of each of the model's items. Events with the same id stay equal, or
        different, as they are with their sound.
        """
        firsts: dict[Any, Reference] = {}
        alike: dict[Reference, Reference] = {}
        for line in self.lines:
            if line.direction != "received" or not line.event.event_id or not line.audio:
                continue
            reference = next(iter(line.audio.values()))
            first = firsts.setdefault(line.event.event_id, reference)
            if first != reference:
                is_same = self._payload(first) == self._payload(reference)
                alike[reference] = first if is_same else reference

        def payload(reference: Reference) -> bytes:
            same = alike.get(reference)
            return self._payload(reference) if same is reference else _outlined(same or reference)

        return self._gathered(payload)

    def _gathered(self, payload: Payload) -> Iterator[RecordedEvent]:
        for line, first, count in self.runs:
            if count == 1:
                yield RecordedEvent(line.elapsed_ms, line.direction, self._decoded(line, self._texts[first], payload))
                continue
            (reference,) = (line.audio or {}).values()
            times_ms = [each.elapsed_ms for each in self.lines[first : first + count]]
            yield RecordedEvent(line.elapsed_ms, line.direction, SentFrames(payload(reference), times_ms))

    def _read_tracks(self) -> None:
        for name in TRACKS:
            if (track := self.track(name)) is not None:
                _ = track.whole

    def _payload(self, reference: Reference) -> bytes:
        if reference.data is not None:
            return base64.b64decode(reference.data)
        track = self.track(reference.track)
        if track is None:
            return silence(reference.samples, reference.encoding)
        return from_samples(track.read(reference.start_sample, reference.samples), reference.encoding)


def _is_plausible(line: Line) -> bool:
    """Return whether a line without a checksum needs no more memory than a real recording could."""
    references = () if line.audio is UNSET else line.audio.values()
    return all(0 <= each.samples <= _LONGEST and 0 <= each.start_sample <= 100 * _LONGEST for each in references)


def _can_be_read(text: bytes) -> bool:
    try:
        _read_line(text)
    except _UNREADABLE:
        return False
    return not is_sealed(text) or unseal(text) is not None


def _outlined(reference: Reference) -> bytes:
    if reference.data is not None:
        return base64.b64decode(reference.data)
    if reference.audible_at is not None:
        return click(reference.samples, reference.encoding, reference.audible_at)
    return silence(reference.samples, reference.encoding)
