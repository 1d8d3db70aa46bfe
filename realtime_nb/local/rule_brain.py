"""A brain made of rules: it says what it can do and does it, and understands nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from .brain import CallTool, Context, Say


class RuleBrain:
    """The default brain."""

    name = "local-rules"
    description = "a list of rules"
    vocabulary: Sequence[str] = ()

    async def respond(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        """Answer by the first rule that fits."""
        yield Say(f"You said: {context.utterance}.")
