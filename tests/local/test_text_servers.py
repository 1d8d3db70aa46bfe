"""Finding text models: real servers on loopback that answer as Ollama, LM Studio and llama.cpp's server do."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from functools import partial

import pytest
from text_endpoint import TextEndpoint, ollama_paths

from realtime_nb.local.brains import text_servers
from realtime_nb.local.brains.text_servers import find_text_model, llama_cpp, lm_studio, ollama, stranger_on

LLAMA = {
    "/v1/models": {
        "object": "list",
        "data": [{"id": "/models/tiny-Q4.gguf", "object": "model", "owned_by": "llamacpp"}],
        "models": [{"name": "tiny", "capabilities": ["completion"]}],
    },
    "/props": {
        "build_info": "b6000-abc",
        "modalities": {"vision": True, "audio": False},
        "chat_template_caps": {"supports_tools": True},
    },
}


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let a busy machine take its time; what hangs is asked again at once."""
    monkeypatch.setattr(text_servers, "ANSWER_S", 5.0)
    monkeypatch.setattr(text_servers, "AGAIN_AFTER_S", 0.0)


def found(*servers):
    """Return what is found on servers: pairs of a kind and what it answers by path."""

    async def main():
        async with AsyncExitStack() as stack:
            running = [
                kind((await stack.enter_async_context(TextEndpoint(paths).serving())).port) for kind, paths in servers
            ]
            return await find_text_model(running)

    return asyncio.run(main())


def closed_port():
    """Return a port that nothing listens on."""

    async def main():
        async with TextEndpoint({}).serving() as endpoint:
            return endpoint.port

    return asyncio.run(main())


def test_nothing_is_found_where_nothing_listens():
    search = asyncio.run(find_text_model([ollama(closed_port())]))
    assert (search.model, search.passed_over) == (None, ())


def test_ollamas_model_is_found_with_what_it_can():
    tiny = {"capabilities": ["completion", "tools", "vision", "thinking"], "license": "\nApache License\nVersion 2.0"}
    model = found((ollama, ollama_paths({"tiny:1b": tiny}))).model
    assert (model.name, model.server, model.licence) == ("tiny:1b", "Ollama", "Apache License")
    assert (model.calls_tools, model.sees, model.thinks) == (True, True, True)
    assert model.base_url == f"http://127.0.0.1:{model.port}/v1"
    assert str(model.part) == "tiny:1b (Ollama 0.12.3, Apache License)"


@pytest.mark.parametrize(
    ("models", "loaded", "name"),
    [
        ({"new": ["completion"], "old": ["completion"]}, (), "new"),
        ({"new": ["completion"], "old": ["completion"]}, ("old",), "old"),
        ({"deaf": ["completion"], "handy": ["completion", "tools"]}, (), "handy"),
        ({"deaf": ["completion"], "handy": ["completion", "tools"]}, ("deaf",), "deaf"),
        ({"nomic": ["embedding"], "chat": ["completion"]}, ("nomic",), "chat"),
        ({"nomic-embed-text": {}, "chat": {}}, (), "chat"),
        ({"gpt-oss:120b-cloud": ["completion"], "chat": ["completion"]}, (), "chat"),
        ({"far": {"capabilities": ["completion"], "remote_host": "https://ollama.com"}, "chat": {}}, (), "chat"),
    ],
)
def test_ollamas_best_model_is_chosen(models, loaded, name):
    assert found((ollama, ollama_paths(models, loaded=loaded))).model.name == name


def test_what_an_older_ollama_does_not_tell_is_not_known():
    model = found((ollama, ollama_paths({"tiny": {}}))).model
    assert (model.calls_tools, model.sees, model.thinks) == (None, None, False)


def test_lm_studios_loaded_model_is_found():
    models = [
        {"id": "bge", "type": "embeddings", "state": "loaded"},
        {"id": "big", "type": "llm", "state": "not-loaded"},
        {"id": "eyes", "type": "vlm", "state": "loaded", "capabilities": ["tool_use"]},
    ]
    model = found((lm_studio, {"/api/v0/models": {"object": "list", "data": models}})).model
    assert (model.name, model.calls_tools, model.sees) == ("eyes", True, True)


def test_llama_cpps_model_is_found():
    model = found((llama_cpp, LLAMA)).model
    assert (model.name, model.calls_tools, model.sees) == ("/models/tiny-Q4.gguf", True, True)
    assert str(model.part) == "tiny-Q4.gguf (llama.cpp's server b6000-abc)"


