"""Turn facts into lines, each with what to do. The facts come from `probes` and the page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from .checkup import Check, Checkup
from .probes import (
    BrowserPage,
    Comm,
    DoctorFacts,
    Machine,
    Played,
    ProbeAnswer,
    ProbedMicrophone,
    ProbedPart,
    RunningKernel,
    Server,
)

_TERMINAL = "page, microphone and speaker (no browser here; run realtime_nb.doctor() in a notebook cell)"
_NO_PAGE = (
    "page, microphone and speaker (the page has not answered; if you see no buttons above, install realtime-nb, "
    "ipywidgets and anywidget in the environment that runs Jupyter too, and reload the page)"
)
_NO_PAGE_IN_COLAB = (
    "page, microphone and speaker (the page has not answered; if no buttons show above, run  from google.colab import "
    "output; output.enable_custom_widget_manager()  and this cell again)"
)
_CLICK = "{} (click its button above)"


def diagnose(facts: DoctorFacts) -> Checkup:
    """Return the lines for the facts that are known so far.

    Every line is there even if others are broken.
    """
    lines = [*_of_kernel(facts), *_of_page(facts), *_of_voice(facts)]
    lines += [Check("doctor", "warning", problem, "please report this, with these lines") for problem in facts.problems]
    return Checkup(tuple(lines), tuple(_unchecked(facts)))


def _unchecked(facts: DoctorFacts) -> Iterator[str]:
    if facts.page is None:
        is_colab = facts.machine is not None and facts.machine.place == "colab"
        in_kernel = facts.machine is None or facts.machine.kernel is not None
        yield _NO_PAGE_IN_COLAB if is_colab else _NO_PAGE if in_kernel else _TERMINAL
        return
    if facts.page.secure and facts.page.allowed:
        if facts.heard is None:
            yield _CLICK.format("microphone")
        if facts.played is None or (facts.played.heard is None and not facts.played.error):
            yield _CLICK.format("speaker")


# --- Python, packages and kernel: which versions work together --------------------------------------------------------

#: From here on the kernel takes widget messages on threads of their own, and JupyterLab sends them there.
_SUBSHELLS = (7, 0)
_LAB_SUBSHELLS = (4, 4)
#: From here on an awaiting cell lets widget messages in, too, and what their handlers print is not lost.
_GOOD_KERNEL = (7, 4)
_UPDATE_KERNEL = "pip install -U 'ipykernel>=7.4', then restart the kernel"
_UNPATCHABLE_PYTHON = (3, 14)


def _of_kernel(facts: DoctorFacts) -> Iterator[Check]:
    if machine := facts.machine:
        yield _python(machine)
        yield from _packages(machine)
        if machine.kernel:
            yield _kernel(machine.kernel)
            yield from _loop(machine.kernel)
            yield from _front_end(machine.kernel, machine, facts.page)
        yield from _parted(machine, facts.page)
    if facts.comm:
        yield _comm(facts.comm, facts.page)


def _python(machine: Machine) -> Check:
    said = f"{machine.python} on {machine.system}"
    if version(machine.python) >= _UNPATCHABLE_PYTHON:
        return Check(
            "Python",
            "warning",
            f"{said}: the local voice's recogniser has no wheel for it, and nest-asyncio, which run_sync needs in "
            "cells, does not support it",
            "use Python 3.11 to 3.13; with a key, await in place of run_sync is enough",
        )
    return Check("Python", "ok", said)


def _packages(machine: Machine) -> Iterator[Check]:
    for unmet in machine.unmet:
        name = re.split(r"[<>=!~]", unmet.requirement)[0]
        there = f"{name} {unmet.installed} is installed" if unmet.installed else f"{name} is not installed"
        yield Check(
            "packages",
            "broken",
            f"{there}; {unmet.requirement} is needed",
            f"pip install -U {unmet.requirement!r}, then restart the kernel",
        )
    listed = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
    if not machine.unmet:
        yield Check("packages", "ok", listed)


def _kernel(kernel: RunningKernel) -> Check:
    number = version(kernel.version)
    if number < _SUBSHELLS:
        return Check(
            "kernel",
            "warning",
            f"ipykernel {kernel.version} handles no widget messages while a cell runs: buttons wait for its end",
            _UPDATE_KERNEL,
        )
    if number < _GOOD_KERNEL:
        return Check(
            "kernel",
            "warning",
            f"ipykernel {kernel.version} loses what callbacks print while a cell runs (ipykernel issue 1564), "
            "and takes widget messages while a cell awaits only on subshells",
            _UPDATE_KERNEL,
        )
    with_it = "with subshells" if kernel.subshells else "without subshells"
    return Check("kernel", "ok", f"ipykernel {kernel.version}, {with_it}")


def _loop(kernel: RunningKernel) -> Iterator[Check]:
    if kernel.loop == "uvloop":
        yield Check(
            "event loop",
            "warning",
            "the kernel's loop is uvloop's, which nest-asyncio cannot patch: run_sync fails in cells",
            "use await, or .result(); or pip uninstall uvloop and restart the kernel",
        )
    if kernel.ui_poll and version(kernel.version) >= _SUBSHELLS:
        yield Check(
            "event loop",
            "broken",
            f"jupyter_ui_poll is loaded, which breaks ipykernel {kernel.version}: cells and widgets hang",
            "do not import jupyter_ui_poll, and restart the kernel; await a reply in a later cell",
        )


def _front_end(kernel: RunningKernel, machine: Machine, page: BrowserPage | None) -> Iterator[Check]:
    """Yield whether JupyterLab sends widget messages to subshells, as from 4.4 on (its pull request 17363)."""
    lab = page.app_version if page and page.app == "JupyterLab" else machine.packages.get("jupyterlab", "")
    if lab and version(lab) < _LAB_SUBSHELLS and version(kernel.version) >= _SUBSHELLS:
        yield Check(
            "JupyterLab",
            "warning",
            f"JupyterLab {lab} uses no subshells of ipykernel {kernel.version}: widget messages wait for cells",
            "pip install -U 'jupyterlab>=4.4', and restart it",
        )


def _parted(machine: Machine, page: BrowserPage | None) -> Iterator[Check]:
    """Yield whether the server has what the kernel has: its environment may differ, which only the page knows."""
    if page is None or page.ipywebrtc is None:
        return
    there = machine.packages.get("ipywebrtc", "")
    if page.ipywebrtc:
        yield Check(
            "ipywebrtc", "ok", f"ipywebrtc {there} is in the kernel and in the page: its streams can be sources"
        )
    else:
        yield Check(
            "ipywebrtc",
            "warning",
            f"the page has no ipywebrtc, the kernel has {there or 'none'}: Jupyter runs in another environment; "
            "the browser's own microphone works, ipywebrtc's streams do not",
            "pip install ipywebrtc in the environment that runs Jupyter, and reload the page",
        )


def _comm(comm: Comm, page: BrowserPage | None) -> Check:
    what = f"{comm.during} of {comm.sent} widget messages were handled while the kernel was kept busy"
    if comm.during:
        return Check("widget messages", "ok", f"{what}, on the thread {comm.thread}")
    if page and page.road == "comm":
        return Check(
            "widget messages",
            "warning",
            f"{what}, and they carry the sound: while a cell runs, you are not heard",
            "wait until cells have ended before you talk; " + _UPDATE_KERNEL,
        )
    return Check("widget messages", "ok", f"{what}; sound does not need them, but buttons wait")


def version(text: str) -> tuple[int, ...]:
    """Return the numbers at the start of a version; versions that cannot be read are below all others."""
    return tuple(int(part) for part in re.findall(r"\d+", re.match(r"[\d.]*", text)[0])[:3])  # type: ignore[index]


# --- The page: what the browser allows, hears and plays ---------------------------------------------------------------

#: A microphone is too quiet, or silent, if its loudest tenth of a second is below −60 or −80 dB of full scale.
_QUIET, _SILENT = 1e-3, 1e-4
_CLIPPED = 0.01
_SHORTEST_S = 1.5

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
        "record a clip (session.ask(rt.record(5))), " + _ROUND + "notebook in a browser tab with Jupyter or Binder",
    ),
}
_PLACES = {"binder": ", on Binder", "hub": ", on a JupyterHub"}
_ROADS = {
    "direct": "a socket straight to the kernel",
    "proxy": "a socket through Jupyter's proxy",
}


def _of_page(facts: DoctorFacts) -> Iterator[Check]:
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


def _page(page: BrowserPage, where: str) -> Iterator[Check]:
    if not page.secure:
        yield Check(
            "secure page",
            "broken",
            f"{page.origin} is not secure, so the browser does not give this page a microphone or an audio thread",
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


def _devices(page: BrowserPage) -> Iterator[Check]:
    if page.microphones == 0:
        yield Check(
            "devices",
            "broken",
            "the browser finds no microphone",
            "plug one in, or let the browser use it in the system's privacy settings; or type, or ask with files",
        )
    elif page.microphones is not None:
        # Firefox and Safari list no loudspeakers, and Chromium none before the microphone is allowed.
        outputs = f", {page.speakers} speaker{'s' * (page.speakers != 1)}" if page.speakers else ""
        yield Check("devices", "ok", f"{page.microphones} microphone{'s' * (page.microphones != 1)}{outputs}")


def _road(page: BrowserPage) -> Iterator[Check]:
    if page.road in _ROADS:
        yield Check("sound's way", "ok", _ROADS[page.road])
    elif page.road == "comm":
        fix = "" if page.app in _FRONT_ENDS else "pip install jupyter-server-proxy where Jupyter runs, and restart it"
        why = "the kernel is not on this machine" if not page.loopback else "no socket could be opened"
        said = f"sound goes through widget messages, 100 ms later and with more load: {why}, and there is no proxy"
        yield Check("sound's way", "warning", said, fix)


def _heard(heard: ProbedMicrophone) -> Check:
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
            f"{device} gives only silence ({loudness})",
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
            f"{account} by the browser, but you did not hear them",
            "unmute the tab, turn the volume up, and choose the right output in the system's sound settings",
        )
    if played.underruns:
        said = f"{account}, with {played.underruns} gap{'s' * (played.underruns != 1)}"
        return Check("speaker", "warning", said, "the machine is busy: close other tabs and programs")
    return Check("speaker", "ok", f"{account}, and heard")


def _split(words: str, otherwise: str) -> tuple[str, str]:
    """Return the cause and the cure from the page's two sentences."""
    cause, _, cure = words.partition(". ")
    return cause.rstrip("."), cure[:1].lower() + cure[1:].rstrip(".") if cure else otherwise


