"""Raw logs: files of API events, as all kinds of programs write them."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RecordingError
from ..protocol import events as ev
from ..protocol.beta import modern_session, modern_type
from ..protocol.formats import PCM, encoding_of, sample_bytes
from ..protocol.mending import decode_base64
from ..protocol.reader import Reader
from ..texts import read_text, split_lines
from .files import About
from .log_times import LogTime, stamp_of, timed
from .tracks import silence
from .writer import Writer, claim

#: Names under which logs keep the direction, and the event if it is inside another object.
_DIRECTIONS = ("direction", "dir", "source", "origin", "from", "sender", "side")
_EVENTS = ("event", "data", "message", "payload", "body", "raw", "msg")
_SENT = frozenset("sent send out outgoing outbound client client_event upstream request tx user".split())
_RECEIVED = frozenset("received receive in incoming inbound server server_event downstream response rx".split())


#: Where an event holds sound, and what a program puts there when it takes the sound out.
_SOUND = {"input_audio_buffer.append": "audio", "response.output_audio.delta": "delta"}
_TAKEN_OUT = re.compile(
    r"(?=.*(?i:redact|omit|trunc|elid|audio|base64|binary|remov|strip|hidden|bytes|mask|null|none|data|blob|snip))"
    r"([a-z]+\d*([_-][a-z]+\d*)*|[A-Z]+\d*([_-][A-Z]+\d*)*|[A-Z][a-z]+)",
    re.DOTALL,
)
_LENGTH = re.compile(r"(\d[\d_,]*)\s*(k?)(b|bytes|chars|characters)?\b", re.I)
#: Characters that may be around values.
_BETWEEN = " \t\r\n,\ufeff"
#: The longest silence that one event is given: a minute.
_MOST_BYTES = 60 * 48_000


class _Logged(NamedTuple):
    time: LogTime | None
    direction: str
    event: Any


def write_raw_log(path: Path, folder: Path) -> None:
    """Write a raw log as a recording.

    Times may be ISO 8601, or numbers of s, ms, µs or ns since the epoch or anything else: see
    `realtime_nb.recording.log_times`.

    Raises `RecordingError` if there is no API event in it.
    """
    objects, unread = _objects(path)
    reader = Reader()
    missing = _Silence()
    found = [_logged(each, reader, missing) for each in objects]
    logged = [each for several in found for each in several]
    if not any(isinstance(each.event, ev.Event) for each in logged):
        raise RecordingError(f"{str(path)!r} is neither a recording nor a log of events: no line holds an API event")
    writer = Writer(claim(folder), About(session="raw log"))
    for remark in _remarks(unread, found.count([]), missing.examples):
        writer.remark(remark)
    times = timed([each.event for each in logged], [each.time for each in logged])
    for remark in times.remarks:
        writer.remark(remark)
    for elapsed_ms, each in zip(times.times_ms, logged, strict=True):
        writer.add(elapsed_ms, each.direction, each.event)
    writer.finish()


def _remarks(unread: int, foreign: int, silenced: Counter[str]) -> Iterator[str]:
    if unread:
        yield f"{unread} lines of the log are not JSON: left out"
    if foreign:
        yield f"{foreign} lines of the log hold no event: left out"
    for example, count in silenced.most_common(1):
        yield (
            f"the sound of {silenced.total()} events is not in the log (e.g. {count} times {example}): silence "
            "replaces it if the log says how long it was"
        )


def _objects(path: Path) -> tuple[list[Any], int]:
    """Return the JSON values of a file, one on each line or one after another, and how many lines are not JSON."""
    text = read_text(path, RecordingError, is_log=True)
    if text.lstrip().startswith("["):
        try:
            return list(json.loads(text, strict=False)), 0
        except (ValueError, RecursionError):
            pass  # It may be a list on each line, or one that was cut off.
    found, unread = [], 0
    for line in split_lines(text):
        if line := line.strip(_BETWEEN):
            try:
                found.append(json.loads(line, strict=False))  # Some programs write control characters unescaped.
            except (ValueError, RecursionError):
                unread += 1
    if any(isinstance(each, dict) for each in found):
        return found, unread
    return _over_lines(text)


def _over_lines(text: str) -> tuple[list[Any], int]:
    """Return objects that span lines, or belong to a list that was cut off, and how many lines are left over."""
    found, at = [], 0
    decoder = json.JSONDecoder(strict=False)
    while (begin := text.find("{", at)) >= 0 and not text[at:begin].strip(_BETWEEN + "["):
        try:
            value, at = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            break
        found.append(value)
    return found, len([line for line in split_lines(text[at:]) if line.strip(_BETWEEN + "[]")])


def _logged(value: Any, reader: Reader, missing: _Silence) -> list[_Logged]:
    """Find event, time and direction in a log's value; events that the server left out, and remarks, come first."""
    inner = _event_in(value)
    if inner is None:
        return []
    around = [value] if inner is value else [value, inner]
    kind = modern_type(inner["type"])
    given = (str(each[name]).lower() for each in around for name in _DIRECTIONS if isinstance(each.get(name), str))
    direction = next((word for word in given if word in _SENT | _RECEIVED), "")
    sent = kind in ev.CLIENT_EVENTS if kind in ev.CLIENT_EVENTS or kind in ev.SERVER_EVENTS else direction in _SENT
    time = stamp_of(around)
    inner = missing.sounding(inner, kind)
    if sent:
        if isinstance(session := inner.get("session"), dict):
            inner = inner | {"session": modern_session(session)}
        return [_Logged(time, "sent", ev.decode_client(json.dumps(inner | {"type": kind})))]
    *before, event = reader.read(json.dumps(inner))
    missing.note(event)
    return [*(_Logged(time, "local", each) for each in before), _Logged(time, "received", event)]


