from __future__ import annotations

from typing import Any

import pytest
from local_http import served
from openai import AzureOpenAI, OpenAI
from starlette.testclient import TestClient
from test_app import BEARER, make_app

POSTS = [
    "/v1/chat/completions",
    "/v1/audio/transcriptions",
    "/v1/audio/speech",
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


def test_azure_s_clients_find_their_addresses():
    with served() as server:
        root = server.url.removesuffix("/v1")
        azure = {"api_key": server.api_key, "api_version": "2025-08-28", "max_retries": 0}
        hello: Any = [{"role": "user", "content": "What is three plus four?"}]
        with AzureOpenAI(azure_endpoint=root, **azure) as client:
            answer = client.chat.completions.create(model="my-deployment", messages=hello)
            assert (answer.model, answer.choices[0].message.content) == ("my-deployment", "3 plus 4 is 7.")
            assert client.audio.speech.create(model="tts", voice="ash", input="Hi.").content
        with OpenAI(base_url=f"{root}/openai/v1", api_key=server.api_key, max_retries=0) as client:
            assert client.models.retrieve("local-rules").id == "local-rules"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/local-rules"])
def test_models_are_only_read(client, path):
    assert client.get(path).status_code == 200
    answer = client.delete(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_supported")
