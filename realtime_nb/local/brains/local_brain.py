"""The default brain: a text model that runs on this machine, if one is found, and rules."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence

from ...protocol.parts import DEFAULT_MODEL, LocalPart
from ..api_errors import ApiError
from .brain import CallTool, Context, Say
from .openai_brain import OpenAICompatibleBrain
from .rule_brain import RuleBrain
from .text_servers import FoundModel, TextServer, find_text_model, stranger_on

log = logging.getLogger(__name__)

#: How long a model may take to begin (it may have to be loaded first), and from one sentence to the next.
PATIENCE_S = 30.0
#: After this many failed answers in a row, the model is not asked any more.
MOST_FAILURES = 2


class LocalBrain:
    """Answers with a text model that `search` has found; with rules if there is none, or if the model fails.

    `servers`: where to look; by default the ports of Ollama, LM Studio and llama.cpp's server.
    """

    name = DEFAULT_MODEL
    vocabulary: Sequence[str] = RuleBrain.vocabulary

    def __init__(self, servers: Sequence[TextServer] | None = None, *, patience_s: float = PATIENCE_S):
        self._servers = servers
        self._patience_s = patience_s
        self._rules = RuleBrain()
        self._model: FoundModel | None = None
        self._writer: OpenAICompatibleBrain | None = None
        self._failures = 0
        self.passed_over: Sequence[str] = ()
        """Servers that were found and are not used, and why."""

    @property
    def description(self) -> str:
        """A sentence about what answers, which every client gets."""
        return self._writer.description if self._writer else self._rules.description

    @property
    def part(self) -> LocalPart:
        """The part that answers, for `LocalParts`."""
        return self._model.part if self._model else self._rules.part

    async def search(self) -> None:
        """Look for a text model; rules answer meanwhile."""
        found = await find_text_model(self._servers)
        self.passed_over = found.passed_over
        for reason in found.passed_over:
            log.warning("the local voice passes over a text model: %s", reason)
        if found.model is None:
            return
        # The first answer must not wait for that import, which takes seconds.
        await asyncio.to_thread(__import__, "openai")
        self._model = found.model
        self._writer = OpenAICompatibleBrain(
            found.model.base_url,
            found.model.name,
            sees=found.model.sees is True,
            # Ollama lets a model think as long as it likes, unless told not to; all that time you hear nothing.
            options={"reasoning_effort": "none"} if found.model.thinks else {},
        )

    async def respond(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        """Answer."""
        model, writer = self._model, self._writer
        if model and writer and not context.is_unsure and not (context.tools and model.calls_tools is False):
            problem = stranger_on(model.port)
            if problem:
                self._failures = MOST_FAILURES  # Another program has the port now.
            else:
                try:
                    async with contextlib.aclosing(self._written(writer, context)) as actions:
                        async for action in actions:
                            yield action
                    self._failures = 0
                    return
                except Exception as error:  # Anything that a broken server, or another program, may cause.
                    problem = _reason(error, self._patience_s)
                    self._failures += 1
            yield Say(f"The text model {model.part.name} {problem}, so my rules answer.")
            if self._failures >= MOST_FAILURES:
                await self._give_up(problem)
        async with contextlib.aclosing(self._rules.respond(context)) as actions:
            async for action in actions:
                yield action

    async def _written(self, writer: OpenAICompatibleBrain, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        """Yield what the model writes; raises `TimeoutError` if nothing comes, `ApiError` if the answer is empty."""
        is_empty = True
        async with contextlib.aclosing(writer.respond(context)) as actions:
            while True:
                async with asyncio.timeout(self._patience_s):
                    action = await anext(actions, None)
                if action is None:
                    break
                is_empty = False
                yield action
        if is_empty:
            raise ApiError("said nothing")

    async def _give_up(self, problem: str) -> None:
        model, writer = self._model, self._writer
        self._model = self._writer = None
        if model and writer:
            self.passed_over = (*self.passed_over, f"{model.server} on port {model.port} {problem}")
            log.warning("the text model %s %s: rules answer from now on", model.name, problem)
            await writer.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._writer:
            await self._writer.close()


def _reason(error: Exception, patience_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"has not answered for {patience_s:g} s"
    return "said nothing" if str(error) == "said nothing" else "does not answer"
