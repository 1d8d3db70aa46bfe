"""A text endpoint on a real socket that answers what a test scripts, and keeps what it was asked."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Endpoint:
    """The requests, and the answers to give: texts, or pairs of a status and an error's message, in turn."""

    def __init__(self, answers):
        self.answers, self.requests, self.keys = list(answers), [], []

    def answer(self, request):
        self.requests.append(request)
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(said, tuple):
            status, message = said
            return status, {"error": {"message": message, "type": "invalid_request_error"}}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
        head = {"id": "c", "object": "chat.completion", "created": 0, "model": request["model"]}
        return 200, {**head, "choices": [choice], "usage": usage}


@contextlib.contextmanager
def scripted_text(*answers):
    """Serve answers; yield the `Endpoint`, which has its address in `url`."""
    endpoint = Endpoint(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            endpoint.keys.append(self.headers["Authorization"])
            status, answer = endpoint.answer(json.loads(body))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()
