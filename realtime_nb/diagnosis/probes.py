"""Gather facts about the set-up, without judging them: the machine, the local voice's parts, the servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

import msgspec
from packaging.requirements import Requirement

from ..errors import ConnectionLost, MissingExtra, RealtimeError, ServerError
from ..protocol.events import Error, SessionCreated, decode_server
from ..secrecy import bare_address, hide, without_keys
from ..sessions.api import Api, told_by_sdk
from ..sessions.backend import Backend
from ..sessions.connection import LOOK, Transport
from ..sessions.realtime import RealtimeSession

# --- The facts, without judgement: `diagnose` makes lines of them. `None` was not checked yet -------------------------


@dataclass(frozen=True, slots=True)
class UnmetRequirement:
    """A requirement of this package that the environment does not meet."""

    requirement: str
    installed: str = ""
    """The installed version; empty if there is none."""


@dataclass(frozen=True, slots=True)
class RunningKernel:
    """The kernel that the notebook talks with."""

    version: str
    """The version of ipykernel."""
    subshells: bool = False
    """True if it also takes messages on threads other than the main one."""
    loop: str = "asyncio"
    """The library of its event loop."""
    ui_poll: bool = False
    """True if jupyter_ui_poll is loaded, which breaks the kernel's own loop."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The process's environment."""

    python: str
    system: str
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of installed packages by name."""
    unmet: Sequence[UnmetRequirement] = ()
    place: str = ""
    """"vscode", "colab", "binder" or "hub", if the environment says so."""
    kernel: RunningKernel | None = None
    """`None` in a terminal."""


@dataclass(frozen=True, slots=True)
class BrowserPage:
    """The browser's page that shows the notebook."""

    app: str = ""
    """The page's own name, e.g. "JupyterLab", "Jupyter Notebook", "vscode" or "colab"."""
    app_version: str = ""
    browser: str = ""
    origin: str = ""
    loopback: bool = True
    """True if the page comes from the reader's own machine."""
    secure: bool = True
    """True if the browser counts it as secure, and gives it audio."""
    allowed: bool = True
    """True if the pages around it let it use the microphone (permissions policy)."""
    permission: str = ""
    """The microphone's permission: "granted", "denied", "prompt", or empty if the browser does not say."""
    microphones: int | None = None
    speakers: int | None = None
    ipywebrtc: bool | None = None
    """True if the front end finds its part of ipywebrtc."""
    road: str = ""
    """How sound travels: "direct", "proxy" or "comm"."""


@dataclass(frozen=True, slots=True)
class Comm:
    """Widget messages that were sent while the kernel's main thread was kept busy."""

    sent: int
    during: int
    """How many were handled meanwhile."""
    thread: str = ""
    """The thread that handled them."""


@dataclass(frozen=True, slots=True)
class ProbedMicrophone:
    """The sound from the microphone."""

    error: str = ""
    """Why the browser did not give a microphone, in words."""
    device: str = ""
    duration_s: float = 0.0
    level: float = 0.0
    """Root mean square of the loudest tenth of a second, full scale 1.0."""
    clipped: float = 0.0
    """Share of the samples at full scale."""
    sample_rate: int = 0
    """The sample rate of the browser's context, in Hz."""


@dataclass(frozen=True, slots=True)
class Played:
    """The result of playing a tone."""

    error: str = ""
    sent: int = 0
    """Samples that were sent to the page."""
    rendered: int = 0
    """Samples that the audio thread put out."""
    audible: int = 0
    """How many of them were louder than -60 dB."""
    underruns: int = 0
    heard: bool | None = None
    """The person's answer; `None` until they answer."""


@dataclass(frozen=True, slots=True)
class ProbedPart:
    """A part of the local voice that was tried."""

    name: str
    said: str = ""
    error: str = ""
    missing: bool = False
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The result of a request."""

    error: str = ""
    """Why it failed, in words, without the key; empty if all is well."""
    code: str = ""
    """The API's error code, or "unreachable"."""
    took_ms: float = 0.0
    said: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """The backend that sessions would use."""

    name: str
    model: str = ""
    host: str = ""
    error: str = ""
    """Why it cannot even be asked, e.g. because there is no key."""
    keyed: bool = False
    """True if there is a key. The key itself is never a fact."""
    parts: str = ""
    """Which parts of the local voice answer, in a line; empty for other servers."""
    http: ProbeAnswer | None = None
    realtime: ProbeAnswer | None = None


