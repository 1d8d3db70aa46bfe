"""One Realtime session of the server: client events in, server events out. It knows no socket.

Source of the orderings: recorded traffic of the GA API and the Realtime API reference.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..wire import events
from ..wire.items import Item, RateLimit, ResponseOptions
from . import client_events
from .api_errors import ApiError, invalid_value, missing_parameter, overloaded
from .brain import Brain, Context
from .conversation_state import ConversationState, Entry, Part, entry_of, new_id
from .hearing import Ears, Hearing
from .input_audio import InputAudioBuffer, decode_audio
from .ladder import Ladder
from .outbox import Outbox
from .responder import Responder, Voice
from .session_settings import ResponseSettings, SessionSettings
from .usage import Unit, unit_of_entry, unit_of_settings, usage_of, within

log = logging.getLogger(__name__)

#: Responses that may run beside the conversation's own.
MAX_OUT_OF_BAND = 16
TOKENS_PER_MINUTE = 15_000_000


@dataclass(frozen=True)
class Parts:
    """What a session is made of; all sessions of a server share them."""

    brain: Brain
    voice: Voice
    ears: Ears


class RealtimeSession:
    """One client's session.

    Parameters
    ----------
    settings : SessionSettings
        As the client will be told in ``session.created``.
    parts : Parts
        Brain, voice and ears.
    outbox : Outbox
        Takes the server's events.
    """

    def __init__(self, settings: SessionSettings, parts: Parts, outbox: Outbox):
        self.settings = settings
        self.conversation = ConversationState()
        self._parts = parts
        self._outbox = outbox
        self._buffer = InputAudioBuffer(settings.input["format"])
        self._hearing = Hearing(parts.ears, parts.brain.vocabulary, outbox.put)
        self._active: Responder | None = None
        self._responders: set[Responder] = set()
        self._last_context: list[Unit] = []
        self._idle_timer: asyncio.TimerHandle | None = None
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.SessionUpdate: self._update,
            events.InputAudioBufferAppend: self._append,
            events.InputAudioBufferCommit: self._commit,
            events.InputAudioBufferClear: self._clear,
            events.ConversationItemCreate: self._create_item,
            events.ConversationItemTruncate: self._truncate_item,
            events.ConversationItemDelete: self._delete_item,
            events.ConversationItemRetrieve: self._retrieve_item,
            events.ResponseCreate: self._create_response,
            events.ResponseCancel: self._cancel_response,
        }

    def open(self) -> None:
        """Greet the client."""
        self._outbox.put(events.SessionCreated(session=self.settings.data))
        self._hearing.configure(self.settings)

    def receive(self, message: str | bytes) -> None:
        """Do what a client's message asks; what goes wrong becomes an ``error`` event, never an exception."""
        event_id: str | None = None
        try:
            event = client_events.read(message)
            event_id = event.event_id if isinstance(event, events.ClientEvent) and event.event_id else None
            self._handlers[type(event)](event)
        except ApiError as error:
            self._outbox.put(events.Error(error=error.detail(event_id or client_events.event_id_of(message))))
        except Exception:
            log.exception("a client event failed")
            failure = ApiError("The server had an error while processing your event.", type="server_error")
            self._outbox.put(events.Error(error=failure.detail(event_id)))

    async def close(self) -> None:
        """Stop all work; nothing is sent any more."""
        self._stop_idle_timer()
        responders = list(self._responders)
        for responder in responders:
            responder.abandon()
        for responder in responders:
            await responder.stopped()
        await self._hearing.close()

    # --- settings -----------------------------------------------------------------------------------------------------

    def _update(self, event: events.SessionUpdate) -> None:
        before = self.settings.input
        self.settings.update(event.session, voice_is_locked=self._has_spoken)
        if self.settings.input["format"] != before["format"]:
            self._buffer.set_format(self.settings.input["format"])
        self._hearing.configure(self.settings)
        self._outbox.put(events.SessionUpdated(session=self.settings.data))

    @property
    def _has_spoken(self) -> bool:
        return any(
            part.type == "output_audio" and part.duration_ms for entry in self.conversation for part in entry.parts
        )

    # --- the person's audio -------------------------------------------------------------------------------------------

    def _append(self, event: events.InputAudioBufferAppend) -> None:
        self._buffer.append(event.audio)

    def _commit(self, event: events.InputAudioBufferCommit) -> None:
        self._add_user_audio(self._buffer.commit(), new_id("item"))

    def _clear(self, event: events.InputAudioBufferClear) -> None:
        self._buffer.clear()
        self._outbox.put(events.InputAudioBufferCleared())

    def _add_user_audio(self, pcm: bytes, item_id: str) -> Entry:
        transcribed = self.settings.transcription is not None
        part = Part("input_audio", pcm=pcm, duration_ms=len(pcm) / 48, transcribed=False)
        entry = Entry(item_id, "message", role="user", parts=[part])
        previous = self.conversation.add(entry)
        self._outbox.put(events.InputAudioBufferCommitted(item_id=item_id, previous_item_id=previous))
        self._announce(entry, previous)
        self._hearing.hear(entry, part, announce=transcribed)
        return entry

    # --- items --------------------------------------------------------------------------------------------------------

    def _create_item(self, event: events.ConversationItemCreate) -> None:
        entry = self._entry(event.item, "item")
        if entry.type == "function_call_output" and not any(
            other.type == "function_call" and other.call_id == entry.call_id for other in self.conversation
        ):
            raise ApiError(
                f"Tool call ID '{entry.call_id}' not found in conversation.",
                code="invalid_tool_call_id",
                param="item.call_id",
            )
        previous = event.previous_item_id if isinstance(event.previous_item_id, str) else None
        self._announce(entry, self.conversation.add(entry, previous))

    def _entry(self, item: Item, path: str) -> Entry:
        form = self.settings.input["format"]
        entry = entry_of(item, path=path, decode_audio=lambda audio: decode_audio(audio, form))
        for part in entry.parts:
            if part.type == "input_audio" and not part.text:
                self._hearing.hear(entry, part, announce=False)
        return entry

    def _announce(self, entry: Entry, previous: str | None) -> None:
        item = entry.item()
        self._outbox.put(events.ConversationItemAdded(item=item, previous_item_id=previous))
        self._outbox.put(events.ConversationItemDone(item=item, previous_item_id=previous))

    def _truncate_item(self, event: events.ConversationItemTruncate) -> None:
        self.conversation.truncate(event.item_id, event.content_index, event.audio_end_ms)
        self._outbox.put(
            events.ConversationItemTruncated(
                item_id=event.item_id, content_index=event.content_index, audio_end_ms=event.audio_end_ms
            )
        )

    def _delete_item(self, event: events.ConversationItemDelete) -> None:
        self.conversation.remove(event.item_id)
        self._outbox.put(events.ConversationItemDeleted(item_id=event.item_id))

    def _retrieve_item(self, event: events.ConversationItemRetrieve) -> None:
        self._outbox.put(events.ConversationItemRetrieved(item=self.conversation.retrieve(event.item_id)))

    # --- responses ----------------------------------------------------------------------------------------------------

    def _create_response(self, event: events.ResponseCreate) -> None:
        options = event.response if isinstance(event.response, ResponseOptions) else None
        if self.settings.is_transcription:
            raise ApiError("Transcription sessions create no responses.", code="invalid_parameter", param="type")
        settings = self.settings.for_response(options)
        entries = list(self.conversation)
        if options is not None and isinstance(options.input, list):
            entries = [self._input(item, f"response.input[{at}]") for at, item in enumerate(options.input)]
        out_of_band = options is not None and options.conversation == "none"
        self.respond(settings, entries, out_of_band=out_of_band)

    def _input(self, item: dict[str, Any], path: str) -> Entry:
        """Return one item of a response's own context: a new one, or one of the conversation."""
        if item.get("type") == "item_reference":
            if not isinstance(item.get("id"), str):
                raise missing_parameter(f"{path}.id")
            entry = self.conversation.find(item["id"])
            if entry is None:
                raise invalid_value(f"{path}.id", f"the item with id '{item['id']}' does not exist")
            return entry
        try:
            return self._entry(msgspec.convert(item, Item), path)
        except msgspec.ValidationError as error:
            raise invalid_value(path, str(error)) from error

    def respond(self, settings: ResponseSettings, entries: Sequence[Entry], *, out_of_band: bool = False) -> None:
        """Begin a response.

        Raises
        ------
        ApiError
            If the conversation has one that runs, or too many run beside it.
        """
        if self._active and not out_of_band:
            raise ApiError(
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        if out_of_band and len(self._responders) > MAX_OUT_OF_BAND:
            raise overloaded(f"At most {MAX_OUT_OF_BAND} responses may run beside the conversation's own.")
        self._stop_idle_timer()
        ladder = Ladder(self._outbox.put, settings, None if out_of_band else self.conversation)
        units = within([unit_of_settings(settings), *map(unit_of_entry, entries)])

        async def context() -> Context:
            await self._hearing.heard(entries)
            return _context(settings, entries)

        def usage(ladder: Ladder) -> dict[str, Any]:
            before, self._last_context = self._last_context, units
            return usage_of(units, before, text=ladder.written, audio_ms=ladder.spoken_ms)

        responder = Responder(
            ladder=ladder,
            context=context,
            brain=self._parts.brain,
            voice=self._parts.voice,
            usage=usage,
            room=self._outbox.room,
            on_done=self._response_done,
        )
        self._responders.add(responder)
        if not out_of_band:
            self._active = responder
        responder.start()

    def _response_done(self, responder: Responder) -> None:
        self._responders.discard(responder)
        if responder is self._active:
            self._active = None
            self._start_idle_timer(responder.unplayed_s)
        used = sum(unit.tokens for unit in self._last_context)
        limit = RateLimit(
            name="tokens", limit=TOKENS_PER_MINUTE, remaining=TOKENS_PER_MINUTE - used, reset_seconds=0.003
        )
        self._outbox.put(events.RateLimitsUpdated(rate_limits=[limit]))
        self.conversation.let_go()

    def _cancel_response(self, event: events.ResponseCancel) -> None:
        wanted = event.response_id if isinstance(event.response_id, str) else None
        responder = self._active
        if wanted is not None:
            responder = next((other for other in self._responders if other.id == wanted), None)
        if responder is None:
            raise ApiError("Cancellation failed: no active response found", code="response_cancel_not_active")
        responder.cancel("client_cancelled")

    # --- nobody speaks ------------------------------------------------------------------------------------------------

    def _start_idle_timer(self, after_s: float) -> None:
        timeout_ms = (self.settings.turn_detection or {}).get("idle_timeout_ms")
        if timeout_ms is not None:
            after_s += timeout_ms / 1000
            self._idle_timer = asyncio.get_running_loop().call_later(after_s, self._take_turn, timeout_ms)

    def _stop_idle_timer(self) -> None:
        if self._idle_timer:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _take_turn(self, timeout_ms: int) -> None:
        """Answer a person who says nothing."""
        end_ms = round(self._buffer.total_ms)
        entry = Entry(new_id("item"), "message", role="user", is_silence=True)
        entry.parts.append(Part("input_audio", heard=""))
        self._outbox.put(
            events.InputAudioBufferTimeoutTriggered(
                audio_start_ms=max(0, end_ms - timeout_ms), audio_end_ms=end_ms, item_id=entry.id
            )
        )
        previous = self.conversation.add(entry)
        self._outbox.put(events.InputAudioBufferCommitted(item_id=entry.id, previous_item_id=previous))
        self._announce(entry, previous)
        self.respond(self.settings.for_response(), list(self.conversation))


def _context(settings: ResponseSettings, entries: Sequence[Entry]) -> Context:
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
