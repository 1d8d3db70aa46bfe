"""A plain HTTP server on a real socket: answers each path as told, and takes no WebSockets."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def plain(answers, *, ahead_s=0.0):
    """Serve `answers`, status and JSON text by path; everything else is not found. Yield the address.

    Parameters
    ----------
    answers : dict
        By path; `None` keeps the client waiting until the end.
    ahead_s : float
        How far the Date header is ahead.
    """
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = answers.get(self.path.partition("?")[0], (404, "not here"))
            if answer is None:
                ended.wait(30)
                return
            status, body = answer
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def date_time_string(self, timestamp=None):
            return super().date_time_string(time.time() + ahead_s)

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
