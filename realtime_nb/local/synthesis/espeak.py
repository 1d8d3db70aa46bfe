"""The other end of `espeak_process`: starts the program, sends it requests, and sorts the frames that come back."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import struct
import subprocess
import sys
import unicodedata
import weakref
from collections.abc import AsyncGenerator
from pathlib import Path

from ...errors import MissingExtra, RealtimeError
from ...secrecy import without_keys

PROGRAM = Path(__file__).with_name("espeak_process.py")
_HEADER = struct.Struct("<cII")
_STARTS_WITHIN_S = 30
_ENDS_WITHIN_S = 5


def _command() -> list[str]:
    if importlib.util.find_spec("espeakng_loader") is None:
        raise MissingExtra("the local voice's speech synthesis", "local", "no module espeakng_loader")
    return [sys.executable, "-P", str(PROGRAM)]  # -P: the program's folder is not the place to look for modules.


class SynthesisError(RealtimeError):
    """The synthesiser's process could not start, or failed twice on the same sentence."""


class ProcessEnded(Exception):
    """The process went away in the middle of a request."""


class EspeakProcess:
    """The other end of the program: requests out, frames in, sorted by request."""

    def __init__(self, process: asyncio.subprocess.Process):
        assert process.stdin and process.stdout
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[tuple[bytes, bytes] | None]] = {}
        self._reader: asyncio.Task[None] | None = None
        self.pid = process.pid
        self.sample_rate = 0
        self.alive = True

    @classmethod
    async def start(cls) -> EspeakProcess:
        """Start the program and wait until it is ready."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*_command(), stdin=pipe, stdout=pipe, env=without_keys())
        self = cls(process)
        try:
            _, _, payload = await asyncio.wait_for(self._frame(), _STARTS_WITHIN_S)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            # A kill would fetch the exit code, and asyncio would then get none.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _ENDS_WITHIN_S)
            code = self._process.returncode
            await self.close()
            raise SynthesisError(f"speech synthesis did not start; its process ended with {code}") from error
        self.sample_rate = struct.unpack("<I", payload)[0]
        self._reader = asyncio.create_task(self._read())
        return self

    async def request(self, request: dict[str, str | int]) -> AsyncGenerator[tuple[bytes, bytes], None]:
        """Send one request and yield its frames; closing the iterator aborts it."""
        request_id = next(self._ids)
        frames = self._waiting[request_id] = asyncio.Queue()
        done = False
        try:
            if not self.alive:
                raise ProcessEnded("gone")
            self._write({"id": request_id, **request})
            while (frame := await frames.get()) is not None:
                kind, payload = frame
                done = kind in b"DE"
                if kind == b"E":
                    raise SynthesisError(payload.decode())
                if done:
                    return
                yield frame
            raise ProcessEnded(f"exit code {self._process.returncode}")
        finally:
            del self._waiting[request_id]
            if not done and self.alive:
                self._write({"abort": request_id})

    async def close(self) -> None:
        """End the process; requests that still run learn that it is gone."""
        self.alive = False
        if self._reader:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        # Reads what is still in the pipe; otherwise the process would not count as ended.
        await self._process.communicate()

    async def _read(self) -> None:
        try:
            while True:
                kind, request_id, payload = await self._frame()
                if waiting := self._waiting.get(request_id):
                    waiting.put_nowait((kind, payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._process.wait()
        finally:
            self.alive = False
            for waiting in self._waiting.values():
                waiting.put_nowait(None)

    async def _frame(self) -> tuple[bytes, int, bytes]:
        kind, request_id, length = _HEADER.unpack(await self._stdout.readexactly(_HEADER.size))
        return kind, request_id, await self._stdout.readexactly(length) if length else b""

    def _write(self, message: dict[str, str | int]) -> None:
        self._stdin.write(json.dumps(message).encode() + b"\n")


class Phonemes:
    """espeak-ng's phonemes, from a separate process, which ends with this one."""

    def __init__(self, voice: str):
        self._voice = voice
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(_command(), stdin=pipe, stdout=pipe, env=without_keys())
        weakref.finalize(self, _end, self._process)
        self._frame()  # It is ready.

    def __call__(self, texts: list[str]) -> list[str]:
        """Return the phonemes of some texts in the International Phonetic Alphabet, with spaces between words."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"id": 1, "phonemes": texts, "voice": self._voice}).encode() + b"\n")
        self._process.stdin.flush()
        kind, payload = self._frame()
        if kind == b"E":
            raise ValueError(payload.decode())
        self._frame()  # It is done.
        return [unicodedata.normalize("NFD", each) for each in json.loads(payload)]

    def _frame(self) -> tuple[bytes, bytes]:
        assert self._process.stdout
        kind, _, length = _HEADER.unpack(self._process.stdout.read(_HEADER.size))
        return kind, self._process.stdout.read(length)


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe
        pipe.close()
    process.wait(10)
