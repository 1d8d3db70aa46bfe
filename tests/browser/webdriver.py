"""Debian's own Firefox and WebKitGTK, which Playwright cannot drive: over WebDriver, with a sound card of their own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bare import WAIT_S, until
from websockets.sync.client import connect

#: A silent loudspeaker, and a microphone that hears the sound played to the sink `mouth`.
_CARD = """
load-module module-native-protocol-unix socket={folder}/socket auth-anonymous=1
load-module module-null-sink sink_name=loudspeaker rate=48000
load-module module-null-sink sink_name=mouth rate=48000 channels=1
load-module module-remap-source source_name=microphone master=mouth.monitor
set-default-sink loudspeaker
set-default-source microphone
"""

_EVALUATE = """(async () => {
  const value = (0, eval)(%s);
  return JSON.stringify((await (typeof value === "function" ? value(...%s) : value)) ?? null);
})()"""

#: The middle of a control, once it can be clicked and has stood still for two frames.
_MIDDLE = """async (name) => {
  const isIt = (e) => (e.ariaLabel || e.textContent.trim()) === name && !e.disabled && e.checkVisibility();
  const found = [...document.querySelectorAll("button, input")].find(isIt);
  found?.scrollIntoView({ block: "center" });
  const middle = () => {
    const { x, y, width, height } = found.getBoundingClientRect();
    return [Math.round(x + width / 2), Math.round(y + height / 2)];
  };
  const place = found && middle();
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const isThere = found && String(place) === String(middle()) && found.contains(document.elementFromPoint(...place));
  return isThere && place;
}"""

ENTER = "\ue007"


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a process."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class SoundCard:
    """A PulseAudio without hardware; Firefox and WebKitGTK render no sound without a device."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="rtnb-sound-")))
        (folder / "card.pa").write_text(_CARD.format(folder=folder))
        self.server = f"unix:{folder}/socket"
        command = ["pulseaudio", "-n", "-F", str(folder / "card.pa"), "--daemonize=no", "--exit-idle-time=-1"]
        env = os.environ | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        process = subprocess.Popen([*command, "--use-pid-file=no"], env=env, stderr=subprocess.DEVNULL)
        self._open.callback(ended, process)
        until(lambda: (folder / "socket").exists())

    def say(self, file: Path) -> None:
        """Let the microphone hear a file, once; return when it is over."""
        subprocess.run(["paplay", "--server", self.server, "--device=mouth", str(file)], check=True, timeout=WAIT_S)

    def close(self) -> None:
        """End it."""
        self._open.close()