@dataclass(frozen=True)
class DoctorFacts:
    """Everything that is known so far."""

    machine: Machine | None = None
    page: BrowserPage | None = None
    comm: Comm | None = None
    heard: ProbedMicrophone | None = None
    played: Played | None = None
    parts: Sequence[ProbedPart] = ()
    server: Server | None = None
    problems: Sequence[str] = ()
    """Errors of the checks themselves."""


# --- The process's environment: Python, packages, the kernel, and where they run --------------------------------------

_DISTRIBUTION = "realtime-nb"
#: A report names these beside the declared packages: the notebook's own parts, and packages that conflict with them.
_NAMED = (
    *("realtime-nb", "ipykernel", "ipywidgets", "anywidget", "jupyterlab", "notebook", "ipywebrtc", "websockets"),
    *("jupyter-server-proxy", "nest-asyncio", "uvloop", "jupyter-ui-poll", "openai", "numpy"),
)


def look_around() -> Machine:
    """Return what this process can see of its environment."""
    return Machine(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages={name: version for name in _NAMED if (version := _version(name))},
        unmet=tuple(_unmet()),
        place=place(os.environ, sys.modules),
        kernel=_kernel(),
    )


def place(environment: Mapping[str, str], modules: Mapping[str, Any]) -> str:
    """Return which front end this process serves, if that has limits of its own; empty otherwise.

    VS Code tells its kernels its process id; a JupyterLab that is started in its terminal is not told.
    """
    if "google.colab" in modules or "COLAB_RELEASE_TAG" in environment:
        return "colab"
    if "VSCODE_PID" in environment:
        return "vscode"
    if "BINDER_SERVICE_HOST" in environment or "BINDER_LAUNCH_HOST" in environment:
        return "binder"
    return "hub" if "JUPYTERHUB_USER" in environment else ""


def running_kernel() -> Any:
    """Return this process's ipykernel, or `None` if it is not a kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None)


def _kernel() -> RunningKernel | None:
    kernel = running_kernel()
    if kernel is None:
        return None
    loop = getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
    return RunningKernel(
        version=str(getattr(sys.modules.get("ipykernel"), "__version__", "")),
        subshells="kernel subshells" in getattr(kernel, "kernel_info", {}).get("supported_features", ()),
        loop=type(loop).__module__.partition(".")[0] if loop else "asyncio",
        ui_poll="jupyter_ui_poll" in sys.modules,
    )


def _unmet() -> Iterator[UnmetRequirement]:
    """Yield the requirements that are not met, as pip reads them; requirements of extras are optional."""
    try:
        declared = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return  # If it runs from a folder and is not installed, nothing is declared.
    for text in declared:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = _version(requirement.name)
        if not installed or not requirement.specifier.contains(installed, prereleases=True):
            yield UnmetRequirement(f"{requirement.name}{requirement.specifier}", installed)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


# --- The parts of the local voice, tried in a separate process --------------------------------------------------------

#: The recogniser's first start on a slow, cold disk takes long.
_TIMEOUT_S = 60.0


async def try_parts(timeout_s: float = _TIMEOUT_S) -> AsyncIterator[ProbedPart]:
    """Yield what each part of the local voice did, as it comes; if the process dies, that is a fact, too."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "realtime_nb.local.parts",
        stdout=pipe,
        stderr=pipe,
        stdin=asyncio.subprocess.DEVNULL,
        env=without_keys(),
    )
    assert process.stdout is not None and process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    last = "its start"
    try:
        async with asyncio.timeout(timeout_s):
            while line := await process.stdout.readline():
                part = msgspec.json.decode(line, type=ProbedPart)
                last = part.name
                yield part
            code = await process.wait()
        if code:
            said = (await errors).decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else f"exit code {code}"
            yield ProbedPart("local voice", error=f"the trial ended after {last}: {reason}")
    except TimeoutError:
        yield ProbedPart("local voice", error=f"the trial stood still after {last}, for {timeout_s:g} s")
    finally:
        errors.cancel()
        with contextlib.suppress(ProcessLookupError):  # It has ended by itself.
            process.kill()
        await process.wait()


