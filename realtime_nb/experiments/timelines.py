"""Measures of turn-taking as published benchmarks define them, on the times at which both sides spoke.

Pure arithmetic. The definitions, and where the measures in rows differ from them, are in ``docs/measures.md``. They
follow the benchmarks' published code (τ-voice: ``sierra-research/tau2-bench``, interaction metrics 1.1;
Full-Duplex-Bench: ``DanielLin94144/Full-Duplex-Bench``, v1 and v1.5).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

from ..errors import SettingsError

# --- Who spoke when ---------------------------------------------------------------------------------------------------

#: What a person's sound is: a turn that wants an answer, or one of those that should change nothing.
TurnKind = Literal["turn", "backchannel", "vocal_tic", "non_directed"]


class SpokenSpan(NamedTuple):
    """A stretch of the person's speech, in ms of the conversation."""

    start_ms: float
    end_ms: float
    kind: TurnKind = "turn"


class AnswerSpan(NamedTuple):
    """A stretch of the system's speech as it was heard, in ms of the conversation."""

    start_ms: float
    end_ms: float
    words: int | None = None
    """How many words were in it; `None` if that is not known."""


@dataclass(frozen=True)
class TalkTimeline:
    """The times at which both sides of a conversation spoke."""

    user: Sequence[SpokenSpan]
    agent: Sequence[AnswerSpan]
    length_ms: float = 0.0
    """Length of the conversation; by default up to the last word."""

    @classmethod
    def from_json(cls, text: str) -> TalkTimeline:
        """Read a row's ``timeline``."""
        told = json.loads(text)
        user, agent = [SpokenSpan(*each) for each in told["user"]], [AnswerSpan(*each) for each in told["agent"]]
        return cls(user, agent, told["length_ms"])

    def to_json(self) -> str:
        """Return the text of a row's ``timeline``: ``user``, ``agent`` and ``length_ms``."""
        return json.dumps({"user": self.user, "agent": self.agent, "length_ms": self.length_ms})

    @property
    def turns(self) -> list[SpokenSpan]:
        """The person's turns that want an answer."""
        return [each for each in self.user if each.kind == "turn"]

    def sounds(self, place: int) -> AnswerSpan | None:
        """Return the answer that sounds when the person begins to speak at `place` in `user`."""
        start_ms = self.user[place].start_ms
        return next((each for each in self.agent if each.start_ms <= start_ms < each.end_ms), None)

    def begin_in(self, start_ms: float, end_ms: float) -> list[AnswerSpan]:
        """Return the answers that begin between two times."""
        return [each for each in self.agent if start_ms <= each.start_ms < end_ms]


# --- Our own measures of these times; the others are measured turn by turn --------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The windows of the measures of turn-taking in rows; give them to `run` or to `Results.grade`.

    Parameters
    ----------
    yield_s : float, default 2.0
        An answer that sounds on for so long after an interruption did not yield (``yield_rate``).
    stop_s : float, default 1.0
        An answer that falls silent so soon after a sound that is not for the system was stopped by it
        (``vocal_tic_selectivity``, ``non_directed_selectivity``).
    answer_s : float, default 2.0
        An answer that begins so soon after such a sound answers it.
    turn_s : float, default 1.0
        An answer into the person's turn that sounds for so long takes it over (``take_over_rate``),
    turn_words : int, default 3
        and so does one of more words.

    Raises
    ------
    SettingsError
        If a window is not positive.

    Examples
    --------
    >>> Windows(yield_s=1.5).yield_s
    1.5
    """

    yield_s: float = 2.0
    stop_s: float = 1.0
    answer_s: float = 2.0
    turn_s: float = 1.0
    turn_words: int = 3

    def __post_init__(self) -> None:
        _check_positive({each.name: getattr(self, each.name) for each in fields(self)})


def _check_positive(windows: Mapping[str, Any]) -> None:
    for name, value in windows.items():
        if not (isinstance(value, int | float) and value > 0):
            raise SettingsError(f"{name}={value!r} must be positive")


#: The default windows.
WINDOWS = Windows()


def measure_timeline(timeline: TalkTimeline, windows: Windows = WINDOWS) -> dict[str, float | None]:
    """Return the columns of a conversation that only both sides' times show; `None` if nothing of the kind happened."""
    turns = timeline.turns
    early = [timeline.begin_in(each.start_ms, each.end_ms) for each in turns]
    found = {
        "agent_interruption_rate": _share([bool(each) for each in early]),
        "take_over_rate": _share([takes_turn(each, windows.turn_s, windows.turn_words) for each in early]),
    }
    for kind in ("vocal_tic", "non_directed"):
        places = [place for place, each in enumerate(timeline.user) if each.kind == kind]
        found[f"{kind}_selectivity"] = _share([_is_ignored(timeline, place, windows) for place in places])
    return found