def _event_in(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value, strict=False)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict):
        return None
    for name in _EVENTS:
        inner = value.get(name)
        if isinstance(inner, dict | str) and (found := _event_in(inner)) is not None:
            return found
    return value if isinstance(value.get("type"), str) else None


class _Silence:
    """Puts silence in place of sound that a program has taken out of its log."""

    def __init__(self) -> None:
        self._examples: Counter[str] = Counter()
        self._empty: Counter[str] = Counter()
        self._whole: set[str] = set()
        """Fields that held sound."""
        self._encodings = {"audio": PCM, "delta": PCM}

    @property
    def examples(self) -> Counter[str]:
        """The texts in place of sound; if a field is empty in every event, its sound was taken out."""
        empty = sum(count for name, count in self._empty.items() if name not in self._whole)
        return self._examples + Counter({"nothing": empty})

    def note(self, event: Any) -> None:
        """Note a session's formats: in G.711 a zero byte is as loud as possible."""
        if isinstance(event, ev.SessionCreated | ev.SessionUpdated):
            self._encodings = {
                "audio": encoding_of(event.session, "input"),
                "delta": encoding_of(event.session, "output"),
            }

    def sounding(self, event: dict[str, Any], kind: str) -> dict[str, Any]:
        """Return an event with sound that can be decoded."""
        name = _SOUND.get(kind)
        if name is not None:
            return event | {name: self._sound(event.get(name), name)}
        item = event.get("item")
        if not isinstance(item, dict) or not isinstance(item.get("content"), list):
            return event
        content = [
            each | {"audio": self._sound(each["audio"], "audio")}
            if isinstance(each, dict) and each.get("audio") is not None
            else each
            for each in item["content"]
        ]
        return event | {"item": item | {"content": content}}

    def _sound(self, given: Any, name: str) -> str:
        data = decode_base64(given) if isinstance(given, str) else None
        if data is not None and not _TAKEN_OUT.fullmatch(str(given)):
            if data:
                self._whole.add(name)
            else:
                self._empty[name] += 1
            return base64.b64encode(data).decode()
        told = "nothing" if given is None else repr(given)
        self._examples[told if len(told) <= 40 else f"{told[:40]}…"] += 1
        length = given if isinstance(given, int) else _told_bytes(given) if isinstance(given, str) else 0
        encoding = self._encodings[name]
        samples = min(max(0, length), _MOST_BYTES) // sample_bytes(encoding)
        return base64.b64encode(silence(samples, encoding)).decode()


def _told_bytes(text: str) -> int:
    """Return how many bytes a placeholder says it replaces, e.g. ``[base64 1234 bytes]``; 0 if it does not say."""
    sized = list(_LENGTH.finditer(re.sub("base64|pcm16|int16", "", text)))
    if not sized or len(text) > 80:
        return 0
    count = int(re.sub(r"\D", "", sized[0][1])[:9]) * (1_000 if sized[0][2] else 1)
    is_text = (sized[0][3] or "").lower().startswith("char")
    return count * 3 // 4 if is_text else count
