"""`doctor`: check everything that a conversation needs, and say how to fix what is missing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..display import printable
from ..loop import Pending, submit
from ..secrecy import Secret, masked
from ..sessions.backend import Backend
from ..views import mimebundle
from .checkup import Check, Checkup, checkup_text
from .diagnose import diagnose
from .probes import DoctorFacts, ask_http, ask_local, ask_realtime, find_server, look_around, running_kernel, try_parts

if TYPE_CHECKING:
    from .panel import CheckPanel


def doctor(backend: Backend | str | None = None, *, api_key: str | None = None) -> Doctor:
    """Check everything that a conversation needs: packages, kernel, page, microphone, speaker, voices.

    In a notebook cell, the lines appear one by one. Two buttons record two seconds from the microphone and play a short
    tone. The lines stay in the notebook as a table, which you can paste into an issue. Elsewhere, and in
    ``realtime-nb doctor``, checks that need a browser are left out.

    Parameters
    ----------
    backend : Backend, str or None
        The server to check, as for `RealtimeSession`: by default OpenAI if there is a key, otherwise the local voice.
        Its endpoint gets one real request, and one Realtime session is opened and closed; neither costs anything.
    api_key : str, optional
        The key, if it is not in the environment. It is sent to the backend, and never shown.

    Returns
    -------
    doctor : Doctor
        Has `checks`, `ok` and a text. `doctor` returns at once, and never waits for the microphone.

    Examples
    --------
    >>> found = doctor("local")
    >>> found.ok
    True
    >>> [check.state for check in found.checks if check.name == "espeak-ng"]
    ['ok']
    """
    return Doctor(masked(backend), Secret.of_key(api_key))


class Doctor:
    """The result of `doctor`: the lines found so far, and those still to come.

    `checks`, `ok` and the text wait a few seconds for the checks without a browser; results from the page follow later.
    """

    def __init__(self, backend: Backend | str | None = None, api_key: str | None = None):
        backend, api_key = masked(backend), Secret.of_key(api_key)
        self._facts = DoctorFacts(machine=look_around())
        self._panel: CheckPanel | None = None
        self._listeners: list[Callable[[Checkup], None]] = []
        self.finished: Pending[Checkup] = submit(self._examine(backend, api_key))
        """The checks without a browser: await it, or call ``.result()``."""

    @property
    def checkup(self) -> Checkup:
        """The lines found so far, as a record; never waits."""
        return diagnose(self._facts)

    @property
    def checks(self) -> list[Check]:
        """The lines, in order, each with `name`, `state`, `said` and `fix`."""
        return list(self._whole().checks)

    @property
    def ok(self) -> bool:
        """True if nothing is broken; there may be warnings."""
        return self._whole().ok

    def to_dict(self) -> dict[str, Any]:
        """Return the lines in the shape of JSON."""
        return self._whole().to_dict()

    def listen(self, callback: Callable[[Checkup], None]) -> None:
        """Call `callback(checkup)` on the I/O thread for each new line."""
        self._listeners.append(callback)

    def __repr__(self) -> str:
        return printable(checkup_text(self._whole()))

    def open_panel(self) -> CheckPanel:
        """Return the widget that a cell shows, with buttons for the checks that need a click; closes an earlier one."""
        from .panel import CheckPanel

        if self._panel is not None:
            self._panel.finish()
        kernel = running_kernel()
        self._panel = CheckPanel(lambda: self.checkup, self._know, kernel.io_loop.add_callback if kernel else None)
        return self._panel

    def _whole(self) -> Checkup:
        self.finished.result()
        return self.checkup

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return mimebundle(self._whole())

    def _ipython_display_(self, **kwargs: Any) -> None:
        if running_kernel() is None:
            print(self)
            return
        self.open_panel()._ipython_display_()
        # A notebook that runs without a page keeps these lines, too.
        with contextlib.suppress(Exception):  # It is among the lines.
            self.finished.result()

    def _know(self, name: str, fact: Any) -> None:
        """Add a fact; on the I/O thread."""
        self._facts = replace(self._facts, **{name: fact})
        checkup = self.checkup
        if self._panel is not None:
            self._panel.update()
        for callback in list(self._listeners):
            callback(checkup)
        clicked = [check.state for check in checkup.checks if check.name in ("microphone", "speaker")]
        if self._panel is not None and name in ("heard", "played") and clicked == ["ok", "ok"]:
            self._panel.finish()  # There is nothing left to click.

    async def _examine(self, backend: Backend | str | None, api_key: str | None) -> Checkup:
        works = {"the local voice": self._try_parts(), "the backend": self._ask(backend, api_key)}
        results = await asyncio.gather(*works.values(), return_exceptions=True)
        for name, result in zip(works, results, strict=True):
            if isinstance(result, Exception):
                problem = f"looking at {name} failed: {type(result).__name__}: {result}"
                self._know("problems", (*self._facts.problems, problem))
        return self.checkup

    async def _try_parts(self) -> None:
        async for part in try_parts():
            self._know("parts", (*self._facts.parts, part))

    async def _ask(self, backend: Backend | str | None, api_key: str | None) -> None:
        found, server = await asyncio.to_thread(find_server, backend, api_key)
        self._know("server", server)
        if found is None:
            return
        local = server.name == "local"
        http, realtime = await asyncio.gather(ask_http(found), ask_local(found) if local else ask_realtime(found))
        parts = str(await asyncio.to_thread(lambda: found.parts)) if local else ""
        self._know("server", replace(server, http=http, realtime=realtime, parts=parts))
