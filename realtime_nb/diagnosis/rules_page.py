"""The page: what the browser lets it do, what it hears and plays."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .checkup import Check
from .probes import Clock, Facts, Heard, Page, Played

#: Below these the loudest tenth of a second is no person near a microphone: −60 and −80 dB of full scale.
_QUIET, _SILENT = 1e-3, 1e-4
_CLIPPED = 0.01
_SHORTEST_S = 1.5
#: A page's clock that is off by more than this is set wrongly, rather than drifting.
_CLOCK_OFF_MS = 2000.0

_ROUND = (
    "send a file (session.ask(rt.AudioClip.from_file(…))), run  realtime-nb talk FILE.wav  in a terminal, or open the "
)
_FRONT_ENDS = {
    "vscode": (
        "VS Code shows notebooks in a frame that may not use the microphone (vscode issue 119127), "
        "and has no socket to the kernel",
        _ROUND + "notebook in a browser tab with  jupyter lab",
    ),
    "colab": (
        "Colab shows each output in a frame of another origin: often it may not use the microphone "
        "(colabtools issue 240), and it has no socket to the kernel",
        _ROUND + "notebook in a browser tab with Jupyter or Binder",
    ),
}
_PLACES = {"binder": ", on Binder", "hub": ", on a JupyterHub"}
_ROADS = {
    "direct": "a socket straight to the kernel",
    "proxy": "a socket through Jupyter's proxy",
}


def checks(facts: Facts) -> Iterator[Check]:
    """Yield the lines."""
    where = (facts.page.app if facts.page else "") or (facts.machine.place if facts.machine else "")
    if where in _FRONT_ENDS:
        said, fix = _FRONT_ENDS[where]
        yield Check("front end", "warning", said, fix)
    elif facts.page:
        app = f"{facts.page.app or 'an unknown front end'} {facts.page.app_version}".strip()
        place = _PLACES.get(facts.machine.place, "") if facts.machine else ""
        yield Check("front end", "ok", f"{app} in {facts.page.browser}{place}")
    if facts.page:
        yield from _page(facts.page, where)
        yield from _road(facts.page)
    if facts.heard:
        yield _heard(facts.heard)
    if facts.played and (facts.played.error or facts.played.heard is not None):
        yield _played(facts.played)
    if facts.page_clock:
        yield _clock(facts.page_clock)


def _page(page: Page, where: str) -> Iterator[Check]:
    if not page.secure:
        yield Check(
            "secure page",
            "broken",
            f"{page.origin} is not secure, so the browser gives this page no microphone and no audio thread",
            "open the notebook at http://localhost (a tunnel will do: ssh -L 8888:localhost:8888 HOST) or over https",
        )
        return
    yield Check("secure page", "ok", page.origin)
    if not page.allowed:
        _, fix = _FRONT_ENDS.get(where, ("", _ROUND + "notebook in a browser tab of its own"))
        said = "the frame around this notebook does not let it use the microphone (permissions policy)"
        yield Check("permission", "broken", said, fix)
    elif page.permission == "denied":
        yield Check(
            "permission",
            "broken",
            f"the browser refuses the microphone to {page.origin}",
            "allow it by the sign beside the address bar (or in the browser's site settings), then reload the page",
        )
    elif page.permission:
        state = {"granted": "the microphone is allowed", "prompt": "the browser will ask for the microphone"}
        yield Check("permission", "ok", state.get(page.permission, page.permission))
    yield from _devices(page)


def _devices(page: Page) -> Iterator[Check]:
    if page.microphones == 0:
        yield Check(
            "devices",
            "broken",
            "the browser finds no microphone",
            "plug one in, or let the browser use it in the system's privacy settings; files and typing need none",
        )
    elif page.microphones is not None:
        # Firefox and Safari list no loudspeakers, and Chromium none before the microphone is allowed.
        outputs = f", {page.speakers} speaker{'s' * (page.speakers != 1)}" if page.speakers else ""
        yield Check("devices", "ok", f"{page.microphones} microphone{'s' * (page.microphones != 1)}{outputs}")


def _road(page: Page) -> Iterator[Check]:
    if page.road in _ROADS:
        yield Check("sound's way", "ok", _ROADS[page.road])
    elif page.road == "comm":
        fix = (
            "" if page.app in _FRONT_ENDS else "pip install jupyter-server-proxy where Jupyter runs, and start it anew"
        )
        why = "the kernel is not on this machine" if not page.loopback else "no socket could be opened"
        said = f"sound travels in widget messages, 100 ms later and dearer: {why}, and no proxy leads to it"
        yield Check("sound's way", "warning", said, fix)


def _heard(heard: Heard) -> Check:
    if heard.error:
        return Check("microphone", "broken", *_split(heard.error, "allow or plug in a microphone, then try again"))
    device = f"{heard.device or 'the microphone'}"
    loudness = f"{20 * math.log10(max(heard.level, 1e-6)):.0f} dB of full scale"
    if heard.duration_s < _SHORTEST_S:
        return Check(
            "microphone",
            "broken",
            f"only {heard.duration_s:.1f} of 2 s of {device} reached the kernel",
            "see the line on sound's way; reload the page and try again",
        )
    if heard.level < _SILENT:
        return Check(
            "microphone",
            "broken",
            f"{device} brings silence ({loudness})",
            "unmute it (a switch on it, the system's sound settings), or choose another one in the browser",
        )
    if heard.level < _QUIET:
        said = f"{device} is very quiet: {loudness} at its loudest"
        return Check("microphone", "warning", said, "speak during the check; move nearer, or turn its level up")
    if heard.clipped > _CLIPPED:
        said = f"{device} is too loud: {heard.clipped:.0%} of the samples are cut off"
        return Check("microphone", "warning", said, "turn its level down in the system's sound settings")
    said = f"{device}: {heard.duration_s:.1f} s at {heard.sample_rate} Hz reached the kernel, {loudness} at its loudest"
    return Check("microphone", "ok", said)


def _played(played: Played) -> Check:
    if played.error:
        return Check("speaker", "broken", *_split(played.error, "click into the page, then try again"))
    account = f"{played.rendered} of {played.sent} samples of a tone were played"
    if played.rendered < played.sent or not played.audible:
        fix = "reload the page; close programs that hold the sound card"
        return Check("speaker", "broken", f"only {account}", fix)
    if played.heard is False:
        return Check(
            "speaker",
            "broken",
            f"{account} by the browser, and nobody heard them",
            "unmute the tab, turn the volume up, and choose the right output in the system's sound settings",
        )
    if played.underruns:
        said = f"{account}, with {played.underruns} gap{'s' * (played.underruns != 1)}"
        return Check("speaker", "warning", said, "the machine is busy: close other tabs and programs")
    return Check("speaker", "ok", f"{account}, and heard")


def _clock(clock: Clock) -> Check:
    said = f"the browser's clock is {_ahead(clock.offset_ms)} the kernel's (±{clock.error_ms:.1f} ms)"
    if abs(clock.offset_ms) > _CLOCK_OFF_MS:
        fix = "latencies are right all the same; let the system set its clock by network time"
        return Check("page's clock", "warning", said, fix)
    return Check("page's clock", "ok", said)


def _ahead(offset_ms: float) -> str:
    size = f"{abs(offset_ms):.1f} ms" if abs(offset_ms) < 1000 else f"{abs(offset_ms) / 1000:.0f} s"
    return f"{size} {'ahead of' if offset_ms >= 0 else 'behind'}"


def _split(words: str, otherwise: str) -> tuple[str, str]:
    """Return cause and cure of what the page says in two sentences."""
    cause, _, cure = words.partition(". ")
    return cause.rstrip("."), cure[:1].lower() + cure[1:].rstrip(".") if cure else otherwise
