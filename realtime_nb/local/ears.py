"""The recogniser and its language models as sessions use them: sound in, words out, and a limit to how much waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .api_errors import overloaded
from .language_model import LanguageModel, LanguageModels
from .recognizer import Recognition, Recognizer

#: How far behind the recogniser may be; a turn that would wait longer is refused.
LONGEST_WAIT_S = 2.0
#: Sessions for which there is time to listen with the generic model too.
FEW_SESSIONS = 2
# Seconds of one core per second of speech, with the small language model; measured 0.03 to 0.065.
_COST = 0.05


class LocalEars:
    """Recognition for all sessions of a server.

    Parameters
    ----------
    open_vocabulary : bool, default True
        Whether the generic model of English listens too, while there are few sessions. It is eight times as much
        work: about 0.15 s for each second of speech, half of which passes in the silence that ends a turn.
    """

    def __init__(self, *, open_vocabulary: bool = True):
        self.open_vocabulary = open_vocabulary
        self._sessions = 0
        self._models = LanguageModels()
        self._recognizer = Recognizer()

    @property
    def wait_s(self) -> float:
        """How long the next utterance waits, estimated."""
        return self._recognizer.queue_s * _COST

    @property
    def hears_all(self) -> bool:
        """Whether words are heard that nobody expects."""
        return self.open_vocabulary and self._sessions <= FEW_SESSIONS

    def join(self) -> None:
        """Count one more session."""
        self._sessions += 1

    def leave(self) -> None:
        """Count one session less."""
        self._sessions -= 1

    @property
    def is_overloaded(self) -> bool:
        """Whether another turn would wait too long."""
        return self.wait_s > LONGEST_WAIT_S

    async def warm_up(self, vocabulary: Sequence[str] = ()) -> None:
        """Get ready for sentences like those of `vocabulary`, so that the first utterance does not wait."""
        await self._recognizer.warm_up(await self.expect(sentences=vocabulary))
        if self.open_vocabulary:
            await self._recognizer.load_open_vocabulary()

    async def expect(
        self, *, instructions: str = "", tools: Sequence[dict[str, Any]] = (), sentences: Sequence[str] = ()
    ) -> LanguageModel:
        """Return the language model of a conversation."""
        return await self._models.get(instructions=instructions, tools=tools, sentences=sentences)

    async def recognize(self, pcm: bytes, expected: LanguageModel | None = None) -> str:
        """Return the words of an utterance, as `listen` does, in a line."""
        return (await self.listen(pcm, expected)).text

    async def listen(self, pcm: bytes, expected: LanguageModel | None = None) -> Recognition:
        """Return the words of an utterance, with their times.

        Parameters
        ----------
        pcm : bytes
            PCM16 at 16 kHz.
        expected : LanguageModel, optional
            What `expect` returned.

        Raises
        ------
        ApiError
            ``rate_limit_exceeded`` if too much waits already.
        """
        if self.is_overloaded:
            raise overloaded(f"The recogniser is {self.wait_s:.1f} s behind; try again in a moment.")
        expected = expected or await self._models.get()
        return await self._recognizer.recognize(pcm, expected, open_vocabulary=self.hears_all)

    def close(self) -> None:
        """End the threads and remove the files."""
        self._recognizer.close()
        self._models.close()
