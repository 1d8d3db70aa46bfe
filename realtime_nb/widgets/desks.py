"""The panel's controls for turns, for instructions and tools, and for the camera."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..conversation.records import Turn
from ..conversation.watched import Watch
from ..errors import LocalProtocolError, PictureError, ServerError
from ..loop import io_loop, submit
from ..media.picture import Picture
from ..pricing.prices import price_table, shutdown_notice
from ..protocol.settings import VOICES
from ..sessions.backend import LOCAL_MODELS
from ..views import words
from .camera import Camera
from .road import Road
from .rows import bounded, by_name, cost_words

# --- Controls for turns: edit, ask again, delete, ask an aside --------------------------------------------------------

#: How long an interrupted answer may take to end.
_END_WAIT_S = 5.0
_LONGEST_ASIDE = 10_000


class TurnDesk:
    """Edits a session's turns for a page. Everything here runs on the I/O thread."""

    def __init__(self, session: Any, road: Road, watch: Callable[[Any], None], playing: Callable[[], str]):
        self._session = session
        self._road = road
        self._watch = watch
        self._playing = playing
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "edit": self._on_edit,
            "rerun": self._on_rerun,
            "delete": self._on_delete,
            "aside": self._on_aside,
        }

    def _on_edit(self, message: dict[str, Any]) -> None:
        tell_of_cache(self._session, self._road, "editing a turn")
        self._do(message, self._edit(message["id"], str(message["text"]), message["again"] is True))

    def _on_rerun(self, message: dict[str, Any]) -> None:
        self._do(message, self._rerun(message["id"]))

    def _on_delete(self, message: dict[str, Any]) -> None:
        tell_of_cache(self._session, self._road, "deleting a turn")
        self._do(message, self._delete(message["id"]))

    def _on_aside(self, message: dict[str, Any]) -> None:
        self._watch(submit(self._aside(str(message["text"]))))

    def _do(self, message: dict[str, Any], work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            finally:
                # Even after an error: the page has marked the turn as being changed.
                self._tell_changed(message["id"])

        self._watch(submit(run()))

    def _tell_changed(self, item_id: str) -> None:
        self._road.send({"kind": "changed", "id": item_id}, urgent=True)

    async def _edit(self, item_id: str, text: str, again: bool) -> None:
        turn = self._turn(item_id)
        if again:
            await self._silence()
        else:
            await self._hush(turn)
        new = await self._session.edit(turn, text)
        if again:
            await self._session.rerun(new)

    async def _rerun(self, item_id: str) -> None:
        turn = self._turn(item_id)
        await self._silence()
        await self._session.rerun(turn)

    async def _delete(self, item_id: str) -> None:
        turn = self._turn(item_id)
        await self._hush(turn)
        await self._session.delete(turn)

    async def _aside(self, prompt: str) -> None:
        answer: dict[str, Any] = {"asked": "", "answer": "", "cost": ""}  # None came.
        try:
            reply = await self._session.aside(prompt)
            said = bounded(reply.transcript, _LONGEST_ASIDE) or f"No answer: {words.status(reply)}"
            cost = f"Not part of the conversation; cost {words.cost(reply)}"
            answer = {"asked": prompt, "answer": said, "cost": cost}
        finally:
            self._road.send({"kind": "aside", **answer}, urgent=True)

    def _turn(self, item_id: str) -> Turn:
        turn = self._session.conversation.turn(str(item_id))
        if turn is None:
            raise LocalProtocolError(f"there is no longer a turn {item_id!r} in this conversation")
        return turn

    async def _hush(self, turn: Turn) -> None:
        """Stop a turn that is still playing: a deleted turn must not play on."""
        if self._playing() == turn.item_id:
            await self._session.interrupt()

    @property
    def _answering(self) -> bool:
        return any(reply.in_conversation for reply in self._session.conversation.unfinished)

    async def _silence(self) -> None:
        """Stop the answer that is being made, and wait for its end: nothing can be asked again before that."""
        ended: asyncio.Future[None] = io_loop().create_future()

        def look(event: Any, elapsed_ms: float) -> None:
            if event.type == "response.done" and not self._answering and not ended.done():
                ended.set_result(None)

        stop_listening = self._session.listen(look)
        try:
            await self._session.interrupt()
            if self._answering:
                await asyncio.wait_for(ended, _END_WAIT_S)
        except TimeoutError:
            raise LocalProtocolError(f"the interrupted answer did not end within {_END_WAIT_S:g} s") from None
        finally:
            stop_listening()


def tell_of_cache(session: Any, road: Road, what: str) -> None:
    """Show in the page, once, that an action loses the server's cache: warnings of this thread are not seen."""
    if remark := session.cache_remark(what):
        road.send({"kind": "notice", "text": remark}, urgent=True)


# --- Controls for the model's instructions, which the person may change, and its tools --------------------------------

_TOLD_AT = ("session.created", "session.updated", "session.state")


class GuideDesk:
    """Shows a page the settings that a model reads. Everything here runs on the I/O thread."""

    def __init__(self, session: Any, road: Road, watch: Callable[[Any], None]):
        self._session = session
        self._road = road
        self._watch = watch
        self._told: dict[str, Any] = {}
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {"instruct": self._on_instruct}

    def on_event(self, event: Any) -> None:
        """Follow the session; events that are not about settings change nothing."""
        if event.type in _TOLD_AT:
            self.tell()

    def tell(self, *, everything: bool = False) -> None:
        """Send the page what has changed; or `everything`."""
        told = {"kind": "guide", "instructions": self._session.instructions, "tools": self._session.tool_names}
        if self._road.kind and (everything or told != self._told):
            self._told = told
            self._road.send(told, urgent=True)

    def _on_instruct(self, message: dict[str, Any]) -> None:
        tell_of_cache(self._session, self._road, "changing instructions or tools")
        self._watch(self._session.update(instructions=str(message["text"])))


# --- Controls for the voice, the model, and how turns end -------------------------------------------------------------

#: A voice that has spoken cannot be changed in the same connection, as the API says.
_VOICE_IS_LOCKED = "cannot_update_voice"


class SettingsDesk:
    """Lets a page choose a session's voice, model and turn detection. Everything here runs on the I/O thread.

    A choice counts at once where the protocol allows that. The others wait for the next connection; the page says so,
    and offers to connect again.
    """

    def __init__(
        self,
        session: Any,
        road: Road,
        watch: Callable[[Any], None],
        *,
        detect: Callable[[dict[str, Any]], None],
        on_settled: Callable[[], None],
    ):
        self._session = session
        self._road = road
        self._watch = watch
        self._detect = detect
        self._on_settled = on_settled
        self._waiting: dict[str, str] = {}
        self._settling = asyncio.Lock()
        self._told: dict[str, Any] = {}
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "choose": self._on_choose,
            "detect": self._on_detect,
            "reconnect": self._on_reconnect,
        }

    def on_event(self, event: Any) -> None:
        """Follow the session; events that are not about settings change nothing."""
        if event.type == "session.state" and event.state == "closed" and self._waiting:
            self._watch(submit(self._settle()))
        if event.type in _TOLD_AT:
            self.tell()

    def tell(self, *, everything: bool = False) -> None:
        """Send the page what has changed; or `everything`."""
        session = self._session
        chosen = {"voice": session.voice, "model": session.model} | self._waiting
        models = _models_of(session)
        told = {
            "kind": "settings",
            **chosen,
            "voices": list(dict.fromkeys([*VOICES, chosen["voice"]])),
            "models": list(dict.fromkeys([*models, chosen["model"]])),
            "detection": session.turn_detection,
        }
        if self._road.kind and (everything or told != self._told):
            self._told = told
            self._road.send(told, urgent=True)

    def _on_choose(self, message: dict[str, Any]) -> None:
        self._watch(submit(self._choose(str(message["name"]), str(message["value"]))))

    async def _choose(self, name: str, value: str) -> None:
        if name not in ("voice", "model"):
            raise LocalProtocolError(f"a page cannot choose {name!r}: choose a voice or a model")
        try:
            if self._session.state == "closed" or not await self._take_at_once(name, value):
                self._waiting[name] = value
            if self._session.state == "closed":
                await self._settle()
            elif name in self._waiting:
                reason = "A voice that has spoken" if name == "voice" else "The model"
                text = f"{reason} cannot be changed within a connection: {value} answers after the next Connect."
                self._road.send({"kind": "notice", "text": text, "fix": "reconnect"}, urgent=True)
        finally:
            self.tell(everything=True)  # Also after an error: the page shows what the person has chosen.

    async def _take_at_once(self, name: str, value: str) -> bool:
        self._waiting.pop(name, None)
        if name == "model":
            return bool(value == self._session.model)
        try:
            await self._session.update(voice=value)
        except ServerError as error:
            if error.code != _VOICE_IS_LOCKED:
                raise
            return bool(value == self._session.voice)
        return True

    async def _settle(self) -> None:
        """Make the choices that waited for the end of the connection."""
        async with self._settling:
            waiting, self._waiting = self._waiting, {}
            if "model" in waiting:
                await self._session.move_to(self._session.backend, model=waiting["model"], connect=False)
            if "voice" in waiting:
                await self._session.update(voice=waiting["voice"])
        self.tell(everything=True)
        self._on_settled()

    def _on_detect(self, message: dict[str, Any]) -> None:
        before = self._session.turn_detection or {}
        kept = {name: before[name] for name in ("create_response", "interrupt_response") if name in before}
        eagerness = {"eagerness": str(message["eagerness"])} if message["type"] == "semantic_vad" else {}
        self._detect({"type": str(message["type"]), **eagerness, **kept})

    def _on_reconnect(self, _: dict[str, Any]) -> None:
        self._watch(submit(self._reconnect()))

    async def _reconnect(self) -> None:
        await self._session.close()
        await self._settle()
        await self._session.connect()