class WebDriverPage:
    """One page. Where Playwright's page has a method of the same name, it does the same."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()

    def _start(self, command: list[str], env: dict[str, str]) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._open.callback(ended, subprocess.Popen(command, env=os.environ | env, **quiet))

    def _run(self, expression: str) -> str:
        """Evaluate an expression whose value is a promise of text."""
        raise NotImplementedError

    def _act(self, source: dict[str, Any]) -> None:
        """Use the mouse or the keyboard."""
        raise NotImplementedError

    def evaluate(self, script: str, *arguments: Any) -> Any:
        """Evaluate JavaScript and await it; a function is called with the arguments. The value must be JSON."""
        return json.loads(self._run(_EVALUATE % (json.dumps(script), json.dumps(arguments))))

    def wait_for_function(self, script: str, *arguments: Any, timeout: float = WAIT_S * 1000) -> Any:
        """Wait until a script returns something true, and return it."""
        return until(lambda: self.evaluate(script, *arguments), timeout / 1000)

    def wait_for_timeout(self, timeout: float) -> None:
        """Pause between two looks at something that is no page's business."""
        time.sleep(timeout / 1000)

    def click(self, name: str) -> None:
        """Click a control with the mouse, by its label or its words, once it can be clicked."""
        x, y = self.wait_for_function(_MIDDLE, name)
        moves = [{"type": "pointerMove", "x": x, "y": y}]
        moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._act({"type": "pointer", "id": "mouse", "actions": moves})

    def type(self, text: str) -> None:
        """Press the keys for a text."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": keys})

    def close(self) -> None:
        """End the browser."""
        self._open.close()


class Firefox(WebDriverPage):
    """A page of a Firefox of its own, over WebDriver BiDi."""

    def __init__(self, card: SoundCard) -> None:
        super().__init__()
        self.scripts_click = False
        """Whether scripts count as clicks of the person, after which a page may sound."""
        path = os.environ.get("FIREFOX") or shutil.which("firefox-esr")
        if path is None:
            raise FileNotFoundError("Firefox is missing: run  make test  (it installs it), or  tests/ensure_firefox.sh")
        profile = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="rtnb-firefox-")))
        # The microphone is allowed; nothing else differs from what people have.
        (profile / "user.js").write_text('user_pref("media.navigator.permission.disabled", true);\n')
        command = [path, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
        self._start(command, {"PULSE_SERVER": card.server})
        address = profile / "WebDriverBiDiServer.json"
        until(lambda: address.is_file() and address.read_text().endswith("}"))
        port = json.loads(address.read_text())["ws_port"]
        self._socket = self._open.enter_context(connect(f"ws://127.0.0.1:{port}/session", max_size=None))
        self._ids = itertools.count(1)
        self._call("session.new", capabilities={})
        # The first tab never has the focus, and Lab's current widget is the one in focus.
        self._page = self._call("browsingContext.create", type="tab")["context"]

    def _call(self, method: str, **parameters: Any) -> Any:
        message = {"id": next(self._ids), "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=WAIT_S))
            if answer.get("id") == message["id"]:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['message']}")
                return answer["result"]

    def goto(self, url: str) -> None:
        """Load a page."""
        self._call("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def add_init_script(self, script: str) -> None:
        """Run a script in every page from now on, before its own."""
        self._call("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")

    def reload(self) -> None:
        """Load the page again."""
        self._call("browsingContext.reload", context=self._page, wait="complete")

    def _run(self, expression: str) -> str:
        how = {"target": {"context": self._page}, "awaitPromise": True, "userActivation": self.scripts_click}
        result = self._call("script.evaluate", expression=expression, **how)
        if result["type"] == "exception":
            raise RuntimeError(result["exceptionDetails"]["text"])
        return str(result["result"]["value"])

    def _act(self, source: dict[str, Any]) -> None:
        self._call("input.performActions", context=self._page, actions=[source])


MINI_BROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), None)


class WebKit(WebDriverPage):
    """A page of WebKitGTK's MiniBrowser, over classic WebDriver."""

    def __init__(self, card: SoundCard) -> None:
        super().__init__()
        reading, writing = os.pipe()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        screen = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1200x900x24", "-nolisten", "tcp"]
        self._open.callback(ended, subprocess.Popen(screen, pass_fds=[writing], **quiet))
        os.close(writing)
        with os.fdopen(reading) as told:
            display = f":{told.readline().strip()}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._start(["WebKitWebDriver", f"--port={port}"], {"DISPLAY": display, "PULSE_SERVER": card.server})
        self._url = f"http://127.0.0.1:{port}/session"
        options = {"binary": str(MINI_BROWSER), "args": ["--automation", "--enable-media-stream=true"]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        self._url += "/" + until(lambda: self._answering(capabilities=wanted))["sessionId"]
        self._open.callback(self._call, "", "DELETE")

    def _answering(self, **parameters: Any) -> Any:
        with contextlib.suppress(ConnectionRefusedError, urllib.error.URLError):
            return self._call("", **parameters)

    def _call(self, path: str, method: str = "POST", **parameters: Any) -> Any:
        request = urllib.request.Request(self._url + path, json.dumps(parameters).encode(), method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()}") from None

    def goto(self, url: str) -> None:
        """Load a page."""
        self._call("/url", url=url)

    def _run(self, expression: str) -> str:
        return str(self._call("/execute/sync", script=f"return {expression}", args=[]))

    def _act(self, source: dict[str, Any]) -> None:
        self._call("/actions", actions=[source])
