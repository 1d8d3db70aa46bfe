"""What a tool call costs besides the function itself: from response.done to response.create, as the server sees it.

The server is a bare socket on loopback that answers every question with calls, so both times are taken
outside the session.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import threading
import time

from websockets.asyncio.server import serve

from realtime_nb import RealtimeSession

SETTINGS = {"audio": {"input": {"turn_detection": None}, "output": {"format": {"type": "audio/pcm", "rate": 24000}}}}


def response(response_id, output, request):
    return {
        "id": response_id,
        "object": "realtime.response",
        "status": "completed" if output is not None else "in_progress",
        "output": output or [],
        "conversation_id": "conv",
        "metadata": request["response"]["metadata"],
    }


class Server:
    """Answers a question with calls, and nothing after them; notes how long the calls took."""

    def __init__(self):
        self.names = ()
        self.took_ms = []
        self._numbers = itertools.count(1)
        self._ready = threading.Event()
        self.url = ""

    def start(self):
        """Serve from now on."""
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait(10)

    async def _serve(self):
        async with serve(self._carry, "127.0.0.1", 0, compression=None) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            self._ready.set()
            await asyncio.Event().wait()

    async def _carry(self, socket):
        async def send(kind, **fields):
            await socket.send(json.dumps({"type": kind, **fields}))

        done_at = None
        await send("session.created", session=SETTINGS)
        async for text in socket:
            event = json.loads(text)
            if event["type"] == "session.update":
                await send("session.updated", session=SETTINGS)
            elif event["type"] == "conversation.item.create":
                item = {"id": f"item_{next(self._numbers)}", **event["item"]}
                await send("conversation.item.added", item=item)
            elif event["type"] == "response.create":
                response_id = f"resp_{next(self._numbers)}"
                if done_at is not None:
                    self.took_ms.append((time.perf_counter() - done_at) * 1000)
                asked, done_at = done_at is None, None
                output = [self._call(name) for name in self.names] if asked else []
                await send("response.created", response=response(response_id, None, event))
                if asked:
                    done_at = time.perf_counter()
                await send("response.done", response=response(response_id, output, event))

    def _call(self, name):
        number = next(self._numbers)
        ids = {"id": f"item_{number}", "call_id": f"call_{number}"}
        return {**ids, "type": "function_call", "status": "completed", "name": name, "arguments": '{"number": 7}'}


def sync(number: int) -> dict:
    """Return at once."""
    return {"number": number}


async def coroutine(number: int) -> dict:
    """Return at once."""
    return {"number": number}


def slow(number: int) -> dict:
    """Take 50 ms."""
    time.sleep(0.05)
    return {"number": number}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300)
    times = parser.parse_args().times
    server = Server()
    server.start()
    print("| calls | p50 | p95 | max |\n|---|---|---|---|")
    for words, names, aside_ms in (
        ("one function", ("sync",), 0),
        ("one coroutine", ("coroutine",), 0),
        ("eight functions at once", ("sync",) * 8, 0),
        ("one that takes 50 ms, which are left out", ("slow",), 50),
    ):
        server.names, server.took_ms = names, []
        tools = [sync, coroutine, slow]
        with RealtimeSession(backend=server.url, transcription=None, tools=tools) as session:
            for _ in range(times):
                session.ask("Go.").result(10)
            [first, *_] = session.conversation.replies
            assert first.function_calls[0].output == '{"number":7}'
        took = sorted(each - aside_ms for each in server.took_ms[10:])  # After the first use of everything.
        p95 = statistics.quantiles(took, n=20)[-1]
        print(f"| {words} | {statistics.median(took):.2f} | {p95:.2f} | {took[-1]:.2f} |")


if __name__ == "__main__":
    main()