def _models_of(session: Any) -> list[str]:
    """Return the models that a person can choose from; none if they are not known."""
    if session.backend.name == "local":
        return list(LOCAL_MODELS.values())
    if session.backend.name != "openai":
        return []
    rows = price_table()["models"].items()
    speaking = [name for name, row in rows if "-realtime" in name and row.get("text_out") and row.get("audio_out")]
    return [name for name in speaking if not shutdown_notice(name)]


# --- Controls for the camera: show the AI a picture, ask about it, let it keep watching -------------------------------

#: How often the page gets the progress of a watch.
_TOLD_EVERY_S = 0.5


class CameraDesk:
    """Shows a session pictures of a page's camera. Everything here runs on the I/O thread."""

    def __init__(
        self,
        session: Any,
        road: Road,
        camera: Camera,
        every_s: float,
        *,
        watch: Callable[[Any], None],
        make_silent: Callable[[], None],
    ):
        self._session = session
        self._road = road
        self._camera = camera
        self._every_s = every_s
        self._watch = watch
        self._make_silent = make_silent
        self._pictures: list[Picture] = []
        self._taking = 0
        self._watches: list[Watch] = []
        self._timer: asyncio.TimerHandle | None = None
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "show_picture": self._on_show,
            "ask_picture": self._on_ask,
            "watch": self._on_watch,
        }

    def tell(self) -> None:
        """Tell the page which pictures were shown so far, and whether watching goes on."""
        shown = [*self._pictures, *(frame for watch in self._watches for frame in watch.frames)]
        last = self._watches[-1] if self._watches else None
        cost = cost_words(shown, self._session.model)
        told = [f"{len(shown)} picture{'s' if len(shown) != 1 else ''} shown, {cost} to read once"]
        if skipped := sum(watch.skipped for watch in self._watches):
            told.append(f"{skipped} not shown, because hardly anything had changed")
        if last and last.problem:
            told.append(f"the last picture failed: {last.problem}")
        elif last and last.ended not in ("", "stopped"):
            told.append(last.ended)
        message = {
            "kind": "camera",
            "taking": self._taking > 0,
            "watching": bool(last and last.is_running),
            "every_s": self._every_s,
            "told": "; ".join(told) if shown or last else "",
        }
        self._road.send(message, urgent=True)

    def leave(self) -> None:
        """Stop watching."""
        if self._watches:
            self._watches[-1].stop()

    def _on_show(self, _: dict[str, Any]) -> None:
        self._watch(submit(self._show()))

    def _on_ask(self, message: dict[str, Any]) -> None:
        self._watch(submit(self._ask(str(message["text"]).strip())))

    async def _show(self) -> None:
        picture = await self._take()
        if picture is not None:
            await self._session.show(picture)
            self._note(picture)

    async def _ask(self, text: str) -> None:
        picture = await self._take()
        if picture is not None:
            self._make_silent()
            self._note(picture)
            await self._session.ask(*([text] if text else []), picture)

    async def _take(self) -> Picture | None:
        self._taking += 1
        self.tell()
        try:
            return await self._camera.snapshot()
        except PictureError:
            if not self._camera.error:
                raise
            return None  # The camera's view in the panel says why.
        finally:
            self._taking -= 1
            self.tell()

    def _note(self, picture: Picture) -> None:
        self._pictures.append(picture)
        self.tell()

    def _on_watch(self, message: dict[str, Any]) -> None:
        self.leave()
        if message["on"] is True:
            self._watches.append(self._session.watch(self._camera, every_s=self._every_s))
        self._follow()

    def _follow(self) -> None:
        """Report the progress to the page at intervals."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.tell()
        if self._watches and self._watches[-1].is_running:
            self._timer = io_loop().call_later(_TOLD_EVERY_S, self._follow)


# --- Tools that run or wait for approval: what the page shows, and what the person decides ----------------------------


class ToolDesk:
    """Shows a page the tools of a session. Everything here runs on the I/O thread."""

    def __init__(self, session: Any, road: Road):
        self._session = session
        self._road = road
        self._running: dict[str, str] = {}
        # A person who sees the page can be asked.
        self.leave = session.attend(lambda: bool(road.kind))
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {"decide": self._decide}

    @property
    def busy(self) -> bool:
        """True if a tool runs, or waits for approval."""
        return bool(self._running or self._session.open_approvals)

    def on_event(self, event: Any) -> None:
        """Follow the session; events that are not about tools change nothing."""
        if event.type == "tool.started":
            self._running[event.call_id] = event.name
        elif event.type == "tool.done":
            self._running.pop(event.call_id, None)
        elif not event.type.startswith("tool."):
            return
        self.tell()

    def tell(self) -> None:
        """Send the page everything."""
        asks = [
            {
                "call_id": asked.call_id,
                "name": asked.name,
                "server_label": asked.server_label,
                "arguments": by_name(asked.arguments),
            }
            for asked in self._session.open_approvals
        ]
        self._road.send({"kind": "tools", "running": list(self._running.values()), "asks": asks}, urgent=True)

    def _decide(self, message: dict[str, Any]) -> None:
        # Only a plain `True` means yes.
        self._session.decide(str(message["call_id"]), message["approved"] is True)
        self.tell()
