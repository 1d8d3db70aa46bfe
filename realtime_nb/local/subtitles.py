"""Recognised words as subtitles: SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .decoder import Word

#: What is shown at once: two lines of 42 letters, for 7 seconds at most (the usual rules of subtitling).
MOST_CHARACTERS = 84
LONGEST_MS = 7_000


@dataclass(frozen=True)
class Cue:
    """What is shown at once."""

    start_ms: int
    end_ms: int
    text: str


def cues_of(segments: Iterable[Sequence[Word]]) -> list[Cue]:
    """Return the cues that show `segments` of words; none reaches over the end of a segment."""
    cues = []
    for segment in segments:
        shown: list[Word] = []
        for word in segment:
            if shown and (
                len(" ".join([*(each.text for each in shown), word.text])) > MOST_CHARACTERS
                or word.end_ms - shown[0].start_ms > LONGEST_MS
            ):
                cues.append(_cue(shown))
                shown = []
            shown.append(word)
        if shown:
            cues.append(_cue(shown))
    return cues


def _cue(words: Sequence[Word]) -> Cue:
    return Cue(words[0].start_ms, words[-1].end_ms, " ".join(word.text for word in words))


def srt(cues: Iterable[Cue]) -> str:
    """Return cues as a SubRip file."""
    return "".join(
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues, 1)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """Return cues as a WebVTT file."""
    shown = (f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{cue.text}\n\n" for cue in cues)
    return "WEBVTT\n\n" + "".join(shown)


def _time(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"
