"""Where the time goes between a person's last word and the first sound of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..display import Record
from ..protocol.local_events import ClockAligned
from .conversation import Conversation
from .records import Reply

if TYPE_CHECKING:
    import pandas

#: Every step on the way, in order, with the words to show for it.
STEPS = {
    "capture": "from the last speech at the microphone until its frame was full",
    "road": "from the page to the kernel's I/O thread",
    "kernel": "until the frame was encoded and queued for the socket",
    "socket": "until the socket had taken it",
    "turn detection": "until the server said that the turn is over: the network, and the silence it waits for",
    "model first byte": "until the first audio of the answer had come",
    "playback pre-roll": "to the page, and until enough was there to start",
    "leading silence": "the answer's own silence before its first audible sample",
    "loudspeaker": "the browser's output latency",
}


@dataclass(frozen=True)
class Span:
    """A stretch of time with a name."""

    name: str
    start_ms: float
    end_ms: float

    @property
    def duration_ms(self) -> float:
        """How long it took. If measured between two clocks, it may be negative, by at most their error."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True, kw_only=True)
class Waterfall:
    """The steps to one reply; times count from the start of the first step."""

    response_id: str
    asked: str
    """The person's words, if they are known."""
    steps: tuple[Span, ...]
    """The steps, one after another, without those that are not known."""
    stages: tuple[Span, ...]
    """The steps of a chain, which run in parallel."""
    total_ms: float | None
    """Time to the first audible sample; `None` if there is none."""
    is_played: bool
    """True if a page played the reply; otherwise it counts as played when it arrived."""
    clock: ClockAligned | None
    """The comparison of the page's clock with the kernel's; `None` without a page."""
    latency_is_estimate: bool
    """True if the loudspeaker's step is a constant, because the browser does not tell its latency."""

    @classmethod
    def of(cls, reply: Reply) -> Waterfall:
        """Return the steps to a reply."""
        timing = reply.timing
        start_ms = min((start for start, _ in timing.steps.values()), default=0.0)
        audible_ms = timing.first_audible_ms
        return cls(
            response_id=reply.response_id,
            asked=reply.asked.text if reply.asked else "",
            steps=tuple(Span(name, a - start_ms, b - start_ms) for name, (a, b) in timing.steps.items()),
            stages=tuple(
                Span(name, a - start_ms, b - start_ms) for name, (a, b) in timing.stages.items() if b is not None
            ),
            total_ms=None if audible_ms is None else audible_ms - start_ms,
            is_played=timing.is_played,
            clock=timing.clock,
            latency_is_estimate=timing.latency_is_estimate,
        )


