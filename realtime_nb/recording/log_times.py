"""The times of a raw log: which lines have one, in which unit, and which of them are plausible.

Programs write seconds, ms, µs or ns, since the epoch, the start of a process or anything else, and often do not say
which. The sound in the log tells: sending a microphone's audio takes as long as the audio lasts, and an answer takes
seconds, not hours.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from itertools import pairwise
from statistics import mean, median
from typing import Any, NamedTuple

from ..protocol import events as ev
from ..protocol.formats import bytes_per_ms, encoding_of

#: Names of times, the best first; a unit may follow them.
_NAMES = (
    *("elapsed", "timestamp", "time", "ts", "t", "offset", "relative_time", "monotonic", "perf_counter", "epoch"),
    *("received_at", "sent_at", "created_at", "logged_at", "at", "datetime", "date", "asctime", "wall_time", "clock"),
)
_UNITS = {
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), 1e-6),
    **dict.fromkeys(("us", "µs", "micros", "microseconds"), 1e-3),
    **dict.fromkeys(("ms", "millis", "milliseconds"), 1.0),
    **dict.fromkeys(("s", "sec", "secs", "seconds"), 1000.0),
}
_CALLED = {1e-6: "ns", 1e-3: "µs", 1.0: "ms", 1000.0: "s"}
_NAME = re.compile(rf"@?({'|'.join(_NAMES)})(?:_?({'|'.join(_UNITS)}))?")
_NUMBER = re.compile(rf"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*({'|'.join(_UNITS)})?")
#: Dates as Go's `log` package writes them.
_SLASHES = re.compile(r"^(\d{4})/(\d{2})/(\d{2})\b")
#: Seconds since the epoch from 2015 to 2050.
_EPOCH_S = (1.42e9, 2.53e9)

#: The longest pause between two lines, and the longest of all pauses together; the rest is cut out, or the tracks would
#: hold days of silence.
_LONGEST_GAP_MS, _MOST_GAPS_MS, _SHORT_GAP_MS = 120_000.0, 1_800_000.0, 1_000.0
#: A clock that goes back this far was restarted; one that goes back less is only slightly out of order.
_RESTART_MS = 5_000.0
_DAY_MS = 86_400_000.0
#: Longer chunks are clips that were sent at once; they do not tell how long sending took.
_FRAME_MS = 500.0


class LogTime(NamedTuple):
    """A line's time as the log writes it."""

    clock: str
    """The kind of time; times of different kinds cannot be compared."""
    value: float
    """In ms for dates and times of day."""


#: For a line whose time cannot be read.
_UNREADABLE = LogTime("unreadable", 0.0)


class TimedLog(NamedTuple):
    """The times of a log's events."""

    times_ms: list[float]
    """Session time of each event; never goes back."""
    remarks: list[str]
    """Remarks on what was guessed, corrected or left out."""


def stamp_of(around: Sequence[Mapping[str, Any]]) -> LogTime | None:
    """Return the time of a line, from the first object that has one."""
    told = None
    for each in around:
        found = [(match, value) for name, value in each.items() if (match := _NAME.fullmatch(_plain(str(name))))]
        for match, value in sorted(found, key=lambda pair: _NAMES.index(pair[0][1])):
            if (stamp := _stamp(value, match[2])) is not None:
                return stamp
            if value is not None:
                told = _UNREADABLE
    return told


