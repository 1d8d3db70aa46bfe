"""A conversation by Chat Completions, which every request tells anew: answers by their audio's id, or in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .chat import CompletionReader

#: Audio that expires sooner than this is told in words: the request itself takes time.
EXPIRY_MARGIN_S = 10.0


@dataclass(frozen=True)
class _Answer:
    words: str
    calls: list[dict[str, Any]]
    audio_id: str | None
    expires_at: float | None

    def message(self, now_s: float) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        if self.audio_id and (self.expires_at is None or now_s < self.expires_at - EXPIRY_MARGIN_S):
            message["audio"] = {"id": self.audio_id}
        else:
            message["content"] = self.words or None
        return {**message, "tool_calls": self.calls} if self.calls else message


class ChatHistory:
    """What was said so far."""

    def __init__(self) -> None:
        self._entries: list[Mapping[str, Any] | _Answer] = []

    def add(self, *messages: Mapping[str, Any]) -> None:
        """Append messages that are always told in the same way."""
        self._entries += messages

    def drop(self, message: Mapping[str, Any]) -> None:
        """Take out a message, the very one that was added; does nothing where it is not there."""
        self._entries = [entry for entry in self._entries if entry is not message]

    def add_answer(self, reader: CompletionReader) -> None:
        """Append the model's answer; nothing if it is empty."""
        answer = _Answer(reader.transcript, reader.tool_calls, reader.audio_id, reader.audio_expires_at)
        if answer.audio_id or answer.words or answer.calls:
            self._entries.append(answer)

    def messages(self, now_s: float) -> list[Mapping[str, Any]]:
        """Return the messages as a request at that Unix time tells them."""
        return [entry.message(now_s) if isinstance(entry, _Answer) else entry for entry in self._entries]

    def in_words(self) -> ChatHistory:
        """Return the same history without the answers' audio, for a server that does not know it any more."""
        told = ChatHistory()
        for entry in self._entries:
            told._entries.append(replace(entry, audio_id=None) if isinstance(entry, _Answer) else entry)
        return told
