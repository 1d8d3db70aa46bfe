"""One answer of Chat Completions as it is made: the brain's words, their sound, its calls."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..audio import WIRE_SAMPLE_RATE
from ..sentences import split_sentences
from .brain import Brain, CallTool, Say
from .chat_request import ChatRequest
from .conversation_state import new_id
from .responder import Voice, deltas
from .usage import OUTPUT_MS_PER_TOKEN, text_tokens

_BYTES_PER_MS = WIRE_SAMPLE_RATE * 2 // 1000


@dataclass(frozen=True)
class Words:
    """More of the text, or of the transcript."""

    text: str


@dataclass(frozen=True)
class Sound:
    """More of the sound."""

    pcm: bytes


@dataclass(frozen=True)
class Call:
    """A call of a tool."""

    index: int
    id: str
    name: str
    arguments: str

    @property
    def as_json(self) -> dict[str, Any]:
        """The call as a message carries it."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


Piece = Words | Sound | Call


class ChatAnswer:
    """An answer, and what it has come to so far.

    Parameters
    ----------
    request : ChatRequest
        With all sound recognised.
    brain, voice : Brain, Voice
        Who answers.
    """

    def __init__(self, request: ChatRequest, brain: Brain, voice: Voice):
        self.id = f"chatcmpl-{new_id('x')[2:]}"
        self.audio_id = new_id("audio")
        self.text = ""
        self.calls: list[Call] = []
        self._request = request
        self._brain = brain
        self._voice = voice
        self._spoken_bytes = 0
        self._is_cut = False

    @property
    def duration_ms(self) -> float:
        """How much was spoken."""
        return self._spoken_bytes / _BYTES_PER_MS

    @property
    def finish_reason(self) -> Literal["stop", "length", "tool_calls"]:
        """Why it ended."""
        return "length" if self._is_cut else "tool_calls" if self.calls else "stop"

    @property
    def usage(self) -> dict[str, Any]:
        """The usage object."""
        return self._request.usage(self._written, self._spoken_tokens)

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield the answer as it is made; the brain and the voice stop when this generator is closed."""
        async with contextlib.aclosing(self._brain.respond(self._request.context)) as actions:
            async for action in actions:
                if isinstance(action, CallTool):
                    if len(self.calls) < self._request.most_calls:
                        yield self._call(action)
                    continue
                async with contextlib.aclosing(self._say(action)) as pieces:
                    async for piece in pieces:
                        yield piece
                        if self._is_too_long():
                            self._is_cut = True
                            return

    def _call(self, action: CallTool) -> Call:
        arguments = action.arguments if isinstance(action.arguments, str) else json.dumps(action.arguments)
        call = Call(len(self.calls), new_id("call"), action.name, arguments)
        self.calls.append(call)
        return call

    async def _say(self, action: Say) -> AsyncGenerator[Piece, None]:
        for sentence in _sentences(action.text):
            apart = self.text and not self.text[-1].isspace()
            for delta in deltas(f" {sentence}" if apart else sentence):
                self.text += delta
                yield Words(delta)
            if self._request.has_audio:
                spoken = self._voice.speak(sentence, voice=self._request.voice)
                async with contextlib.aclosing(spoken):
                    async for piece in spoken:
                        if piece.pcm:
                            self._spoken_bytes += len(piece.pcm)
                            yield Sound(piece.pcm)

    @property
    def _written(self) -> str:
        return self.text + "".join(call.name + call.arguments for call in self.calls)

    @property
    def _spoken_tokens(self) -> int:
        return math.ceil(self.duration_ms / OUTPUT_MS_PER_TOKEN)

    def _is_too_long(self) -> bool:
        return text_tokens(self._written) + self._spoken_tokens >= self._request.max_tokens


def _sentences(text: str) -> Iterator[str]:
    return filter(None, (sentence.strip() for sentence in split_sentences(text)))