# --- The chosen backend: one real request to its HTTP endpoint and one to its Realtime socket, neither of which is
# billed

#: How long one request may take.
TIMEOUT_S = 8.0
_QUESTION = "What is two plus three?"


def find_server(backend: Backend | str | None, api_key: str | None) -> tuple[Backend | None, Server]:
    """Return the backend that sessions would use, or why there is none; blocks if the local voice must start."""
    name = backend.name if isinstance(backend, Backend) else str(backend or "the default backend")
    try:
        found = Backend.find(backend, api_key=api_key)
        located = found.located()
    except (RealtimeError, OSError) as error:
        code = "missing_extra" if isinstance(error, MissingExtra) else ""
        return None, Server("local" if code else hide(_bare(name)), error=hide(str(error)))
    host = urlsplit(located.base_url).netloc
    return located, Server(found.name, found.model, host, keyed=bool(located.api_key))


def _bare(name: str) -> str:
    bare = bare_address(name)
    return urlsplit(bare).hostname or bare if "://" in bare else bare


async def ask_http(backend: Backend, timeout_s: float = TIMEOUT_S) -> ProbeAnswer:
    """Ask for the model with the SDK, as chats and chains do."""
    api = Api(backend)

    async def ask() -> str:
        client = (await api.client()).with_options(timeout=timeout_s, max_retries=0)
        async with told_by_sdk():
            # Azure names deployments where others name models; its list of models says whether the key is right.
            await (client.models.list() if backend.azure else client.models.retrieve(backend.model))
        return ""

    try:
        await api.client()  # The time to load the SDK does not count.
        return await _answer(backend, ask, timeout_s)
    finally:
        await api.close()


async def ask_realtime(backend: Backend, timeout_s: float = TIMEOUT_S) -> ProbeAnswer:
    """Open a Realtime session, wait until the server confirms it, and leave."""

    async def ask() -> str:
        async with await Transport.open(backend.realtime_url(backend.model), backend.headers()) as transport:
            async for message in transport:
                event = decode_server(message)
                if isinstance(event, SessionCreated):
                    return ""
                if isinstance(event, Error):
                    raise ServerError(str(event.error.message), code=str(event.error.code or "refused"))
        raise ConnectionLost("the server closed the socket before the session began")

    return await _answer(backend, ask, timeout_s)


async def ask_local(backend: Backend, timeout_s: float = 3 * TIMEOUT_S) -> ProbeAnswer:
    """Put a question to the local voice, which costs nothing, and listen to the answer."""

    async def ask() -> str:
        session = RealtimeSession(backend=backend)
        try:
            reply = await session.ask(_QUESTION)
        finally:
            await session.close()
        if reply.audio is None:
            raise ServerError(f"asked {_QUESTION!r}, it kept silent: {reply.error or reply.status}")
        return f"asked {_QUESTION!r}, it said {reply.transcript!r} ({reply.audio.duration_s:.1f} s)"

    return await _answer(backend, ask, timeout_s)


async def _answer(backend: Backend, ask: Callable[[], Awaitable[str]], timeout_s: float) -> ProbeAnswer:
    """Return the result of a request, in words without the key."""
    began_s = time.monotonic()
    said = error = code = ""
    try:
        async with asyncio.timeout(timeout_s):
            said = await ask()
    except TimeoutError:
        error, code = f"no answer within {timeout_s:g} s", "unreachable"
    except ConnectionLost as lost:
        error, code = str(lost).removesuffix(f": {LOOK}"), "unreachable"
    except ServerError as refused:
        error, code = refused.message, refused.code or "refused"
    except (RealtimeError, OSError, ValueError) as fault:
        error, code = f"{type(fault).__name__}: {fault}", "unreachable"
    return ProbeAnswer(hide(error), code, (time.monotonic() - began_s) * 1000, said)
