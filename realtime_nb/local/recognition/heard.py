"""The words of an utterance: every recogniser returns the same type."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

SAMPLE_RATE = 16_000
BYTES_PER_S = 2 * SAMPLE_RATE


@dataclass(frozen=True)
class HeardWord:
    """A recognised word and where it was said."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class HeardToken:
    """A piece of text that a network writes, often less than a word."""

    text: str
    """The text, with U+FFFD for a letter that several tokens share."""
    bytes: bytes
    """The text in UTF-8."""
    id: int
    """Its number in the network's vocabulary."""
    logprob: float
    """Natural logarithm of the probability that the network gave it, after all tokens before it."""


@dataclass(frozen=True)
class Recognition:
    """An utterance as it was heard."""

    text: str = ""
    """The words; empty if nothing was heard."""
    words: tuple[HeardWord, ...] = ()
    """The words with their times, from the start of the sound; empty unless times were asked for."""
    tokens: tuple[HeardToken, ...] = ()
    """The tokens as the network wrote them; empty if the recogniser has no probabilities."""
    no_speech: float | None = None
    """The probability that it holds no speech, 0.0 to 1.0; `None` if the recogniser has none."""
    language: str = "en"
    """The language that was spoken, by its ISO 639-1 code."""
    engine: str = ""
    """The recogniser, e.g. "Whisper tiny.en"."""
    is_expected: bool = False
    """True if the conversation makes these words likely, and the sound fits them well."""

    @property
    def is_written(self) -> bool:
        """True if the recogniser writes sentences, with capitals and full stops; False if it lists bare words."""
        return bool(self.tokens)  # Only networks that write sentences give tokens.

    @property
    def confidence(self) -> float | None:
        """Geometric mean of the tokens' probabilities, 0.0 to 1.0; `None` if there are no tokens.

        It is the network's own opinion of its words. On 24 clips of people's speech, Whisper tiny.en had 0.8 to 0.95 on
        sentences that it got right, and less on names, single words and what it misheard.
        """
        mean = self.mean_logprob
        return None if mean is None else math.exp(mean)

    @property
    def mean_logprob(self) -> float | None:
        """Mean of the tokens' log probabilities; `None` if there are no tokens."""
        return sum(token.logprob for token in self.tokens) / len(self.tokens) if self.tokens else None

    @property
    def logprobs(self) -> list[dict[str, Any]] | None:
        """The tokens in the API's shape: token, bytes and logprob of each; `None` if there are no tokens."""
        if not self.tokens:
            return None
        return [{"token": token.text, "bytes": list(token.bytes), "logprob": token.logprob} for token in self.tokens]


def cut_quietly(pcm: bytes, longest_s: float) -> list[bytes]:
    """Cut PCM16 at 16 kHz into pieces no longer than `longest_s`, each at the quietest 100 ms of the last quarter."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")
    step, longest = SAMPLE_RATE // 10, int(longest_s * SAMPLE_RATE)
    pieces = []
    while len(samples) > longest:
        start = longest * 3 // 4
        steps = samples[start : start + (longest - start) // step * step].reshape(-1, step)
        quietest = int(np.abs(steps.astype(np.int32)).sum(axis=1).argmin())
        cut = start + quietest * step + step // 2
        pieces.append(samples[:cut].tobytes())
        samples = samples[cut:]
    return [*pieces, samples.tobytes()]
