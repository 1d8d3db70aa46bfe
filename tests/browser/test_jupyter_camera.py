"""A camera in JupyterLab, fed by ipywebrtc: a film from a file."""

from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.jupyter


def film(path: Path) -> Path:
    """Ten seconds of red, as WebM."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        picture = np.full((240, 320, 3), (200, 30, 30), np.uint8)
        for _ in range(100):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def test_a_film_from_a_file_is_shown_to_a_session(open_notebook, tmp_path):
    notebook = open_notebook(
        "import realtime_nb as rt\nfrom ipywebrtc import VideoStream\n"
        f"camera = rt.Camera(VideoStream.from_file({str(film(tmp_path / 'film.webm'))!r}))\ncamera",
        "session = rt.RealtimeSession(backend='local')\npicture = await camera.snapshot()\n"
        "reply = await session.ask('What is this?', picture)\nreply",
    )
    notebook.run_all()
    notebook.until("'reply' in globals()", 60)
    assert notebook.ask("(picture.width, picture.height)") in ([320, 240], (320, 240))
    assert notebook.ask("reply.transcript").startswith("Your picture is 320 by 240 pixels and all red.")
    expect(notebook.page.locator(".rtnb-camera")).to_contain_text("1 picture taken")
    expect(notebook.page.locator(".jp-OutputArea img[alt^='Picture(320']")).to_be_visible()
