"""Reading a recording, whatever became of it."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from ..errors import RecordingError
from ..input_track import SentFrames
from .lines import Line, Payload, Reference, decode_event
from .manifest import EVENTS, FORMAT, NAME, TRACKS, VERSION
from .runs import Run, gather
from .samples import click, from_samples, rate_of, silence
from .track_files import TrackReader

_read_lines = msgspec.json.Decoder(Line).decode_lines
_read_line = msgspec.json.Decoder(Line).decode


@contextmanager
def many_records() -> Iterator[None]:
    """Let hundreds of thousands of records be made at once.

    None of them holds itself, so that the collector, which looks for such, finds nothing and takes half the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Entry(NamedTuple):
    """An event of a recording."""

    elapsed_ms: float
    direction: str
    event: Any


class Folder:
    """A recording's folder, opened; nothing in it is changed.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    RecordingError
        If it is no recording, or one of a later version.
    """

    def __init__(self, path: Path):
        self.path = path
        self.remarks: list[str] = []
        """What is wrong with it, and what was made of that."""
        try:
            data = (path / EVENTS).read_bytes()
        except OSError as error:
            raise RecordingError(
                f"{str(path)!r} is no recording, as {EVENTS} cannot be read ({error.strerror}): give the folder that "
                "save() or recording=… has written"
            ) from None
        self.manifest = self._manifest()
        with many_records():
            self.lines, self._texts = self._parsed(data)
        self._check(data)
        self._tracks: dict[str, TrackReader] = {}

    # --- the files ---

    def _manifest(self) -> dict[str, Any]:
        try:
            manifest = json.loads((self.path / NAME).read_bytes())
        except OSError:
            self.remarks.append(f"{NAME} is missing: versions, backend and wall time are not known")
            return {}
        except ValueError as error:
            self.remarks.append(f"{NAME} cannot be read ({error}): versions, backend and wall time are not known")
            return {}
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise RecordingError(f"{str(self.path)!r} is no recording of realtime_nb: its {NAME} says nothing of one")
        if manifest.get("version", 0) > VERSION:
            raise RecordingError(
                f"{str(self.path)!r} was written by realtime_nb {manifest.get('versions', {}).get('realtime_nb')}, in "
                f"a format that this version does not know: update realtime_nb"
            )
        self.remarks += manifest.get("remarks", [])
        return manifest

    def _parsed(self, data: bytes) -> tuple[list[Line], list[bytes]]:
        if data and not data.endswith(b"\n"):
            # The process ended in the middle of a line.
            data, _, rest = data.rpartition(b"\n")
            try:
                _read_line(rest)
            except msgspec.MsgspecError:
                self.remarks.append(f"the last line of {EVENTS} is not whole: the recording ends before it")
            else:
                data = data + b"\n" + rest if data else rest
        texts = data.splitlines()
        try:
            return _read_lines(data), [text for text in texts if text.strip()]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._salvaged(texts)

    def _salvaged(self, texts: list[bytes]) -> tuple[list[Line], list[bytes]]:
        """Read the lines that can be read."""
        lines, good = [], []
        for text in texts:
            try:
                lines.append(_read_line(text))
                good.append(text)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
        if not lines:
            raise RecordingError(f"{str(self.path)!r} is no recording: no line of its {EVENTS} can be read")
        self.remarks.append(f"{len(texts) - len(lines)} of {len(texts)} lines of {EVENTS} cannot be read: left out")
        return lines, good

    def _check(self, data: bytes) -> None:
        if not self.manifest:
            return
        if not self.manifest.get("complete"):
            length_s = self.lines[-1].elapsed_ms / 1000 if self.lines else 0.0
            self.remarks.append(f"the session was not closed, or goes on: the recording ends after {length_s:.1f} s")
            return
        sealed = self.manifest.get("files", {}).get(EVENTS)
        if sealed and sealed != hashlib.sha256(data).hexdigest():
            self.remarks.append(f"{EVENTS} is not as it was written")

    # --- what is in it ---

    @cached_property
    def runs(self) -> list[Run]:
        """The lines, with the microphone's frames gathered."""
        with many_records():
            return gather(self.lines)

    def track(self, name: str) -> TrackReader | None:
        """Return a track, or `None` where the session had no such sound."""
        if name not in self._tracks:
            encodings = (
                reference.encoding
                for line, _, _ in self.runs
                if line.audio is not UNSET
                for reference in line.audio.values()
                if reference.track == name and reference.data is None
            )
            encoding = next(encodings, None)
            if encoding is None:
                return None
            track = self._tracks[name] = TrackReader(self.path, name, rate_of(encoding))
            if track.remark:
                self.remarks.append(track.remark)
        return self._tracks[name]

    def entries(self) -> Iterator[Entry]:
        """Yield every event as it passed, with its audio."""
        self._read_tracks()
        for line, text in zip(self.lines, self._texts, strict=True):
            yield Entry(line.elapsed_ms, line.direction, decode_event(line, text, self._payload))

    def gathered(self) -> Iterator[Entry]:
        """Yield what comes to the same records as every event, with its audio."""
        self._read_tracks()
        return self._gathered(self._payload)

    def outline(self) -> Iterator[Entry]:
        """Yield what comes to the same records, with silence in place of the sound, which takes long to read.

        Of every item of the model's, a click tells where its first audible sample is. Events that have the id of an
        earlier one stay the same as that one, or not, as they are with their sound.
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

    def _gathered(self, payload: Payload) -> Iterator[Entry]:
        for line, first, count in self.runs:
            if count == 1:
                yield Entry(line.elapsed_ms, line.direction, decode_event(line, self._texts[first], payload))
                continue
            (reference,) = (line.audio or {}).values()
            times_ms = [each.elapsed_ms for each in self.lines[first : first + count]]
            yield Entry(line.elapsed_ms, line.direction, SentFrames(payload(reference), times_ms))

    def _read_tracks(self) -> None:
        for name in TRACKS:
            if (track := self.track(name)) is not None:
                _ = track.whole

    def _payload(self, reference: Reference) -> bytes:
        if reference.data is not None:
            return base64.b64decode(reference.data)
        track = self.track(reference.track)
        assert track is not None
        return from_samples(track.read(reference.start_sample, reference.samples), reference.encoding)


def _outlined(reference: Reference) -> bytes:
    if reference.data is not None:
        return base64.b64decode(reference.data)
    if reference.audible_at is not None:
        return click(reference.samples, reference.encoding, reference.audible_at)
    return silence(reference.samples, reference.encoding)
