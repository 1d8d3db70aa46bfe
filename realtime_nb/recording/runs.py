"""A microphone's frames gathered: nearly all lines of a recording are of this kind, and nearly all of these alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from .lines import Line, Reference

_APPEND = "input_audio_buffer.append"
_AUDIO = "/audio"


class Run(NamedTuple):
    """Lines that follow each other."""

    line: Line
    """The one line; or all of them in one, which is at the last one's time and holds all their audio."""
    first: int
    """Which line is the first."""
    length: int
    """How many there are; more than one are frames of one length, whose sound lies without a gap."""


def gather(lines: Sequence[Line]) -> list[Run]:
    """Put frames together that follow each other; every other line stands alone."""
    runs: list[Run] = []
    first, begun, samples, next_sample = 0, None, 0, 0
    for index, line in enumerate(lines):
        frame = _frame(line)
        if frame is not None and begun is not None:
            if frame.start_sample == next_sample and frame.samples == samples and frame.encoding == begun.encoding:
                next_sample += samples
                continue
        if begun is not None:
            runs.append(_run(lines, first, index, begun))
        first, begun = index, frame
        if frame is None:
            runs.append(Run(line, index, 1))
        else:
            samples = frame.samples
            next_sample = frame.start_sample + samples
    if begun is not None:
        runs.append(_run(lines, first, len(lines), begun))
    return runs


def _frame(line: Line) -> Reference | None:
    """Return the audio of a line that is a frame and nothing else."""
    if line.event.type != _APPEND or line.audio is UNSET or line.event.event_id is not None:
        return None
    frame = line.audio.get(_AUDIO)
    if frame is None or not frame.samples or line.direction != "sent" or line.wait_ms is not UNSET:
        return None
    return frame


def _run(lines: Sequence[Line], first: int, end: int, begun: Reference) -> Run:
    count, last = end - first, lines[end - 1]
    if count == 1:
        return Run(last, first, 1)
    whole = msgspec.structs.replace(begun, samples=count * begun.samples)
    return Run(msgspec.structs.replace(last, audio={_AUDIO: whole}), first, count)
