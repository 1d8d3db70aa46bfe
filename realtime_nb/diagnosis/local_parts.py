"""The parts of the local voice, tried in a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import msgspec

from ..secrecy import without_keys
from .facts import Part

#: The recogniser's first start on a slow, cold disk takes its time.
_TIMEOUT_S = 60.0


async def try_parts(timeout_s: float = _TIMEOUT_S) -> AsyncIterator[Part]:
    """Yield what each part of the local voice did, as it comes; a process that dies is a fact, too."""
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
                part = msgspec.json.decode(line, type=Part)
                last = part.name
                yield part
            code = await process.wait()
        if code:
            said = (await errors).decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else f"exit code {code}"
            yield Part("local voice", error=f"the trial ended after {last}: {reason}")
    except TimeoutError:
        yield Part("local voice", error=f"the trial stood still after {last}, for {timeout_s:g} s")
    finally:
        errors.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
