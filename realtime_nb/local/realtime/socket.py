"""The Realtime endpoint: a WebSocket on one side, a session on the other."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect

from ...protocol.events import Error
from ..access import refuse
from ..api_errors import ApiError, overloaded
from ..faults import FaultyOutbox, with_faults
from ..synthesis.synthesizer import VOICES
from .conversation_state import new_id
from .outbox import EXPIRED, Outbox
from .session import Parts, ServerSession
from .session_settings import LIFETIME_S, SessionSettings

POLICY_CLOSE = 4000
SESSION_ENDS_CLOSE = 1001
_LAST_WORDS_S = 5.0


@dataclass
class RealtimeSocket:
    """Opens a session for each client, and serves up to `max_sessions` at once."""

    parts: Parts
    max_sessions: int = 100
    lifetime_s: float = LIFETIME_S
    lifetime_turns: int | None = None
    faults: Collection[str] = ()
    held: int = field(default=0, init=False)

    async def connect(self, socket: WebSocket) -> None:
        """Serve one client until it leaves."""
        full = self._no_room()
        if full:
            await refuse(full, socket.scope, socket.receive, socket.send)
            return
        self.held += 1
        try:
            await self._hold(socket)
        finally:
            self.held -= 1

    def _no_room(self) -> ApiError | None:
        if self.held >= self.max_sessions:
            return overloaded(f"This server holds {self.max_sessions} sessions at once, and has as many.")
        if self.parts.recognizer.is_overloaded:
            return overloaded("This server is too busy for another session; try again in a moment.")
        return None

    async def _hold(self, socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(subprotocol="realtime" if "realtime" in offered else None)
        try:
            session, outbox = self._open(socket)
        except ApiError as error:
            outbox = Outbox()
            outbox.put(Error(error=error.detail()))
            outbox.end()
            await outbox.run(socket.send_text)
            await socket.close(POLICY_CLOSE, f"{error.type}.{error.code}")
            return
        try:
            await self._serve(socket, session, outbox)
        finally:
            await session.close()

    def _open(self, socket: WebSocket) -> tuple[ServerSession, Outbox]:
        """Return the session that a client asks for; raises `ApiError` if it asks for something else."""
        query = socket.query_params
        model = query.get("model") or query.get("deployment") or ""
        transcription = query.get("intent") == "transcription"
        if "realtime=v1" in socket.headers.get("openai-beta", "") or "openai-beta.realtime-v1" in (
            socket.scope.get("subprotocols", [])
        ):
            raise ApiError(
                "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
                code="beta_api_shape_disabled",
            )
        if transcription and model:
            raise ApiError(
                "You must not provide a model parameter for transcription sessions.",
                code="invalid_parameter",
                param="model",
            )
        if not transcription and not model:
            raise ApiError("You must provide a model parameter.", code="missing_model", param="model")
        settings = SessionSettings(
            session_id=new_id("sess"),
            model=model,
            expires_at=int(time.time() + self.lifetime_s),
            brain=self.parts.brain_of(model).description,
            transcription=transcription,
            voices=VOICES,
            english_only=not self.parts.recognizer.is_multilingual,
        )
        is_faulty = bool(self.faults) or self.lifetime_turns is not None
        outbox = FaultyOutbox(self.faults, lifetime_turns=self.lifetime_turns) if is_faulty else Outbox()
        return ServerSession(settings, with_faults(self.parts, self.faults), outbox), outbox

    async def _serve(self, socket: WebSocket, session: ServerSession, outbox: Outbox) -> None:
        session.open()
        reading = asyncio.create_task(self._read(socket, session, outbox))
        writing = asyncio.create_task(outbox.run(socket.send_text))
        try:
            done, _ = await asyncio.wait((reading, writing), timeout=self.lifetime_s, return_when="FIRST_COMPLETED")
            if not done:
                outbox.expire()
                with contextlib.suppress(TimeoutError):  # The client does not read them.
                    await asyncio.wait_for(asyncio.shield(writing), timeout=_LAST_WORDS_S)
            if outbox.expired:
                await socket.close(SESSION_ENDS_CLOSE, EXPIRED)
            if writing.done():
                with contextlib.suppress(WebSocketDisconnect):  # The client hung up.
                    writing.result()
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _read(self, socket: WebSocket, session: ServerSession, outbox: Outbox) -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await session.receive(message.get("text") or message.get("bytes") or b"")
            await outbox.room()
