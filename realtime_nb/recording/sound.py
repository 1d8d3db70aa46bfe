"""Where the sound of a session goes while it is written: two tracks, and a reference for each payload."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ..wire import events as ev
from ..wire.formats import encoding_of, rate_of
from ..wire.local import Heard
from .layout import Layout
from .lines import Reference, take_audio
from .samples import first_audible, to_samples
from .track_files import TrackWriter

#: What of an event goes to a track. Elsewhere audio would be there a second time, and stays inside the event.
_ON_TRACK = (
    ev.InputAudioBufferAppend,
    ev.ResponseOutputAudioDelta,
    ev.ConversationItemCreate,
    ev.ConversationItemAdded,
    ev.ConversationItemDone,
)
_SIDES = {"user": "input", "assistant": "output"}


class Sound:
    """Takes the audio out of events and lays it on tracks.

    Parameters
    ----------
    folder : Path
        Where the tracks are.
    """

    def __init__(self, folder: Path):
        self.items: dict[str, dict[str, Any]] = {}
        """What the model said, by item: where it lies, and how much of it was heard."""
        self.rates: dict[str, int] = {}
        """Of each track that there is; the first sound decides."""
        self._folder = folder
        self._layout = Layout()
        self._writers: dict[str, TrackWriter] = {}
        self._encodings = dict.fromkeys(_SIDES, "audio/pcm")
        self._audible: set[str] = set()
        self._known: dict[bytes, Reference] = {}

    @property
    def wait_ms(self) -> float:
        """How far the tracks' clock is ahead of session time."""
        return round(self._layout.wait_ms, 3)

    def note(self, event: Any, elapsed_ms: float) -> None:
        """Take an event into account before its sound is taken."""
        self._layout.note(event, elapsed_ms)
        if isinstance(event, ev.SessionCreated | ev.SessionUpdated):
            self._encodings = {track: encoding_of(event.session, side) for track, side in _SIDES.items()}
        elif isinstance(event, Heard) and event.item_id in self.items:
            item = self.items[event.item_id]
            item["played_ms"] = max(item["played_ms"] or 0, event.played_ms)
            item["interrupted"] = item["interrupted"] or event.stopped

    def take(self, event: Any, tree: dict[str, Any], elapsed_ms: float) -> dict[str, Reference]:
        """Take the audio out of an event's JSON; return where it is now, by JSON Pointer."""
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
        # An item comes again when it is done.
        if data not in self._known:
            track = "assistant" if event.item.role == "assistant" else "user"
            found = self._found(data) if track == "user" else None
            self._known[data] = found or self._placed(track, data, elapsed_ms, event.item.id or "")
        return self._known[data]

    def _found(self, data: bytes) -> Reference | None:
        """Return where the person has said it already: a turn that is asked again, or told to another server."""
        encoding = self._encodings["user"]
        samples = to_samples(data, encoding)
        if samples is None or self.rates.get("user") != rate_of(encoding):
            return None
        start = self._writer("user").find(samples)
        if start is None:
            return None
        return Reference(track="user", start_sample=start, samples=len(samples), encoding=encoding)

    def _placed(self, track: str, data: bytes, elapsed_ms: float, item_id: str) -> Reference:
        encoding = self._encodings[track]
        samples = to_samples(data, encoding)
        rate = self.rates.get(track, rate_of(encoding))
        if samples is None or not len(samples) or rate != rate_of(encoding):
            # Half a sample or none, or a rate that the track does not have: kept, though not heard.
            text = base64.b64encode(data).decode()
            return Reference(track=track, start_sample=0, samples=0, encoding=encoding, data=text)
        self.rates[track] = rate
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
        )

    def _writer(self, track: str) -> TrackWriter:
        """Return who writes a track; one that was closed goes on."""
        if track not in self._writers:
            self._writers[track] = TrackWriter(self._folder, track, self.rates[track])
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
        """Finish the tracks; more sound goes on with them."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
