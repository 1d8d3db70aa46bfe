"""Raw logs: files of the API's events, as programs of all kinds write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RecordingError
from ..texts import read_text, split_lines
from ..wire import events as ev
from ..wire.beta import modern_session, modern_type
from ..wire.formats import bytes_per_ms, encoding_of
from ..wire.reader import Reader
from .manifest import About
from .writer import Writer, claim

#: Names under which logs keep the time, the direction, and the event where it is inside something else.
_TIMES = (
    *("elapsed_ms", "timestamp_ms", "time_ms", "ts_ms", "elapsed_s", "timestamp", "time", "ts", "t", "elapsed"),
    *("received_at", "sent_at", "created_at", "at", "datetime", "date"),
)
_DIRECTIONS = ("direction", "dir", "source", "origin", "from", "sender", "side")
_EVENTS = ("event", "data", "message", "payload", "body", "raw", "msg")
_SENT = frozenset("sent send out outgoing outbound client client_event upstream request tx user".split())
_RECEIVED = frozenset("received receive in incoming inbound server server_event downstream response rx".split())


class _Logged(NamedTuple):
    time: float | None
    direction: str
    event: Any


def write_raw_log(path: Path, folder: Path) -> None:
    """Write a raw log as a recording.

    Times may be ISO 8601, seconds or milliseconds, of the epoch or of anything; where there are none, time is that of
    the audio that was sent.

    Raises
    ------
    RecordingError
        If there is no event of the API's in it.
    """
    objects, unread = _objects(path)
    reader = Reader()
    found = [_logged(each, reader) for each in objects]
    logged = [each for several in found for each in several]
    if not any(isinstance(each.event, ev.Event) for each in logged):
        raise RecordingError(f"{str(path)!r} is no recording and no log of events: no line holds an event of the API's")
    writer = Writer(claim(folder), About(session="raw log"))
    for remark in _remarks(unread, found.count([])):
        writer.remark(remark)
    for elapsed_ms, each in _timed(logged):
        writer.add(elapsed_ms, each.direction, each.event)
    writer.finish()


def _remarks(unread: int, foreign: int) -> Iterator[str]:
    if unread:
        yield f"{unread} lines of the log are not JSON: left out"
    if foreign:
        yield f"{foreign} lines of the log hold no event: left out"


def _objects(path: Path) -> tuple[list[Any], int]:
    """Return the JSON values of a file: a list of them, or one a line; and how many lines are none."""
    text = read_text(path, RecordingError, is_log=True)
    if text.lstrip().startswith("["):
        try:
            return list(json.loads(text, strict=False)), 0
        except ValueError:
            pass
    found, unread = [], 0
    for line in filter(str.strip, split_lines(text)):
        try:
            found.append(json.loads(line, strict=False))  # Some write control characters as they are.
        except ValueError:
            unread += 1
    return found, unread


def _logged(value: Any, reader: Reader) -> list[_Logged]:
    """Find event, time and direction in a value of a log; before the event what the server left out, and remarks."""
    inner = _event_in(value)
    if inner is None:
        return []
    around = [value] if inner is value else [value, inner]
    kind = modern_type(inner["type"])
    given = (str(each[name]).lower() for each in around for name in _DIRECTIONS if isinstance(each.get(name), str))
    direction = next((word for word in given if word in _SENT | _RECEIVED), "")
    sent = kind in ev.CLIENT_EVENTS if kind in ev.CLIENT_EVENTS or kind in ev.SERVER_EVENTS else direction in _SENT
    time = _time(around)
    if sent:
        if isinstance(session := inner.get("session"), dict):
            inner = inner | {"session": modern_session(session)}
        return [_Logged(time, "sent", ev.decode_client(json.dumps(inner | {"type": kind})))]
    *before, event = reader.read(json.dumps(inner))
    return [*(_Logged(time, "local", each) for each in before), _Logged(time, "received", event)]


def _event_in(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, dict):
        return None
    for name in _EVENTS:
        inner = value.get(name)
        if isinstance(inner, dict | str) and (found := _event_in(inner)) is not None:
            return found
    return value if isinstance(value.get("type"), str) else None


def _time(around: list[dict[str, Any]]) -> float | None:
    """Return the time of a log's line, in ms from anywhere."""
    for each in around:
        for name in _TIMES:
            value = each.get(name)
            if isinstance(value, bool) or value is None:
                continue
            if isinstance(value, int | float):
                return float(value) * _scale(name, value)
            if isinstance(value, str) and (found := _parsed_time(value)) is not None:
                return found
    return None


def _scale(name: str, value: float) -> float:
    """Return how many ms a number stands for; those since the epoch tell their unit by their size."""
    if name.endswith("_ms"):
        return 1.0
    for unit_ms, epoch in ((1e-6, 1e17), (1e-3, 1e14), (1.0, 1e11)):
        if abs(value) >= epoch:
            return unit_ms
    return 1000.0


def _parsed_time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() * 1000
    except ValueError:
        try:
            return float(text) * _scale("", float(text))
        except ValueError:
            return None


def _timed(logged: list[_Logged]) -> Iterator[tuple[float, _Logged]]:
    """Give each event its session time; it never goes back."""
    begin = next((each.time for each in logged if each.time is not None), None)
    now_ms, rate = 0.0, bytes_per_ms("audio/pcm")
    for each in logged:
        if begin is not None:
            now_ms = max(now_ms, round((each.time or 0.0) - begin, 3)) if each.time is not None else now_ms
        elif isinstance(each.event, ev.SessionCreated | ev.SessionUpdated):
            rate = bytes_per_ms(encoding_of(each.event.session, "input"))
        elif isinstance(each.event, ev.InputAudioBufferAppend):
            now_ms += len(each.event.audio) / rate
        yield now_ms, each
