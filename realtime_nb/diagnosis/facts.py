"""What was found, without any judgement: `diagnose` makes lines of it. What is `None` was not looked at yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Unmet:
    """A requirement of this package that the environment does not meet."""

    requirement: str
    installed: str = ""
    """The version that is there; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel that the notebook talks with."""

    version: str
    """Of ipykernel."""
    subshells: bool = False
    """Whether it takes messages on threads beside the main one."""
    loop: str = "asyncio"
    """The library of its event loop."""
    ui_poll: bool = False
    """Whether jupyter_ui_poll is loaded, which takes the kernel's own loop to pieces."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The process's own surroundings."""

    python: str
    system: str
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions by name; what is not installed is left out."""
    unmet: Sequence[Unmet] = ()
    place: str = ""
    """"vscode", "colab", "binder" or "hub" where the environment says so."""
    kernel: Kernel | None = None
    """`None` in a terminal."""


@dataclass(frozen=True, slots=True)
class Page:
    """The browser's page that shows the notebook."""

    app: str = ""
    """As the page names itself, e.g. "JupyterLab", "Jupyter Notebook", "vscode" or "colab"."""
    app_version: str = ""
    browser: str = ""
    origin: str = ""
    loopback: bool = True
    """Whether the page comes from the reader's own machine."""
    secure: bool = True
    """Whether the browser counts it as secure, and gives it audio."""
    allowed: bool = True
    """Whether the pages around it let it use the microphone (permissions policy)."""
    permission: str = ""
    """Of the microphone: "granted", "denied", "prompt", or empty where the browser tells nobody."""
    microphones: int | None = None
    speakers: int | None = None
    ipywebrtc: bool | None = None
    """Whether the front end finds the part of ipywebrtc that belongs in it."""
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
class Heard:
    """What the microphone brought."""

    error: str = ""
    """Why the browser gave none, in words."""
    device: str = ""
    duration_s: float = 0.0
    level: float = 0.0
    """Root mean square of the loudest tenth of a second, full scale 1.0."""
    clipped: float = 0.0
    """Share of the samples at full scale."""
    sample_rate: int = 0
    """Of the browser's context, in Hz."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a tone."""

    error: str = ""
    sent: int = 0
    """Samples that were sent to the page."""
    rendered: int = 0
    """Samples that the audio thread put out."""
    audible: int = 0
    """How many of them were louder than -60 dB."""
    underruns: int = 0
    heard: bool | None = None
    """What the person said; `None` while they did not."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks beside each other."""

    offset_ms: float
    """How far the other one is ahead of the kernel's."""
    error_ms: float


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the local voice that was tried."""

    name: str
    said: str = ""
    error: str = ""
    missing: bool = False
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    error: str = ""
    """Why there was none, in words, without the key; empty where all is well."""
    code: str = ""
    """The API's code of the error, or "unreachable"."""
    took_ms: float = 0.0
    said: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """The backend that sessions would use."""

    name: str
    model: str = ""
    host: str = ""
    error: str = ""
    """Why it cannot even be asked, e.g. for want of a key."""
    keyed: bool = False
    """Whether there is a key. The key itself is never a fact."""
    http: Answer | None = None
    realtime: Answer | None = None
    clock: Clock | None = None


@dataclass(frozen=True)
class Facts:
    """All that is known so far."""

    machine: Machine | None = None
    page: Page | None = None
    comm: Comm | None = None
    heard: Heard | None = None
    played: Played | None = None
    page_clock: Clock | None = None
    parts: Sequence[Part] = ()
    server: Server | None = None
    problems: Sequence[str] = ()
    """What went wrong while looking."""
