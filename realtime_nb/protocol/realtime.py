"""The client's side of a Realtime session as a state machine: messages in, events and messages out.

No I/O and no clock. `RealtimeProtocol.receive` takes what the server sent and returns what it means;
`RealtimeProtocol.events_to_send` returns what must go out. A server's fault becomes an event; a caller's fault
raises at once and changes nothing.
"""

from __future__ import annotations

import itertools
from collections import deque
from enum import Enum
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ..errors import LocalProtocolError
from . import events as ev
from .formats import bytes_per_ms, encoding_of
from .items import REQUEST, Item, Response, ResponseOptions
from .local_events import Remarked
from .mending import is_deep
from .reader import Reader
from .settings import setting_at

# The API takes up to 15 MiB of audio in one event; smaller ones let a server begin to work.
_APPEND_BYTES = 48_000
# The events that answer requests; the server answers requests of the same kind in order.
_ANSWERS: dict[type[ev.ClientEvent], type[ev.ServerEvent]] = {
    ev.SessionUpdate: ev.SessionUpdated,
    ev.InputAudioBufferCommit: ev.InputAudioBufferCommitted,
    ev.InputAudioBufferClear: ev.InputAudioBufferCleared,
}
_ENDS_OF_EXPECTATION = (ev.ResponseCreated, ev.Error, ev.InputAudioBufferSpeechStarted, ev.SessionUpdated)


