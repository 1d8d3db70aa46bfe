"""A Realtime server on a real socket that keeps a conversation as the API does, and answers questions.

Its answer to a question names it: all that the person said since the last answer. So an answer that is to another
question, or to two, shows.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import threading

import wire_samples as wire
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


class Server:
    """What the server does, and what it has seen; a test may change the first at any time.

    Parameters
    ----------
    delay_s : callable
        Returns how long each step of an answer takes, given the question.
    echoes : bool
        Whether responses carry the metadata of their requests.
    ignores : callable
        Whether a request is never answered, given the question.
    """

    def __init__(self, *, delay_s=lambda question: 0.0, echoes=True, ignores=lambda question: False, calls=()):
        self.delay_s, self.echoes, self.ignores = delay_s, echoes, ignores
        self.calls = calls
        """Questions on which a function is called first."""
        self.requests, self.completed, self.cancelled = [], [], []
        self.open = 0
        self.items = []
        self.numbers = itertools.count(1)
        self.changed = threading.Condition()

    def wait_for(self, condition, timeout_s=30):
        """Wait until something is true of the server."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), vars(self)

    def note(self):
        with self.changed:
            self.changed.notify_all()

    async def handle(self, socket):
        session = Session(self, socket)
        self.open += 1
        try:
            await session.run()
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1
            await session.end()
            self.note()


class Session:
    def __init__(self, server, socket):
        self.server, self.socket = server, socket
        self.settings = wire.SESSION
        self.buffer = b""
        self.active = None
        self.tasks = set()
        self.numbers = server.numbers
        self.items = server.items = []

    async def send(self, type, **fields):
        with contextlib.suppress(ConnectionClosed):
            await self.socket.send(json.dumps(wire.event(type, **fields)))

    async def run(self):
        await self.send("session.created", session=self.settings)
        async for text in self.socket:
            event = json.loads(text)
            await getattr(self, "on_" + event["type"].replace(".", "_"))(event)
            self.server.note()

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def error(self, event, code):
        error = {"type": "invalid_request_error", "code": code, "message": code, "event_id": event.get("event_id")}
        await self.send("error", error=error)

    async def on_session_update(self, event):
        given = event["session"].get("audio", {}).get("input", {})
        if "turn_detection" in given:
            detection = given["turn_detection"]
            self.settings = wire.without(self.settings, "audio", "input", turn_detection=detection)
        await self.send("session.updated", session=self.settings)

    async def add(self, item):
        self.items.append(item)
        await self.send("conversation.item.added", item=item, previous_item_id=None)
        await self.send("conversation.item.done", item=item, previous_item_id=None)

    async def on_conversation_item_create(self, event):
        item = event["item"]
        await self.add({"id": f"item_{next(self.numbers)}", "status": "completed"} | item)

    async def on_conversation_item_delete(self, event):
        kept = [item for item in self.items if item["id"] != event["item_id"]]
        if len(kept) == len(self.items):
            return await self.error(event, "item_delete_invalid_item_id")
        self.items[:] = kept
        await self.send("conversation.item.deleted", item_id=event["item_id"])

    async def on_input_audio_buffer_append(self, event):
        assert self.settings["audio"]["input"]["turn_detection"] is None, "a clip was heard by turn detection"
        self.buffer += base64.b64decode(event["audio"])

    async def on_input_audio_buffer_clear(self, event):
        self.buffer = b""
        await self.send("input_audio_buffer.cleared")

    async def on_input_audio_buffer_commit(self, event):
        levels = {self.buffer[at : at + 2] for at in range(0, len(self.buffer), 2)}
        words = "+".join(sorted(f"clip {int.from_bytes(level, 'little')}" for level in levels))
        self.buffer = b""
        item_id = f"item_{next(self.numbers)}"
        await self.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
        await self.add(wire.user_item(item_id) | {"words": words})
        kind = "conversation.item.input_audio_transcription.completed"
        await self.send(kind, item_id=item_id, content_index=0, transcript=words, usage=None)

    async def on_response_cancel(self, event):
        if self.active is None:
            return await self.error(event, "response_cancel_not_active")
        self.server.cancelled.append(self.active.get_name())
        self.active.cancel()

    async def on_response_create(self, event):
        options = event.get("response") or {}
        question = self.question()
        self.server.requests.append(question)
        if options.get("conversation") != "none" and self.active is not None:
            return await self.error(event, "conversation_already_has_active_response")
        if self.server.ignores(question):
            return None
        task = asyncio.create_task(self.answer(question, options), name=question)
        self.active = task
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return None

    def question(self):
        said = []
        for item in reversed(self.items):
            if item.get("role") == "assistant" or item["type"] == "function_call":
                break
            if item.get("role") == "user":
                said.append(item.get("words") or " ".join(part.get("text", "") for part in item["content"]))
            elif item["type"] == "function_call_output":
                said.append(f"output {item['output']}")
        return " & ".join(reversed(said))

    async def answer(self, question, options):
        response_id = f"resp_{next(self.numbers)}"
        metadata = options.get("metadata") if self.server.echoes else None
        made = []
        ids = {"response_id": response_id}

        def response(status):
            return wire.response(response_id, status, output=made, metadata=metadata)

        try:
            await asyncio.sleep(self.server.delay_s(question))
            await self.send("response.created", response=response("in_progress"))
            await asyncio.sleep(self.server.delay_s(question))
            if question in self.server.calls:
                call_id = f"call_{next(self.numbers)}"
                item = {"id": f"item_{call_id}", "type": "function_call", "name": "look", "call_id": call_id}
                item |= {"arguments": json.dumps({"what": question}), "status": "completed"}
            else:
                item = wire.text_item(f"item_{next(self.numbers)}", f"answer to {question}", "completed")
            made.append(item)
            await self.send("response.output_item.added", output_index=0, item=item, **ids)
            await self.add(item)
            await asyncio.sleep(self.server.delay_s(question))
            await self.send("response.output_item.done", output_index=0, item=item, **ids)
            status = "completed"
            self.server.completed.append(question)
        except asyncio.CancelledError:
            status = "cancelled"
        self.active = None
        self.server.note()
        await self.send("response.done", response=response(status))


@contextlib.contextmanager
def conversing(**options):
    """Serve; yield the address and the `Server`."""
    ready, over = threading.Event(), []

    async def main():
        server = Server(**options)
        stop = asyncio.Event()
        async with serve(server.handle, "127.0.0.1", 0, compression=None) as listening:
            port = listening.sockets[0].getsockname()[1]
            over.extend([f"http://127.0.0.1:{port}/v1", server, asyncio.get_running_loop(), stop])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(30)
    address, server, loop, stop = over
    try:
        yield address, server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