def _plain(name: str) -> str:
    """Return a name in snake case, e.g. of ``timestampMs``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _stamp(value: Any, unit: str | None) -> LogTime | None:
    if isinstance(value, str):
        text = value.strip()
        if (number := _NUMBER.fullmatch(text)) is not None:
            value, unit = float(number[1]), number[2] or unit
        else:
            return _date(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e24:
        return None
    return LogTime(_CALLED[_UNITS[unit]] if unit else "number", float(value))


def _date(text: str) -> LogTime | None:
    try:
        return LogTime("date", datetime.fromisoformat(_SLASHES.sub(r"\1-\2-\3", text)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        pass  # It may be a time of day.
    try:
        at = time.fromisoformat(text)
    except ValueError:
        return None
    return LogTime("time of day", ((at.hour * 60 + at.minute) * 60 + at.second) * 1000 + at.microsecond / 1000)


def timed(events: Sequence[Any], stamps: Sequence[LogTime | None]) -> TimedLog:
    """Give each event of a log its session time.

    `stamps`: the time of each event, if its line has one. If no line does, the audio that was sent gives the time.
    """
    sounds_ms = list(_sounds_ms(events))
    clocks = Counter(stamp.clock for stamp in stamps if stamp is not None and stamp != _UNREADABLE)
    if not clocks:
        remark = "the times of the log cannot be read: the length of the sound that was sent is used instead"
        return TimedLog(list(_by_sound(events, sounds_ms)), [remark] if any(stamps) else [])
    [(clock, _)] = clocks.most_common(1)
    values = [stamp.value if stamp is not None and stamp.clock == clock else None for stamp in stamps]
    unit_ms = 1.0
    remarks: list[str] = []
    if clock not in ("date", "time of day"):
        unit_ms, remarks = _unit_ms(clock, values, events, sounds_ms)
    if lacking := values.count(None):
        remarks.append(
            f"{lacking} events have no time, or one of another kind than most: each takes the time before it"
        )
    return _walked([None if value is None else value * unit_ms for value in values], clock, sounds_ms, remarks)


def _sounds_ms(events: Sequence[Any]) -> Iterator[float]:
    """Yield how long each event sounds."""
    rates = dict.fromkeys(("input", "output"), bytes_per_ms("audio/pcm"))
    for event in events:
        if isinstance(event, ev.SessionCreated | ev.SessionUpdated):
            for side in rates:
                rates[side] = bytes_per_ms(encoding_of(event.session, side))
        if isinstance(event, ev.InputAudioBufferAppend):
            yield len(event.audio) / rates["input"]
        else:
            yield len(event.delta) / rates["output"] if isinstance(event, ev.ResponseOutputAudioDelta) else 0.0


def _by_sound(events: Sequence[Any], sounds_ms: Sequence[float]) -> Iterator[float]:
    now_ms = 0.0
    for event, sound_ms in zip(events, sounds_ms, strict=True):
        now_ms += sound_ms if isinstance(event, ev.InputAudioBufferAppend) else 0.0
        yield now_ms


def _walked(at_ms: Sequence[float | None], clock: str, sounds_ms: Sequence[float], remarks: list[str]) -> TimedLog:
    """Turn a clock's times into session time, which begins at 0, never goes back, and has no endless pauses."""
    first_ms = next(each for each in at_ms if each is not None)
    shift_ms = latest_ms = first_ms
    now_ms = sounded_ms = cut_ms = 0.0
    left_ms, gaps, restarts, backwards = _MOST_GAPS_MS, 0, 0, 0
    times_ms = []
    for each, sound_ms in zip(at_ms, sounds_ms, strict=True):
        if each is not None:
            step_ms = each - latest_ms
            if clock == "time of day" and step_ms < -_DAY_MS / 2:  # Midnight.
                shift_ms -= _DAY_MS
                latest_ms -= _DAY_MS
                step_ms += _DAY_MS
            longest_ms = (_LONGEST_GAP_MS if left_ms > 0 else _SHORT_GAP_MS) + sounded_ms
            if step_ms < -_RESTART_MS:
                restarts += 1
                shift_ms = each - now_ms
            elif step_ms < 0:
                backwards += 1
            elif step_ms > longest_ms:
                gaps += 1
                cut_ms += step_ms - longest_ms
                shift_ms += step_ms - longest_ms
                left_ms -= longest_ms
            if step_ms >= 0 or step_ms < -_RESTART_MS:
                latest_ms, sounded_ms = each, 0.0
            now_ms = max(now_ms, round(each - shift_ms, 3))
        sounded_ms += sound_ms
        times_ms.append(now_ms)
    if gaps:
        remarks.append(f"{gaps} long pauses are shortened, by {cut_ms / 1000:,.0f} s in all")
    if restarts:
        remarks.append(f"the log's clock was restarted {restarts} times: time goes on from where it was")
    if backwards:
        remarks.append(
            f"{backwards} times go back by less than {_RESTART_MS / 1000:g} s: each is taken to be the time before it"
        )
    return TimedLog(times_ms, remarks)


# --- which unit ---


class _Evidence(NamedTuple):
    """A span in the log's unit, with the range in ms that it should be in."""

    took: float
    least_ms: float
    most_ms: float
    weight: float = 1.0

    def against(self, unit_ms: float) -> float:
        """Return how far a unit misses that range, as a power of e."""
        took_ms = self.took * unit_ms
        return self.weight * max(0.0, math.log(self.least_ms / took_ms), math.log(took_ms / self.most_ms))


