"""Show a model what a camera sees: frames become pictures of a conversation."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

from ..conversation.watched import Watch
from ..errors import RealtimeError, ServerError, SettingsError
from ..loop import Pending, io_loop, submit
from ..media.picture import Picture
from ..numeric import np
from ..protocol.local_events import StateChanged
from .recorded import RecordedSession

#: Side of the picture whose pixels are compared: anything smaller than a 32nd of the frame is not a change.
_COMPARED_PX = 32


@runtime_checkable
class TakesSnapshots(Protocol):
    """The methods of a camera that `watch` needs."""

    active: bool

    def snapshot(self, *, max_side: int, detail: str) -> Awaitable[Picture]:
        """Take a picture."""
        ...

    def start(self) -> None:
        """Open it."""
        ...

    def stop(self) -> None:
        """Close it."""
        ...


class WatchingSession(RecordedSession):
    """A session that takes pictures without a question."""

    model: str

    def watch(
        self,
        camera: TakesSnapshots | Callable[[], Any],
        *,
        every_s: float = 1.0,
        max_side: int = 512,
        detail: str = "low",
        min_change: float = 0.02,
        max_frames: int = 100,
        keep: int | None = None,
    ) -> Watch:
        """Show the model what a camera sees, at intervals. It asks for no response; the next answer sees it.

        Parameters
        ----------
        camera : Camera or callable
            A `Camera`, which is opened, or a function that takes nothing and returns a picture (anything that
            `Picture.of` takes) and runs in its own thread.
        every_s : float, default 1.0
            Seconds between frames.
        max_side : int, default 512
            Longest side in pixels; larger frames are scaled down.
        detail : {"low", "auto", "high"}, default "low"
            A "low" frame takes about 85 tokens whatever its size; a "high" one of 512 pixels 255.
        min_change : float, default 0.02
            A frame that differs less from the last one sent is skipped: mean difference in brightness of 32 × 32
            pixels, 0 (send all) to 1.
        max_frames : int, default 100
            How many frames to send before it ends.
        keep : int, optional
            How many of them stay in the conversation; older ones are deleted. By default all stay. Every response reads
            all of them again; after a deletion the server reads everything that follows once more at the full price.

        Returns
        -------
        watch : Watch
            Shows what was sent and what it costs. ``watch.stop()`` ends it, and so does closing the session.

        Raises
        ------
        SettingsError
            If a number is out of its range.
        PictureError
            If the model is known not to take pictures.

        Examples
        --------
        >>> import numpy as np
        >>> session = RealtimeSession(backend="local")
        >>> watch = session.watch(lambda: np.full((48, 64, 3), (0, 0, 200), np.uint8), every_s=0.1, max_frames=1)
        >>> import time; time.sleep(1)
        >>> print(session.ask("What do you see?").result().transcript)
        Your picture is 64 by 48 pixels and all blue. I only measure colours: nothing here sees things or reads text.
        >>> watch
        Watch(1 frames sent, 0 skipped as unchanged, ended: all 1 frames were sent)
        >>> session.close().result()
        """
        if not every_s > 0 or max_frames < 1 or not 0 <= min_change <= 1 or (keep is not None and keep < 1):
            raise SettingsError(
                f"every_s={every_s}, max_frames={max_frames} and keep={keep} must be positive, min_change={min_change} "
                "from 0 to 1"
            )
        self._check_sees()
        watch = Watch(model=self.model, every_s=every_s, min_change=min_change, max_frames=max_frames, keep=keep)
        watcher = _Watcher(self, watch, _looks(camera, max_side, detail))
        watch._on_stop = watcher.stop
        submit(watcher.run(camera if isinstance(camera, TakesSnapshots) else None))
        return watch

    def show(self, *pictures: Any) -> Pending[None]:
        """Add pictures to the conversation without a question; the model sees them in its next answer.

        Parameters
        ----------
        *pictures
            Anything that `Picture.of` takes.

        Raises
        ------
        TypeError
            If you give none.
        PictureError
            If one cannot be read, or the model is known not to take pictures.

        Examples
        --------
        >>> import numpy as np
        >>> session = RealtimeSession(backend="local")
        >>> session.show(np.full((48, 64, 3), (0, 0, 200), np.uint8)).result()
        >>> print(session.ask("What do you see?").result().transcript)
        Your picture is 64 by 48 pixels and all blue. I only measure colours: nothing here sees things or reads text.
        >>> session.close().result()
        """
        if not pictures:
            raise TypeError("show() needs a picture to show")
        self._check_sees()
        # Now, in this thread: matplotlib allows only one, and an array may change.
        return submit(self._show_all([Picture.of(picture) for picture in pictures]))

    async def _show_all(self, pictures: list[Picture]) -> None:
        for picture in pictures:
            await self._show_frame(picture)

    @abstractmethod
    def _check_sees(self) -> None:
        """Raise `PictureError` if the model is known not to take pictures."""

    @abstractmethod
    async def _show_frame(self, frame: Picture) -> Any:
        """Add a picture to the conversation; return its id for `_take_back`."""

    @abstractmethod
    async def _take_back(self, shown: Any) -> None:
        """Remove a picture from the conversation."""


def _looks(camera: TakesSnapshots | Callable[[], Any], max_side: int, detail: str) -> Callable[[], Awaitable[Picture]]:
    if isinstance(camera, TakesSnapshots):
        return lambda: camera.snapshot(max_side=max_side, detail=detail)
    if not callable(camera):
        raise TypeError(f"cannot watch {type(camera).__name__}: give a Camera, or a function that returns a picture")
    return lambda: asyncio.to_thread(lambda: Picture.of(camera(), max_side=max_side, detail=detail))


class _Watcher:
    """The loop behind a `Watch`; runs on the I/O thread."""

    def __init__(self, session: WatchingSession, watch: Watch, look: Callable[[], Awaitable[Picture]]):
        self._session = session
        self._watch = watch
        self._look = look
        self._before: np.ndarray | None = None
        self._shown: list[Any] = []
        self._task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Stop watching; safe from any thread."""
        self._watch.ended = self._watch.ended or "stopped"
        io_loop().call_soon_threadsafe(lambda: self._task and self._task.cancel())

    def _on_event(self, event: Any, elapsed_ms: float) -> None:
        if isinstance(event, StateChanged) and event.state == "closed":
            self._watch.ended = self._watch.ended or "ended with the session"
            self.stop()

    async def run(self, camera: TakesSnapshots | None) -> None:
        """Watch until stopped; opens a closed camera."""
        opened = camera is not None and not camera.active
        stop_listening = self._session._session_events.listen(self._on_event)
        if camera is not None and opened:
            camera.start()
        self._task = asyncio.create_task(self._go_on())
        try:
            await self._task
        except asyncio.CancelledError:
            pass  # By `stop`; nothing comes after the watch.
        finally:
            stop_listening()
            if camera is not None and opened:
                camera.stop()

    async def _go_on(self) -> None:
        watch = self._watch
        while watch.is_running:
            began_s = io_loop().time()
            try:
                await self._once()
                watch.problem = ""
            except RealtimeError as error:
                watch.problem = str(error)  # A reloading page has no camera for a moment.
            except Exception as error:  # The caller's function may fail in any way.
                watch.problem = f"{type(error).__name__}: {error}"
            if len(watch.frames) >= watch.max_frames:
                watch.ended = f"ended: all {watch.max_frames} frames were sent"
                return
            await asyncio.sleep(max(0.0, began_s + watch.every_s - io_loop().time()))

    async def _once(self) -> None:
        watch = self._watch
        frame = await self._look()
        now = await asyncio.to_thread(_brightness, frame)
        if self._before is not None and np.abs(now - self._before).mean() < watch.min_change:
            watch.skipped += 1
            return
        shown = await self._session._show_frame(frame)
        self._before = now
        self._shown.append(shown)
        watch.frames.append(frame)
        while watch.keep is not None and len(self._shown) > watch.keep:
            with contextlib.suppress(ServerError):  # It may have been deleted already.
                await self._session._take_back(self._shown[0])
            del self._shown[0]
            watch.taken_back += 1


def _brightness(frame: Picture) -> np.ndarray:
    """Return a frame's brightness, [shape=(32, 32), 0..1]."""
    small = frame.image(max_side=2 * _COMPARED_PX).convert("L").resize((_COMPARED_PX, _COMPARED_PX))
    return np.asarray(small, np.float32) / 255
