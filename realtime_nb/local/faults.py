"""Faults that the server makes on purpose, to test clients.

The live service makes these faults, or may make them: it sends transcripts late, deltas of a response that is already
cancelled, and events of unknown types; responses fail, sessions expire, sockets break.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import replace
from typing import Any, get_args

import msgspec

from ..protocol import events
from ..protocol.parts import LocalPart
from .api_errors import ApiError
from .brains.brain import Brain, CallTool, Context, Say
from .realtime.outbox import Outbox
from .realtime.session import Parts

LATE_TRANSCRIPTION = "late_transcription"
STRAGGLERS = "stragglers"
UNKNOWN_EVENT = "unknown_event"
FAILED_RESPONSE = "failed_response"
DISCONNECT = "disconnect"
SESSION_EXPIRED = "session_expired"
FAULTS = (LATE_TRANSCRIPTION, STRAGGLERS, UNKNOWN_EVENT, FAILED_RESPONSE, DISCONNECT, SESSION_EXPIRED)

_DELTAS_BEFORE_DISCONNECT = 3
_Delta = events.ResponseOutputAudioDelta | events.ResponseOutputAudioTranscriptDelta | events.ResponseOutputTextDelta
_TRANSCRIPTION = "conversation.item.input_audio_transcription."


class Disconnected(Exception):
    """The socket breaks, because `DISCONNECT` is among the faults."""


class FaultyOutbox(Outbox):
    """An outbox that makes the faults.

    `lifetime_turns`: the number of responses after which the session expires; by default it never does, or after one
    with the fault `SESSION_EXPIRED`.
    """

    def __init__(self, faults: Collection[str], *, lifetime_turns: int | None = None):
        super().__init__()
        self._faults = faults
        self._turns_left = 1 if SESSION_EXPIRED in faults and lifetime_turns is None else lifetime_turns
        self._held: list[events.ServerEvent | dict[str, Any]] = []
        self._last: dict[type[Any], _Delta] = {}
        self._audio_deltas = 0

    def put(self, event: events.ServerEvent | dict[str, Any]) -> None:
        """Add an event, or what the faults turn it into."""
        kind = event["type"] if isinstance(event, dict) else event.type
        if LATE_TRANSCRIPTION in self._faults and kind.startswith(_TRANSCRIPTION):
            self._held.append(event)
            return
        if UNKNOWN_EVENT in self._faults and isinstance(event, events.SessionCreated | events.ResponseDone):
            super().put({"type": "response.weather.delta", "forecast": "clear", "confidence": 0.5})
        super().put(event)
        if isinstance(event, get_args(_Delta)):
            self._last[type(event)] = event
        if isinstance(event, events.ResponseOutputAudioDelta):
            self._audio_deltas += 1
            if DISCONNECT in self._faults and self._audio_deltas == _DELTAS_BEFORE_DISCONNECT:
                self.fail(Disconnected())
        if isinstance(event, events.ResponseDone):
            self._after_response(event)

    def _after_response(self, event: events.ResponseDone) -> None:
        held, self._held = self._held, []
        for late in held:
            super().put(late)
        if STRAGGLERS in self._faults and event.response.status == "cancelled":
            for delta in self._last.values():
                if delta.response_id == event.response.id:
                    super().put(msgspec.structs.replace(delta))
        if self._turns_left is not None:
            self._turns_left -= 1
            if self._turns_left <= 0:
                self.expire()


class _FailingBrain:
    """Takes the first action from another brain, then fails."""

    def __init__(self, brain: Brain):
        self.name = brain.name
        self.description = brain.description
        self.vocabulary: Sequence[str] = brain.vocabulary
        self._brain = brain

    @property
    def part(self) -> LocalPart:
        return self._brain.part

    async def respond(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        async for action in self._brain.respond(context):
            yield action
            break
        raise ApiError("The server had an error while processing your request.", type="server_error")


def with_faults(parts: Parts, faults: Collection[str]) -> Parts:
    """Return parts whose responses fail if `FAILED_RESPONSE` is among the faults, and the same parts if not."""
    if FAILED_RESPONSE not in faults:
        return parts
    others = {name: _FailingBrain(brain) for name, brain in parts.others.items()}
    return replace(parts, brain=_FailingBrain(parts.brain), others=others)
