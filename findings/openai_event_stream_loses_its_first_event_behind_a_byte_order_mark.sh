#!/usr/bin/env bash
# openai 3.57.0: a text/event-stream that begins with U+FEFF, which the HTML standard (§9.2.5, "Parsing an event stream":
# "stream = [ bom ] *event") allows, loses its first event; nothing says so.
#
# You would expect that the mark is skipped, as the standard asks, or that the events come as they would without it.
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

chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
chunk["choices"] = [{"index": 0, "delta": {"role": "assistant", "content": "Hello."}}]


def words(mark):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = f"{mark}data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi."}], stream=True
        )
        found = [each.choices[0].delta.content for each in stream]
        server.shutdown()
    return found


without, behind = words(""), words("\ufeff")
print(f"openai {version('openai')}: {without} without the mark, {behind} behind it")
assert (without, behind) == (["Hello."], [])
PYTHON
