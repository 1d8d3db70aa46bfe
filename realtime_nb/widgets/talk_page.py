"""The talk page: a session's panel in a browser tab of its own, served by the road's own port.

It is for front ends that do not allow the microphone, such as VS Code's notebooks, and for scripts and terminals. Only
requests with the road's token get it.
"""

from __future__ import annotations

import atexit
import json
import secrets
from pathlib import Path
from string import Template
from typing import Any

from markupsafe import escape

from .base import BaseWidget, static_text

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
