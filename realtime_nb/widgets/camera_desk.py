"""What the person does with a panel's camera: show the AI a picture, ask about it, let it keep looking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..bridge import Road
from ..errors import PictureError
from ..loop import io_loop, submit
from ..pictures import Picture
from ..watched import Watch
from .camera import Camera
from .thumbnails import cost_words

#: How often the page is told how far a watch has come.
_TOLD_EVERY_S = 0.5


class CameraDesk:
    """A page's camera and the session that it shows pictures to. Everything here runs on the I/O thread.

    Parameters
    ----------
    session : Session
        What is shown the pictures.
    road : Road
        The way to the panel's page.
    camera : Camera
        Where they come from; its own road carries them.
    every_s : float
        Seconds from one look to the next while it is watched.
    watch : callable
        Takes each `Pending` that nobody waits for, to show its error.
    make_silent : callable
        Stops the answer that is being given.
    """

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
        """Tell the page what was shown so far, and whether it goes on."""
        shown = [*self._pictures, *(frame for watch in self._watches for frame in watch.frames)]
        last = self._watches[-1] if self._watches else None
        cost = cost_words(shown, self._session.model)
        told = [f"{len(shown)} picture{'s' if len(shown) != 1 else ''} shown, {cost} to read once"]
        if skipped := sum(watch.skipped for watch in self._watches):
            told.append(f"{skipped} not shown, for hardly anything had changed")
        if last and last.problem:
            told.append(f"the last look failed: {last.problem}")
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
        """Look no more."""
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
            return None  # The camera's own view, in the panel, says why.
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
        """Tell the page how it goes on, from time to time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.tell()
        if self._watches and self._watches[-1].is_running:
            self._timer = io_loop().call_later(_TOLD_EVERY_S, self._follow)
