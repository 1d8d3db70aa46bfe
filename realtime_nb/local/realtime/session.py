"""One Realtime session of the server: client events in, server events out. It does not know the socket.

Source of the orderings: recorded traffic of the GA API and the Realtime API reference.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...protocol import events
from ...protocol.items import Item, RateLimit, ResponseOptions
from ...protocol.parts import LocalParts
from ..api_errors import ApiError, invalid_value, missing_parameter, overloaded
from ..brains.brain import Brain, Context
from ..recognition.turn_detection import end_of_turn_part
from . import client_events
from .conversation_state import ConversationState, ItemState, entry_of
from .hearing import Hearing, SpeechRecognizer, TurnJudge
from .input_audio import Hooks, SessionInput, decode_audio
from .outbox import Outbox
from .responder import Responder, ResponseEvents, TextToSpeech
from .session_settings import ResponseSettings, SessionSettings
from .usage import Unit, unit_of_entry, unit_of_settings, usage_of, within

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """The parts that all sessions of a server share."""

    brain: Brain
    voice: TextToSpeech
    recognizer: SpeechRecognizer
    others: Mapping[str, Brain] = field(default_factory=dict)
    """Brains that a session can choose by the name of its model."""
    turn_model: TurnJudge | None = None
    """The model that ``semantic_vad`` asks beside the words."""

    def brain_of(self, model: str) -> Brain:
        """Return the brain of sessions with a model."""
        return self.others.get(model, self.brain)

    def answering(self, model: str) -> LocalParts:
        """Return which parts answer for a model of this name."""
        end_of_turn = end_of_turn_part(self.turn_model.name if self.turn_model else "")
        return LocalParts(self.recognizer.part, self.voice.part, end_of_turn, self.brain_of(model).part)


class ServerSession:
    """One client's session."""

    def __init__(self, settings: SessionSettings, parts: Parts, outbox: Outbox):
        self.settings = settings
        self.conversation = ConversationState()
        self._outbox = outbox
        brain = parts.brain_of(settings.data.get("model", ""))
        self._hearing = Hearing(parts.recognizer, brain.vocabulary, outbox.put, turn_model=parts.turn_model)
        self._responses = SessionResponses(
            self.conversation, self._hearing, brain, parts.voice, outbox, self._on_response_done
        )
        hooks = Hooks(interrupt=self._responses.interrupt, respond=self._respond)
        self._input = SessionInput(settings, self.conversation, self._hearing, outbox, hooks)
        self._handlers: dict[type[events.Event], Callable[[Any], Any]] = {
            events.SessionUpdate: self._update,
            events.InputAudioBufferAppend: self._input.append,
            events.InputAudioBufferCommit: self._input.commit,
            events.InputAudioBufferClear: self._input.clear,
            events.ConversationItemCreate: self._create_item,
            events.ConversationItemTruncate: self._truncate_item,
            events.ConversationItemDelete: self._delete_item,
            events.ConversationItemRetrieve: self._retrieve_item,
            events.ResponseCreate: self._create_response,
            events.ResponseCancel: self._responses.cancel,
        }

    def open(self) -> None:
        """Greet the client."""
        self._outbox.put(events.SessionCreated(session=self.settings.data))
        self._hearing.configure(self.settings)

    async def receive(self, message: str | bytes) -> None:
        """Do what a client's message asks; a failure becomes an ``error`` event, never an exception."""
        event_id: str | None = None
        try:
            event = client_events.read(message)
            event_id = event.event_id or None if isinstance(event, events.ClientEvent) else None
            done = self._handlers[type(event)](event)
            if inspect.isawaitable(done):
                await done
        except ApiError as error:
            self._refuse(error, event_id or client_events.event_id_of(message))
        except Exception:
            log.exception("a client event failed")
            failure = "The server had an error while processing your event."
            self._refuse(ApiError(failure, type="server_error"), event_id)

    async def close(self) -> None:
        """Stop all work; nothing is sent any more."""
        self._input.stop_waiting()
        await self._responses.close()
        await self._hearing.close()

    def _refuse(self, error: ApiError, event_id: str | None = None) -> None:
        self._outbox.put(events.Error(error=error.detail(event_id)))

    def _update(self, event: events.SessionUpdate) -> None:
        self.settings.update(event.session, voice_is_locked=self._has_spoken)
        self._input.configure()
        self._hearing.configure(self.settings)
        self._outbox.put(events.SessionUpdated(session=self.settings.data))

    @property
    def _has_spoken(self) -> bool:
        return any(
            part.type == "output_audio" and part.duration_ms for entry in self.conversation for part in entry.parts
        )

    # --- items --------------------------------------------------------------------------------------------------------

    def _create_item(self, event: events.ConversationItemCreate) -> None:
        entry = self._entry(event.item, "item")
        calls = {other.call_id for other in self.conversation if other.type == "function_call"}
        if entry.type == "function_call_output" and entry.call_id not in calls:
            raise ApiError(
                f"Tool call ID '{entry.call_id}' not found in conversation.",
                code="invalid_tool_call_id",
                param="item.call_id",
            )
        previous = event.previous_item_id if isinstance(event.previous_item_id, str) else None
        previous = self.conversation.add(entry, previous)
        self._hear(entry)
        item = entry.item()
        self._outbox.put(events.ConversationItemAdded(item=item, previous_item_id=previous))
        self._outbox.put(events.ConversationItemDone(item=item, previous_item_id=previous))

    def _entry(self, item: Item, path: str) -> ItemState:
        form = self.settings.input["format"]
        return entry_of(item, path=path, decode_audio=lambda audio: decode_audio(audio, form))

    def _hear(self, entry: ItemState) -> None:
        for part in entry.parts:
            if part.type == "input_audio" and not part.text:
                self._hearing.hear(entry, part, announce=False)

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
            entries = [self._input_entry(item, f"response.input[{at}]") for at, item in enumerate(options.input)]
        self._input.stop_waiting()
        out_of_band = options is not None and options.conversation == "none"
        self._responses.begin(settings, entries, out_of_band=out_of_band)

    def _input_entry(self, item: dict[str, Any], path: str) -> ItemState:
        """Return an item of a response's own context: a new one, or one from the conversation."""
        if item.get("type") == "item_reference":
            if not isinstance(item.get("id"), str):
                raise missing_parameter(f"{path}.id")
            found = self.conversation.find(item["id"])
            if found is None:
                raise invalid_value(f"{path}.id", f"the item with id '{item['id']}' does not exist")
            return found
        entry = self._entry(msgspec.convert(item, Item), path)  # `client_events` has checked that it is one
        self._hear(entry)
        return entry

    def _respond(self) -> None:
        """Answer a turn that the server ended."""
        try:
            self._responses.begin(self.settings.for_response(), list(self.conversation))
        except ApiError as error:
            self._refuse(error)

    def _on_response_done(self, unplayed_s: float) -> None:
        self._input.wait_for_speech(unplayed_s)


# --- The responses of a session: which run, what they read, and what they used ----------------------------------------

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
