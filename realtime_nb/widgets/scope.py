"""A live waveform and spectrogram of the sound in the page."""

from __future__ import annotations

from typing import Any

import ipywidgets
import traitlets

from .base import StyledWidget, static_text
from .microphone import Microphone
from .panel import VoicePanel
from .speaker import Speaker

_SIDES = {Microphone: ["capture"], Speaker: ["player"], VoicePanel: ["capture", "player"]}


class Scope(StyledWidget):
    """A live picture of the sound of another widget: waveform above, spectrogram below.

    The browser draws it with its own analysers (window of 2048 samples, 60 Hz to 8 kHz on the mel scale), up to 33
    times a second. Nothing passes through the kernel, so it keeps running while a cell runs. A `VoicePanel` has one
    inside. A muted microphone shows as silence. If the system asks for reduced motion, the picture stands still and is
    overwritten from left to right.

    Parameters
    ----------
    source : Microphone, Speaker or VoicePanel
        The widget whose sound to show.

    Raises
    ------
    TypeError
        If it is something else.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> rt.Scope(rt.Microphone())
    Scope(Microphone): a live picture of sound, run the cell to see it
    """

    _esm = static_text("scope.js")

    _source = traitlets.Instance(ipywidgets.Widget).tag(sync=True, **ipywidgets.widget_serialization)
    _sides = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, source: Microphone | Speaker | VoicePanel):
        sides = next((sides for kind, sides in _SIDES.items() if isinstance(source, kind)), None)
        if sides is None:
            raise TypeError(f"{source!r} has no sound to show: give a Microphone, a Speaker or a VoicePanel")
        super().__init__(_source=source, _sides=sides)

    @property
    def source(self) -> Any:
        """The widget whose sound is shown."""
        return self._source

    def __repr__(self) -> str:
        return f"Scope({type(self._source).__name__}): a live picture of sound, run the cell to see it"
