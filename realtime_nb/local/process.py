"""The embedded voice server as a child process: started when first needed, stopped with this process."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from typing import IO

from ..display import Progress
from ..errors import ConnectionLost, MissingExtra, RemoteProtocolError, SettingsError
from ..loop import submit
from ..media.clip import AudioClip
from ..media.language import is_english
from ..protocol.parts import DEFAULT_MODEL, LocalParts
from ..secrecy import Secret, without_keys

#: How long the server may take to say where it is.
START_TIMEOUT_S = 30.0
#: How long it may take to say which parts it has.
ANSWER_TIMEOUT_S = 20.0


class LocalVoice:
    """The server process of this kernel.

    `address` starts it if it is not running. It ends with this process in any case, because its standard input closes
    then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._pid = 0
        self._address = ("", "")

    def address(self) -> tuple[str, str]:
        """Return base URL and key of the running server; blocks until there is one.

        Raises `MissingExtra` if the extra ``local`` is not installed; `ConnectionLost`, with what the server printed,
        if it does not start.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None or self._pid != os.getpid():
                self._start()
            return self._address

    @property
    def process_id(self) -> int | None:
        """The server's process id, or `None` if it is not running."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else None

    def stop(self) -> None:
        """End the server, if it is running."""
        with self._lock:
            process, self._process = self._process, None
            if process is None or self._pid != os.getpid():
                return
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._close_pipes(process)

    def _close_pipes(self, process: subprocess.Popen[str]) -> None:
        for pipe in (process.stdin, process.stdout, self._errors):
            if pipe:
                pipe.close()

    def _start(self) -> None:
        if self._process is not None and self._pid == os.getpid():
            self._close_pipes(self._process)  # It died.
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._pid = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime_nb.local", "--with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=without_keys(),
            # Ctrl-C in a terminal is meant for the person's program.
            start_new_session=True,
        )
        with Progress("start the local voice"):
            line = self._first_line()
        try:
            said = json.loads(line)
            self._address = (said["url"], Secret(said.pop("api_key")))
        except (ValueError, KeyError, TypeError):
            raise self._failure() from None

    def _first_line(self) -> str:
        process = self._process
        assert process is not None and process.stdout is not None
        timer = threading.Timer(START_TIMEOUT_S, process.kill)
        timer.start()
        try:
            return process.stdout.readline()
        finally:
            timer.cancel()

    def _failure(self) -> Exception:
        assert self._process is not None and self._errors is not None
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()
        self._close_pipes(self._process)
        self._process = None
        reason = said[-1] if said else "it said nothing"
        if "ModuleNotFoundError" in reason or "MissingExtra" in reason:
            return MissingExtra("the local voice", "local", reason)
        return ConnectionLost(f"the local voice did not start: {reason}")


def parts_at(base_url: str, api_key: str, model: str) -> LocalParts:
    """Ask a running local voice which parts answer for a model; blocks for a few milliseconds.

    Raises `ConnectionLost` if it does not answer; `RemoteProtocolError` if its answer does not say.
    """
    import urllib.request  # 20 ms that nothing else here needs

    request = urllib.request.Request(f"{base_url}/models", headers={"Authorization": f"Bearer {api_key}"})
    # No proxy is asked: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_TIMEOUT_S) as answer:
            parts = {each["id"]: each["parts"] for each in json.load(answer)["data"]}
        # The server takes every name, and answers those that it does not know as its default.
        return LocalParts.from_dict(parts.get(model) or parts[DEFAULT_MODEL])
    except OSError as error:
        raise ConnectionLost(f"the local voice does not tell its parts: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RemoteProtocolError(f"the local voice does not tell its parts: {error!r}") from error


local_voice = LocalVoice()
atexit.register(local_voice.stop)


def speak(text: str, *, voice: str = "marin", speed: float = 1.0, language: str = "en") -> AudioClip:
    """Say something with the local synthesiser, e.g. to ask a question without a microphone.

    Parameters
    ----------
    text : str
        English words.
    voice : str, default "marin"
        One of the API's voice names, or ``"fable"``, ``"onyx"``, ``"nova"``. "marin" is hibari's neural voice, which
        people and Whisper understand best. The others are espeak-ng's; PocketSphinx understands "echo" best. Where
        hibari is not installed, or cannot read a sentence, espeak-ng replaces "marin" too. To use another neural voice
        as "marin", set ``REALTIME_NB_VOICE`` to the ``.onnx`` file of a Piper voice, or of Kokoro-82M.
    speed : float, default 1.0
        Speaking rate, 0.25 to 4. Each voice has its own limits: at 4, "marin" is 2.4 times as fast as at 1.
    language : str, default "en"
        English, in any region: the local voice speaks no other language.

    Returns
    -------
    clip : AudioClip
        At 24 kHz.

    Raises
    ------
    MissingExtra
        If the extra ``local`` is not installed.
    SettingsError
        If the voice, the speed or the language is not possible.

    Examples
    --------
    >>> speak("What time is it?").sample_rate
    24000
    """
    if not 0.25 <= speed <= 4:
        raise SettingsError(f"speed={speed} is not between 0.25 and 4")
    if not is_english(language):
        raise SettingsError(
            f"language={language!r} is not spoken by the local voice, which speaks only English: ask a session with a "
            "key to say it, and take reply.audio"
        )
    # The synthesiser belongs to the server's rooms; a process of its own keeps its GPL parts at arm's length.
    from .synthesis.synthesizer import Synthesizer

    async def synthesize() -> bytes:
        async with Synthesizer() as synthesizer:
            return await synthesizer.synthesize(text, voice, speed=speed)

    return AudioClip.from_pcm16(submit(synthesize()).result())
