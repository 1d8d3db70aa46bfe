"""A simulated listener for when no page plays the answers: what would sound when, and where it is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..conversation.records import decode_clip
from ..conversation.timing import first_audible_ms
from ..protocol import events as ev
from ..protocol.formats import bytes_per_ms
from ..protocol.items import Response
from ..protocol.local_events import Interrupted
from ..protocol.settings import setting_at
from .session import Session


@dataclass
class Sounding:
    """An item of an answer as it is played; times are on the listener's clock."""

    item_id: str
    start_ms: float
    end_ms: float
    """Where the audio so far ends, or was cut off."""
    audible_ms: float | None = None
    """Where its first audible sample is; `None` while all is silence."""
    stopped_ms: float | None = None
    """Where it was cut off; `None` if it was not."""
    told_ms: float = 0.0
    """How much of it was reported to the session as played to the end."""


class Listener:
    """Plays answers one after the other, and stops them when the person speaks or interrupts, as a page does.

    The server does not know how much of an answer was heard; a speaker reports it. Here no speaker plays, so this clock
    reports it.

    `session`: told what was heard: of each item when it is over, or where it was cut off.
    """

    def __init__(self, session: Session):
        self.now_ms = 0.0
        """The listener's time; see `advance`."""
        self.played: list[Sounding] = []
        """Every item that sounds or has sounded, in order."""
        self._session = session
        self._silenced: set[str] = set()

    @property
    def is_playing(self) -> bool:
        """True if an answer sounds now, or will before anything else is made."""
        return any(each.end_ms > self.now_ms for each in self.played)

    @property
    def sounding(self) -> Sounding | None:
        """The item that sounds now."""
        return next((each for each in self.played if each.start_ms <= self.now_ms < each.end_ms), None)

    def advance(self, now_ms: float) -> None:
        """Let time pass, and tell the session what has been played to its end."""
        self.now_ms = now_ms
        for each in self.played:
            length_ms = each.end_ms - each.start_ms
            if each.stopped_ms is None and each.end_ms <= now_ms and each.told_ms < length_ms:
                each.told_ms = length_ms
                self._session.heard(each.item_id, round(length_ms))

    def on_event(self, event: Any, elapsed_ms: float) -> None:
        """Take an event of the session into account."""
        if isinstance(event, ev.ResponseOutputAudioDelta):
            if not {event.item_id, event.response_id} & self._silenced:
                self._play(event)
        elif isinstance(event, ev.InputAudioBufferSpeechStarted):
            if setting_at(getattr(self._session, "turn_detection", None) or {}, "interrupt_response") is not False:
                self._stop()
        elif isinstance(event, Interrupted):
            self._stop()
        elif isinstance(event, ev.ResponseDone) and event.response.id in self._silenced:
            self._drop(event.response)

    def _play(self, event: ev.ResponseOutputAudioDelta) -> None:
        turn = self._session.conversation.turn(event.item_id)
        part = turn.parts.get(event.content_index) if turn is not None else None
        encoding = part.encoding if part is not None else "audio/pcm"
        free_ms = max(self.now_ms, self.played[-1].end_ms if self.played else 0.0)
        if not self.played or self.played[-1].item_id != event.item_id:
            self.played.append(Sounding(event.item_id, free_ms, free_ms))
        sounding = self.played[-1]
        sounding.end_ms = free_ms + len(event.delta) / bytes_per_ms(encoding)
        if sounding.audible_ms is None:
            found_ms = first_audible_ms(decode_clip(event.delta, encoding))
            sounding.audible_ms = None if found_ms is None else free_ms + found_ms

    def _stop(self) -> None:
        """Stop playing; nothing that is still made of these answers will be heard."""
        self._silenced |= {reply.response_id for reply in self._session.conversation.unfinished}
        for each in self.played:
            if each.end_ms > self.now_ms:
                each.start_ms = min(each.start_ms, self.now_ms)
                each.stopped_ms = each.end_ms = self.now_ms
                self._silenced.add(each.item_id)
                self._session.heard(each.item_id, round(each.stopped_ms - each.start_ms), stopped=True)

    def _drop(self, response: Response) -> None:
        """Report that nothing was heard of items silenced before their sound came."""
        had = {each.item_id for each in self.played}
        for item in response.output:
            if item.is_spoken and isinstance(item.id, str) and item.id not in had:
                self._session.heard(item.id, 0, stopped=True)
