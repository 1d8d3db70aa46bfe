from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from local_http import served

from realtime_nb.local.endpoints.http_body import LARGEST_BODY

SPEECH = {"model": "m", "voice": "echo", "input": "Hello.", "response_format": "pcm"}


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


def padded(size):
    body = json.dumps(SPEECH).encode()
    return body + b" " * (size - len(body))


def post(server, content, content_type="application/json"):
    return server.http.post("/audio/speech", content=content, headers={"content-type": content_type})


def test_a_body_at_the_limit_is_taken(server):
    assert post(server, padded(LARGEST_BODY)).status_code == 200


def test_a_body_over_the_limit_is_refused_in_the_api_s_shape(server):
    answer = post(server, padded(LARGEST_BODY + 1))
    assert answer.status_code == 413
    error = answer.json()["error"]
    assert error["message"] == "Maximum content size limit (26214400) exceeded (26214401 bytes read)"
    assert error["type"] == "invalid_request_error"
    assert post(server, padded(1_000)).status_code == 200


def test_a_body_of_unknown_length_is_bounded_likewise(server):
    pieces = (bytes(1_048_576) for _ in range(26))
    assert post(server, pieces).status_code == 413


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"{'a': 1}", b'{"input": "\xff"}', b"[" * 40_000, b'{"a":' * 40_000, b'{"input": "\\ud800"}'],
)
def test_invalid_json_is_reported(server, content):
    answer = post(server, content)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("We could not parse the JSON body of your request")


@pytest.mark.parametrize("content", [b"[]", b"null", b"3", b'"text"'])
def test_json_that_is_no_object_is_refused(server, content):
    error = post(server, content).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_type", "body")


@pytest.mark.parametrize("content_type", ["text/plain", "", "multipart/form-data; boundary=x"])
def test_other_content_types_are_refused(server, content_type):
    answer = post(server, padded(200), content_type)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_content_type")
    assert post(server, padded(200), "Application/JSON; charset=utf-8").status_code == 200


def field(name, content):
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{content}'.encode()


def form(*parts):
    return b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"


@pytest.mark.parametrize(
    ("content", "content_type", "message"),
    [
        (form(), "multipart/form-data", "could not parse the form .*: Missing boundary"),
        (b"nothing", "multipart/form-data; boundary=edge", "could not parse the form .*: Invalid multipart data"),
        (form(b"\r\n\r\n1"), "multipart/form-data; boundary=edge", 'could not parse the form .* "name" must be'),
        (form(*[field("x", "1")] * 1_001), "multipart/form-data; boundary=edge", "Too many fields"),
        (b"", "multipart/form-data; boundary=edge", "must provide a model"),
        (form(field("model", "m"))[:-12], "multipart/form-data; boundary=edge", "must provide a model"),
        (form(field("model", "m")), "multipart/form-data; boundary=edge", "Missing required parameter: 'file'"),
    ],
)
def test_invalid_form_is_reported(server, content, content_type, message):
    answer = server.http.post("/audio/transcriptions", content=content, headers={"content-type": content_type})
    assert answer.status_code == 400
    assert re.search(message, answer.json()["error"]["message"])


def test_without_a_parser_of_forms_no_server_starts(tmp_path):
    (tmp_path / "python_multipart.py").write_text("raise ModuleNotFoundError('gone')")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "realtime_nb.local"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.endswith("ModuleNotFoundError: gone\n")


def test_unknown_addresses_and_methods_are_answered_in_the_api_s_shape(server):
    answer = server.http.get("/audio/nothing")
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Invalid URL (GET /v1/audio/nothing)")
    answer = server.http.get("/audio/speech")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    error = answer.json()["error"]
    assert error["code"] == "method_not_supported"
    assert error["message"].startswith("Not allowed to GET on /v1/audio/speech.")


def test_without_the_key_nothing_is_read(server):
    answer = server.http.post("/audio/speech", json=SPEECH, headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_each_answer_has_a_request_id(server):
    ids = {post(server, padded(size)).headers["x-request-id"] for size in (200, 200, LARGEST_BODY + 1)}
    assert len(ids) == 3
