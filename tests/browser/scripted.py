"""A session that does what a test scripts, and notes the calls."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.loop import Pending, submit
from realtime_nb.media.clip import to_pcm16
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Content, Item, Response
from realtime_nb.protocol.local_events import ApprovalAsked, ApprovalGiven, Heard, Interrupted, StateChanged
from realtime_nb.sessions.budget import SessionBounds


class ScriptedSession:
    """A session as the widgets see it; the test plays the server."""

    def __init__(self, turn_detection: dict[str, Any] | None = {"type": "server_vad"}) -> None:  # noqa: B006
        self.backend = SimpleNamespace(name="scripted")
        self.model, self.voice, self.state = "model-1", "marin", "closed"
        self.turn_detection = turn_detection
        self.instructions, self.tool_names = "Be brief.", ["order_status", "refund"]
        self.conversation = Conversation()
        self.calls: list[tuple[Any, ...]] = []
        self.audio = bytearray()
        self.late: set[str] = set()
        self.held: set[str] = set()
        self.bounds = SessionBounds()
        self.refusal: Exception | None = None
        self.noted: list[Any] = []
        self.asks: dict[str, ApprovalAsked] = {}
        self.attending: list[Any] = []
        self.captured: list[tuple[float | None, float]] = []
        """Session time at which each piece of sound was captured, and at which it came."""
        self._began_ms = time.perf_counter() * 1000
        self._listeners: list[Any] = []
        self._ids = iter(range(1, 1000))

    # --- what widgets call ---

    @property
    def open_approvals(self) -> list[ApprovalAsked]:
        return list(self.asks.values())

    def attend(self, is_there: Any) -> Any:
        self.attending.append(is_there)
        return lambda: self.attending.remove(is_there) if is_there in self.attending else None

    def decide(self, call_id: str, approved: bool) -> None:
        if self.asks.pop(call_id, None):
            self.calls.append(("decide", call_id, approved))
            self._tell(ApprovalGiven(call_id=call_id, approved=approved))

    def listen(self, listener: Any) -> Any:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def is_late(self, response_id: str) -> bool:
        return response_id in self.late

    def is_held(self, response_id: str) -> bool:
        return response_id in self.held

    @property
    def elapsed_ms(self) -> float:
        return time.perf_counter() * 1000 - self._began_ms

    def note(self, event: Any) -> None:
        self.noted.append(event)
        self._tell(event)

    def send_audio(self, pcm: bytes, sample_rate: int = 24_000, *, captured_ms: float | None = None) -> None:
        self.captured.append((captured_ms, self.elapsed_ms))
        self.calls.append(("audio",)) if not self.calls or self.calls[-1] != ("audio",) else None
        self.audio += pcm

    def heard(self, item_id: str, played_ms: int, *, stopped: bool = False) -> None:
        self.conversation.apply(Heard(item_id=item_id, played_ms=played_ms, stopped=stopped), 0.0)
        if stopped:
            self.calls.append(("stopped", item_id, played_ms))

    def _called(self, *call: Any) -> Pending[Any]:
        async def answer() -> None:
            self.calls.append(call)
            if self.refusal is not None:
                raise self.refusal

        return submit(answer())

    def connect(self) -> Pending[Any]:
        async def answer() -> None:
            self.calls.append(("connect",))
            if self.refusal is not None:
                self._tell(StateChanged(state="closed", message=str(self.refusal)))
                raise self.refusal
            self.state = "open"
            self._tell(StateChanged(state="open"))

        return submit(answer())

    def move_to(self, backend: Any, *, api_key: str = "", model: str = "", connect: bool = True) -> Pending[Any]:
        self.model = model or self.model
        return self._called("move_to", backend, api_key or model)

    def close(self) -> Pending[Any]:
        async def answer() -> None:
            self.calls.append(("close",))
            self.state = "closed"
            self._tell(StateChanged(state="closed"))

        return submit(answer())

    def interrupt(self) -> Pending[Any]:
        async def answer() -> None:
            self.calls.append(("interrupt",))
            self._tell(Interrupted())

        return submit(answer())

    def update(self, **settings: Any) -> Pending[Any]:
        self.turn_detection = settings.get("turn_detection", self.turn_detection)
        if self.refusal is None:
            self.voice = settings.get("voice", self.voice)
        return self._called("update", settings)

    def ask(self, *content: Any) -> Pending[Any]:
        return self._called("ask", *content)

    def commit(self) -> Pending[Any]:
        return self._called("commit")

    def clear(self) -> Pending[Any]:
        return self._called("clear")

    def respond(self) -> Pending[Any]:
        return self._called("respond")

    def names(self) -> list[str]:
        """What was called, in order; runs of audio count once."""
        return [call[0] for call in self.calls]

    def show(self, *pictures: Any) -> Pending[Any]:
        return self._called("show", *pictures)

    def cache_remark(self, what: str) -> str:
        return ""

    def edit(self, turn: Any, text: str) -> Pending[Any]:
        return self._called("edit", turn.item_id, text)

    def rerun(self, turn: Any) -> Pending[Any]:
        return self._called("rerun", turn.item_id)

    def delete(self, turn: Any) -> Pending[Any]:
        return self._called("delete", turn.item_id)

    # --- what the test says ---

    def _tell(self, event: Any) -> None:
        self.conversation.apply(event, 0.0)
        for listener in list(self._listeners):
            listener(event, 0.0)

    def say(self, *events: Any) -> None:
        """Let events arrive, in order."""
        told = threading.Event()

        async def tell() -> None:
            for event in events:
                self._tell(event)
            told.set()

        submit(tell())
        assert told.wait(30)

    def ask_for_approval(self, call_id: str, name: str, arguments: str, server_label: str = "") -> None:
        """Let a call wait for approval."""
        asked = ApprovalAsked(call_id=call_id, name=name, arguments=arguments, server_label=server_label)
        self.asks[call_id] = asked
        self.say(asked)

    def hear(self, item_id: str, words: str, previous: str | None = None) -> None:
        """Let the server hear a spoken turn."""
        self.say(
            ev.InputAudioBufferSpeechStarted(audio_start_ms=0, item_id=item_id),
            ev.InputAudioBufferSpeechStopped(audio_end_ms=500, item_id=item_id),
            ev.InputAudioBufferCommitted(item_id=item_id, previous_item_id=previous),
            ev.ConversationItemAdded(
                item=Item(type="message", id=item_id, role="user", content=[Content(type="input_audio")]),
                previous_item_id=previous,
            ),
            ev.ConversationItemInputAudioTranscriptionCompleted(item_id=item_id, transcript=words),
        )

    def begin_answer(
        self, item_id: str, words: str, seconds: float, previous: str | None = None, silence: float = 0.0
    ) -> str:
        """Let the server begin to answer aloud, after a silence; returns the response's id."""
        response_id = f"resp-{next(self._ids)}"
        t = np.arange(round(24_000 * seconds)) / 24_000
        sound = np.pad(0.3 * np.sin(2 * np.pi * 300 * t), (round(24_000 * silence), 0))
        at = {"response_id": response_id, "item_id": item_id}
        item = Item(type="message", id=item_id, role="assistant", status="in_progress", content=[])
        self.say(
            ev.ResponseCreated(response=Response(id=response_id, status="in_progress", conversation_id="conv")),
            ev.ResponseOutputItemAdded(response_id=response_id, item=item),
            ev.ConversationItemAdded(item=item, previous_item_id=previous),
            ev.ResponseContentPartAdded(**at, part=Content(type="audio")),
            ev.ResponseOutputAudioTranscriptDelta(**at, delta=words),
            ev.ResponseOutputAudioDelta(**at, delta=to_pcm16(sound)),
        )
        return response_id

    def end_answer(self, response_id: str, item_id: str, words: str, status: str = "completed") -> None:
        """Let the answer be complete, or cut."""
        at = {"response_id": response_id, "item_id": item_id}
        content = [Content(type="output_audio", transcript=words)]
        item = Item(type="message", id=item_id, role="assistant", status="completed", content=content)
        self.say(
            ev.ResponseOutputAudioDone(**at),
            ev.ResponseOutputAudioTranscriptDone(**at, transcript=words),
            ev.ConversationItemDone(item=item),
            ev.ResponseOutputItemDone(response_id=response_id, item=item),
            ev.ResponseDone(
                response=Response(id=response_id, status=status, output=[item], conversation_id="conv", usage={})
            ),
        )