class State(Enum):
    """The state of a session."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"


class RealtimeProtocol:
    """One Realtime session, seen from the client.

    `session`: the settings to send as soon as the server has opened the session.
    """

    def __init__(self, session: dict[str, Any] | None = None):
        self.state = State.CONNECTING
        self.session: dict[str, Any] = {}
        """The settings in force, as the server last stated them."""
        self.answered: str | None = None
        """Id of the request that the last received event answers or refuses, if any."""
        self._unanswered: dict[type[ev.ServerEvent], deque[str]] = {answer: deque() for answer in _ANSWERS.values()}
        self._detected: set[str] = set()
        self._settings = session
        self._outbox: list[ev.ClientEvent] = []
        self._numbers = itertools.count(1)
        self._wishes: deque[ev.ResponseCreate] = deque()
        self._asked: ev.ResponseCreate | None = None
        self._active: str | None = None
        self._requests: dict[str, str] = {}
        self._echoes = False
        self._guess: tuple[str, ev.ResponseCreate] | None = None
        self._blocked = False
        self._cancel_wish = False
        self._given_up: set[str] = set()
        self.is_about_to_answer = False
        """True if the server has detected a turn that it will answer by itself, but has not begun to answer."""
        self._detection_sent: tuple[str, dict[str, Any] | None] = ("", None)
        self._late: set[str] = set()
        self._beside: dict[str, None] = {}
        self._unanswered_requests: set[str] = set()
        self._perhaps = ""
        self._in_conversation: set[str] = set()
        self._reader = Reader()
        self._to_note: list[Any] = []
        self._buffered = False
        self._received_bytes: dict[tuple[str, int], int] = {}
        self._cut: set[str] = set()
        self._items: set[Any] = set()
        self._deleted: set[str] = set()
        self._behind: list[ev.ClientEvent] = []

    # --- what the server sent ---

    def receive(self, message: str | bytes) -> ev.Event | ev.Unknown | ev.Malformed:
        """Take one server message; return what it means. Never raises on server input."""
        remarks: list[Remarked] = []
        try:
            event: Any = ev.decode_quickly(message)
        except ev.UNREADABLE:
            event, remarks = ev.mended(message)
        else:
            if type(event) is ev.ResponseOutputAudioDelta:  # Most messages end here, so this comes first.
                key = (event.item_id, event.content_index)
                received = self._received_bytes.get(key)
                is_plain = self._reader.plain.get(event.item_id) == event.response_id and not len(event.delta) % 2
                if received is not None and is_plain:
                    self.answered = None
                    self._received_bytes[key] = received + len(event.delta)
                    return event
            if is_deep(message):
                event, remarks = ev.mended(message)
        *before, event = self._reader.take(event, remarks, is_asked=self._asked is not None or bool(self._beside))
        self._to_note += [each if isinstance(each, Remarked) else self._taken(each) for each in before]
        taken: ev.Event | ev.Unknown | ev.Malformed = self._taken(event)
        return taken

    def events_to_note(self) -> list[Any]:
        """Return, once, what belongs in the record before the last received event.

        These are remarks on what was dropped or repaired, and events that the server left out.
        """
        noted, self._to_note = self._to_note, []
        return noted

    def _taken(self, event: Any) -> Any:
        """Take an event into account, and return it with additions that only this side knows."""
        if type(event) is ev.ResponseOutputAudioDelta:
            self.answered = None
            key = (event.item_id, event.content_index)
            self._received_bytes[key] = self._received_bytes.get(key, 0) + len(event.delta)
            return event
        if isinstance(event, ev.Error):
            event = self._named(event)
        elif isinstance(event, ev.ResponseCreated | ev.ResponseDone):
            event = self._placed(event)
        self.answered = self._answered_by(event)
        self._note_own_answer(event)
        if isinstance(event, ev.SessionCreated):
            self.session = event.session
            if self.state is State.CONNECTING:
                self.state = State.OPEN
                if self._settings:
                    self.update(self._settings)
        elif isinstance(event, ev.SessionUpdated):
            self.session = event.session
        elif isinstance(event, ev.ResponseCreated):
            self._response_created(event)
        elif isinstance(event, ev.ResponseDone):
            self._response_done(event)
        elif isinstance(event, ev.ConversationItemAdded):
            self._items.add(event.item.id)
        elif isinstance(event, ev.InputAudioBufferSpeechStarted):
            self._speech_started()
        elif isinstance(event, ev.Error):
            self._refused(event)
        return event

    def connection_closed(self) -> None:
        """Note that the socket is gone and nothing more can be sent."""
        self.state = State.CLOSED
        self._outbox.clear()
        self._behind.clear()
        self._wishes.clear()

    def events_to_send(self) -> list[ev.ClientEvent]:
        """Return, once and in order, what must be sent."""
        outbox, self._outbox = self._outbox, []
        return outbox

    # --- what the caller wants ---

    def append_audio(self, audio: bytes) -> None:
        """Send audio in the session's input format."""
        self._check_open("send audio")
        self._buffered = True
        for start in range(0, len(audio), _APPEND_BYTES):
            self._outbox.append(ev.InputAudioBufferAppend(audio=audio[start : start + _APPEND_BYTES]))

    def commit(self) -> str:
        """Turn the buffered audio into a turn; return the event's id."""
        event_id = self._send(ev.InputAudioBufferCommit, "commit audio")
        self._buffered = False
        return event_id

    def clear(self) -> str:
        """Clear the buffered audio; return the event's id."""
        event_id = self._send(ev.InputAudioBufferClear, "clear audio")
        self._buffered = False
        return event_id

    def update(self, session: dict[str, Any]) -> str:
        """Change settings, given in the API's shape; return the event's id."""
        event_id = self._send(ev.SessionUpdate, "change settings", session=session)
        settings = setting_at(session, "audio.input")
        if isinstance(settings, dict) and "turn_detection" in settings:
            self._detection_sent = event_id, settings["turn_detection"]
        return event_id

    def create_item(self, item: Item, previous_item_id: str | UnsetType = UNSET) -> str:
        """Add an item to the conversation; return the event's id."""
        return self._send(ev.ConversationItemCreate, "add an item", item=item, previous_item_id=previous_item_id)

    def delete_item(self, item_id: str) -> str:
        """Delete an item from the conversation; return the event's id."""
        event_id = self._send(ev.ConversationItemDelete, "delete an item", item_id=item_id)
        self._cut.add(item_id)  # However much of it was heard, it can no longer be truncated.
        self._deleted.add(item_id)
        return event_id

    def forget(self, item_id: str, response_id: str | None = None) -> None:
        """Delete an item, once; if its response is still being made, when that is done.

        This is for answers that were not heard at all: the API refuses to truncate at 0 ms, and the model takes
        everything in the conversation as heard.
        """
        self._check_open("delete an item")
        if item_id in self._deleted:
            return
        self.delete_item(item_id)
        self._hold_back(response_id)

    def respond(self, options: ResponseOptions | None = None) -> str:
        """Ask for a response; return the request's id, which the response has in its metadata.

        A conversation has one response at a time, so further requests wait here. Out-of-band ones
        (``conversation="none"``) are sent at once.
        """
        self._check_open("ask for a response")
        request_id = self._number()
        options = options or ResponseOptions()
        metadata = {} if options.metadata is UNSET else options.metadata
        options = msgspec.structs.replace(options, metadata={**metadata, REQUEST: request_id})
        self._unanswered_requests.add(request_id)
        wish = ev.ResponseCreate(event_id=request_id, response=options)
        if options.conversation == "none":
            self._outbox.append(wish)
            self._beside[request_id] = None
        else:
            self._wishes.append(wish)
            self._advance()
        return request_id

    def cancel(self) -> bool:
        """Stop the response that is being made or was asked for; return whether there is one."""
        self._check_open("cancel a response")
        if self._active is not None:
            if self._active not in self._late:
                self._late.add(self._active)
                self._send(ev.ResponseCancel, "cancel a response", response_id=self._active)
            return True
        if self._asked is not None:
            self.withdraw(self._asked_id)
        return self._asked is not None

    def withdraw(self, request_id: str) -> None:
        """Drop a request that no one waits for: it is not sent, or its response is cancelled."""
        self._check_open("cancel a response")
        self._wishes = deque(wish for wish in self._wishes if wish.event_id != request_id)
        if self._asked_id == request_id:
            if not self._cancel_wish:
                self._send(ev.ResponseCancel, "cancel a response")  # The server may have begun it already.
            self._cancel_wish = True  # Otherwise as soon as it begins.
        elif (response_id := self._response_to(request_id)) and self.is_engaged(request_id):
            self.cut(response_id)

    def is_engaged(self, request_id: str) -> bool:
        """Return whether a request is waiting, here or at the server, or its response is being made."""
        active = self._active is not None and self._requests.get(self._active) == request_id
        return active or request_id in self._beside or self.is_waiting(request_id)

    def abandon(self, request_id: str) -> bool:
        """Allow the next request, although the server has not ended the one before; late output is dropped.

        Returns whether a late answer can be told from the answer to the next request. Servers that do not echo metadata
        do not say what they answer; then only another connection is safe.
        """
        self.withdraw(request_id)
        is_known = True
        if self._asked_id == request_id:
            self._asked, self._cancel_wish, self._perhaps = None, False, ""
            self._given_up.add(request_id)
            is_known = self._echoes
        elif request_id in self._beside and self._response_to(request_id) is None:
            self._given_up.add(request_id)
        elif self._active is not None and self._requests.get(self._active) == request_id:
            self._active = None
        self._beside.pop(request_id, None)
        self._advance()
        return is_known

    def abandon_response(self) -> None:
        """Allow the next request, although the server has not ended the response that it is making."""
        if self._active is not None:
            self.cut(self._active)
            self._active = None
            self._advance()

    def cut(self, response_id: str) -> None:
        """Drop the rest of a response, and stop it if it is being made, in the conversation or out of band."""
        if response_id not in self._late:
            self._late.add(response_id)
            self._send(ev.ResponseCancel, "cancel a response", response_id=response_id)

    def truncate(self, item_id: str, played_ms: float, response_id: str | None = None) -> int | None:
        """Tell the server how much of an answer was heard; if it is still being made, when that is done.

        `item_id`: the answer's item; several items of a response are truncated separately.
        `played_ms`: counted from the item's beginning. If it has several audio parts, which are played one after
        another, the one that was playing is truncated.

        Returns ``min(played, received)`` in ms, counted from the beginning of the part; `None` if nothing is sent,
        because nothing was played (the API refuses to truncate at 0; see `forget`) or the item was truncated before.
        """
        self._check_open("truncate an answer")
        content_index, audio_end_ms = self._place_in(item_id, played_ms)
        if audio_end_ms <= 0 or item_id in self._cut:
            return None
        self._cut.add(item_id)
        self._send(
            ev.ConversationItemTruncate,
            "truncate an answer",
            item_id=item_id,
            content_index=content_index,
            audio_end_ms=audio_end_ms,
        )
        self._hold_back(response_id)
        return audio_end_ms

    def _hold_back(self, response_id: str | None) -> None:
        """Hold back the last event until a response ends, because until then its items still grow."""
        if response_id is not None and response_id == self._active:
            self._behind.append(self._outbox.pop())

    def _place_in(self, item_id: str, played_ms: float) -> tuple[int, int]:
        """Return the last part of an item that was played, and how many whole ms of it."""
        place = (0, 0)
        for index in sorted(index for item, index in self._received_bytes if item == item_id):
            received_ms = self.received_ms(item_id, index)
            if (part_ms := int(min(played_ms, received_ms))) <= 0:
                break
            place = (index, part_ms)
            played_ms -= received_ms
        return place

    def is_late(self, response_id: str) -> bool:
        """Return whether a response was cut off, so that the rest of it must not be played."""
        return response_id in self._late

    def received_ms(self, item_id: str, content_index: int = 0) -> float:
        """Return how much of an item's audio has arrived."""
        encoding = encoding_of(self.session, "output")
        return self._received_bytes.get((item_id, content_index), 0) / bytes_per_ms(encoding)

    def request_of(self, response_id: str) -> str | None:
        """Return the id of the request that a response answers; `None` if the server began it by itself."""
        return self._requests.get(response_id)

    def is_waiting(self, request_id: str) -> bool:
        """Return whether a request for a response has not been sent or answered yet."""
        waiting = [wish.event_id for wish in self._wishes]
        return request_id in waiting or (self._asked is not None and self._asked.event_id == request_id)

    @property
    def is_committing(self) -> bool:
        """True if a commit has not been answered yet."""
        return bool(self._unanswered[ev.InputAudioBufferCommitted])

    @property
    def active_response_id(self) -> str | None:
        """The response that is being made in the conversation, if any."""
        return self._active

    @property
    def is_free(self) -> bool:
        """True if no response is requested or being made in the conversation, so the next request is answered next."""
        return self._active is None and self._asked is None and not self._wishes

    @property
    def is_idle(self) -> bool:
        """True if no response is requested or being made, and no audio waits for a turn to be ended by hand."""
        waiting = self._wishes or self._asked or self._active or self._beside or any(self._unanswered.values())
        return not waiting and not (self._buffered and self.turn_detection is None)

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """The turn detection in force; `None` if turns are ended by hand."""
        detection = setting_at(self.session, "audio.input.turn_detection")
        return detection if isinstance(detection, dict) else None

    @property
    def next_turn_detection(self) -> dict[str, Any] | None:
        """The turn detection that will be in force once the server has processed everything that was sent."""
        event_id, detection = self._detection_sent
        return detection if event_id in self._unanswered[ev.SessionUpdated] else self.turn_detection

    # --- inside ---

    def _response_to(self, request_id: str) -> str | None:
        """Return the response that answers a request; the last one if the request was repeated."""
        found = (response_id for response_id, request in reversed(self._requests.items()) if request == request_id)
        return next(found, None)

    def _note_own_answer(self, event: Any) -> None:
        """Note whether the server is about to answer a turn that it detected."""
        if isinstance(event, ev.InputAudioBufferCommitted):
            detection = self.turn_detection
            by_itself = self.answered is None and detection is not None
            self.is_about_to_answer = by_itself and (detection or {}).get("create_response") is not False
        elif isinstance(event, _ENDS_OF_EXPECTATION):
            self.is_about_to_answer = False

    def _check_open(self, what: str) -> None:
        if self.state is not State.OPEN:
            way = "connect it first" if self.state is State.CLOSED else "wait until connect() is done"
            raise LocalProtocolError(f"cannot {what} while the session is {self.state.value}: {way}")

    def _number(self) -> str:
        return f"client_{next(self._numbers)}"

    def _send(self, kind: type[ev.ClientEvent], what: str, **fields: Any) -> str:
        self._check_open(what)
        event_id = self._number()
        self._outbox.append(kind(event_id=event_id, **fields))
        if kind in _ANSWERS:
            self._unanswered[_ANSWERS[kind]].append(event_id)
        return event_id

    def _answered_by(self, event: Any) -> str | None:
        if isinstance(event, ev.Error):
            refused = event.error.event_id
            for waiting in self._unanswered.values():
                if refused is not None and refused in waiting:
                    waiting.remove(refused)
            return refused
        if isinstance(event, ev.InputAudioBufferSpeechStopped | ev.InputAudioBufferTimeoutTriggered):
            self._detected.add(event.item_id)
        if isinstance(event, ev.InputAudioBufferCommitted) and event.item_id in self._detected:
            self._detected.discard(event.item_id)  # A commit by the server itself.
            return None
        answered = self._unanswered.get(type(event))
        return answered.popleft() if answered else None

    def _advance(self) -> None:
        """Send the next request for a response, if the conversation is free."""
        if self._wishes and self._active is None and self._asked is None and not self._blocked:
            self._asked = self._wishes.popleft()
            self._outbox.append(self._asked)

    def _placed(self, event: Any) -> Any:
        """Correct whether a response is part of the conversation, if the server cannot mean what it says.

        Its null can mean an out-of-band response, or a server that does not name conversations.
        """
        response = event.response
        if response.id in self._in_conversation:
            is_beside = False
        elif response.id in self._requests or response.id == self._active:
            return event
        else:
            request_id = self._request_in(response)
            is_beside = response.conversation_id is None and bool(self._beside) and request_id != self._asked_id
            is_beside |= request_id in self._beside
        if is_beside == (response.conversation_id is None):
            return event
        if not is_beside:
            self._in_conversation.add(response.id)
        changed = msgspec.structs.replace(response, conversation_id=None if is_beside else UNSET)
        return msgspec.structs.replace(event, response=changed)

    @property
    def _asked_id(self) -> str:
        return str(self._asked.event_id) if self._asked is not None else ""

    def _request_in(self, response: Response) -> str | None:
        """Return the request that a response says it answers; `None` if there is none, or it has its answer."""
        request_id = (response.metadata or {}).get(REQUEST)
        return request_id if isinstance(request_id, str) and request_id in self._unanswered_requests else None

    def _response_created(self, event: ev.ResponseCreated) -> None:
        response_id = event.response.id
        if response_id in self._requests or response_id == self._active:
            return  # It is sent again.
        request_id = self._request_in(event.response)
        if request_id is not None and request_id in self._given_up:
            self._given_up.discard(request_id)
            self._answer(response_id, request_id)
            if event.response.conversation_id is not None:
                self._active = response_id
            self.cut(response_id)
            return
        # A request that was repeated because it seemed refused is answered after all.
        self._wishes = deque(wish for wish in self._wishes if wish.event_id != request_id)
        if event.response.conversation_id is None:
            self._answer(response_id, request_id or next(iter(self._beside), ""))
            return
        self._active = response_id
        self._echoes |= request_id is not None
        by_itself = request_id is None and self._echoes
        if self._asked is None or by_itself or request_id not in (None, self._asked.event_id):
            if request_id is not None:
                self._answer(response_id, request_id)
            elif self._asked is not None:
                # The server's own response makes it refuse the request; if it has not by the end, this is the answer.
                self._perhaps = response_id
            return
        # A server that never echoes metadata answers what was asked last.
        self._answer(response_id, self._asked_id)
        self._guess = (response_id, self._asked) if request_id is None else None
        self._asked = None
        if self._cancel_wish:
            self._cancel_wish = False
            self.cancel()

    def _answer(self, response_id: str, request_id: str) -> None:
        self._requests[response_id] = request_id
        self._unanswered_requests.discard(request_id)

    def _response_done(self, event: ev.ResponseDone) -> None:
        if event.response.id == self._perhaps and self._asked is not None:
            self._answer(event.response.id, self._asked_id)
            self._asked = None
        if event.response.id == self._active:
            self._active = None
            # Before the next request, which reads what is left. An item that never entered the conversation, because
            # its response ended first, cannot be deleted.
            self._outbox += [each for each in self._behind if not self._is_in_vain(each)]
            self._behind = []
        self._beside.pop(self._requests.get(event.response.id, ""), None)
        self._blocked = False
        self._advance()

    def _is_in_vain(self, event: ev.ClientEvent) -> bool:
        return isinstance(event, ev.ConversationItemDelete) and event.item_id not in self._items

    def _speech_started(self) -> None:
        detection = self.turn_detection
        if self._active is not None and detection and detection.get("interrupt_response", True):
            # The server cancels by itself; what it sent before arrives late.
            self._late.add(self._active)

    def _named(self, event: ev.Error) -> ev.Error:
        """Add the request to an error that names none, if it can only refuse the request for a response.

        Otherwise the next request would wait forever.
        """
        error = event.error
        is_refusal = (
            error.code == "conversation_already_has_active_response"
            or (error.param or "").startswith("response")
            or (error.type == "server_error" and error.code is None)
            or (error.type in (None, "", "error") and error.code is None and error.param is None)
        )
        if error.event_id is not None or self._asked is None or not is_refusal:
            return event
        named = msgspec.structs.replace(error, event_id=self._asked.event_id)
        return msgspec.structs.replace(event, error=named)

    def _refused(self, event: ev.Error) -> None:
        self._beside.pop(event.error.event_id or "", None)
        if self._guess and event.error.event_id == self._guess[1].event_id:
            # The supposed answer was a response that the server began by itself.
            response_id, self._asked = self._guess
            self._requests.pop(response_id, None)
            self._unanswered_requests.add(self._asked_id)
            self._guess = None
        if self._asked is None or event.error.event_id != self._asked.event_id:
            return
        refused, self._asked = self._asked, None
        self._perhaps = ""
        self._cancel_wish = False
        if event.error.code == "conversation_already_has_active_response":
            # Meanwhile the server began one by itself: ask again when it is done.
            self._wishes.appendleft(refused)
            self._blocked = self._active is None
        self._advance()
