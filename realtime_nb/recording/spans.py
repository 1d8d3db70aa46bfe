"""Where each item is on the tracks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import UNSET

from ..conversation.conversation import Conversation
from .files import Line


class Piece(NamedTuple):
    """A stretch of a track."""

    track: str
    start_sample: int
    """Where it is stored."""
    at_sample: int
    """Where it sounded."""
    samples: int


class _Heard:
    """The person's audio as one server counts it, and where it is on the track."""

    def __init__(self) -> None:
        self._ends_ms: list[float] = []
        self._runs: list[list[int]] = []
        """For each stretch: its start on the track, its length in samples, and its sample rate."""

    def append(self, start: int, samples: int, rate: int) -> None:
        runs = self._runs
        if runs and runs[-1][0] + runs[-1][1] == start and runs[-1][2] == rate:
            runs[-1][1] += samples
            self._ends_ms[-1] += samples / rate * 1000
        else:
            runs.append([start, samples, rate])
            self._ends_ms.append((self._ends_ms[-1] if self._ends_ms else 0.0) + samples / rate * 1000)

    def cut(self, start_ms: float, end_ms: float) -> list[Piece]:
        """Return where a stretch of the heard audio is on the track."""
        found = []
        for index in range(bisect_left(self._ends_ms, start_ms), len(self._runs)):
            start, samples, rate = self._runs[index]
            from_ms = self._ends_ms[index] - samples / rate * 1000
            first = max(0, round((start_ms - from_ms) * rate / 1000))
            last = min(samples, round((end_ms - from_ms) * rate / 1000))
            if last > first:
                found.append(Piece("user", start + first, start + first, last - first))
            if self._ends_ms[index] >= end_ms:
                break
        return found


def find_spans(lines: Iterable[Line], conversation: Conversation) -> dict[str, list[Piece]]:
    """Return the pieces of sound of each item, in order."""
    spans: dict[str, list[Piece]] = {}
    heard = _Heard()
    for line in lines:
        row = line.event
        if row.type == "session.created":
            heard = _Heard()
        elif row.type == "input_audio_buffer.committed":
            turn = conversation.turn(row.item_id)
            if turn is not None and turn.audio_end_ms is not None:
                spans[turn.item_id] = heard.cut(turn.audio_start_ms or 0, turn.audio_end_ms)
        if line.audio is UNSET:
            continue
        for pointer, reference in line.audio.items():
            if reference.data is not None and not reference.samples:
                continue  # It is not on a track.
            if pointer == "/audio":
                heard.append(reference.start_sample, reference.samples, reference.track_rate)
                continue
            at = reference.start_sample if reference.at_sample is None else reference.at_sample
            piece = Piece(reference.track, reference.start_sample, at, reference.samples)
            item_id = _item_id(row.item_id, row.item)
            if item_id is not None:
                _join(spans.setdefault(item_id, []), piece)
    return spans


def _item_id(item_id: Any, item: Any) -> str | None:
    if isinstance(item, dict):
        item_id = item.get("id")
    return item_id if isinstance(item_id, str) else None


def _join(pieces: list[Piece], piece: Piece) -> None:
    """Add a piece unless it is there already; an item's audio comes again when it is done."""
    if piece in pieces:
        return
    if pieces:
        last = pieces[-1]
        follows = last.start_sample + last.samples == piece.start_sample
        if follows and last.at_sample + last.samples == piece.at_sample and last.track == piece.track:
            pieces[-1] = last._replace(samples=last.samples + piece.samples)
            return
        if last.start_sample <= piece.start_sample < last.start_sample + last.samples:
            return
    pieces.append(piece)


def find_mentions(lines: Iterable[Line]) -> dict[str, float]:
    """Return when each item was first mentioned, in seconds on the tracks' clock."""
    found: dict[str, float] = {}
    wait_ms = 0.0
    for line in lines:
        item_id = _item_id(line.event.item_id, line.event.item)
        if item_id is not None and item_id not in found:
            found[item_id] = (line.elapsed_ms + wait_ms) / 1000
        wait_ms = wait_ms if line.wait_ms is UNSET else line.wait_ms
    return found


def length_s(lines: Iterable[Line]) -> float:
    """Return the end of the last event or the last sound, in seconds on the tracks' clock."""
    last_s = wait_ms = 0.0
    for line in lines:
        wait_ms = wait_ms if line.wait_ms is UNSET else line.wait_ms
        last_s = max(last_s, (line.elapsed_ms + wait_ms) / 1000)
        for reference in (line.audio or {}).values():
            end = reference.samples + (reference.start_sample if reference.at_sample is None else reference.at_sample)
            last_s = max(last_s, end / reference.track_rate)
    return last_s
