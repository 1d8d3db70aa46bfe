import json
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

import realtime_nb as rt
from realtime_nb.protocol import events as ev
from realtime_nb.recording.files import About
from realtime_nb.recording.writer import Writer, claim
from realtime_nb.secrecy import HIDDEN, Secrets, bare_address, secrets_of

KEY = "key-Zm9yIHRoZS1sb3Zl/b2Y+c291bmQ="
WAIT_S = 60


def everything_in(folder):
    return b"\n".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        ("https://user:pass@host:8443/v1?api_key=1#x", "https://host:8443/v1"),
        ("wss://host/openai/realtime?deployment=d", "wss://host/openai/realtime"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
        ("host/path?key=1", "host/path"),
        ("https://host:port/v1?key=1", HIDDEN),
    ],
)
def test_an_address_is_kept_without_what_carries_secrets(address, bare):
    assert bare_address(address) == bare


def test_what_is_known_or_looks_like_a_secret_is_hidden(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "environment-key")
    text = Secrets([KEY, "none"]).hide(
        f"{KEY} environment-key sk-proj-{'a' * 40} ek_{'b' * 32} Authorization: Bearer abcdefgh12345 none".encode()
    )
    assert text.decode().split() == [*[HIDDEN] * 4, "Authorization:", "Bearer", HIDDEN, "none"]


@pytest.mark.parametrize(
    "written",
    [
        KEY.replace("/", "\\/"),  # as PHP does
        KEY.replace("+", "\\u002B").replace("=", "\\u003d"),  # as .NET does
        "".join(f"\\u{ord(each):04x}" for each in KEY),
        quote(KEY, ""),
        quote(KEY, "").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
    ],
)
def test_a_key_is_hidden_however_it_is_escaped(written):
    secrets = Secrets([KEY], alone=True)
    assert secrets.hide_known(f'{{"message": "no {written}\\n"}}'.encode()) == b'{"message": "no [hidden]\\n"}'


def test_a_password_with_a_space_is_hidden_in_the_query_that_a_library_makes():
    address = "http://host/v1?code=" + quote("correct horse & staple", "") + "&api-version=1"
    remade = str(httpx.URL("http://host/v1", params=dict(parse_qsl(urlsplit(address).query)) | {"model": "m"}))
    assert "correct+horse" in remade
    assert "horse" not in secrets_of(address, {}).hide(remade.encode()).decode()


def test_what_is_named_like_a_secret_is_hidden_and_nothing_else():
    tree = {
        "tools": [
            {"server_url": "https://u:p@mcp.example/sse?token=1", "authorization": "abc", "headers": {"X-Any": "abc"}},
            {"parameters": {"properties": {"api_key": {"type": "string"}, "password": {"type": "string"}}}},
        ],
        "client_secret": {"value": "abc", "expires_at": 1},
        "usage": {"text_tokens": 3},
        "max_output_tokens": "inf",
    }
    hidden = Secrets().hide_named(tree)
    assert hidden["tools"][0] == {
        "server_url": "https://mcp.example/sse",
        "authorization": HIDDEN,
        "headers": {"X-Any": HIDDEN},
    }
    assert hidden["tools"][1] == tree["tools"][1]
    assert hidden["client_secret"] == HIDDEN
    assert (hidden["usage"], hidden["max_output_tokens"]) == (tree["usage"], "inf")


def test_a_key_enters_no_recording_wherever_it_turns_up(tmp_path):
    session = {
        "model": KEY,
        "instructions": f"Say {KEY}",
        "tools": [{"type": "mcp", "server_url": f"https://h/?k={KEY}", "headers": {"Authorization": f"Bearer {KEY}"}}],
        "client_secret": {"value": KEY},
    }
    writer = Writer(
        claim(tmp_path / "r"),
        About(session=KEY, model=KEY, backend=KEY, url=f"https://{KEY[:8]}:{KEY}@host/{KEY}?key={KEY}", secrets=(KEY,)),
    )
    error = {"message": f"Incorrect API key provided: {KEY}", "param": KEY}
    events = [
        ev.SessionUpdate(session=session),
        ev.SessionCreated(session=session),
        ev.decode_server(json.dumps({"type": "error", "error": error})),
        ev.decode_server(json.dumps({"type": "new.event", "headers": {"x": KEY}, KEY: [KEY]})),
        ev.decode_server(json.dumps({"type": "error", "error": KEY})),
        ev.ResponseOutputTextDelta(response_id=KEY, item_id=KEY, delta=KEY),
    ]
    for event in events:
        writer.add(1.0, "received", event)
    writer.remark(KEY)
    writer.finish()
    assert KEY.encode() not in everything_in(tmp_path / "r")
    assert len(rt.Recording.load(tmp_path / "r").conversation.errors) == 2


@pytest.mark.parametrize("kind", [rt.RealtimeSession, rt.ChatSession, rt.CascadeSession])
def test_the_key_of_a_session_is_not_in_its_recording(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    backend = rt.Backend.find("local").located()
    token = backend.api_key
    assert token
    session = kind(backend=backend, instructions=f"The keys are {KEY} and {token}.", recording=tmp_path / "r")
    session.ask(f"Repeat after me: {KEY}").result(WAIT_S)
    session.close().result(WAIT_S)
    content = everything_in(tmp_path / "r")
    assert KEY.encode() not in content and token.encode() not in content
