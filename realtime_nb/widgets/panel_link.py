"""The link between a session and a page: microphone, playback, and everything that the page shows.

Everything here runs on the I/O thread and never waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import RealtimeError, RecordingError
from ..loop import call_soon, io_loop, submit
from ..media import g711
from ..protocol.formats import base_of, rate_of
from ..protocol.local_events import RECORDING_STOPPED, SoundBegan
from ..protocol.parts import LocalParts
from .base import PageClock
from .camera import Camera
from .desks import CameraDesk, GuideDesk, SettingsDesk, ToolDesk, TurnDesk
from .event_inspector import EventFeed
from .microphone import Capture
from .road import Frame, Road
from .rows import ConversationFollower, Thumbnails, TranscriptRows
from .speaker import EchoWatch, Playback

#: The transcript is sent at most ten times a second, however fast deltas come.
_ROWS_EVERY_S = 0.1
#: Holding the button for less than this is a mistake, and the server accepts no turn under 100 ms.
_MIN_HELD_MS = 150
_MIN_HELD_BYTES = 4800

#: The activity that each event stands for; the page itself knows whether it plays.
_PHASES = {
    "input_audio_buffer.speech_started": "hearing",
    "input_audio_buffer.speech_stopped": "thinking",
    "response.created": "thinking",
    "response.done": "idle",
}
_SOUND = ("response.output_audio.delta", "response.output_audio.done")
#: When to compare clocks again: early in a turn, so that the times are right at its end.
_ALIGN_AT = ("session.state", "input_audio_buffer.speech_started", "response.created")


class PanelLink:
    """Connects one session with one page."""

    def __init__(
        self,
        session: Any,
        road: Road,
        *,
        watch: Callable[[Any], None],
        on_reply: Callable[[], None],
        on_state: Callable[[str], None],
        on_error: Callable[[BaseException], None],
        camera: Camera | None = None,
        watch_every_s: float = 2.0,
    ):
        self.session = session
        self.playback = Playback(road, self._heard, self._began)
        self._road = road
        self._watch = watch
        self._on_reply = on_reply
        self._on_state = on_state
        self._on_error = on_error
        self._tools = ToolDesk(session, road)
        self._camera = camera and CameraDesk(
            session, road, camera, watch_every_s, watch=watch, make_silent=self._make_silent
        )
        self._guide = GuideDesk(session, road, watch)
        self._settings = SettingsDesk(session, road, watch, detect=self._detect, on_settled=self._send_state)
        self._thumbnails = Thumbnails(lambda: session.model, self._show_picture)
        self._rows = TranscriptRows(session.conversation, self._thumbnails.of)
        self._capture = Capture()
        self._echo = EchoWatch(session, road)
        self._clock = PageClock(road, self._note_clock)
        self._automatic = session.turn_detection or {"type": "server_vad"}
        self.hands_free = session.turn_detection is not None
        self._held_bytes: int | None = None
        self._page_plays = False
        self._phase = "idle"
        self._message = ""
        self._waiting = ""
        self._account = ConversationFollower(session)
        self._feed = EventFeed(session, road)
        self._told: dict[str, Any] = {}
        self._remarks: list[str] = []
        self._parts: LocalParts | None = None
        self._held: list[Any] = []
        self._rows_timer: asyncio.TimerHandle | None = None
        self._stop_listening = session.listen(self._on_event)
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "connect": self._connect,
            "press": self._press,
            "release": self._release,
            "interrupt": self._interrupt,
            "say": self._say,
            "played": self._on_played,
            "flushed": self._on_flushed,
            "began": self.playback.on_began,
            "clock": self._clock.on_answer,
            "audio": self._on_audio,
            "silent": self._on_silent,
            **self._tools.handlers,
            **TurnDesk(session, road, watch, lambda: self.playback.playing).handlers,
            **self._guide.handlers,
            **self._settings.handlers,
            **self._feed.handlers,
            **(self._camera.handlers if self._camera else {}),
        }

    def hang_up(self) -> None:
        """Stop following the session."""
        self._stop_listening()
        self._tools.leave()
        call_soon(self._feed.stop)
        if self._camera:
            self._camera.leave()

    # --- from the page ---

    def on_frame(self, frame: Frame) -> None:
        """Pass the microphone on while the person may speak."""
        pcm = self._capture.take(frame)
        self._echo.hear(pcm, frame.time_ms)
        if self._held_bytes is not None:
            self._held_bytes += len(pcm)
            # After `clear`, which is a task: frames sent before it would be dropped.
            io_loop().call_soon(self._send_audio, pcm, frame.time_ms)
        elif self.hands_free:
            self._send_audio(pcm, frame.time_ms)

    def _send_audio(self, pcm: bytes, page_ms: float) -> None:
        self.session.send_audio(pcm, captured_ms=self._session_ms(page_ms) if page_ms else None)

    def _session_ms(self, page_ms: float) -> float | None:
        """Return the session time for a time on the page's clock; `None` while that is not known."""
        ago_ms = self._clock.ago_ms(page_ms)
        return None if ago_ms is None else self.session.elapsed_ms - ago_ms

    def greet(self) -> None:
        """Send everything that a new page needs."""
        self.lose_page()  # The queue of an earlier page is gone with it.
        self._rows.forget()
        self._told, self._remarks = {}, []
        self._send_state()
        self._tools.tell()
        self._guide.tell(everything=True)
        self._settings.tell(everything=True)
        if self._camera:
            self._camera.tell()
        self._send_rows()
        self._align()
        if self.session.state == "open":  # A closed one would start the local voice only to ask it.
            self._ask_parts()

    def show(self) -> None:
        """Send what was said, and the current state, to a page that only watches."""
        self._send_rows()  # From here on, what is new for one page is new for all.
        self._send_state()
        self._tools.tell()
        self._guide.tell(everything=True)
        if self._camera:
            self._camera.tell()
        if rows := TranscriptRows(self.session.conversation, self._thumbnails.of).news():
            self._road.show(rows)
        self._road.show(self._account.message())
        self._road.show({"kind": "remarks", "texts": self.session.conversation.remarks})

    def lose_page(self) -> None:
        """Forget the state of a page that is gone."""
        self._clock.forget()
        self._feed.stop()
        self._held_bytes = None
        self._on_silent({})

    def _connect(self, _: dict[str, Any]) -> None:
        if self.session.state == "closed":
            self._watch(self.session.connect())

    def _on_audio(self, message: dict[str, Any]) -> None:
        self._page_plays = True
        self.playback.on_audio(message)

    def _on_silent(self, _: dict[str, Any]) -> None:
        self._page_plays = False
        self.playback.forget()

    def set_hands_free(self, hands_free: bool) -> None:
        """Switch between turn detection by the server and the person's button."""
        if hands_free == self.hands_free:
            return
        self.hands_free = hands_free
        self._held_bytes = None
        self._watch(self.session.update(turn_detection=self._automatic if hands_free else None))

    def _detect(self, detection: dict[str, Any]) -> None:
        """Let the server find turns in another way, at once or when the person next talks hands-free."""
        self._automatic = detection
        if self.hands_free:
            self._watch(self.session.update(turn_detection=detection))

    def _press(self, _: dict[str, Any]) -> None:
        self._align()
        self._make_silent()
        self._watch(self.session.clear())
        self._held_bytes = 0

    def _release(self, message: dict[str, Any]) -> None:
        held_bytes, self._held_bytes = self._held_bytes, None
        if held_bytes is None:
            return
        if message["held_ms"] < _MIN_HELD_MS or held_bytes < _MIN_HELD_BYTES:
            self._watch(self.session.clear())
            self._road.send({"kind": "notice", "text": "Hold the button while you speak, then let go."}, urgent=True)
            return
        self._watch(self.session.commit())
        self._watch(self.session.respond())

    def _interrupt(self, _: dict[str, Any]) -> None:
        self._make_silent()

    def _say(self, message: dict[str, Any]) -> None:
        self._watch(submit(self._ask(str(message["text"]))))

    async def _ask(self, text: str) -> None:
        """Ask in writing, once the page has reported how far the answer that this cuts off was played."""
        if self._may_sound:
            await self.session.interrupt()
            await self.playback.accounted()
        await self.session.ask(text)

    @property
    def _may_sound(self) -> bool:
        """True if something plays, or will soon."""
        return self.playback.busy or bool(self._held) or self._phase == "thinking" or self._tools.busy

    def _make_silent(self) -> None:
        if self._may_sound:
            self._watch(self.session.interrupt())  # The local event of `interrupt` silences the page.

    def _on_played(self, message: dict[str, Any]) -> None:
        self._echo.on_played(message)
        self.playback.on_played(message)

    def _on_flushed(self, message: dict[str, Any]) -> None:
        self._echo.on_flushed(message)
        self.playback.on_flushed(message)

    def _heard(self, item_id: str, played_ms: float, stopped: bool) -> None:
        self.session.heard(item_id, round(played_ms), stopped=stopped)
        if stopped:
            self._rows_later()
            self._on_reply()
            self._echo.judge(item_id, played_ms)

    def _began(self, item_id: str, message: dict[str, Any]) -> None:
        rendered_ms = self._session_ms(message["time_ms"])
        if rendered_ms is None:
            return
        began = SoundBegan(
            item_id=item_id,
            rendered_ms=rendered_ms,
            latency_ms=message["latency_ms"],
            audible=message["audible"],
            latency_is_estimate=message["latency_is_estimate"],
        )
        self.session.note(began)

    def _align(self) -> None:
        if self.session.state == "open" and self._road.kind:
            self._clock.align()

    def _note_clock(self) -> None:
        if aligned := self._clock.aligned:
            self.session.note(aligned)

    # --- from the session ---

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        kind = event.type
        self._tools.on_event(event)
        self._account.on_event(event)
        self._guide.on_event(event)
        self._settings.on_event(event)
        if kind in _SOUND:
            self._sound(event)
        elif kind == "input_audio_buffer.speech_started":
            self._barge_in()
        elif kind in ("session.interrupted", "budget.stopped"):
            self._fall_silent()
        elif kind in ("guard.passed", "guard.flagged"):
            self._on_verdict(event)
        elif kind == "session.remarked" and event.kind == RECORDING_STOPPED:
            self._on_error(RecordingError(event.text))
        elif kind == "session.waiting":
            self._waiting = event.message
        elif kind == "response.done":
            self._made(event.response)
            self._on_reply()
            self._ask_parts()
        elif kind == "session.state":
            self._message = event.message
            self._on_state(event.state)
            if event.state == "open":
                self._ask_parts()
            if event.state == "closed":
                self._phase = "idle"
                self._held.clear()
        if kind in _ALIGN_AT:
            self._align()
        if kind in _PHASES:
            self._phase = _PHASES[kind]
            if kind == "input_audio_buffer.speech_stopped" and not self._detection.get("create_response", True):
                self._phase = "idle"  # The server answers only when asked.
        if kind == "session.remarked":
            self._send_remarks()
        elif kind in _PHASES or kind.startswith("session."):
            self._send_state()
        if not kind.startswith(("response.output_audio.", "rate_limits.")):
            self._rows_later()

    def _sound(self, event: Any) -> None:
        """Play an answer, or hold it while a guard still judges its question."""
        if self._held or self.session.is_held(event.response_id):
            self._held.append(event)
        elif event.type == "response.output_audio.delta":
            self._play(event)
        else:
            self.playback.end(event.item_id)

    def _on_verdict(self, event: Any) -> None:
        if event.type == "guard.flagged" and event.side == "assistant":
            self.playback.flush()
        held, self._held = self._held, []
        for each in held:
            self._sound(each)

    def _play(self, event: Any) -> None:
        # A page stays silent until the person turns its sound on, e.g. while a cell asks by itself.
        if not self._page_plays or not self._road.kind or self.session.is_late(event.response_id):
            return
        turn = self.session.conversation.turn(event.item_id)
        part = turn.parts.get(event.content_index) if turn else None
        encoding = part.encoding if part else "audio/pcm"
        if (base := base_of(encoding)) == "audio/pcm":
            pcm = event.delta
        else:
            pcm = g711.decode_ulaw(event.delta) if base == "audio/pcmu" else g711.decode_alaw(event.delta)
        self.playback.feed(event.item_id, pcm, sample_rate=rate_of(encoding))

    def _made(self, response: Any) -> None:
        """Note that a response is done; audio that was cut off before it reached the page was not heard."""
        never = self._page_plays and self.session.is_late(response.id)
        for item in response.output:
            self.playback.end(item.id)
            if never and item.is_spoken and not self.playback.has_had(item.id):
                self._heard(item.id, 0, True)

    @property
    def _detection(self) -> dict[str, Any]:
        return self.session.turn_detection or {}

    def _barge_in(self) -> None:
        # The server cancels the response itself, unless told to talk on.
        if self._detection.get("interrupt_response", True) and (self.playback.busy or self._held):
            self._echo.suspect()
            self._fall_silent()

    def _fall_silent(self) -> None:
        """Stop playback, and drop the audio that waits for the guard: it was not heard."""
        self.playback.flush()
        held, self._held = self._held, []
        for item_id in dict.fromkeys(event.item_id for event in held):
            if not self.playback.has_had(item_id):
                self.playback.refuse(item_id)
                self._heard(item_id, 0, True)

    # --- what the page shows ---

    def _send_state(self) -> None:
        session = self.session
        self._road.send(
            {
                "kind": "session",
                "state": session.state,
                "message": self._message,
                "waiting": self._waiting,
                "phase": self._phase,
                "yields": self._detection.get("interrupt_response", True),
                "backend": session.backend.name,
                "model": session.model,
                "voice": session.voice,
                "parts": self._parts.names() if self._parts else {},
                "brain": self._parts.brain.name if self._parts else "",
            },
            urgent=True,
        )
        self._send_account()

    def _ask_parts(self) -> None:
        """Show which parts of the local voice answer; a text model may be found, or lost, while it runs."""
        if self.session.backend.name == "local":
            self._watch(submit(self._take_parts()))

    async def _take_parts(self) -> None:
        backend = replace(self.session.backend, model=self.session.model)
        try:
            parts = await asyncio.to_thread(lambda: backend.parts)
        except RealtimeError:
            return  # The session itself tells of a server that is gone.
        if parts != self._parts:
            self._parts = parts
            self._send_state()

    def _send_account(self) -> None:
        told = self._account.message()
        if self._road.kind and told != self._told:
            self._told = told
            self._road.send(told)

    def _send_remarks(self) -> None:
        remarks = self.session.conversation.remarks
        if self._road.kind and remarks != self._remarks:
            self._remarks = remarks
            self._road.send({"kind": "remarks", "texts": remarks})

    def _show_picture(self, item_id: str) -> None:
        self._rows.touch(item_id)
        self._rows_later()

    def _rows_later(self) -> None:
        if self._rows_timer is None:
            self._rows_timer = io_loop().call_later(_ROWS_EVERY_S, self._send_rows)

    def _send_rows(self) -> None:
        self._rows_timer = None
        if not self._road.kind:
            return  # The next page gets them all in `greet`.
        self._send_account()
        self._send_remarks()
        if news := self._rows.news():
            self._road.send(news)