@pytest.mark.parametrize(
    ("kind", "paths", "reason"),
    [
        (ollama, {}, "answers /api/version with status 404"),
        (ollama, ollama_paths({}), "has no model that runs on this machine"),
        (ollama, ollama_paths({"x-cloud": ["completion"]}), "has no model that runs on this machine"),
        (ollama, ollama_paths({"nomic": ["embedding"]}), "has no model to chat with"),
        (ollama, ollama_paths({"tiny": {}}) | {"/api/tags": b"<html>"}, "something other than a JSON object"),
        (ollama, ollama_paths({"tiny": {}}) | {"/api/tags": {"models": 7}}, "has no model that runs on this machine"),
        (ollama, ollama_paths({"tiny": {}}) | {"/api/show": b"[1]"}, "something other than a JSON object"),
        (ollama, ollama_paths({"tiny": {}}) | {"/api/tags": b"x" * 4_100_000}, "more than 4000000 bytes"),
        (lm_studio, {"/api/v0/models": {"data": [{"id": "bge", "type": "embeddings"}]}}, "no model to chat with"),
        (llama_cpp, {"/v1/models": {"data": [{"id": "x", "owned_by": "somebody"}]}}, "is another program"),
        (llama_cpp, {**LLAMA, "/props": 503}, "answers /props with status 503"),
    ],
)
def test_a_server_without_a_model_is_passed_over_with_the_reason(kind, paths, reason):
    search = found((kind, paths))
    assert search.model is None
    (told,) = search.passed_over
    assert told.startswith(f"{kind().name} on port ") and reason in told


def test_a_server_that_hangs_is_passed_over(monkeypatch):
    monkeypatch.setattr(text_servers, "ANSWER_S", 0.05)
    search = found((ollama, {"/api/version": None, "/api/tags": None, "/api/ps": None}))
    assert "does not answer within 0.05 s" in search.passed_over[0]


@pytest.mark.parametrize("sent", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"])
def test_a_server_of_another_kind_is_passed_over(sent):
    async def main():
        async def hang_up(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            return await find_text_model([ollama(server.sockets[0].getsockname()[1])])

    assert "does not answer like one" in asyncio.run(main()).passed_over[0]


def test_the_first_server_with_a_model_is_taken_and_the_others_are_still_told():
    search = found((ollama, ollama_paths({})), (lm_studio, {}), (llama_cpp, LLAMA))
    assert search.model.server == "llama.cpp's server"
    assert [told.partition(" on port")[0] for told in search.passed_over] == ["Ollama", "LM Studio"]


# --- Whose server it is -----------------------------------------------------------------------------------------------

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5} 0 1 1 0 1 0\n"
here = partial(ROW.format, address="0100007F", port=11434, state="0A")


@pytest.fixture
def owner(tmp_path, monkeypatch):
    """Return who is told to own the server of some rows of the system's table."""
    monkeypatch.setattr(text_servers.sys, "platform", "linux")
    monkeypatch.setattr(os, "getuid", lambda: 1000, raising=False)

    def told(*rows):
        table = tmp_path / "tcp"
        table.write_text(HEAD + "".join(rows), "ascii")
        return stranger_on(11434, (table, tmp_path / "tcp6"))

    return told


@pytest.mark.parametrize("uid", [0, 998, 1000])
def test_your_own_or_the_systems_server_is_trusted(owner, uid):
    assert owner(here(uid=uid)) == ""


def test_a_server_of_another_person_is_not(owner):
    assert owner(here(uid=1001)) == "is another user's (uid 1001)"
    assert owner(here(uid=1000), here(uid=1001, address="0" * 32)) == "is another user's (uid 1001)"
    assert owner(here(uid=65534)) == "is another user's (uid 65534)"


def test_a_server_of_an_owner_that_is_not_told_is_not(owner):
    others = here(uid=0, port=80), here(uid=0, state="01"), here(uid=0, address="0101A8C0")
    assert owner(*others) == "has an owner that the system does not tell"


def test_where_the_system_does_not_tell_a_hub_is_shared(monkeypatch):
    monkeypatch.setattr(text_servers.sys, "platform", "darwin")
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    assert stranger_on(11434) == ""
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    assert "JupyterHub" in stranger_on(11434)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_the_system_tells_whose_a_real_server_is():
    async def main():
        async with TextEndpoint({}).serving() as endpoint:
            return stranger_on(endpoint.port)

    assert asyncio.run(main()) == ""


def test_a_strangers_server_is_passed_over(monkeypatch):
    monkeypatch.setattr(text_servers, "stranger_on", lambda port: "is another user's (uid 1001)")
    search = found((ollama, ollama_paths({"tiny": ["completion"]})))
    assert search.model is None and search.passed_over[0].endswith("is another user's (uid 1001)")
