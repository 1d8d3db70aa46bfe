"""Compare the answers of several systems to the same clips: their speed, cost, and word errors."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..display import Record, printable
from ..errors import SettingsError
from ..media.clip import AudioClip
from .statistics import paired_difference

if TYPE_CHECKING:
    import pandas

#: The measures to compare, by their names in the frame.
MEASURES = ("first_audio_ms", "done_ms", "cost_usd", "wer")


@dataclass(frozen=True, kw_only=True)
class ComparisonCell:
    """One clip through one system, once; `error` says why there is no answer."""

    system: str
    clip: str
    repeat: int
    first_audio_ms: float | None = None
    done_ms: float | None = None
    cost_usd: float | None = None
    """Cost of the question, as in `Conversation.costs`: all rounds of tools, and transcription, once each.

    For a failed question it is the amount that was billed anyway. `None` if it is not known, as `cost_remarks` says.
    """
    cost_remarks: str = ""
    """Parts that the cost does not include, or that may be wrong in it."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    heard: str = ""
    """The person's words, as transcribed by the system; empty if it does not transcribe."""
    wer: float | None = None
    """Word error rate of `heard`; `None` if there is none, and `no_wer` says why."""
    no_wer: str = ""
    reply: str = ""
    audio: AudioClip | None = None
    error: str = ""


class Comparison(Record):
    """The results of a comparison; made by `compare`.

    Parameters
    ----------
    cells : sequence of ComparisonCell
        The answers, in the order in which they were asked for.
    clips : mapping of str to AudioClip
        The questions, by name.
    words_only : collection of str
        Systems whose model got only words.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> systems = [rt.RealtimeSession(backend="local"), rt.ChatSession(backend="local")]
    >>> comparison = rt.compare(systems, {"sum": rt.speak("What is two plus three?")}).result()
    >>> list(comparison.frame["reply"])
    ['2 plus 3 is 5.', '2 plus 3 is 5.']
    >>> for system in systems:
    ...     system.close().result()
    """

    def __init__(self, cells: Sequence[ComparisonCell], clips: Mapping[str, AudioClip], words_only: Iterable[str] = ()):
        self.cells = list(cells)
        self.clips = dict(clips)
        self.words_only = frozenset(words_only)

    @property
    def systems(self) -> list[str]:
        """The names of the systems, in the order given."""
        return list(dict.fromkeys(cell.system for cell in self.cells))

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each cell."""
        import pandas

        return pandas.DataFrame([vars(cell) for cell in self.cells])

    def values(self, system: str, measure: str) -> list[float]:
        """Return a measure of a system's cells that have it."""
        cells = (_value(cell, measure) for cell in self.cells if cell.system == system)
        return [float(value) for value in cells if value is not None]

    def summary(self, *, baseline: str | None = None, seed: int = 0) -> pandas.DataFrame:
        """Return a row for each system and measure: median, and mean difference to a baseline.

        Parameters
        ----------
        baseline : str, optional
            A system's name; by default the first one.
        seed : int, default 0
            Seed of the resampling.

        Returns
        -------
        summary : pandas.DataFrame
            Columns ``system``, ``measure``, ``count``, ``median``, ``difference`` and its 95 % interval ``low`` and
            ``high``, as in `realtime_nb.speech.statistics`, and ``pairs``, the number of clips in it. Answers are
            paired by clip and repeat; the differences of one clip are averaged first, because asking it again says
            nothing about other clips.

        Raises
        ------
        SettingsError
            If there is no system of that name.
        """
        import pandas

        baseline = self.systems[0] if baseline is None else baseline
        if baseline not in self.systems:
            raise SettingsError(f"baseline={baseline!r} is not one of {', '.join(self.systems)}")
        rows = []
        for system, measure in itertools.product(self.systems, MEASURES):
            values = self.values(system, measure)
            differences = [] if system == baseline else self._differences(system, baseline, measure)
            found = paired_difference(differences, seed)
            rows.append(
                {
                    "system": system,
                    "measure": measure,
                    "count": len(values),
                    "median": float(np.median(values)) if values else None,
                    "difference": found.mean if found else None,
                    "low": found.low if found else None,
                    "high": found.high if found else None,
                    "pairs": len(differences),
                }
            )
        return pandas.DataFrame(rows)

    def _differences(self, system: str, baseline: str, measure: str) -> list[float]:
        """Return the mean difference of each clip that both systems answered."""
        ours, theirs = (
            {
                (cell.clip, cell.repeat): value
                for cell in self.cells
                if cell.system == name and (value := _value(cell, measure)) is not None
            }
            for name in (system, baseline)
        )
        found: dict[str, list[float]] = {}
        for clip, repeat in sorted(ours.keys() & theirs.keys()):
            found.setdefault(clip, []).append(ours[clip, repeat] - theirs[clip, repeat])
        return [sum(each) / len(each) for each in found.values()]

    def __repr__(self) -> str:
        failed = sum(bool(cell.error) for cell in self.cells)
        return f"Comparison({printable(', '.join(self.systems))}; {len(self.cells)} answers, {failed} failed)"


def _value(cell: ComparisonCell, measure: str) -> float | None:
    """Return a measure of a cell; the cost of a failure does not count as the cost of an answer."""
    value: float | None = None if cell.error and measure == "cost_usd" else getattr(cell, measure)
    return value
