"""Compare turn detection settings on the same sound: the time that each saves, and the speech that it clips."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..display import Record
from ..errors import SettingsError
from ..media.clip import AudioClip
from ..media.turn_cuts import Cut, Span, SpokenTurn
from .statistics import paired_difference

if TYPE_CHECKING:
    import pandas


#: A picture shows this much of a sound, if the sound is longer than the second figure.
_SHOWN_S, _LONGEST_SHOWN_S = 30.0, 45.0
#: Turns end after their sound.
_BEHIND_S = 1.5


@dataclass(frozen=True, eq=False)
class DetectedTurns:
    """A sound, and the turns in it."""

    name: str
    clip: AudioClip
    spoken: tuple[SpokenTurn, ...]
    """The turns as they were spoken: the reference."""
    cuts: Mapping[str, Sequence[Cut]]
    """The turns that turn detection found, by the name of the setting."""
    answers: tuple[Span, ...] = ()
    """Where a recorded model was heard, in ms."""


class TurnDetectionComparison(Record):
    """The turns that each setting finds in the same sounds; made by `compare_turn_detection`.

    Parameters
    ----------
    sounds : sequence of Listened
        The sounds, with their turns.
    settings : mapping of str to mapping
        The API's ``turn_detection`` objects, by name.
    baseline : str
        The setting to compare the others with.
    reference : str
        The source of the reference turns, in words.
    engine : str
        The speech detector: ``"silero"`` or ``"webrtc"``.
    turn_model : str, optional
        The network that ``semantic_vad`` asked in addition to the words, such as ``"smart-turn 3.2"``; empty for none.
    recorded : str, optional
        The name of the setting that holds the turns of the recorded server, not of the detector here.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> settings = {"patient": {"silence_duration_ms": 800}, "quick": {"silence_duration_ms": 200}}
    >>> found = rt.compare_turn_detection(rt.speak("What time is it?"), settings)
    >>> found.frame["outcome"].tolist()
    ['whole', 'whole']
    """

    def __init__(
        self,
        sounds: Sequence[DetectedTurns],
        settings: Mapping[str, Mapping[str, Any]],
        *,
        baseline: str,
        reference: str,
        engine: str,
        turn_model: str = "",
        recorded: str = "",
    ):
        if baseline not in settings:
            raise SettingsError(f"baseline={baseline!r} is not one of {', '.join(settings)}")
        self.sounds = list(sounds)
        self.settings = dict(settings)
        self.baseline = baseline
        self.reference = reference
        self.engine = engine
        self.turn_model = turn_model
        self.recorded = recorded
        self._shown: tuple[str | None, float | None, float | None] = (None, None, None)

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each setting and turn, and for each false start.

        Columns, times in ms of the sound: ``setting``, ``clip``, ``turn`` (from 1; missing for a false start),
        ``outcome`` (``"whole"``, ``"split"``, ``"merged"``, ``"missed"``, ``"false start"``); ``speech_start_ms`` and
        ``speech_end_ms`` (where the turn was spoken); ``start_ms`` and ``end_ms`` (where it was cut, with prefix
        padding and silence), ``pieces`` (how many turns it was cut into); ``onset_ms`` (first word →
        ``speech_started``), ``latency_ms`` (last word → the ``speech_stopped`` after which the whole turn can be
        answered; missing if the person spoke again first), ``latency_gained_ms`` (how much sooner than the baseline);
        ``clipped_start_ms`` (speech before the turn begins), ``clipped_end_ms`` (speech after its first end, which is
        answered before it is said), ``clipped_ms`` (both), ``lost_ms`` (speech in no turn at all); ``split``,
        ``merged``, ``missed``, ``false_start``.
        """
        import pandas

        rows = [
            {"setting": setting, "clip": sound.name, "turn": turn} | _row(cut) | {"latency_gained_ms": gained}
            for setting in self.settings
            for sound in self.sounds
            for turn, cut, gained in self._numbered(sound, setting)
        ]
        frame = pandas.DataFrame(rows)
        return frame.astype({"turn": "Int64"})

    def _numbered(self, sound: DetectedTurns, setting: str) -> list[tuple[int | None, Cut, float | None]]:
        """Return a sound's cuts, each with its turn's number and the time that it saves."""
        before = {cut.spoken: cut.latency_ms for cut in sound.cuts[self.baseline] if cut.spoken}
        numbers = {turn: number for number, turn in enumerate(sound.spoken, 1)}
        found: list[tuple[int | None, Cut, float | None]] = []
        for cut in sound.cuts[setting]:
            was_ms = before[cut.spoken] if cut.spoken else None
            gained = None if was_ms is None or cut.latency_ms is None else was_ms - cut.latency_ms
            found.append((numbers[cut.spoken] if cut.spoken else None, cut, gained))
        return found

    def summary(self, *, seed: int = 0) -> pandas.DataFrame:
        """Summarise each setting.

        Parameters
        ----------
        seed : int, default 0
            Seed of the resampling.

        Returns
        -------
        summary : pandas.DataFrame
            A row for each setting: ``turns``; ``latency_p50_ms``, ``latency_p95_ms``; ``gained_p50_ms``,
            ``gained_p95_ms``, and the mean ``gained_ms`` with its 95 % interval ``gained_low_ms``, ``gained_high_ms``
            (positive if sooner than the baseline); ``clipped_ms`` (mean for each turn), ``clipped_share`` and
            ``lost_share`` (of all speech); ``split_share``, ``merged_share``, ``missed_share`` (of all turns);
            ``false_starts``, and ``onset_p50_ms``.

        Notes
        -----
        Saved times are paired, turn by turn. The interval is that of `realtime_nb.speech.statistics`. With several
        sounds it is over sounds, whose turns are averaged first; otherwise it is over turns.
        """
        import pandas

        return pandas.DataFrame([self._sums(setting, seed) for setting in self.settings])

    def _sums(self, setting: str, seed: int) -> dict[str, Any]:
        rows = [(sound, cut, gained) for sound in self.sounds for _, cut, gained in self._numbered(sound, setting)]
        cuts = [cut for _, cut, _ in rows if cut.spoken]
        speech_ms = sum(cut.spoken.speech_ms for cut in cuts if cut.spoken)
        latencies = [cut.latency_ms for cut in cuts if cut.latency_ms is not None]
        by_sound: dict[str, list[float]] = {}
        for sound, _, gained in rows:
            if gained is not None:
                by_sound.setdefault(sound.name, []).append(gained)
        gains = [gain for found in by_sound.values() for gain in found]
        independent = [sum(found) / len(found) for found in by_sound.values()] if len(self.sounds) > 1 else gains
        won = paired_difference(independent, seed) if setting != self.baseline else None
        return {
            "setting": setting,
            "turns": len(cuts),
            "latency_p50_ms": _percentile(latencies, 50),
            "latency_p95_ms": _percentile(latencies, 95),
            "gained_p50_ms": _percentile(gains, 50),
            "gained_p95_ms": _percentile(gains, 95),
            "gained_ms": sum(gains) / len(gains) if gains else None,
            "gained_low_ms": won.low if won else None,
            "gained_high_ms": won.high if won else None,
            "clipped_ms": sum(cut.clipped_ms for cut in cuts) / len(cuts),
            "clipped_share": sum(cut.clipped_ms for cut in cuts) / speech_ms,
            "lost_share": sum(cut.lost_ms for cut in cuts) / speech_ms,
            "split_share": sum(cut.is_split for cut in cuts) / len(cuts),
            "merged_share": sum(cut.is_merged for cut in cuts) / len(cuts),
            "missed_share": sum(cut.is_missed for cut in cuts) / len(cuts),
            "false_starts": sum(cut.is_false_start for _, cut, _ in rows),
            "onset_p50_ms": _percentile([cut.onset_ms for cut in cuts if cut.onset_ms is not None], 50),
        }

    def show(
        self, clip: str | None = None, *, start_s: float | None = None, stop_s: float | None = None
    ) -> TurnDetectionComparison:
        """Return the same comparison, with another part of the sound in its picture.

        Parameters
        ----------
        clip : str, optional
            A clip's name; by default the one in which the settings clip most.
        start_s, stop_s : float, optional
            The part to draw, in seconds. By default everything, or, for a long clip, half a minute around the turn that
            is clipped most.

        Raises
        ------
        SettingsError
            If there is no clip of that name, or nothing between the two times.
        """
        names = [sound.name for sound in self.sounds]
        if clip is not None and clip not in names:
            raise SettingsError(f"clip={clip!r} is not one of {', '.join(names)}")
        shown = copy.copy(self)
        shown._shown = (clip, start_s, stop_s)
        sound, start_s, stop_s = shown.shown
        if not 0 <= start_s < stop_s:
            raise SettingsError(f"start_s={start_s:g} must be before stop_s={stop_s:g}, within {sound.clip!r}")
        return shown

    @property
    def shown(self) -> tuple[DetectedTurns, float, float]:
        """The part that the picture shows: a sound, and its start and end, in seconds."""
        name, start_s, stop_s = self._shown
        sound = max(self.sounds, key=lambda each: (each.name == name, _most_clipped(each)[0]))
        length_s = sound.clip.duration_s + _BEHIND_S
        if start_s is None and stop_s is None and length_s > _LONGEST_SHOWN_S:
            start_s = max(0.0, _most_clipped(sound)[1] / 1000 - _SHOWN_S / 3)
            stop_s = start_s + _SHOWN_S
        return sound, start_s or 0.0, length_s if stop_s is None else min(stop_s, length_s)

    def __repr__(self) -> str:
        turns = sum(len(sound.spoken) for sound in self.sounds)
        counts = f"{len(self.settings)} settings, {turns} turn{'s' if turns > 1 else ''}"
        return f"TurnDetectionComparison({counts}, baseline {self.baseline!r})"