class Timeline(Record):
    """Where the time went, reply by reply; made by `timeline`.

    Parameters
    ----------
    waterfalls : sequence of Waterfall
        One for each reply.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask(rt.speak("What time is it?")).result()
    >>> timeline = rt.timeline(session.conversation)
    >>> list(timeline.summary["step"])
    ['socket', 'turn detection', 'model first byte', 'leading silence', 'total']
    """

    def __init__(self, waterfalls: Sequence[Waterfall]):
        self.waterfalls = list(waterfalls)

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each step of each reply.

        Columns ``response_id``, ``asked``, ``kind`` ("step", or "stage" of a chain), ``step``, ``start_ms``,
        ``end_ms``, ``duration_ms``, ``played`` (whether a page played the reply), ``clock_offset_ms`` and
        ``clock_error_ms`` (missing without a page), ``estimate`` (whether the duration is a constant, in the place of
        what the browser does not tell).
        """
        import pandas

        rows = [
            {
                "response_id": each.response_id,
                "asked": each.asked,
                "kind": kind,
                "step": span.name,
                "start_ms": span.start_ms,
                "end_ms": span.end_ms,
                "duration_ms": span.duration_ms,
                "played": each.is_played,
                "clock_offset_ms": each.clock.offset_ms if each.clock else None,
                "clock_error_ms": each.clock.error_ms if each.clock else None,
                "estimate": span.name == "loudspeaker" and each.latency_is_estimate,
            }
            for each in self.waterfalls
            for kind, spans in (("step", each.steps), ("stage", each.stages))
            for span in spans
        ]
        columns = (
            "response_id asked kind step start_ms end_ms duration_ms played clock_offset_ms clock_error_ms estimate"
        )
        return pandas.DataFrame(rows, columns=columns.split())

    @property
    def summary(self) -> pandas.DataFrame:
        """A data frame with a row for each step, and the total: ``step``, ``count``, ``p50_ms``, ``p95_ms``.

        Percentiles over the replies that have the step, linear between them (`numpy.percentile`).
        """
        import pandas

        rows = [
            {"step": name, "count": len(values), "p50_ms": percentile(values, 50), "p95_ms": percentile(values, 95)}
            for name, values in self.durations().items()
        ]
        return pandas.DataFrame(rows, columns=["step", "count", "p50_ms", "p95_ms"])

    def durations(self) -> dict[str, list[float]]:
        """Return all durations in ms by the name of the step, then of the stage, and last as ``"total"``."""
        found: dict[str, list[float]] = {name: [] for name in STEPS}
        for each in self.waterfalls:
            for span in (*each.steps, *each.stages):
                found.setdefault(span.name, []).append(span.duration_ms)
        found["total"] = [each.total_ms for each in self.waterfalls if each.total_ms is not None]
        return {name: values for name, values in found.items() if values}

    def __repr__(self) -> str:
        totals = self.durations().get("total")
        if not totals:
            return f"Timeline({len(self.waterfalls)} replies)"
        return f"Timeline({len(self.waterfalls)} replies, p50={percentile(totals, 50):.0f} ms)"


def percentile(values: Iterable[float], percent: float) -> float:
    """Return a percentile, linear between the values."""
    return float(np.percentile(list(values), percent))


def timeline(source: Reply | Conversation) -> Timeline:
    """Show where the time went between the person's last speech and the first audible sample of the answer.

    Parameters
    ----------
    source : Reply or Conversation
        One answer, or all answers of a conversation, with 50th and 95th percentiles.

    Returns
    -------
    timeline : Timeline
        A waterfall as a picture, a table and text; ``.frame`` has the numbers, ``.summary`` the percentiles.

    Notes
    -----
    The end is the first *audible* sample, louder than -60 dB of full scale, not the first byte: answers begin with
    silence, and a page buffers a little before it plays. The start is the end of the last *speech*, as turn detection
    found it. Each step between them ends where the next known one begins:

    ================= ================================================================================================
    capture           the last speech is at the microphone → its 20 ms frame is full; the page's clock
    road              → the frame is on the kernel's I/O thread (socket, proxy or widget comm); both clocks
    kernel            → it is encoded and queued for the server's socket
    socket            → the socket has taken it; more than a moment means that the uplink is full
    turn detection    → the server says that the turn is over: the network there and back, and the silence it waits
    model first byte  → the first audio has come; without turn detection the network is in here
    playback pre-roll → the page has rendered the first sample; both clocks
    leading silence   → the page has rendered the first audible sample
    loudspeaker       → it sounds: ``AudioContext.baseLatency + outputLatency``, as the browser reports them,
                      or an estimate of 35 ms if it does not (Firefox)
    ================= ================================================================================================

    No page can know how much delay the microphone, a wireless headset or the loudspeaker add. Turns ended by hand have
    no end of speech: they start with the last frame, or with the commit if no page sent it; written questions start
    with the request. Without a page, an answer counts as played when it arrives, without pre-roll, so its leading
    silence still counts. A step that is not known is absent, never 0.

    The page's clock is compared with the kernel's as in NTP: the kernel asks, the page answers with its time, which is
    taken to be in the middle of the round trip. The quickest of eight exchanges counts, and they are repeated with
    every turn. ``clock.offset_ms`` is how far the page is ahead, and the error is at most half the round trip plus the
    1 ms to which browsers round their time (RFC 5905, §8).

    Steps of a chain (``"transcription"``, ``"text"``, ``"speech"``) run in parallel and have their own bars.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask("Hello!").result()
    >>> list(rt.timeline(reply).waterfalls[0].steps[-1:])            # doctest: +ELLIPSIS
    [Span(name='leading silence', start_ms=..., end_ms=...)]
    """
    replies = [source] if isinstance(source, Reply) else [each for each in source.replies if each.in_conversation]
    return Timeline([Waterfall.of(reply) for reply in replies])
