"""Where in a sound there is speech, as closely as two detectors together can say.

The network (`silero`) knows speech from noise, but notices its beginning about 100 ms late, up to 340 ms with soft
first sounds, and its end up to 75 ms late (measured). Loudness shows edges within 10 ms, but is not speech. So the
network says which stretches are speech, and loudness, within bounds, where they begin and end.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime_nb.local.frames import FRAME_MS
from realtime_nb.turn_cuts import Span

_SPEECH = 0.5
#: So many frames between two that are speech, 192 ms, are no pause, as in `realtime_nb.activity`: the network falters
#: within words.
_BRIDGED_FRAMES = 6
_SHORTEST_FRAMES = 2
#: How far loudness may move the network's edges: back and on from the beginning, back and on from the end. What is loud
#: beyond that is noise, or music, and tells nothing.
_START_MS = (400.0, 100.0)
_END_MS = (150.0, 250.0)


def speech_of(probabilities: Sequence[float], loud: Sequence[Span]) -> list[Span]:
    """Return the stretches of speech, in ms, in order.

    Parameters
    ----------
    probabilities : sequence of float
        How likely each frame of 32 ms is speech: `HeardSound.probabilities`.
    loud : sequence of (float, float)
        Where it is loud enough, in ms: `realtime_nb.activity.speech_spans`.
    """
    found: list[list[float]] = []
    for start, stop in _runs([probability >= _SPEECH for probability in probabilities]):
        start_ms, end_ms = _moved(start * FRAME_MS, stop * FRAME_MS, loud)
        if found and start_ms <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end_ms)
        else:
            found.append([start_ms, end_ms])
    return [(start_ms, end_ms) for start_ms, end_ms in found]


def _runs(speech: Sequence[bool]) -> list[tuple[int, int]]:
    runs: list[list[int]] = []
    for index, is_speech in enumerate(speech):
        if not is_speech:
            continue
        if runs and index - runs[-1][1] <= _BRIDGED_FRAMES:
            runs[-1][1] = index + 1
        else:
            runs.append([index, index + 1])
    return [(start, stop) for start, stop in runs if stop - start >= _SHORTEST_FRAMES]


def _moved(start_ms: float, end_ms: float, loud: Sequence[Span]) -> Span:
    """Move the edges of a stretch to those of the loud stretches that it meets, within bounds."""
    met = [span for span in loud if span[0] < end_ms and span[1] > start_ms]
    if not met:
        return start_ms, end_ms
    return _near(met[0][0], start_ms, _START_MS), _near(met[-1][1], end_ms, _END_MS)


def _near(loud_ms: float, edge_ms: float, bounds: tuple[float, float]) -> float:
    back_ms, on_ms = bounds
    return loud_ms if edge_ms - back_ms <= loud_ms <= edge_ms + on_ms else edge_ms
