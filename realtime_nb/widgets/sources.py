"""Media streams of ipywebrtc as sources of sound and pictures: the one place that imports it."""

from __future__ import annotations

from typing import Any

from ipywidgets import Widget


def checked_stream(stream: Any) -> Widget | None:
    """Return an ipywebrtc stream widget, or `None` for the browser's own microphone or camera.

    Parameters
    ----------
    stream : ipywebrtc.MediaStream, optional
        `CameraStream`, `AudioStream`, `VideoStream` or another one. It need not be displayed, and a microphone
        should not be: ipywebrtc plays what it displays aloud.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if stream is None:
        return None
    from ipywebrtc import MediaStream

    if not isinstance(stream, MediaStream):
        raise TypeError(
            f"stream={stream!r} is not an ipywebrtc media stream: pass a CameraStream, AudioStream or VideoStream, "
            "or leave it out to use the browser's own microphone or camera"
        )
    return stream
