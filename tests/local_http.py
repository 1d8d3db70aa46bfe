"""A server of its own in this process, on a real socket, for clients that block."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any

import httpx
from openai import OpenAI

from realtime_nb.local.server import LocalServer


class Served:
    """A running server."""

    def __init__(self, server: LocalServer, loop: asyncio.AbstractEventLoop):
        self.url, self.api_key, self.loop = server.url, server.api_key, loop

    @functools.cached_property
    def sdk(self) -> OpenAI:
        return OpenAI(base_url=self.url, api_key=self.api_key, max_retries=0)

    @functools.cached_property
    def http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)


@contextlib.contextmanager
def served(**options: Any) -> Iterator[Served]:
    """Run a server in a thread with a loop of its own."""
    # PocketSphinx hears what the tests say to it, word for word and with nothing to load.
    options.setdefault("ears", "pocketsphinx")
    options.setdefault("open_vocabulary", False)
    started, ended = threading.Event(), asyncio.Event()
    held: list[Served] = []

    async def main() -> None:
        async with LocalServer(**options) as server:
            held.append(Served(server, asyncio.get_running_loop()))
            started.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert started.wait(30)
        with held[0].sdk, held[0].http:
            yield held[0]
    finally:
        if held:
            held[0].loop.call_soon_threadsafe(ended.set)
        thread.join(30)
