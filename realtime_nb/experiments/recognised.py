"""Words for turn detection that goes by them: the local recogniser, started when it is first needed."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..loop import submit

if TYPE_CHECKING:
    from ..local.ears import LocalEars


class Recognised:
    """Recognises what was said so far, once for each sound.

    Parameters
    ----------
    session : dict, optional
        The API's session object, whose instructions and tools make some words likelier than others.
    """

    def __init__(self, session: dict[str, Any] | None = None):
        session = session or {}
        self._instructions, self._tools = session.get("instructions") or "", session.get("tools") or []
        self._ears: LocalEars | None = None
        self._expected: Any = None
        self._words: dict[bytes, str] = {}

    def __enter__(self) -> Recognised:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._ears is not None:
            self._ears.close()

    def __call__(self, pcm16k: bytes) -> str:
        """Return the words of an utterance, PCM16 at 16 kHz."""
        if pcm16k not in self._words:
            self._words[pcm16k] = submit(self._recognize(pcm16k)).result()
        return self._words[pcm16k]

    async def _recognize(self, pcm16k: bytes) -> str:
        if self._ears is None:
            from ..local.ears import LocalEars
            from ..local.rule_brain import RuleBrain

            self._ears = LocalEars()
            self._expected = await self._ears.expect(
                instructions=self._instructions, tools=self._tools, sentences=RuleBrain.vocabulary
            )
            await self._ears.warm_up(RuleBrain.vocabulary)
        return await self._ears.recognize(pcm16k, self._expected)
