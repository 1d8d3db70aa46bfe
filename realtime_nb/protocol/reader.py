"""Reads a server's messages in order, and fills in from earlier ones what a message leaves out.

Servers with a similar protocol leave out events and ids, or send them in a form that cannot be read. After this reader,
a response begins before any of its output, all of its output names it, and its end says how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from . import events as ev
from .beta import modern_session
from .formats import PCM, encoding_of, sample_bytes
from .items import Item, Response, StatusDetails
from .local_events import TWICE, Remarked
from .mending import well_formed

#: The status of a response that does not say how it ended.
_UNENDED = (None, "", "in_progress", "queued")
_OUTPUT_ITEMS = (ev.ResponseOutputItemAdded, ev.ResponseOutputItemDone)
_OUTPUT_PARTS = (
    ev.ResponseContentPartAdded,
    ev.ResponseContentPartDone,
    ev.ResponseOutputTextDelta,
    ev.ResponseOutputTextDone,
    ev.ResponseOutputAudioDelta,
    ev.ResponseOutputAudioDone,
    ev.ResponseOutputAudioTranscriptDelta,
    ev.ResponseOutputAudioTranscriptDone,
    ev.ResponseFunctionCallArgumentsDelta,
    ev.ResponseFunctionCallArgumentsDone,
)
_SPOKEN = (
    ev.InputAudioBufferSpeechStarted,
    ev.InputAudioBufferSpeechStopped,
    ev.InputAudioBufferTimeoutTriggered,
    ev.InputAudioBufferCommitted,
)
_WRITTEN_DOWN = (
    ev.ConversationItemInputAudioTranscriptionDelta,
    ev.ConversationItemInputAudioTranscriptionCompleted,
    ev.ConversationItemInputAudioTranscriptionFailed,
    ev.ConversationItemInputAudioTranscriptionSegment,
)
_TEXT_ENDS = (
    ev.ResponseOutputTextDone,
    ev.ResponseOutputAudioTranscriptDone,
    ev.ResponseFunctionCallArgumentsDone,
    ev.ConversationItemInputAudioTranscriptionCompleted,
    ev.ConversationItemInputAudioTranscriptionFailed,
    ev.ResponseDone,
)
_TEXT_DELTAS = (
    ev.ResponseOutputTextDelta,
    ev.ResponseOutputAudioTranscriptDelta,
    ev.ResponseFunctionCallArgumentsDelta,
    ev.ConversationItemInputAudioTranscriptionDelta,
)


class Reader:
    """Reads what one server sends. No I/O, and it never raises on what a server sends."""

    def __init__(self) -> None:
        self.plain: dict[str, str] = {}
        """Responses of the items whose sound comes in whole samples and can skip `take`."""
        self._begun: set[str] = set()
        self._open: list[str] = []
        self._last = ""
        self._speaking: set[str] = set()
        self._interrupted: set[str] = set()
        self._items: dict[tuple[str, int], str] = {}
        self._made_by: dict[str, str] = {}
        self._announced: set[str] = set()
        self._aliases: dict[str, str] = {}
        self._halves: dict[tuple[Any, ...], Any] = {}
        self._end: ev.ResponseDone | None = None
        self._encoding = PCM
        self._rests: dict[tuple[str, str, int], bytes] = {}
        self._person = ""
        self._unnamed = 0
        self._found: list[Any] = []

    def read(self, message: str | bytes) -> list[Any]:
        """Return what a message means: its event last, after remarks and the events that the server left out."""
        return self.take(*ev.decode(message))

    def take(self, event: Any, remarks: Sequence[Remarked] = (), *, is_asked: bool = False) -> list[Any]:
        """Return what a decoded or repaired message means.

        `remarks`: what was repaired.
        `is_asked`: whether a request waits for its response to begin.
        """
        self._found = [*remarks]
        kind = type(event)
        if kind in _TEXT_DELTAS:
            event = self._joined(event)
        elif self._halves and kind in _TEXT_ENDS:
            self._end_halves(event)
        if (read := _READ.get(kind)) is not None:
            event = read(self, event, is_asked)
        return [*self._found, event]

    # --- inside ---

    def _remark(self, event: Any, what: str, text: str) -> None:
        self._found.append(Remarked(text=f"{event.type}: {text}", kind=f"{event.type}: {what}"))

    def _name(self, what: str) -> str:
        self._unnamed += 1
        return f"{what}_unnamed_{self._unnamed}"

    def _session(self, event: Any, is_asked: bool) -> Any:
        session = modern_session(event.session)
        self._encoding = encoding_of(session, "output")
        return event if session is event.session else replace(event, session=session)

    def _error(self, event: ev.Error, is_asked: bool) -> Any:
        """Find an error's description one level deeper, or its message one level higher."""
        detail = event.error
        if not detail.message and isinstance(detail.error, dict | str):
            tree = {"type": event.type, "error": detail.error}
            inner, _ = ev.mended(msgspec.json.encode(tree))
            detail = inner.error if isinstance(inner, ev.Error) else detail
        if not detail.message and event.message:
            detail = replace(detail, message=event.message)
        return event if detail is event.error else ev.Error(event_id=event.event_id, error=detail)

    def _created(self, event: ev.ResponseCreated, is_asked: bool) -> Any:
        response = event.response
        if not response.id:
            response = replace(response, id=self._name("response"))
            self._remark(event, "no id", "it had no id that could be read, and got one here")
        elif is_asked and response.id in self._begun and response.id not in self._open:
            response = replace(response, id=self._name(response.id))
            self._aliases[event.response.id] = response.id
            self._remark(event, "id again", "it had the id of a response that has ended, and got another one here")
        beta = {"output_audio_format": response.output_audio_format} if response.output_audio_format else {}
        declared = encoding_of(modern_session({"audio": response.audio} | beta), "output", self._encoding)
        if declared != self._encoding:
            self._remark(
                event,
                "format",
                f"it declares its sound as {declared!r}, which was taken for the session's {self._encoding!r}",
            )
        self._begin(response.id)
        return event if response is event.response else replace(event, response=response)

    def _begin(self, response_id: str) -> None:
        if response_id not in self._open:  # A log of several sessions may repeat ids.
            self._begun.add(response_id)
            self._open.append(response_id)
            self._last = response_id

    def _response_of(self, event: Any, response_id: str, item_id: str, is_asked: bool) -> str:
        """Return the response that an event belongs to; an unknown one begins with it."""
        named = self._aliases.get(response_id, response_id)
        is_due = is_asked and not self._open  # A request waits for its response, and none has begun.
        is_new = is_due and bool(item_id) and item_id not in self._made_by
        if named in self._begun and (named == response_id or named in self._open or not self._open) and not is_new:
            return named
        found = "" if is_due and response_id else self._made_by.get(item_id) or self._open_one(event, response_id)
        if not (found or response_id or is_due):
            found = self._last
        if found:
            if response_id:
                self._aliases[response_id] = found
                self._remark(
                    event, "other id", "it named a response that had not begun, and was taken for the latest one's"
                )
            else:
                self._remark(event, "no response", "it named no response, and was taken for the latest one's")
            return found
        begun = response_id if response_id and named not in self._begun else self._name(response_id or "response")
        if begun != response_id:
            self._aliases[response_id] = begun
        described = event.response if isinstance(event, ev.ResponseDone) else Response(id=begun)
        created = replace(described, id=begun, status="in_progress", status_details=None, output=[], usage=None)
        self._remark(event, "not begun", "the server had sent no response.created, so that the response begins with it")
        self._found.append(ev.ResponseCreated(response=created))
        self._begin(begun)
        return begun

    def _open_one(self, event: Any, response_id: str) -> str:
        """Return the response being made, which an event with an unknown id belongs to.

        If the person has spoken since, there may be another one; then the result is empty.
        """
        if not self._open:
            return ""
        latest = self._open[-1]
        is_other = response_id and latest in self._interrupted and not isinstance(event, ev.ResponseDone)
        return "" if is_other else latest

    def _item_of(self, event: Any, response_id: str, item_id: str) -> str:
        """Return the item of a response that an event belongs to."""
        place = (response_id, event.output_index)
        known = self._items.get(place)
        is_own = self._made_by.get(item_id) == response_id
        if isinstance(event, ev.ResponseOutputItemAdded) and item_id:
            if item_id in self._made_by and not is_own:
                item_id = self._name(item_id)
                self._remark(event, "id again", "it had the id of another item, and got another one here")
            self._announced.add(item_id)
        elif not item_id or (not is_own and (known in self._announced or item_id in self._made_by)):
            item_id = known or self._name(item_id or "item")
            self._remark(event, "no item", "it named no item that had begun, and was taken for the one in its place")
        self._items[place] = item_id
        self._made_by[item_id] = response_id
        self._speaking.add(response_id)
        return item_id

    def _output_item(self, event: Any, is_asked: bool) -> Any:
        item_id = event.item.id if isinstance(event.item.id, str) else ""
        response_id = self._response_of(event, event.response_id, item_id, is_asked)
        item_id = self._item_of(event, response_id, item_id)
        if response_id == event.response_id and item_id == event.item.id:
            return event
        return replace(event, response_id=response_id, item=replace(event.item, id=item_id))

    def _output_part(self, event: Any, is_asked: bool) -> Any:
        response_id = self._response_of(event, event.response_id, event.item_id, is_asked)
        item_id = self._item_of(event, response_id, event.item_id)
        is_named = response_id == event.response_id and item_id == event.item_id
        if not is_named:
            event = replace(event, response_id=response_id, item_id=item_id)
        if isinstance(event, ev.ResponseOutputAudioDelta):
            event = self._in_samples(event)
            if is_named and not self._rests:
                self.plain[item_id] = response_id
        return event

    def _in_samples(self, event: ev.ResponseOutputAudioDelta) -> ev.ResponseOutputAudioDelta:
        """Join half a sample at the end of a delta with the other half at the beginning of the next."""
        place = (event.response_id, event.item_id, event.content_index)
        sound = self._rests.pop(place, b"") + event.delta
        if len(sound) % sample_bytes(self._encoding):
            self._rests[place] = sound[-1:]
            self.plain.clear()
            sound = sound[:-1]
            self._remark(event, "half a sample", "it ended within a sample, which goes on in the next one or is lost")
        return event if sound == event.delta else replace(event, delta=sound)

    def _done(self, event: ev.ResponseDone, is_asked: bool) -> Any:
        response = event.response
        if not response.id and not self._open and not is_asked:
            return self._dropped(event, "it named no response, and none was being made")
        ids = [item.id for item in response.output if isinstance(item.id, str)]
        response_id = self._response_of(event, response.id, ids[0] if ids else "", is_asked)
        if response_id not in self._open:
            return self._dropped(event, "it ends a response that has ended", TWICE if event == self._end else None)
        output = [self._output_of(response_id, index, item) for index, item in enumerate(response.output)]
        response = replace(response, id=response_id, output=output)
        if event.usage and not response.usage:
            response = replace(response, usage=event.usage)
        if response.status in _UNENDED or self._is_lost(event):
            response = self._ended(event, response)
        self._open.remove(response_id)
        self.plain.clear()
        self._end = event
        self._rests = {place: rest for place, rest in self._rests.items() if place[0] != response_id}
        return ev.ResponseDone(event_id=event.event_id, response=response)

    def _dropped(self, event: Any, why: str, remark: Remarked | None = None) -> ev.Malformed:
        why = f"{event.type}: {why}"
        self._found.append(remark or Remarked(text=f"a message was dropped: {why}", kind=why))
        return ev.Malformed(message=why, data=msgspec.to_builtins(event))

    def _output_of(self, response_id: str, index: int, item: Item) -> Item:
        known = self._items.get((response_id, index))
        if item.id and (self._made_by.get(item.id) == response_id or known is None):
            return item
        return replace(item, id=known or self._name("item"))

    def _is_lost(self, event: Any) -> bool:
        """Return whether nothing could be read of an ended response."""
        lost = (f"{event.type}: ", f"{event.type}: response")
        return any(isinstance(each, Remarked) and each.kind in lost for each in self._found)

    def _ended(self, event: ev.ResponseDone, response: Response) -> Response:
        """Find out how a response ended if its end does not say so, or cannot be read."""
        details = response.status_details
        if self._is_lost(event) or (details is not None and details.error):
            status = "failed"
        elif details is not None and details.type in ("cancelled", "incomplete", "failed"):
            status = details.type
        elif response.output or response.id in self._speaking:
            status = "completed"
        else:
            status = "failed"
        if status == "failed" and (details is None or not details.error):
            said = [each.text for each in self._found if isinstance(each, Remarked)]
            message = "; ".join(said) or f"{event.type}: it had neither a status nor an output"
            details = StatusDetails(type=status, error={"type": "unreadable_response", "message": message})
        self._remark(event, "no status", f"it had no status that could be read, and counts as {status}")
        return replace(response, status=status, status_details=details)

    def _spoken(self, event: Any, is_asked: bool) -> Any:
        if isinstance(event, ev.InputAudioBufferSpeechStarted):
            self._interrupted.update(self._open)
        if event.item_id:
            self._person = event.item_id
            return event
        is_new = isinstance(event, ev.InputAudioBufferSpeechStarted) or not self._person
        self._person = self._name("item") if is_new else self._person
        self._remark(event, "no item", "it named no item, and was taken for what the person says now")
        return replace(event, item_id=self._person)

    def _written_down(self, event: Any, is_asked: bool) -> Any:
        if event.item_id:
            return event
        self._person = self._person or self._name("item")
        self._remark(event, "no item", "it named no item, and was taken for what the person said last")
        return replace(event, item_id=self._person)

    def _person_item(self, event: Any, is_asked: bool) -> Any:
        if event.item.role == "user" and isinstance(event.item.id, str) and event.item.id:
            self._person = event.item.id
            self._made_by.setdefault(event.item.id, "")
        return event

    def _joined(self, event: Any) -> Any:
        """Join half a UTF-16 pair at the end of a delta with the other half at the beginning of the next."""
        place = (type(event), event.item_id, getattr(event, "content_index", 0), getattr(event, "output_index", 0))
        before = self._halves.pop(place, None) if self._halves else None
        if event.delta.isascii() and before is None:
            return event
        text = event.delta if before is None else before.delta + event.delta
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._halves[place] = replace(event, delta=text[-1], event_id="")
            text = text[:-1]
        clean = well_formed(text)
        if "\ufffd" in clean and "\ufffd" not in text:
            self._remark_half(event)
        return event if clean == event.delta else replace(event, delta=clean)

    def _end_halves(self, event: Any) -> None:
        """Replace halves whose other half can no longer come by U+FFFD."""
        item_id = getattr(event, "item_id", None)
        for place, delta in list(self._halves.items()):
            if item_id in (None, "", delta.item_id):
                del self._halves[place]
                self._remark_half(delta)
                self._found.append(replace(delta, delta="\ufffd"))

    def _remark_half(self, event: Any) -> None:
        self._remark(event, "surrogate", "half a UTF-16 pair in 'delta' became U+FFFD")


_READ: dict[type, Callable[[Reader, Any, bool], Any]] = {
    **dict.fromkeys(_OUTPUT_PARTS, Reader._output_part),
    **dict.fromkeys(_OUTPUT_ITEMS, Reader._output_item),
    **dict.fromkeys(_SPOKEN, Reader._spoken),
    **dict.fromkeys(_WRITTEN_DOWN, Reader._written_down),
    ev.Error: Reader._error,
    ev.ResponseCreated: Reader._created,
    ev.ResponseDone: Reader._done,
    ev.ConversationItemAdded: Reader._person_item,
    ev.ConversationItemDone: Reader._person_item,
    ev.SessionCreated: Reader._session,
    ev.SessionUpdated: Reader._session,
}