# --- The voices: the parts of the local one, and the server that sessions would use -----------------------------------

_LOCAL = "pip install 'realtime-nb[local]', then restart the kernel"
#: The local voice also works without these parts.
_OPTIONAL = {
    "silero": ("webrtcvad alone finds turns, and takes more noise for speech", _LOCAL),
    "hibari": ("espeak-ng speaks instead of the neural voice", _LOCAL),
    "whisper": ("PocketSphinx listens, and mishears nearly every second word that it does not expect", _LOCAL),
    "text model": (
        "rules answer, which are not a language model",
        "check that server and restart the kernel, or set REALTIME_NB_BRAIN=rules so that none is looked for",
    ),
}
_VARIABLES = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY"}


def _of_voice(facts: DoctorFacts) -> Iterator[Check]:
    wanted = facts.server is None or facts.server.name == "local"
    # The other parts of the extra are missing together. PocketSphinx has no wheel for some machines that run Whisper.
    spare = ["silero", "hibari", "whisper"]
    spare += ["pocketsphinx" for part in facts.parts if part.name == "whisper" and not part.error]
    missing = [part for part in facts.parts if part.missing and part.name not in spare]
    if missing:
        yield _not_installed(missing, wanted)
    for part in facts.parts:
        if part not in missing:
            yield _part(part, wanted)
    if facts.server:
        yield from _server(facts.server)


