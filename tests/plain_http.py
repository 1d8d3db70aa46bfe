"""A plain HTTP server on a real socket: answers each path as told, and takes no WebSockets."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def plain(answers):
    """Serve `answers` by path: status, body, and headers where they are others than those of JSON. Yield the address.

    Everything else is not found. A list is answered in its order, its last one over and over. A Content-Length of more
    than there is breaks off; one of `None` ends with the connection. A path whose answer is `None` keeps the client
    waiting until the end.
    """
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = answers.get(self.path.partition("?")[0], (404, "not here"))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if answer is None:
                ended.wait(30)
                return
            status, body, *headers = answer
            body = body.encode() if isinstance(body, str) else body
            told = {"Content-Type": "application/json", "Content-Length": len(body), "Connection": "close"}
            self.send_response(status)
            for name, value in (told | dict(*headers)).items():
                if value is not None:
                    self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