def _most_clipped(sound: DetectedTurns) -> tuple[float, float]:
    """Return the most that is clipped of a turn, and where in the sound that turn begins, in ms."""
    found = [(cut.clipped_ms, -cut.spoken.start_ms) for cuts in sound.cuts.values() for cut in cuts if cut.spoken]
    clipped_ms, start_ms = max(found, default=(0.0, 0.0))
    return clipped_ms, -start_ms


def outcome(cut: Cut) -> str:
    """Return the outcome of a turn, in a word or two."""
    if cut.is_false_start:
        return "false start"
    if cut.is_missed:
        return "missed"
    found = [name for name, is_so in (("split", cut.is_split), ("merged", cut.is_merged)) if is_so]
    return ", ".join(found) or "whole"


def _row(cut: Cut) -> dict[str, Any]:
    return {
        "outcome": outcome(cut),
        "speech_start_ms": cut.spoken.start_ms if cut.spoken else None,
        "speech_end_ms": cut.spoken.end_ms if cut.spoken else None,
        "start_ms": cut.found[0].start_ms if cut.found else None,
        "end_ms": cut.found[-1].end_ms if cut.found else None,
        "pieces": len(cut.found),
        "onset_ms": cut.onset_ms,
        "latency_ms": cut.latency_ms,
        "clipped_start_ms": cut.clipped_start_ms,
        "clipped_end_ms": cut.clipped_end_ms,
        "clipped_ms": cut.clipped_ms,
        "lost_ms": cut.lost_ms,
        "split": cut.is_split,
        "merged": cut.is_merged,
        "missed": cut.is_missed and not cut.is_false_start,
        "false_start": cut.is_false_start,
    }


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None
