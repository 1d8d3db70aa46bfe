"""Text models that already run on this machine: Ollama, LM Studio and llama.cpp's server, found on their own ports.

The search asks each port of loopback once, within `ANSWER_S`; it does not load, start or download anything. A server
that it finds may be used although the person never named it, so it must be their own, and must not pass words on:

- All users of a machine share its loopback. Linux tells who owns a listening socket, and only servers of the person's
  own account or of the system's (root, and service accounts below 1000, such as Ollama's) are used. A server that
  belongs to another person, or whose owner is unknown, is passed over. On other systems a machine is taken to belong
  to one person, unless it is a JupyterHub. To use another server that you trust, name it: ``--brain URL``.
- Ollama may list models that run in its cloud. They are passed over, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11

from ...display import printable
from ...protocol.parts import LocalPart

HOST = "127.0.0.1"
#: How long a server may take to answer all requests of the search.
ANSWER_S = 0.3
#: A busy machine may be slower than that; a server that hangs is asked once more after this time.
AGAIN_AFTER_S = 1.0
_LARGEST_ANSWER = 4_000_000
_MOST_ASKED = 8
_TAKES_NO_CHAT = ("embed", "rerank")


@dataclass(frozen=True)
class FoundModel:
    """A text model that can be used."""

    name: str
    server: str
    """E.g. "Ollama"."""
    port: int
    version: str = ""
    """The server's port."""
    licence: str = ""
    """The first line of the model's licence; empty if the server does not tell."""
    calls_tools: bool | None = None
    """`None` if the server does not tell."""
    sees: bool | None = None
    """True if it takes pictures; `None` if the server does not tell."""
    thinks: bool = False
    """True if it writes down its thoughts before it answers."""

    @property
    def base_url(self) -> str:
        """Address of its Chat Completions."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def part(self) -> LocalPart:
        """The model, for `LocalParts`."""
        short = self.name.replace("\\", "/").rpartition("/")[2] if self.name.endswith(".gguf") else self.name
        return LocalPart(printable(short), printable(f"{self.server} {self.version}".strip()), printable(self.licence))


class PassedOver(Exception):
    """A server that was found and is not used; the text says why."""


@dataclass(frozen=True)
class ModelSearch:
    """The result of the search."""

    model: FoundModel | None = None
    passed_over: Sequence[str] = ()
    """Servers that were found and are not used, with the reason."""


@dataclass(frozen=True)
class TextServer:
    """A kind of server, and where it usually listens."""

    name: str
    port: int
    ask: Callable[[TextServer], Awaitable[FoundModel]]
    """Returns the model to use; raises `PassedOver` if there is none."""


async def find_text_model(servers: Sequence[TextServer] | None = None) -> ModelSearch:
    """Look for a text model on this machine; the first server that has one is taken."""
    answers = await asyncio.gather(*[_look_at(server) for server in (SERVERS if servers is None else servers)])
    models = [answer for answer in answers if isinstance(answer, FoundModel)]
    return ModelSearch(models[0] if models else None, tuple(answer for answer in answers if isinstance(answer, str)))


async def _look_at(server: TextServer) -> FoundModel | str | None:
    """Return a server's model, why it is passed over, or `None` if nothing listens."""
    where = f"{server.name} on port {server.port}"
    for last in (False, True):
        try:
            async with asyncio.timeout(ANSWER_S):
                if not await _listens(server.port):
                    return None
                if stranger := stranger_on(server.port):
                    return f"{where} {stranger}"
                return await server.ask(server)
        except PassedOver as reason:
            return f"{where} {reason}"
        except TimeoutError:
            if last:
                return f"{where} does not answer within {ANSWER_S:g} s"
            await asyncio.sleep(AGAIN_AFTER_S)
        except Exception as error:  # Anything that another kind of server may answer.
            return printable(f"{where} does not answer like one: {type(error).__name__}: {error}"[:200])
    return None


# --- Whose server it is -----------------------------------------------------------------------------------------------

_LISTENING = "0A"
#: UID_MIN of login.defs(5): accounts below are the system's.
_FIRST_PERSON = 1000
#: 127.0.0.1 and all addresses, as /proc/net/tcp and tcp6 write them.
_HERE = ("0100007F", "00000000", "0" * 32, "0000000000000000FFFF00000100007F")


def stranger_on(port: int, tables: Sequence[Path] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))) -> str:
    """Return why the server on a port may be another person's; empty if it is this account's or the system's."""
    if sys.platform != "linux":
        return "may be another person's, on a JupyterHub" if "JUPYTERHUB_USER" in os.environ else ""
    owners = set()
    for table in tables:
        lines = table.read_text("ascii").splitlines()[1:] if table.exists() else []
        for fields in map(str.split, lines):
            address, _, number = fields[1].partition(":")
            if fields[3] == _LISTENING and int(number, 16) == port and address in _HERE:
                owners.add(int(fields[7]))
    if not owners:
        return "has an owner that the system does not tell"
    strangers = sorted(owner for owner in owners if owner >= _FIRST_PERSON and owner != os.getuid())
    return f"is another user's (uid {strangers[0]})" if strangers else ""


