"""A camera in the page that sends pictures to Python on request."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import traitlets
from ipywidgets import Widget, widget_serialization

from ..errors import PictureError
from ..loop import Pending, call_soon, submit
from ..media.picture import MAX_SIDE, Picture
from .base import BaseWidget, static_text
from .microphone import checked_stream
from .road import CameraShot

#: Longest side to ask a page for: a picture stays one message on the road.
_LARGEST_SIDE = 2048
#: Enough for every detail setting of a model; the page scales pictures down further.
DEFAULT_CONSTRAINTS = {"width": {"ideal": 1280}, "height": {"ideal": 720}}


class Camera(BaseWidget):
    """A camera in the page, with a preview; it takes pictures for Python.

    Parameters
    ----------
    stream : ipywebrtc.MediaStream, optional
        The source of the pictures, e.g. a ``CameraStream``, a ``VideoStream`` of a file or a ``WidgetStream``; by
        default the browser's camera. The widget never stops a stream.
    source : {"camera", "screen"}, default "camera"
        Without a `stream`: the browser's camera, or a screen or window, which the person picks after a click on the
        widget's button; browsers allow only the person to start that.
    constraints : dict, optional
        Video constraints of `getUserMedia`, e.g. ``{"facingMode": "environment"}``. By default 1280 × 720 if possible.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> camera = rt.Camera()
    >>> camera                              # as a cell's last line it shows the preview
    Camera: run the cell to use it

    In later cells, when the page is there: ``picture = await camera.snapshot()``, then
    ``await session.ask("What do I hold in my hand?", picture)``; or ``session.watch(camera, every_s=2)``.
    """

    _esm = static_text("camera.js")
    _shared = ("active",)

    stream = traitlets.Instance(Widget, allow_none=True).tag(sync=True, **widget_serialization)
    """An ipywebrtc stream widget, or `None` for the browser's own camera. Default: `None`."""
    source = traitlets.Enum(("camera", "screen"), "camera").tag(sync=True)
    """The source of the pictures if there is no `stream`: "camera" or "screen". Default: "camera"."""
    constraints = traitlets.Dict(DEFAULT_CONSTRAINTS).tag(sync=True)
    """Video constraints of `getUserMedia`. Default: 1280 × 720 if possible. A `stream` brings its own."""
    active = traitlets.Bool(False)
    """True if the camera is open. Either side may set it. Default: `False`."""

    def __init__(self, stream: Widget | None = None, **kwargs: Any):
        self._numbers = itertools.count(1)
        self._wanted: dict[int, tuple[dict[str, Any], asyncio.Future[Picture]]] = {}
        self._picture: Picture | None = None
        super().__init__(stream=checked_stream(stream), **kwargs)
        self._handlers["no_picture"] = self._on_no_picture

    @traitlets.validate("stream")
    def _check_stream(self, proposal: Any) -> Widget | None:
        return checked_stream(proposal["value"])

    @property
    def picture(self) -> Picture | None:
        """The last picture taken, by `snapshot` or the widget's button; `None` before the first."""
        return self._picture

    def start(self) -> None:
        """Open the camera. Returns at once."""
        self.error = ""
        self.active = True

    def stop(self) -> None:
        """Close the camera. Returns at once."""
        self.active = False

    def snapshot(self, *, max_side: int = MAX_SIDE, detail: str = "auto", timeout_s: float = 30.0) -> Pending:
        """Take a picture; opens a closed camera for it, and closes it again.

        Parameters
        ----------
        max_side : int, default 1024
            Longest side in pixels, at most 2048; the page scales larger pictures down.
        detail : {"auto", "low", "high"}, default "auto"
            How closely the model should look.
        timeout_s : float, default 30
            How long to wait for the page, the person and the camera, in seconds.

        Returns
        -------
        picture : Pending[Picture]
            Await it, or call ``.result()``. Fails with `PictureError` if the browser gives no picture.
        """
        if not 1 <= max_side <= _LARGEST_SIDE:
            raise PictureError(f"max_side={max_side} must be between 1 and {_LARGEST_SIDE} pixels")
        return submit(self._snapshot(max_side, detail, timeout_s))

    async def _snapshot(self, max_side: int, detail: str, timeout_s: float) -> Picture:
        key = next(self._numbers)
        request = {"kind": "snap", "key": key, "max_side": max_side, "detail": detail}
        taken: asyncio.Future[Picture] = asyncio.get_running_loop().create_future()
        self._wanted[key] = (request, taken)
        if self._road.kind:  # A page that comes later gets the request when it says hello.
            self._road.send(request, urgent=True)
        try:
            return await asyncio.wait_for(taken, timeout_s)
        except TimeoutError:
            why = "the browser asked, and got no answer" if self._road.kind else "show the camera in a cell first"
            raise PictureError(f"no picture within {timeout_s:g} s: {why}") from None
        finally:
            self._wanted.pop(key, None)

    def close(self) -> None:
        """Remove the camera from the page; waiting snapshots fail."""
        if getattr(self, "_wanted", None):
            call_soon(self._fail_all)
        super().close()

    def _fail_all(self) -> None:
        for _, taken in self._wanted.values():
            if not taken.done():
                taken.set_exception(PictureError("the camera was removed from the page"))

    def _on_hello(self, message: dict[str, Any]) -> None:
        super()._on_hello(message)
        for request, _ in self._wanted.values():
            self._road.send(request, urgent=True)

    def _on_shot(self, shot: CameraShot) -> None:
        request, taken = self._wanted.get(shot.key, ({}, None))
        picture = Picture.from_bytes(shot.data, detail=request.get("detail", "auto"))
        self._picture = picture
        if taken is not None and not taken.done():
            taken.set_result(picture)

    def _on_no_picture(self, message: dict[str, Any]) -> None:
        _, taken = self._wanted.get(message["key"], ({}, None))
        if taken is not None and not taken.done():
            taken.set_exception(PictureError(str(message["text"])))
