"""The events of one response, in the API's order, and what they leave in the conversation. No waiting, no clock.

The order is that of recorded traffic: created; per item added, its deltas; then, in index order, the ``done`` events
of all items; done. Out-of-band responses leave the conversation and its events out.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Literal

from ..wire import events
from ..wire.items import Content, Response, StatusDetails
from .conversation_state import ConversationState, Entry, Part, new_id
from .session_settings import ResponseSettings

Emit = Callable[[events.ServerEvent], None]
Status = Literal["completed", "cancelled", "incomplete", "failed"]
_OBFUSCATED_LENGTH = 16


def obfuscation(delta: str) -> str:
    """Return filler that makes the lengths of text deltas say less, as the API sends it."""
    return secrets.token_hex(_OBFUSCATED_LENGTH // 2)[: _OBFUSCATED_LENGTH - len(delta) % _OBFUSCATED_LENGTH]


class Ladder:
    """One response's events.

    Parameters
    ----------
    emit : callable
        Takes each event.
    settings : ResponseSettings
        What the response goes by.
    conversation : ConversationState, optional
        Where its items go; `None` for an out-of-band response.
    """

    def __init__(self, emit: Emit, settings: ResponseSettings, conversation: ConversationState | None = None):
        self.id = new_id("resp")
        self.settings = settings
        self.entries: list[Entry] = []
        self.is_over = False
        self._emit = emit
        self._conversation = conversation
        self._previous: dict[str, str | None] = {}

    def create(self) -> None:
        """Begin the response."""
        self._emit(events.ResponseCreated(response=self._response("in_progress")))

    def text(self, delta: str) -> None:
        """Write more of a text answer."""
        index, entry, part = self._open("output_text")
        part.text += delta
        self._emit(
            events.ResponseOutputTextDelta(**self._at(index, entry), delta=delta, obfuscation=obfuscation(delta))
        )

    def transcript(self, delta: str) -> None:
        """Write more of what the voice says."""
        index, entry, part = self._open("output_audio")
        part.text += delta
        self._emit(
            events.ResponseOutputAudioTranscriptDelta(
                **self._at(index, entry), delta=delta, obfuscation=obfuscation(delta)
            )
        )

    def audio(self, pcm: bytes, encoded: bytes, sample_rate: int, words: list[tuple[int, float]]) -> None:
        """Speak more.

        Parameters
        ----------
        pcm, encoded : bytes
            The sound as the server keeps it, PCM16, and as the session's output format has it.
        sample_rate : int
            Of both, in Hz.
        words : list of (int, float)
            Words that begin in it: (index into the transcript, ms from the start of the part's sound).
        """
        index, entry, part = self._open("output_audio")
        part.pcm = bytearray(part.pcm) if isinstance(part.pcm, bytes) else part.pcm
        part.pcm += pcm
        part.sample_rate = sample_rate
        part.duration_ms += len(pcm) * 500 / sample_rate
        part.words += words
        self._emit(events.ResponseOutputAudioDelta(**self._at(index, entry), delta=encoded))

    def call(self, name: str, arguments: str) -> None:
        """Call a function of the client's."""
        entry = Entry(new_id("item"), "function_call", "in_progress", name=name, call_id=new_id("call"))
        index = self._add(entry)
        step = max(16, len(arguments) // 50)
        for start in range(0, len(arguments), step):
            delta = arguments[start : start + step]
            entry.arguments += delta
            self._emit(
                events.ResponseFunctionCallArgumentsDelta(
                    **self._call_at(index, entry), delta=delta, obfuscation=obfuscation(delta)
                )
            )

    def finish(self, status: Status, usage: dict[str, Any] | None, details: StatusDetails | None = None) -> None:
        """End the response and all that is open in it."""
        self.is_over = True
        for index, entry in enumerate(self.entries):
            entry.status = "completed" if status == "completed" else "incomplete"
            self._close(index, entry)
        self._emit(events.ResponseDone(response=self._response(status, usage=usage, details=details)))

    @property
    def written(self) -> str:
        """All words, transcripts and arguments so far."""
        return "".join(entry.said + entry.arguments for entry in self.entries)

    @property
    def spoken_ms(self) -> float:
        """How much was spoken so far."""
        return sum(part.duration_ms for entry in self.entries for part in entry.parts)

    @property
    def open_part(self) -> Part | None:
        """The part that the next delta goes to, if there is one."""
        entry = self.entries[-1] if self.entries else None
        return entry.parts[0] if entry and entry.parts else None

    def _open(self, kind: str) -> tuple[int, Entry, Part]:
        """Return the last message if it can go on, else begin one."""
        if self.entries and self.entries[-1].type == "message":
            entry = self.entries[-1]
            return len(self.entries) - 1, entry, entry.parts[0]
        entry = Entry(new_id("item"), "message", "in_progress", "assistant")
        index = self._add(entry)
        part = Part(kind)
        entry.parts.append(part)
        self._emit(events.ResponseContentPartAdded(**self._at(index, entry), part=_shown(part)))
        return index, entry, part

    def _add(self, entry: Entry) -> int:
        index = len(self.entries)
        self.entries.append(entry)
        self._emit(events.ResponseOutputItemAdded(response_id=self.id, output_index=index, item=entry.item()))
        if self._conversation is not None:
            previous = self._previous[entry.id] = self._conversation.add(entry)
            self._emit(events.ConversationItemAdded(item=entry.item(), previous_item_id=previous))
        return index

    def _close(self, index: int, entry: Entry) -> None:
        for part in entry.parts:
            at = self._at(index, entry)
            if part.type == "output_audio":
                self._emit(events.ResponseOutputAudioDone(**at))
                self._emit(events.ResponseOutputAudioTranscriptDone(**at, transcript=part.text))
            else:
                self._emit(events.ResponseOutputTextDone(**at, text=part.text))
            self._emit(events.ResponseContentPartDone(**at, part=_shown(part)))
        if entry.type == "function_call":
            self._emit(
                events.ResponseFunctionCallArgumentsDone(
                    **self._call_at(index, entry), name=entry.name, arguments=entry.arguments
                )
            )
        if self._conversation is not None:
            previous = self._previous[entry.id]
            self._emit(events.ConversationItemDone(item=entry.item(), previous_item_id=previous))
        self._emit(events.ResponseOutputItemDone(response_id=self.id, output_index=index, item=entry.item()))

    def _at(self, index: int, entry: Entry) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": entry.id, "output_index": index, "content_index": 0}

    def _call_at(self, index: int, entry: Entry) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": entry.id, "output_index": index, "call_id": entry.call_id}

    def _response(
        self, status: str, *, usage: dict[str, Any] | None = None, details: StatusDetails | None = None
    ) -> Response:
        settings = self.settings
        return Response(
            id=self.id,
            status=status,
            status_details=details,
            output=[entry.item() for entry in self.entries],
            conversation_id=None if self._conversation is None else self._conversation.id,
            output_modalities=settings.output_modalities,
            max_output_tokens=settings.max_output_tokens,
            audio={"output": {"format": settings.output_format, "voice": settings.voice}},
            usage=usage,
            metadata=settings.metadata,
        )


def _shown(part: Part) -> Content:
    """Return a part as ``content_part`` events name it: "audio" and "text"."""
    if part.type == "output_audio":
        return Content(type="audio", transcript=part.text)
    return Content(type="text", text=part.text)
