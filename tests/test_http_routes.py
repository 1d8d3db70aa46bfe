from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from test_app import BEARER, make_app

POSTS = [
    "/v1/chat/completions",
    "/v1/audio/transcriptions",
    "/v1/audio/speech",
    "/v1/realtime/client_secrets",
    "/v1/moderations",
]


@pytest.fixture(scope="module")
def client():
    return TestClient(make_app(), base_url="http://127.0.0.1", headers=BEARER)


@pytest.mark.parametrize("path", POSTS)
def test_every_endpoint_says_what_it_takes(client, path):
    assert client.get(path).status_code == 405
    answer = client.post(path, content=b"hello", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_content_type")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/local-rules"])
def test_models_are_only_read(client, path):
    assert client.get(path).status_code == 200
    answer = client.delete(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_supported")
