"""A panel for talking with a session."""

from __future__ import annotations

import atexit
import json
import secrets
import threading
import warnings
from pathlib import Path
from string import Template
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import traitlets
from ipywidgets import Widget, widget_serialization
from markupsafe import escape

from ..display import printable
from ..errors import RealtimeError, SettingsError
from ..loop import call_soon
from .base import BaseWidget, Outputs, static_text
from .camera import Camera
from .microphone import StreamTraits, checked_stream
from .panel_link import PanelLink
from .road import Frame

#: The panel of each session: running a cell again makes a new one, and the old one must close. A panel holds its
#: session, so the map must not hold the panel.
_panels: WeakKeyDictionary[Any, ReferenceType[VoicePanel]] = WeakKeyDictionary()

_ENDED = "This conversation has ended. Run this cell again to talk again."


class VoicePanel(StreamTraits, BaseWidget):
    """A panel for talking with a voice model: hands-free, by holding a button, or by typing.

    Parameters
    ----------
    session : RealtimeSession
        The session to talk with; the panel's button connects it.
    stream : ipywebrtc.MediaStream, optional
        The source of the person's sound; by default the browser's microphone.
    hands_free : bool, optional
        Whether the server finds the turns. By default the session's `turn_detection` decides.
    camera : Camera or ipywebrtc.MediaStream, optional
        A camera for showing the AI pictures: one at the press of a button, or one every few seconds. By default there
        is none.
    watch_every_s : float, default 2.0
        Seconds between pictures while the AI keeps watching.
    half_duplex : bool, default False
        Whether the microphone sends silence while the voice plays. Use it if the browser cannot cancel the echo of your
        loudspeakers.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> session = rt.RealtimeSession(backend="local")
    >>> rt.VoicePanel(session)              # as a cell's last line it shows the panel
    VoicePanel(local, model=local-voice, voice=marin): run the cell to talk

    With a camera, to show what you talk about:

    >>> panel = rt.VoicePanel(session, camera=rt.Camera())
    >>> panel.camera
    Camera: run the cell to use it

    Notes
    -----
    A session has one panel: a second one closes the first. Displaying it makes three outputs: the panel, the record of
    the conversation, and a picture. The last two are static and are updated after each reply, so you can read the saved
    notebook without a kernel.

    Hands-free, the person may speak over the voice. A sound of 80 ms that is louder than the room and the voice's echo
    pauses playback in the page at once. If the server confirms that it is speech, the answer stops there, and the
    record keeps what was heard. Otherwise, e.g. after a cough, playback goes on 0.4 s after the last sound, and at
    most 4 s after the first. The Interrupt button and the Escape key stop the answer by hand.
    """

    _esm = static_text("panel.js")
    _parts_needed = (
        *("road.js", "carrier.worker.js", "audio.js", "scope.js"),
        *("face.js", "asks.js", "transcript.js", "seeing.js", "guide.js", "record.js", "settings.js", "inspector.js"),
        *("floor.worklet.js", "capture.worklet.js", "player.worklet.js"),
    )
    _shared = ("hands_free", "half_duplex", "muted")

    _about = traitlets.Dict().tag(sync=True)
    # How many pages have loaded the panel. Outputs are found by a name that is not saved, so only the first page, where
    # the cell ran, can redraw the record.
    _pages = traitlets.Int(0).tag(sync=True)

    hands_free = traitlets.Bool(True)
    """True if the server finds the turns; otherwise the person holds a button. Either side may set it."""
    half_duplex = traitlets.Bool(False)
    """True if the microphone sends silence while the voice plays, so that it cannot hear itself; the Interrupt button
    and the Escape key still stop it. Hands-free only. Either side may set it. Default: `False`."""
    camera = traitlets.Instance(Camera, allow_none=True, read_only=True).tag(sync=True, **widget_serialization)
    """The panel's camera, or `None`. Read only."""
    muted = traitlets.Bool(False)
    """True if the microphone sends silence. Either side may set it. Default: `False`."""
    state = traitlets.Unicode("closed", read_only=True)
    """The session's state: "closed", "connecting" or "open". Read only."""

    def __init__(
        self,
        session: Any,
        *,
        stream: Widget | None = None,
        camera: Widget | None = None,
        watch_every_s: float = 2.0,
        hands_free: bool | None = None,
        **kwargs: Any,
    ):
        if not watch_every_s > 0:
            raise SettingsError(f"watch_every_s={watch_every_s} must be a positive number of seconds")
        camera = _checked_camera(camera)
        if not hasattr(session, "send_audio"):
            kind = type(session).__name__
            raise TypeError(f"{kind} cannot take live sound: give a RealtimeSession, or ask turn by turn")
        if (held := _panels.pop(session, None)) and (previous := held()):
            previous.close()
        self.session = session
        if hands_free is None:
            hands_free = session.turn_detection is not None
        super().__init__(stream=checked_stream(stream), hands_free=hands_free, **kwargs)
        self.set_trait("camera", camera)
        self._about = self._describe()
        self.ended = threading.Event()
        """Set once the person has ended the conversation in the page."""
        self._road.page = self._talk_page
        self._outputs = Outputs(
            session.conversation,
            note={"text/plain": _ENDED, "text/html": f"<p>{_ENDED}</p>"},
            on_error=self._show_error,
        )
        self.line = PanelLink(
            session,
            self._road,
            watch=self._watch,
            on_reply=self._on_reply,
            on_state=self._on_state,
            on_error=self._show_error,
            camera=camera,
            watch_every_s=watch_every_s,
        )
        self._handlers |= self.line.handlers | {
            "disconnect": self._on_disconnect,
            "end": self._on_end,
            "key": self._on_key,
        }
        self.set_trait("state", session.state)
        self.line.set_hands_free(hands_free)
        _panels[session] = ref(self)

    @property
    def playback(self) -> Any:
        """The page's playback: its counters, and the item that is playing."""
        return self.line.playback

    def close(self) -> None:
        """Remove the panel from the page, and keep the record; the session stays as it is."""
        if line := getattr(self, "line", None):
            line.hang_up()
            self._outputs.end()
        super().close()

    def _ipython_display_(self, **kwargs: Any) -> None:
        if self.comm is None:
            print(_ENDED)
            return
        live, metadata = super()._repr_mimebundle_()
        self._outputs.show(live, metadata)

    def __repr__(self) -> str:
        about = self._about
        told = f"VoicePanel({about['backend']}, model={about['model']}, voice={about['voice']})"
        return f"{printable(told)}: run the cell to talk"

    def _on_gone(self, message: dict[str, Any]) -> None:
        super()._on_gone(message)
        self.line.lose_page()

    def _on_frame(self, frame: Frame) -> None:
        self.line.on_frame(frame)

    def _on_hello(self, message: dict[str, Any]) -> None:
        super()._on_hello(message)
        self.line.greet()
        if self.camera is not None:
            self.camera._road.give(str(message.get("document", "")))

    def _on_onlooker(self, message: dict[str, Any]) -> None:
        super()._on_onlooker(message)
        self.line.show()

    def _on_reply(self) -> None:
        self._outputs.update()
        if self.state == "closed":  # The page says what was heard of an answer after the session has closed.
            self._outputs.catch_up()

    def _on_state(self, state: str) -> None:
        self.set_trait("state", state)
        self._about = self._describe()
        if state == "closed":
            self._outputs.catch_up()

    def _talk_page(self) -> tuple[str, dict[str, str]]:
        return talk_page(self, *([self.camera] if self.camera else []))

    def _describe(self) -> dict[str, str]:
        return {"backend": self.session.backend.name, "model": self.session.model, "voice": self.session.voice}

    def _on_key(self, message: dict[str, Any]) -> None:
        try:
            self._watch(self.session.move_to("openai", api_key=str(message.get("text", ""))))
        except RealtimeError as error:
            self._show_error(error)

    def _on_disconnect(self, _: dict[str, Any]) -> None:
        self._watch(self.session.close())

    def _on_end(self, message: dict[str, Any]) -> None:
        self._on_disconnect(message)
        self._road.send({"kind": "ended"}, urgent=True)
        self.ended.set()
        self._outputs.end()

    @traitlets.observe("hands_free")
    def _on_hands_free(self, change: Any) -> None:
        if line := getattr(self, "line", None):
            call_soon(line.set_hands_free, change["new"])