def _unit_ms(
    clock: str, values: Sequence[float | None], events: Sequence[Any], sounds_ms: Sequence[float]
) -> tuple[float, list[str]]:
    """Return how many ms the log's unit is, and a remark if the log says otherwise."""
    likely_ms, doubt = _likely_ms(clock, [value for value in values if value is not None])
    found = [each for each in _evidence(values, events, sounds_ms) if each.took > 0]
    unit_ms = min(
        _CALLED, key=lambda unit: sum(each.against(unit) for each in found) + (0.0 if unit == likely_ms else doubt)
    )
    if unit_ms == likely_ms or clock == "number":
        return unit_ms, []
    return unit_ms, [
        f"the log calls its times {clock}, but its sound shows that they are {_CALLED[unit_ms]}: taken as such"
    ]


def _likely_ms(clock: str, values: Sequence[float]) -> tuple[float, float]:
    """Return the most likely unit of numbers, and how much evidence it takes to choose another one."""
    if clock != "number":
        return _UNITS[clock], 3.0
    largest = max(map(abs, values))
    for unit_ms in _CALLED:
        if _EPOCH_S[0] <= largest * unit_ms / 1000 <= _EPOCH_S[1]:
            return unit_ms, 3.0
    if largest >= 1e13:
        return 1e-6, 1.0
    if largest >= 1e10:
        return 1e-3, 1.0
    is_whole = all(value == int(value) for value in values)
    return (1.0 if is_whole and largest >= 1_000 else 1000.0), 1.0


def _usual(steps: Sequence[float]) -> float:
    """Return how far a clock moves from frame to frame, leaving pauses aside."""
    ticks = [step for step in steps if step > 0]
    # A clock in whole seconds does not move with most frames.
    return median(steps) or (mean(min(step, median(ticks)) for step in steps) if ticks else 0.0)


def _evidence(values: Sequence[float | None], events: Sequence[Any], sounds_ms: Sequence[float]) -> Iterator[_Evidence]:
    told = [
        (value, event, sound_ms)
        for value, event, sound_ms in zip(values, events, sounds_ms, strict=True)
        if value is not None
    ]
    sent = [(value, sound_ms) for value, event, sound_ms in told if isinstance(event, ev.InputAudioBufferAppend)]
    steps = [later[0] - before[0] for before, later in pairwise(sent)]
    frames_ms = [sound_ms for _, sound_ms in sent]
    if len(steps) >= 4 and 0 < max(frames_ms) <= _FRAME_MS:
        yield _Evidence(_usual(steps), mean(frames_ms) / 2, mean(frames_ms) * 3, weight=2.0)
    spoken: dict[str, list[tuple[float, float]]] = {}
    heard: list[tuple[float, float]] = []
    created: dict[str, float] = {}
    asked: float | None = None
    for value, event, sound_ms in told:
        if isinstance(event, ev.ResponseOutputAudioDelta):
            spoken.setdefault(event.item_id, []).append((value, sound_ms))
            if asked is not None:
                yield _Evidence(value - asked, 5.0, 60_000.0)
                asked = None
        elif isinstance(event, ev.ResponseCreate | ev.InputAudioBufferCommitted | ev.InputAudioBufferSpeechStopped):
            asked = value
        elif isinstance(event, ev.InputAudioBufferSpeechStarted):
            heard.append((value, event.audio_start_ms or 0))
        elif isinstance(event, ev.ResponseCreated):
            created[event.response.id] = value
        elif isinstance(event, ev.ResponseDone) and event.response.id in created:
            yield _Evidence(value - created[event.response.id], 30.0, 120_000.0)
    for pieces in spoken.values():
        length_ms = sum(sound_ms for _, sound_ms in pieces[:-1])
        if length_ms >= 200:
            yield _Evidence(pieces[-1][0] - pieces[0][0], length_ms / 100, length_ms * 2)
    if len(heard) > 1 and heard[-1][1] - heard[0][1] >= 500:
        length_ms = heard[-1][1] - heard[0][1]
        yield _Evidence(heard[-1][0] - heard[0][0], length_ms / 200, length_ms * 2)