# --- One request: HTTP/1.1 by h11, which uvicorn brings; it can be given up at any moment -----------------------------


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def _get(port: int, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON object at a path; POSTs `body` if there is one. Raises `PassedOver` if there is none."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        connection = h11.Connection(h11.CLIENT)
        data = b"" if body is None else json.dumps(body).encode()
        headers = [("Host", f"{HOST}:{port}"), ("Connection", "close"), ("Content-Length", str(len(data)))]
        headers += [("Content-Type", "application/json")] if data else []
        request = h11.Request(method="POST" if data else "GET", target=path, headers=headers)
        for part in (request, *([h11.Data(data=data)] if data else []), h11.EndOfMessage()):
            writer.write(connection.send(part) or b"")
        status, answer = 0, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                answer += event.data
            if len(answer) > _LARGEST_ANSWER:
                raise PassedOver(f"answers {path} with more than {_LARGEST_ANSWER} bytes")
    finally:
        writer.close()
    if status != 200:
        raise PassedOver(f"answers {path} with status {status}")
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PassedOver(f"answers {path} with something other than a JSON object")
    return found


async def _all(*requests: Coroutine[Any, Any, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results of several requests at once; if one fails, the others are given up."""
    tasks = [asyncio.create_task(request) for request in requests]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _models(answer: dict[str, Any], field: str) -> list[dict[str, Any]]:
    models = answer.get(field)
    return [model for model in models if isinstance(model, dict)] if isinstance(models, list) else []


# --- The servers, and what each tells of its models -------------------------------------------------------------------


async def _ask_ollama(server: TextServer) -> FoundModel:
    """Ask Ollama. Source: docs.ollama.com/api, "List models", "List running models", "Show model details"."""
    version, tags, running = await _all(*[_get(server.port, path) for path in ("/api/version", "/api/tags", "/api/ps")])
    loaded = [str(model.get("name")) for model in _models(running, "models")]
    names = [
        str(model["name"])
        for model in _models(tags, "models")
        if model.get("name") and not _is_remote(model) and not any(word in model["name"] for word in _TAKES_NO_CHAT)
    ]
    # The list of those that must be loaded first begins with the newest.
    names.sort(key=lambda name: name not in loaded)
    if not names:
        raise PassedOver("has no model that runs on this machine")
    shown = await _all(*[_get(server.port, "/api/show", {"model": name}) for name in names[:_MOST_ASKED]])
    found = []
    for name, model in zip(names, shown, strict=False):
        told = model.get("capabilities")
        able = set(map(str, told)) if isinstance(told, list) else None
        if _is_remote(model) or (able is not None and "completion" not in able):
            continue
        found.append(
            FoundModel(
                name,
                server.name,
                server.port,
                version=str(version.get("version", "")),
                licence=_first_line(model.get("license")),
                calls_tools=None if able is None else "tools" in able,
                sees=None if able is None else "vision" in able,
                thinks=able is not None and "thinking" in able,
            )
        )
    if not found:
        raise PassedOver("has no model to chat with")
    return min(found, key=lambda model: (model.name not in loaded, model.calls_tools is False))


def _is_remote(model: dict[str, Any]) -> bool:
    """Return whether Ollama would send the conversation to its cloud."""
    name = str(model.get("name", ""))
    return bool(model.get("remote_host") or model.get("remote_model")) or name.endswith(("-cloud", ":cloud"))


def _first_line(licence: Any) -> str:
    """Return the name of a licence, with which its text begins."""
    lines = [line.strip() for line in str(licence or "").splitlines() if line.strip()]
    return lines[0][:60] if lines else ""


async def _ask_lm_studio(server: TextServer) -> FoundModel:
    """Ask LM Studio. Source: lmstudio.ai/docs/developer/rest/endpoints, "GET /api/v0/models"."""
    chats = [
        model
        for model in _models(await _get(server.port, "/api/v0/models"), "data")
        if model.get("type") in ("llm", "vlm") and isinstance(model.get("id"), str)
    ]
    if not chats:
        raise PassedOver("has no model to chat with")
    model = min(chats, key=lambda model: model.get("state") != "loaded")
    able = model.get("capabilities")
    return FoundModel(
        model["id"],
        server.name,
        server.port,
        # Models that were not trained for tools can call them too, in a format of LM Studio's own.
        calls_tools=True if isinstance(able, list) and "tool_use" in able else None,
        sees=model["type"] == "vlm",
    )


async def _ask_llama_cpp(server: TextServer) -> FoundModel:
    """Ask llama.cpp's server. Source: tools/server/README.md of ggml-org/llama.cpp, "GET /v1/models", "GET /props"."""
    answer = await _get(server.port, "/v1/models")
    names = [str(model.get("id")) for model in _models(answer, "data") if model.get("owned_by") == "llamacpp"]
    if not names:
        raise PassedOver("is another program")
    told = next((model.get("capabilities") for model in _models(answer, "models")), None)
    if isinstance(told, list) and "completion" not in told:
        raise PassedOver("has no model to chat with")
    props = await _get(server.port, "/props")
    modalities = props.get("modalities")
    caps = props.get("chat_template_caps")
    tools = caps.get("supports_tools") if isinstance(caps, dict) else None
    sees = modalities.get("vision") if isinstance(modalities, dict) else None
    return FoundModel(
        names[0],
        server.name,
        server.port,
        version=str(props.get("build_info", "")),
        calls_tools=tools if isinstance(tools, bool) else None,
        sees=sees if isinstance(sees, bool) else None,
    )


def ollama(port: int = 11434) -> TextServer:
    """Return where Ollama is looked for."""
    return TextServer("Ollama", port, _ask_ollama)


def lm_studio(port: int = 1234) -> TextServer:
    """Return where LM Studio is looked for."""
    return TextServer("LM Studio", port, _ask_lm_studio)


def llama_cpp(port: int = 8080) -> TextServer:
    """Return where llama.cpp's server is looked for."""
    return TextServer("llama.cpp's server", port, _ask_llama_cpp)


SERVERS = (ollama(), lm_studio(), llama_cpp())