def takes_turn(answers: Sequence[AnswerSpan], turn_s: float, turn_words: int) -> bool:
    """Return whether answers are a turn of their own, and not a backchannel."""
    if not answers:
        return False
    words = [each.words for each in answers if each.words is not None]
    return answers[-1].end_ms - answers[0].start_ms >= 1000 * turn_s or sum(words) > turn_words


def _is_ignored(timeline: TalkTimeline, place: int, windows: Windows) -> bool:
    sound = timeline.user[place]
    if (answer := timeline.sounds(place)) is not None:
        return answer.end_ms - sound.start_ms > 1000 * windows.stop_s
    following = [each.start_ms for each in timeline.user[place + 1 :]]
    until_ms = min([sound.end_ms + 1000 * windows.answer_s, *following])
    return not timeline.begin_in(sound.start_ms, until_ms)


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


# --- τ-voice ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TauVoiceWindows:
    """The windows of τ-voice, in seconds."""

    tick_s: float = 0.2
    """Both sides are sampled in ticks; a tick has speech if any part of it has."""
    no_yield_window_s: float = 2.0
    """If an answer goes on for this long after an interruption, it did not yield."""
    backchannel_yield_window_s: float = 1.0
    """If an answer falls silent within this time after a backchannel, the backchannel stopped it."""
    vocal_tic_yield_window_s: float = 1.0
    non_directed_yield_window_s: float = 1.0
    vocal_tic_response_window_s: float = 2.0
    """If an answer begins within this time after a vocal tic, it answers it."""
    non_directed_response_window_s: float = 2.0


class TickSpan(NamedTuple):
    """A stretch of ticks with speech."""

    start: int
    end: int
    """The first tick after it."""
    kind: TurnKind = "turn"


def _ticks(spans: Iterable[tuple[float, float, TurnKind]], tick_ms: float) -> list[TickSpan]:
    """Return stretches of ticks; those that touch are one, of the first one's kind."""
    found: list[TickSpan] = []
    for start_ms, end_ms, kind in sorted(spans):
        # Rounding must not add a tick.
        start, end = math.floor(start_ms / tick_ms + 1e-6), math.ceil(end_ms / tick_ms - 1e-6)
        if found and start <= found[-1].end:
            found[-1] = TickSpan(found[-1].start, max(end, found[-1].end), found[-1].kind)
        elif end > start:
            found.append(TickSpan(start, end, kind))
    return found


def _at(spans: Iterable[TickSpan], tick: int) -> TickSpan | None:
    return next((each for each in spans if each.start <= tick < each.end), None)


def tau_voice(timeline: TalkTimeline, windows: TauVoiceWindows) -> Iterator[tuple[str, float]]:
    """Yield the events of a conversation by τ-voice's rules: the measure, and its value of 0 or 1, or in seconds."""
    tick_ms = windows.tick_s * 1000
    agent = _ticks(((each.start_ms, each.end_ms, "turn") for each in timeline.agent), tick_ms)
    users = _ticks((each for each in timeline.user if each.kind in ("turn", "backchannel")), tick_ms)
    sounds = [each for each in timeline.user if each.kind in ("vocal_tic", "non_directed")]
    length = max([math.ceil(timeline.length_ms / tick_ms - 1e-6), *(each.end for each in (*users, *agent))], default=0)
    if length > 1 and users and users[-1].end == length and users[-1].end - users[-1].start == 1:
        # As the end of a call looks there: its last tick is left out, on both sides.
        users, length = users[:-1], length - 1
        agent = [each._replace(end=min(each.end, length)) for each in agent if each.start < length]
    yield from _responses(users, agent, length, windows.tick_s)
    for each in users:
        if _at(agent, each.start) is not None:
            yield from _yielding(each, agent, length, windows)
    for span in agent:
        if _at(users, span.start) is not None:
            yield "agent_interrupts", 1.0
    for sound in sounds:
        yield from _out_of_turn(_ticks([sound], tick_ms), agent, windows)