def _not_installed(missing: list[ProbedPart], wanted: bool) -> Check:
    """Return one line for all parts of an extra: one command installs them all."""
    names = ", ".join(f"{part.name} ({part.error})" for part in missing)
    if wanted:
        return Check("local voice", "broken", f"not installed: {names}", _LOCAL)
    return Check("local voice", "warning", f"not installed, and not chosen: {names}", _LOCAL)


def _part(part: ProbedPart, wanted: bool) -> Check:
    if not part.error:
        return Check(part.name, "ok", f"{part.said} in {part.took_ms:.0f} ms")
    if part.name in _OPTIONAL or part.missing:
        instead, fix = _OPTIONAL.get(part.name, ("Whisper listens alone, even when it is too slow", ""))
        return Check(part.name, "warning", f"{part.error}: {instead}", fix)
    fix = "pip install --force-reinstall 'realtime-nb[local]', then restart the kernel"
    return Check(part.name, "broken" if wanted else "warning", part.error, fix)


def _server(server: Server) -> Iterator[Check]:
    if server.error:
        cause, _, cure = server.error.partition(": ")
        yield Check("backend", "broken", cause, cure or f"choose a backend that is there; this one is {server.name}")
        return
    if server.parts:
        yield Check("parts", "ok", server.parts)
    if server.http is None and server.realtime is None:
        return
    refused = next((a for a in (server.http, server.realtime) if a and a.code == "invalid_api_key"), None)
    if refused:
        yield _refused(server)
        return
    if server.http:
        yield _http(server, server.http)
    lost = server.http is not None and server.http.code == "unreachable"
    if server.realtime and not (lost and server.realtime.code == "unreachable"):
        yield _realtime(server, server.realtime)


