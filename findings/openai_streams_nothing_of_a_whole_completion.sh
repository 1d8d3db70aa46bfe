#!/usr/bin/env bash
# openai 3.57.0: asked for a stream, a server that cannot stream answers with a whole completion (application/json). The
# client yields no chunk, raises nothing, and the answer is lost.
#
# You would expect an error that names the content type, as the client knows that it is no text/event-stream; or one
# chunk.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openai==3.57.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import http.server
import json
import threading
from importlib.metadata import version

import openai


whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
whole["choices"] = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(whole).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
    question = {"model": "m", "messages": [{"role": "user", "content": "Hi."}]}
    assert client.chat.completions.create(**question).choices[0].message.content == "Hello."
    chunks = list(client.chat.completions.create(**question, stream=True))
    server.shutdown()
print(f"openai {version('openai')}: the stream of a whole completion has {len(chunks)} chunks, and no error")
assert chunks == []
PYTHON
