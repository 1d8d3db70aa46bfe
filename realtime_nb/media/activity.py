"""Find speech in a clip, by loudness alone."""

from __future__ import annotations

import numpy as np

from .clip import AudioClip

Span = tuple[float, float]

_FRAME_S, _HOP_S = 0.03, 0.01
#: Speech is this much louder than the quietest tenth of a clip …
_ABOVE_FLOOR_DB = 12.0
#: … within these limits below its loudest frame, and never below the noise of a silent sound card.
_BELOW_PEAK_DB = (20.0, 40.0)
_SILENCE_DB = -60.0
#: Pauses within a phrase are part of it; a click is not a phrase.
_SHORTEST_PAUSE_S, _SHORTEST_SPEECH_S = 0.2, 0.05


def speech_spans(clip: AudioClip) -> list[Span]:
    """Find the stretches of a clip that are loud enough to be speech.

    Loudness is the root mean square of 30 ms frames (`librosa.feature.rms`). A frame counts if it is 12 dB louder than
    the clip's quietest tenth, or within 20 dB of its loudest frame, but never if it is 40 dB below the loudest frame or
    below -60 dBFS. Only loudness matters: loud music and noise are marked like speech. This is not the server's turn
    detection, whose marks are in the turn (`Turn.audio_start_ms`, `Turn.audio_end_ms`).

    Returns the start and end of each, in s, in order.
    """
    if not len(clip.samples):
        return []
    hop = max(1, round(_HOP_S * clip.sample_rate))
    rms = _root_mean_squares(clip.samples, max(2, round(_FRAME_S * clip.sample_rate)), hop)
    loudness_db = 20 * np.log10(np.maximum(rms, 1e-6))
    peak_db = loudness_db.max()
    threshold_db = np.clip(
        np.percentile(loudness_db, 10) + _ABOVE_FLOOR_DB, peak_db - _BELOW_PEAK_DB[1], peak_db - _BELOW_PEAK_DB[0]
    )
    loud = np.concatenate([[False], loudness_db > max(threshold_db, _SILENCE_DB), [False]])
    edges_s = np.flatnonzero(np.diff(loud)).reshape(-1, 2) * hop / clip.sample_rate
    spans: list[Span] = []
    for start_s, stop_s in edges_s.clip(max=clip.duration_s).tolist():
        if spans and start_s - spans[-1][1] < _SHORTEST_PAUSE_S:
            spans[-1] = (spans[-1][0], stop_s)
        else:
            spans.append((start_s, stop_s))
    return [span for span in spans if span[1] - span[0] >= _SHORTEST_SPEECH_S]


def _root_mean_squares(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Return the levels of frames of `window` samples, centred at multiples of `hop`, with silence around the sound."""
    squares = np.pad(np.square(samples, dtype=np.float64), window // 2)
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    starts = np.arange(0, len(squares) - window + 1, hop)
    return np.asarray(np.sqrt(np.maximum(0.0, sums[starts + window] - sums[starts]) / window))
