"""When things happened for one reply: from the last speech at the microphone to the first sound of the answer."""

from __future__ import annotations

from itertools import pairwise

from ..display import Record
from ..media.clip import AudioClip
from ..numeric import np
from ..protocol.local_events import ClockAligned

#: Audible means louder than -60 dB of full scale, as in the page (player.worklet.js).
AUDIBLE = 0.001

#: The marks on the way, in order, and what the time before each was spent on.
_STEPS = {
    "spoken": "",
    "captured": "capture",
    "arrived": "road",
    "sent": "kernel",
    "written": "socket",
    "turn_detected": "turn detection",
    "first_audio": "model first byte",
    "started": "playback pre-roll",
    "sounded": "leading silence",
    "audible": "loudspeaker",
}
#: The same if no page plays.
_STEPS_UNPLAYED = {
    **{mark: step for mark, step in _STEPS.items() if mark not in ("started", "sounded", "audible")},
    "audible_on_arrival": "leading silence",
}


def first_audible_ms(clip: AudioClip) -> float | None:
    """Return where a clip's first audible sample is; `None` if it is silent."""
    loud = np.abs(clip.samples) > AUDIBLE
    return float(loud.argmax()) * 1000 / clip.sample_rate if loud.any() else None


def silence_at_end_ms(clip: AudioClip) -> float:
    """Return how long a clip stays below -60 dB of full scale at its end; its whole length if it is silent."""
    loud = np.flatnonzero(np.abs(clip.samples) > AUDIBLE)
    return (len(clip.samples) - (int(loud[-1]) + 1 if len(loud) else 0)) * 1000 / clip.sample_rate


class Timing(Record):
    """When things happened for one reply, in ms after the person had finished; `None` for what is not known.

    For a spoken turn, times count from when the last speech was sent to the server, before the silence that ends a
    turn; for a turn ended by hand, from its commit; otherwise from the request for the response. Earlier times are
    negative.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     timing = session.ask(rt.speak("What time is it?")).result().timing
    >>> timing.created_ms <= timing.first_audio_ms <= timing.done_ms
    True
    """

    def __init__(self) -> None:
        self.origin_ms = 0.0
        """Session time from which the other times count."""
        self.clock: ClockAligned | None = None
        """The comparison of the page's clock with the kernel's, for the page's times; `None` without a page."""
        self.latency_is_estimate = False
        """True if the browser does not tell its latency to the loudspeaker, and a constant stands for it (Firefox)."""
        self._marks: dict[str, float] = {}

    def mark(self, name: str, elapsed_ms: float | None) -> None:
        """Note the session time of an event that happens once; later marks change nothing."""
        if elapsed_ms is not None:
            self._marks.setdefault(name, elapsed_ms)

    def _after_origin(self, name: str) -> float | None:
        return self._marks[name] - self.origin_ms if name in self._marks else None

    @property
    def spoken_ms(self) -> float | None:
        """The last speech, as turn detection found its end, was at the microphone; by the page's clock."""
        return self._after_origin("spoken")

    @property
    def captured_ms(self) -> float | None:
        """The frame with the last speech was full; by the page's clock."""
        return self._after_origin("captured")

    @property
    def arrived_ms(self) -> float | None:
        """That frame had come to the kernel's I/O thread."""
        return self._after_origin("arrived")

    @property
    def written_ms(self) -> float | None:
        """That frame, or the commit of a turn by hand, was written to the server's socket."""
        return self._after_origin("written")

    @property
    def turn_detected_ms(self) -> float | None:
        """The server said that the turn is over."""
        return self._after_origin("turn_detected")

    @property
    def created_ms(self) -> float | None:
        """The response had begun."""
        return self._after_origin("created")

    @property
    def first_text_ms(self) -> float | None:
        """The first words of the answer came."""
        return self._after_origin("first_text")

    @property
    def first_audio_ms(self) -> float | None:
        """The first audio of the answer came; it may begin with silence."""
        return self._after_origin("first_audio")

    @property
    def started_ms(self) -> float | None:
        """The page rendered the first sample of the answer, silent or not; by the page's clock."""
        return self._after_origin("started")

    @property
    def first_audible_ms(self) -> float | None:
        """The first sample above -60 dB of full scale was heard.

        If a page plays, this is when it left the loudspeaker, as far as the browser knows its latency (see
        `latency_is_estimate`). Otherwise the answer counts as played when it arrives, including its leading silence.
        """
        return self._after_origin("audible" if self.is_played else "audible_on_arrival")

    @property
    def is_played(self) -> bool:
        """True if a page reported that it plays the answer."""
        return "started" in self._marks

    @property
    def voice_to_voice_ms(self) -> float | None:
        """From the last speech at the microphone to the first audible sample from the loudspeaker."""
        if "spoken" not in self._marks or "audible" not in self._marks:
            return None
        return self._marks["audible"] - self._marks["spoken"]

    @property
    def done_ms(self) -> float | None:
        """The response was done."""
        return self._after_origin("done")

    @property
    def steps(self) -> dict[str, tuple[float, float]]:
        """How the time to the first audible sample was spent: when each step began and ended, by name.

        A step ends with its own mark and begins where the last known step before it ended; unknown steps are left out.
        `realtime_nb.conversation.timeline` explains them.
        """
        names = _STEPS if self.is_played else _STEPS_UNPLAYED
        known = {"sent": 0.0} | {mark: at - self.origin_ms for mark, at in self._marks.copy().items() if mark in names}
        order = [mark for mark in names if mark in known]
        return {names[mark]: (known[before], known[mark]) for before, mark in pairwise(order)}

    @property
    def stages(self) -> dict[str, tuple[float, float | None]]:
        """When each step of a chain began and was done, by its name; empty for other systems."""
        return {
            name: (at_ms - self.origin_ms, self._after_origin(f"{name}.done"))
            for mark, at_ms in self._marks.copy().items()
            for name, _, what in [mark.partition(".")]
            if what == "started"
        }

    def __repr__(self) -> str:
        marks = ", ".join(f"{name}_ms={self._after_origin(name):.0f}" for name in list(self._marks))
        return f"Timing({marks})"
