"""One Realtime session of the server: client events in, server events out. It does not know the socket.

Source of the orderings: recorded traffic of the GA API and the Realtime API reference.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...protocol import events
from ...protocol.items import Item, ResponseOptions
from ...protocol.parts import LocalParts
from ..api_errors import ApiError, invalid_value, missing_parameter
from ..brains.brain import Brain
from ..recognition.turn_detection import end_of_turn_part
from . import client_events
from .conversation_state import ConversationState, ItemState, entry_of
from .hearing import Hearing, SpeechRecognizer, TurnJudge
from .input_audio import Hooks, SessionInput, decode_audio
from .outbox import Outbox
from .responder import TextToSpeech
from .session_responses import SessionResponses
from .session_settings import SessionSettings

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
