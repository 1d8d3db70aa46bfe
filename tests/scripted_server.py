"""A Realtime server on a real socket that does what a test scripts, odd things included."""

import contextlib
import http
import json
import threading

import wire_samples as wire
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.sync.server import serve


class Peer:
    """One client, seen from the server."""

    def __init__(self, socket):
        self.socket = socket
        self.request = socket.request

    def send(self, *events):
        for each in events:
            self.socket.send(each if isinstance(each, str | bytes) else json.dumps(each))

    def receive(self, *types):
        """Return the client's next event, which must be of one of these types."""
        got = json.loads(self.socket.recv(timeout=60))
        assert got["type"] in types, f"wanted {types}, got {got}"
        return got

    def open(self, session=wire.SESSION):
        """Open a session and confirm its settings; return the client's ``session.update``."""
        self.send(wire.event("session.created", session=session))
        update = self.receive("session.update")
        self.send(wire.session_updated(session))
        return update

    def read_text_question(self):
        """Take a written question, and the request for an answer; return the request."""
        item = self.receive("conversation.item.create")["item"] | {"id": "U", "status": "completed"}
        self.send(wire.item_added(item), wire.item_done(item))
        return self.receive("response.create")

    def answer(self, request, **more):
        """Send an answer that names the request it answers."""
        response_events = wire.audio_answer(**more)
        for each in response_events:
            if "response" in each:
                each["response"]["metadata"] = request["response"]["metadata"]
        self.send(*response_events)

    def wait_until_gone(self):
        """Read until the client hangs up."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.socket.recv(timeout=30)

    def break_off(self):
        """Cut the line without a word."""
        self.socket.socket.close()


def refusal(status, body):
    """Return a `process_request` that answers the handshake with an error."""

    def process_request(connection, request):
        data = body.encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(data))})
        return Response(status, http.HTTPStatus(status).phrase, headers, data)

    return process_request


@contextlib.contextmanager
def scripted(script=None, *, process_request=None):
    """Serve `script(peer)` to every client; yield the address. A script's own failure fails the test."""
    failures = []

    def handler(socket):
        try:
            script(Peer(socket))
        except ConnectionClosed:
            return
        except Exception as error:
            failures.append(error)

    with serve(handler, "127.0.0.1", 0, process_request=process_request, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        finally:
            server.shutdown()
            thread.join()
    if failures:
        raise failures[0]
