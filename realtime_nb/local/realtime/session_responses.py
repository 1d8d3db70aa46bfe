"""The responses of a session: which run, what they read, and what they used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...protocol import events
from ...protocol.items import RateLimit
from ..api_errors import ApiError, overloaded
from ..brains.brain import Brain, Context
from .conversation_state import ConversationState, ItemState
from .hearing import Hearing
from .outbox import Outbox
from .responder import Responder, ResponseEvents, TextToSpeech
from .session_settings import ResponseSettings
from .usage import Unit, unit_of_entry, unit_of_settings, usage_of, within

#: Responses that may run beside the conversation's own.
MAX_OUT_OF_BAND = 16
TOKENS_PER_MINUTE = 15_000_000


class SessionResponses:
    """One session's responses: at most one in the conversation, and several beside it.

    `on_done`: called after the conversation's own response, with the seconds that a client will still play.
    """

    def __init__(
        self,
        conversation: ConversationState,
        hearing: Hearing,
        brain: Brain,
        voice: TextToSpeech,
        outbox: Outbox,
        on_done: Callable[[float], None],
    ):
        self._conversation = conversation
        self._hearing = hearing
        self._brain = brain
        self._voice = voice
        self._outbox = outbox
        self._on_done = on_done
        self._active: Responder | None = None
        self._running: set[Responder] = set()
        self._last_context: Sequence[Unit] = ()

    def begin(self, settings: ResponseSettings, entries: Sequence[ItemState], *, out_of_band: bool = False) -> None:
        """Begin a response to `entries`.

        Raises `ApiError` if one already runs in the conversation, or too many run beside it.
        """
        if self._active and not out_of_band:
            raise ApiError(
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        if out_of_band and len(self._running) > MAX_OUT_OF_BAND:
            raise overloaded(f"At most {MAX_OUT_OF_BAND} responses may run beside the conversation's own.")
        units = within([unit_of_settings(settings), *map(unit_of_entry, entries)])

        async def context() -> Context:
            await self._hearing.heard(entries)
            return _context(settings, entries)

        def usage(response_events: ResponseEvents) -> dict[str, Any]:
            before, self._last_context = self._last_context, units
            return usage_of(units, before, text=response_events.written, audio_ms=response_events.spoken_ms)

        responder = Responder(
            response_events=ResponseEvents(
                self._outbox.put, settings, None if out_of_band else self._conversation, entries
            ),
            context=context,
            brain=self._brain,
            voice=self._voice,
            usage=usage,
            room=self._outbox.room,
            on_done=self._done,
        )
        self._running.add(responder)
        if not out_of_band:
            self._active = responder
        responder.start()

    def interrupt(self) -> None:
        """Stop the conversation's own response: the person speaks."""
        if self._active:
            self._active.cancel("turn_detected")

    def cancel(self, event: events.ResponseCancel) -> None:
        """Stop a response because the client says so.

        Raises `ApiError` if there is none.
        """
        responder = self._active
        if isinstance(event.response_id, str):
            responder = next((other for other in self._running if other.id == event.response_id), None)
        if responder is None:
            raise ApiError("Cancellation failed: no active response found", code="response_cancel_not_active")
        responder.cancel("client_cancelled")

    async def close(self) -> None:
        """Stop all of them; the client is gone."""
        running = list(self._running)
        for responder in running:
            responder.abandon()
        for responder in running:
            await responder.stopped()

    def _done(self, responder: Responder) -> None:
        self._running.discard(responder)
        used = sum(unit.tokens for unit in self._last_context)
        limit = RateLimit(
            name="tokens", limit=TOKENS_PER_MINUTE, remaining=TOKENS_PER_MINUTE - used, reset_seconds=0.003
        )
        self._outbox.put(events.RateLimitsUpdated(rate_limits=[limit]))
        self._conversation.let_go()
        if responder is self._active:
            self._active = None
            self._on_done(responder.unplayed_s)


def _context(settings: ResponseSettings, entries: Sequence[ItemState]) -> Context:
    choice = settings.tool_choice
    required = choice["name"] if isinstance(choice, dict) else "*" if choice == "required" else None
    return Context(
        entries=entries,
        instructions=settings.instructions,
        own_instructions=settings.own_instructions,
        tools=[] if choice == "none" else settings.tools,
        required_tool=required,
        metadata=settings.metadata or {},
    )