def _responses(
    users: Sequence[TickSpan], agent: Sequence[TickSpan], length: int, tick_s: float
) -> Iterator[tuple[str, float]]:
    """Yield which turns were answered before the next one.

    Turns at whose end the system speaks do not count, nor does the last one without an answer.
    """
    turns = [
        each for each in users if each.kind == "turn" and not (each.end < length and _at(agent, each.end) is not None)
    ]
    for place, turn in enumerate(turns):
        answer = next((each.start for each in agent if each.start >= turn.end), None)
        following = next((each.start for each in turns[place + 1 :] if each.start >= turn.end), None)
        if answer is not None and (following is None or answer <= following):
            yield "response_rate", 1.0
            yield "response_latency_s", (answer - turn.end) * tick_s
        elif following is not None:
            yield "response_rate", 0.0


def _yielding(
    user: TickSpan, agent: Sequence[TickSpan], length: int, windows: TauVoiceWindows
) -> Iterator[tuple[str, float]]:
    is_turn = user.kind == "turn"
    window_s = windows.no_yield_window_s if is_turn else windows.backchannel_yield_window_s
    last = min(user.start + int(window_s / windows.tick_s), length)
    silent = next((tick for tick in range(user.start, last) if _at(agent, tick) is None), None)
    if not is_turn:
        yield "selectivity_backchannel", float(silent is None)
        return
    yield "yield_rate", float(silent is not None)
    if silent is not None:
        yield "yield_latency_s", (silent - user.start) * windows.tick_s


def _out_of_turn(
    sound: Sequence[TickSpan], agent: Sequence[TickSpan], windows: TauVoiceWindows
) -> Iterator[tuple[str, float]]:
    """Yield the effect of a sound that was not for the system; if an answer goes on through it, it does not count."""
    for each in sound:
        stop_s = getattr(windows, f"{each.kind}_yield_window_s")
        answer_ticks = int(getattr(windows, f"{each.kind}_response_window_s") / windows.tick_s)
        speaking = _at(agent, each.start)
        if speaking is None:
            is_answered = any(each.start <= span.start <= each.end + answer_ticks for span in agent)
            yield f"selectivity_{each.kind}", float(not is_answered)
        elif (speaking.end - each.start) * windows.tick_s <= stop_s + 1e-9:
            yield f"selectivity_{each.kind}", 0.0


def _tau_voice_panel(events: Sequence[tuple[str, float]]) -> dict[str, Any]:
    names = (
        *("response_latency_s", "yield_latency_s", "response_rate", "yield_rate", "agent_interruption_rate"),
        *("selectivity_backchannel", "selectivity_vocal_tic", "selectivity_non_directed"),
    )
    panel: dict[str, Any] = _means(events, names)
    counts = {name: sum(told == name for told, _ in events) for name in (*names, "agent_interrupts")}
    responses = counts["response_rate"]
    panel["agent_interruption_rate"] = counts["agent_interrupts"] / responses if responses else None
    return panel | {
        "response_total": responses,
        "yield_total": counts["yield_rate"],
        "backchannel_total": counts["selectivity_backchannel"],
        "vocal_tic_total": counts["selectivity_vocal_tic"],
        "non_directed_total": counts["selectivity_non_directed"],
        "agent_interrupts_count": counts["agent_interrupts"],
    }


# --- Full-Duplex-Bench ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TakeOverBounds:
    """When an answer counts as a turn in Full-Duplex-Bench v1."""

    turn_duration_s: float = 1.0
    """If an answer is shorter, and has few words, it does not take the turn."""
    turn_words: int = 3
    """How many words are few."""


def full_duplex_bench_v1(timeline: TalkTimeline, bounds: TakeOverBounds) -> Iterator[tuple[str, float]]:
    """Yield the events of a conversation by the rules of Full-Duplex-Bench v1, turn by turn."""
    turns = timeline.turns
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        until_ms = math.inf if following is None else following.start_ms
        answers = timeline.begin_in(turn.start_ms, until_ms)
        takes = [
            takes_turn(each, bounds.turn_duration_s, bounds.turn_words)
            for each in (answers, timeline.begin_in(turn.start_ms, turn.end_ms))
        ]
        yield "take_over_rate", float(takes[0])
        yield "pause_take_over_rate", float(takes[1])
        if takes[0]:
            yield "latency_s", max(0.0, answers[0].start_ms - turn.end_ms) / 1000


