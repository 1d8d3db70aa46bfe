"""The official SDK asks for a client secret, and a browser opens sessions with it."""

from __future__ import annotations

import asyncio
import time

import openai
import pytest
from asgi_socket import Refused, Socket
from local_http import served
from openai import AsyncOpenAI
from starlette.testclient import TestClient
from test_app import BEARER, make_app

from realtime_nb.local import server as app_module
from realtime_nb.local.access import EphemeralKeys

SECRETS = "/v1/realtime/client_secrets"
SESSION = {
    "type": "realtime",
    "model": "local-script",
    "instructions": "Be brief.",
    "audio": {"output": {"voice": "ash"}},
}


def issued(app, **body):
    answer = TestClient(app, base_url="http://127.0.0.1").post(SECRETS, json=body, headers=BEARER)
    assert answer.status_code == 200, answer.text
    return answer.json()


def opened(app, path, key, **headers):
    """Return the session that a browser opens with a key."""

    async def main():
        async with Socket(app, path, headers, ("realtime", f"openai-insecure-api-key.{key}")) as socket:
            return await socket.receive()

    return asyncio.run(main())


def test_a_real_session_with_a_secret_that_the_sdk_asked_for():
    async def main(server, key):
        async with AsyncOpenAI(base_url=server.url, api_key=key) as client:
            async with client.realtime.connect(model="local-rules") as connection:
                session = (await connection.recv()).session
                assert (session.instructions, session.audio.output.voice) == ("Be brief.", "ash")
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()

    with served() as server:
        before = int(time.time())
        secret = server.sdk.realtime.client_secrets.create(session=SESSION)
        assert secret.value.startswith("ek_")
        assert before + 600 <= secret.expires_at <= time.time() + 600
        assert (secret.session.type, secret.session.model) == ("realtime", "local-script")
        asyncio.run(main(server, secret.value))


def test_the_answer_holds_the_whole_session():
    session = issued(make_app(), session=SESSION)["session"]
    assert (session["object"], session["expires_at"], session["instructions"]) == ("realtime.session", 0, "Be brief.")
    assert session["id"].startswith("sess_")
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


def test_the_secret_s_model_serves_where_the_address_names_none():
    app = make_app()
    key = issued(app, session=SESSION)["value"]
    assert opened(app, "/v1/realtime", key)["session"]["model"] == "local-script"
    assert opened(app, "/v1/realtime?model=local-rules", key)["session"]["model"] == "local-rules"


def test_a_secret_without_settings():
    app = make_app()
    secret = issued(app)
    assert secret["session"]["model"] == "local-rules"
    assert opened(app, "/v1/realtime?model=m", secret["value"])["session"]["model"] == "m"


def test_a_transcription_secret_opens_transcription_sessions():
    app = make_app()
    transcription = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    secret = issued(app, session={"type": "transcription", **transcription})
    assert secret["session"]["object"] == "realtime.transcription_session"
    session = opened(app, "/v1/realtime", secret["value"])["session"]
    assert (session["type"], session["audio"]["input"]["transcription"]["model"]) == ("transcription", "whisper-1")


def test_a_secret_opens_nothing_but_sessions_and_only_here():
    app = make_app()
    key = issued(app)["value"]
    with TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {key}"}) as client:
        for answer in (client.get("/v1/models"), client.post(SECRETS, json={})):
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    with pytest.raises(Refused) as refused:
        opened(app, "/v1/realtime?model=m", key, host="evil.example")
    assert refused.value.status == 403


def test_an_expired_secret_opens_nothing(monkeypatch):
    clock = time.time()
    monkeypatch.setattr(app_module, "EphemeralKeys", lambda: EphemeralKeys(lambda: clock))
    app = make_app()
    key = issued(app, expires_after={"anchor": "created_at", "seconds": 10})["value"]
    opened(app, "/v1/realtime?model=m", key)
    clock += 10
    with pytest.raises(Refused) as refused:
        opened(app, "/v1/realtime?model=m", key)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"session": {}}, "session.type", "missing_required_parameter"),
        ({"session": {"type": "dance"}}, "session.type", "invalid_value"),
        ({"session": {"type": "realtime", "colour": 1}}, "session.colour", "unknown_parameter"),
        ({"session": {"type": "realtime", "model": 3}}, "session.model", "invalid_type"),
        ({"session": {"type": "realtime", "audio": {"output": {"voice": "bob"}}}}, None, "invalid_value"),
        ({"session": []}, "session", "invalid_type"),
        ({"expires_after": {"seconds": 9}}, "expires_after.seconds", "invalid_value"),
        ({"expires_after": {"seconds": 7201}}, "expires_after.seconds", "invalid_value"),
        ({"expires_after": {"seconds": 60.5}}, "expires_after.seconds", "invalid_type"),
        ({"expires_after": {"anchor": "never"}}, "expires_after.anchor", "invalid_value"),
    ],
)
def test_errors_name_the_parameter(body, param, code):
    answer = TestClient(make_app(), base_url="http://127.0.0.1").post(SECRETS, json=body, headers=BEARER)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == code
    assert param in (None, error["param"])