def panel_of(session: Any) -> VoicePanel:
    """Return a session's panel; makes one if it has none, or only one that is closed."""
    held = _panels.get(session)
    panel = held() if held else None
    return panel if panel is not None and panel.comm is not None else VoicePanel(session)


def open_page(session: Any) -> str:
    """Open a session's talk page in this machine's browser, and return its address."""
    url = talk_url(panel_of(session)._road.address)
    if not show_in_browser(url):
        warnings.warn("no browser could be started here: open the returned address in yours", UserWarning, stacklevel=3)
    return url


def _checked_camera(camera: Any) -> Camera | None:
    """Return a panel's camera; makes one from an ipywebrtc stream."""
    return camera if camera is None or isinstance(camera, Camera) else Camera(camera)


# --- The talk page: a session's panel in a browser tab of its own, served by the road's own port ----------------------
#
# It is for front ends that do not allow the microphone, such as VS Code's notebooks, and for scripts and terminals.
# Only requests with the road's token get it.

_REDIRECT = Template(
    '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    '<meta http-equiv="refresh" content="0; url=$url"><title>Talk</title><a href="$url">Talk</a>'
)


def talk_url(door: dict[str, Any]) -> str:
    """Return the address of the talk page at a road's ``port`` and ``token``; the fragment makes it take the sound."""
    return f"http://127.0.0.1:{door['port']}/{door['token']}#talk"


def show_in_browser(url: str) -> bool:
    """Open an address in this machine's browser; return whether there is one."""
    import tempfile
    import webbrowser

    # All users of a machine can read a browser's arguments, so the token goes through a private file.
    with tempfile.NamedTemporaryFile("w", prefix="realtime-nb-", suffix=".html", delete=False) as file:
        file.write(_REDIRECT.substitute(url=escape(url)))
    redirect = Path(file.name)
    atexit.register(redirect.unlink, missing_ok=True)
    return webbrowser.open(redirect.as_uri(), new=2)


def talk_page(panel: BaseWidget, *inside: BaseWidget) -> tuple[str, dict[str, str]]:
    """Return the HTML and the headers of the page with a panel and the widgets that it shows."""
    nonce = secrets.token_urlsafe(16)
    models = {widget.model_id: _traits(widget) for widget in (panel, *inside)}
    html = Template(static_text("talk.html")).substitute(
        style=static_text("widgets.css"),
        script=static_text("talk.js"),
        # Nothing in it may end the element that it is in.
        given=json.dumps({"panel": panel.model_id, "models": models}).replace("<", "\\u003c"),
        nonce=nonce,
    )
    policy = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}' blob:",
        "worker-src": "blob:",
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "media-src": "blob: mediastream:",
        "connect-src": "ws: wss:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return html, {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def _traits(widget: BaseWidget) -> dict[str, Any]:
    """Return what the page's JavaScript asks its model for; streams are widgets of a notebook."""
    names = ("_esm", "_parts", "_door", "_uplink", "_about", "camera", "constraints", "source")
    state: dict[str, Any] = widget.get_state([name for name in names if widget.has_trait(name)])
    return state | {"stream": None, "_pages": 0}