@dataclass(frozen=True, kw_only=True)
class MergeGaps:
    """The pauses that do not count in Full-Duplex-Bench v1.5, in seconds."""

    user_merge_gap_s: float = 0.6
    model_merge_gap_s: float = 0.5


def full_duplex_bench_v1_5(timeline: TalkTimeline, gaps: MergeGaps) -> Iterator[tuple[str, float]]:
    """Yield the stop overlaps and response gaps of a conversation by the timing rules of Full-Duplex-Bench v1.5."""
    user = _merged(timeline.user, gaps.user_merge_gap_s)
    model = _merged(timeline.agent, gaps.model_merge_gap_s)
    shared: dict[float, float] = {}
    for start_s, end_s in user:
        for other_start_s, other_end_s in model:
            begin_s, over_s = max(start_s, other_start_s), min(end_s, other_end_s)
            if over_s > begin_s:
                key = round(over_s, 3)
                shared[key] = min(shared.get(key, math.inf), over_s - begin_s)
    yield from (("stop_latency_s", length_s) for _, length_s in sorted(shared.items()))
    waits: dict[float, float] = {}
    for _, end_s in user:
        answers = [start_s for start_s, _ in model if start_s > end_s]
        if answers:
            waits[answers[0]] = answers[0] - end_s  # The person's last words before an answer count.
    yield from (("response_latency_s", wait_s) for _, wait_s in sorted(waits.items()))


def _merged(spans: Iterable[Sequence[Any]], gap_s: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start_s, end_s in sorted((each[0] / 1000, each[1] / 1000) for each in spans):
        if found and start_s - found[-1][1] <= gap_s:
            found[-1] = found[-1][0], max(end_s, found[-1][1])
        else:
            found.append((start_s, end_s))
    return found


def _means(events: Sequence[tuple[str, float]], names: Iterable[str]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in names:
        values = [value for told, value in events if told == name]
        found[name] = sum(values) / len(values) if values else None
    return found


def _panel_of(*names: str) -> Callable[[Sequence[tuple[str, float]]], dict[str, Any]]:
    def panel(events: Sequence[tuple[str, float]]) -> dict[str, Any]:
        counts = {f"{name}_count": sum(told == name for told, _ in events) for name in names}
        return _means(events, names) | counts

    return panel


# --- All definitions by name ------------------------------------------------------------------------------------------

Definition = Literal["tau-voice", "full-duplex-bench-v1", "full-duplex-bench-v1.5"]


class _Benchmark(NamedTuple):
    options: type[Any]
    events: Callable[[TalkTimeline, Any], Iterator[tuple[str, float]]]
    panel: Callable[[Sequence[tuple[str, float]]], dict[str, Any]]


_BENCHMARKS: dict[str, _Benchmark] = {
    "tau-voice": _Benchmark(TauVoiceWindows, tau_voice, _tau_voice_panel),
    "full-duplex-bench-v1": _Benchmark(
        TakeOverBounds, full_duplex_bench_v1, _panel_of("take_over_rate", "latency_s", "pause_take_over_rate")
    ),
    "full-duplex-bench-v1.5": _Benchmark(
        MergeGaps, full_duplex_bench_v1_5, _panel_of("stop_latency_s", "response_latency_s")
    ),
}


def as_defined(name: Definition, timelines: Iterable[TalkTimeline], **windows: float) -> dict[str, Any]:
    """Return a benchmark's figures of conversations: their events are pooled, as there; see `Results.as_defined`."""
    if name not in get_args(Definition):
        raise SettingsError(f"name={name!r} is not one of {', '.join(get_args(Definition))}")
    options, events, panel = _BENCHMARKS[name]
    known = [each.name for each in fields(options)]
    for option in windows:
        if option not in known:
            raise SettingsError(f"{option} is not an option of {name}: it has {', '.join(known)}")
    _check_positive(windows)
    chosen = options(**windows)
    return panel([event for timeline in timelines for event in events(timeline, chosen)])