def _refused(server: Server) -> Check:
    variable = _VARIABLES.get(server.name, "REALTIME_NB_API_KEY")
    said = f"{server.host} refused the key" if server.keyed else f"{server.host} asks for a key, and none is set"
    return Check(
        "API key",
        "broken",
        said,
        f'set a valid key in {variable} and restart the kernel, or talk to the local voice with backend="local"',
    )


def _http(server: Server, http: ProbeAnswer) -> Check:
    if not http.error:
        key = "the key is valid, " if server.keyed and server.name != "local" else ""
        said = f"{server.host} answers in {http.took_ms:.0f} ms: {key}{server.model} is there"
        return Check("backend", "ok", said)
    if http.code == "unreachable":
        fix = "check the network, the address and HTTPS_PROXY; mybinder.org and some firewalls let little through"
        return Check("backend", "broken", http.error, fix)
    if http.code in _FATAL:
        return Check("backend", "broken", f"{server.host}: {http.error}", _FATAL[http.code])
    if server.realtime and not server.realtime.error:
        said = f"{server.host} does not list its models ({http.error}), but its Realtime endpoint answers"
        return Check("backend", "warning", said, "nothing, as long as sessions work; the key itself was not refused")
    return Check("backend", "broken", f"{server.host}: {http.error}", "check base_url and model")


_FATAL = {
    "model_not_found": "choose a model that the account has (model=…), or ask for access to this one",
    "insufficient_quota": "add credit to the account, or use another key",
    "billing_hard_limit_reached": "raise the account's spending limit, or use another key",
    "account_deactivated": "use the key of another account",
    "unsupported_country_region_territory": "the service is not offered where this machine is",
}


def _realtime(server: Server, realtime: ProbeAnswer) -> Check:
    if not realtime.error:
        said = realtime.said or f"a session with {server.model} opened"
        return Check("Realtime socket", "ok", f"{said}, in {realtime.took_ms:.0f} ms")
    if server.name == "local":
        fix = "restart the kernel; the checks of the local voice say more"
    elif realtime.code in _FATAL:
        fix = _FATAL[realtime.code]
    elif server.http and not server.http.error:
        fix = "let WebSockets (wss, port 443) through the proxy or firewall, or use ChatSession or CascadeSession"
    else:
        fix = "check the address, the model and the network"
    return Check("Realtime socket", "broken", f"no session with {server.model}: {realtime.error}", fix)
