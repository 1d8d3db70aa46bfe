"""What was said in Chat Completions, by the id under which a client may refer to it until it expires.

The server reads words and counts time, so that is what is kept of an answer; the sound is the client's.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

LIFETIME_S = 3600.0
MOST_BYTES = 8_000_000
_BYTES_EACH = 500  # of an answer without words: the objects around them


@dataclass(frozen=True)
class SpokenAnswer:
    """One answer."""

    transcript: str
    duration_ms: float
    expires_at: float
    """Unix time."""

    @property
    def size(self) -> int:
        """Bytes that it takes here, about."""
        return _BYTES_EACH + 4 * len(self.transcript)


class ChatAudioStore:
    """Answers by id."""

    def __init__(
        self,
        *,
        lifetime_s: float = LIFETIME_S,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.time,
    ):
        self.lifetime_s = lifetime_s
        self._most_bytes = most_bytes
        self._clock = clock
        self._answers: OrderedDict[str, SpokenAnswer] = OrderedDict()
        self._size = 0

    def keep(self, audio_id: str, transcript: str, duration_ms: float) -> int:
        """Keep an answer; return the Unix time at which it expires, whole seconds as the API has it."""
        answer = SpokenAnswer(transcript, duration_ms, self._clock() + self.lifetime_s)
        self._answers[audio_id] = answer
        self._size += answer.size
        while self._size > self._most_bytes or self._is_over(next(iter(self._answers.values()))):
            _, oldest = self._answers.popitem(last=False)
            self._size -= oldest.size
            if not self._answers:
                break
        return int(answer.expires_at)

    def find(self, audio_id: str) -> SpokenAnswer | None:
        """Return an answer, unless it has expired."""
        answer = self._answers.get(audio_id)
        return None if answer is None or self._is_over(answer) else answer

    def _is_over(self, answer: SpokenAnswer) -> bool:
        return self._clock() >= answer.expires_at
