"""Keys are sent, and nowhere else: not logged, shown, written down or passed on, with all logging at DEBUG."""

import base64
import contextlib
import json
import logging
import pickle
import re
import socket
import sys
import traceback
from functools import partial

import pytest
import wire_samples as wire
from local_http import served
from openai import AsyncOpenAI
from plain_http import plain
from scripted_server import scripted

import realtime_nb as rt
from realtime_nb.local.server import LocalServer
from realtime_nb.secrecy import Secret
from realtime_nb.sessions import connection as transport
from realtime_nb.sessions.backend import Backend
from realtime_nb.widgets.panel import VoicePanel

KEY, PASSWORD, TOKEN = "marker0of0no0shape", "marker0password", "marker0in0a0query"
MARKERS = (KEY, PASSWORD, TOKEN, base64.b64encode(f"user:{PASSWORD}".encode()).decode())
WAIT_S = 120
SESSIONS = (rt.RealtimeSession, rt.ChatSession, rt.CascadeSession)


class Everything(logging.Handler):
    """Keeps everything that is logged, as text and as its arguments."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.said = []

    def emit(self, record):
        self.said.append(f"{record.name}: {self.format(record)} {record.__dict__}")


@pytest.fixture
def logged():
    """All that any library logs meanwhile."""
    handler, root = Everything(), logging.getLogger()
    names = [None, *(name for name in logging.root.manager.loggerDict if not name.startswith(("matplotlib", "numba")))]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield handler.said
    finally:
        root.removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def assert_clean(text, *known):
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for marker in (*MARKERS, *known):
        found = text.find(marker)
        assert found < 0, f"…{text[max(0, found - 300) : found + 100]}…"


def everything_below(folder):
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def with_parts(url):
    """Return an address with a user part and a query."""
    return url.replace("http://", f"http://user:{PASSWORD}@") + f"?api-key={TOKEN}"


def backends(url):
    """The ways in which a key travels."""
    local = {"model": "local-voice", "chat_model": "local-voice", "transcription": "local-transcribe"}
    chain = {"chain": ("local-transcribe", "local-voice", "local-tts")}
    return {
        "bearer": Backend("there", url, KEY, **local, **chain),
        "azure": Backend("azure", url.removesuffix("/v1"), KEY, **local, **chain, azure=True),
        "address": Backend("azure", with_parts(url.removesuffix("/v1")), KEY, **local, **chain, azure=True),
    }


@pytest.mark.parametrize("way", ["bearer", "azure", "address"])
def test_no_key_is_logged_shown_or_written_in_a_whole_session(way, logged, tmp_path, capfd):
    shown = []
    with served(api_key=KEY) as server:
        backend = backends(server.url)[way]
        shown += [repr(backend), str(backend), pickle.dumps(backend)]
        for kind in SESSIONS:
            session = kind(backend=backend, recording=tmp_path / kind.__name__)
            reply = session.ask("Hello!").result(WAIT_S)
            assert reply.status == "completed", reply.error
            shown += [repr(session), repr(reply), repr(session.conversation), str(list(session.log))]
            shown += [session.conversation.costs().frame.to_csv(), repr(session.conversation.errors)]
            if kind is rt.RealtimeSession:
                panel = VoicePanel(session)
                shown += [repr(panel), str(panel._repr_mimebundle_()), str(panel.get_state())]
                panel.close()
            session.close().result(WAIT_S)
            session.save(tmp_path / f"saved-{kind.__name__}")
    assert logged
    for each in (*shown, *logged, everything_below(tmp_path), "".join(capfd.readouterr())):
        assert_clean(each)


def test_no_key_is_in_what_an_experiment_writes_nor_in_what_the_doctor_says(logged, tmp_path, capfd):
    with served(api_key=KEY) as server:
        backend = backends(server.url)["address"]
        data = rt.Dataset.from_texts(["Hello!", "What is two plus three?"])
        results = rt.run(data, {"one": lambda: rt.ChatSession(backend=backend)}, out=tmp_path / "run", progress=False)
        results.report()
        found = rt.doctor(backend)
        said = [str(found), repr(found), found.to_dict(), repr(results), results.frame.to_csv()]
        lost = rt.doctor(with_parts("http://127.0.0.1:9/v1"), api_key=KEY)
        said += [str(lost), lost.to_dict()]
    for each in (*said, *logged, everything_below(tmp_path), "".join(capfd.readouterr())):
        assert_clean(str(each) if isinstance(each, dict) else each)


# --- errors ---


@contextlib.contextmanager
def nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{free.getsockname()[1]}/v1"


@contextlib.contextmanager
def silent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def telling():
    """A server that names the key which it refuses, and colours what it says."""
    message = f"Incorrect API key provided: \x1b[31m{KEY}"
    refused = 401, json.dumps({"error": {"message": message, "code": "invalid_api_key", "type": KEY, "param": KEY}})
    answers = {f"/v1/{each}": refused for each in ("realtime", "chat/completions", "audio/transcriptions")}
    return plain(answers)


def with_variables(error):
    """Return an error's traceback as IPython's verbose mode and as the standard library show it with variables."""
    from IPython.core.ultratb import VerboseTB

    trace = error.__traceback__
    while trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next  # These tests' variables hold the key.
    error = error.with_traceback(trace)
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return text + re.sub(r"\x1b\[[0-9;]*m", "", VerboseTB().text(type(error), error, trace))


@pytest.mark.parametrize("kind", SESSIONS)
@pytest.mark.parametrize("where", [nobody_there, silent, telling])
@pytest.mark.parametrize("address", [str, with_parts])
def test_no_key_is_in_a_traceback_with_variables(kind, where, address, monkeypatch, logged):
    monkeypatch.setattr(transport, "OPEN_TIMEOUT_S", 0.3)
    with where() as url:
        if where is silent and kind is not rt.RealtimeSession:
            client = AsyncOpenAI(base_url=address(url), api_key=KEY, timeout=0.3, max_retries=0)
            session = kind(client=client)
        else:
            session = kind(backend=address(url), api_key=KEY)
        with pytest.raises(rt.RealtimeError) as caught:
            session.ask("Hello!").result(WAIT_S)
        session.close().result(WAIT_S)
        text = with_variables(caught.value)
    assert "Traceback" in text and "\x1b" not in text
    assert where is not telling or "[hidden]" in str(caught.value)
    assert_clean(text)
    assert_clean(str(caught.value))
    for each in logged:
        assert_clean(each)


def test_a_key_that_a_server_names_in_an_open_session_is_not_kept(tmp_path, logged):
    said = f"the key {KEY} and the token {TOKEN} may not do that"

    asked = []

    def script(peer):
        peer.open()
        if not asked:  # The second question may find the connection closed, and open another one.
            answer(peer)
        peer.socket.close(1008, f"no more with {KEY}")

    def answer(peer):
        asked.append(request := peer.read_text_question())
        created, done = wire.response_created("R1"), wire.response_done("R1", "failed", output=[])
        done["response"]["status_details"] = {"type": "failed", "error": {"type": "x", "code": "y", "message": said}}
        for each in (created, done):
            each["response"]["metadata"] = request["response"]["metadata"]
        peer.send(wire.event("error", error={"type": "x", "code": "y", "message": said}), created, done)

    with scripted(script) as address:
        backend = Backend.at(f"{address}?api-key={TOKEN}", KEY)
        session = rt.RealtimeSession(backend=backend, recording=tmp_path / "r")
        reply = session.ask("Hello!").result(WAIT_S)
        with pytest.raises(rt.RealtimeError) as caught:
            session.ask("Are you there?").result(WAIT_S)
        session.close().result(WAIT_S)
    assert "[hidden]" in str(reply.error)
    for each in (str(reply.error), str(session.conversation.errors), str(list(session.log)), str(caught.value)):
        assert_clean(each)
    assert_clean(everything_below(tmp_path))
    for each in logged:
        assert_clean(each)


def test_a_key_that_a_server_repeats_in_an_answer_is_not_kept_by_a_run(tmp_path):
    message = {"role": "assistant", "content": f"Your key is {KEY}."}
    completion = {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    with plain({"/v1/chat/completions": (200, json.dumps(completion))}) as url:
        backend = Backend.at(url, KEY)
        systems = {"one": lambda: rt.ChatSession(backend=backend, output_modalities=["text"])}
        results = rt.run(rt.Dataset.from_texts(["Hello!"]), systems, out=tmp_path / "run", progress=False)
        results.report()
    assert [row["assistant_text"] for row in results.rows] == ["Your key is [hidden]."]
    assert_clean(everything_below(tmp_path))


class Bot:
    """A system of one's own that needs a key for another service."""

    def __init__(self, api_key=KEY, *, mood="calm"):
        self.key, self.mood, self.db = api_key, mood, f"redis://user:{PASSWORD}@host/1?token={TOKEN}"

    async def answer(self, clip):
        return rt.SystemAnswer(text="Hello.", cost_usd=0.0)


def test_no_secret_of_a_system_of_ones_own_or_of_its_tools_is_written_by_a_run(tmp_path):
    headers = {"server_url": with_parts("http://host/mcp"), "authorization": KEY, "headers": {"X-Any": TOKEN}}
    settings = {"backend": "local", "output_modalities": ["text"], "max_usd": 1.0}
    systems = {"made": Bot, "given": partial(Bot, KEY, mood="brisk"), "named": partial(Bot, api_key=KEY)}
    tools = [{"type": "mcp", "server_label": "lab", "require_approval": "never", **headers}]
    systems["tools"] = partial(rt.RealtimeSession, tools=tools, **settings)
    results = rt.run(rt.Dataset.from_texts(["Hello!"]), systems, out=tmp_path / "run", progress=False)
    results.report()
    written = everything_below(tmp_path)
    assert_clean(written)
    assert b"brisk" in written and b"redis://host/1" in written and b"http://host/mcp" in written
    with rt.SystemSession(Bot()) as session:
        session.ask(rt.speak("Hello!")).result(WAIT_S)
        assert_clean(str(list(session.log)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: rt.RealtimeSession(backend=with_parts("http://host/v1"), api_key=KEY, speed=9),
        lambda: rt.RealtimeSession(backend=with_parts("http://host/v1"), api_key=KEY, max_usd=-1),
        lambda: rt.ChatSession(backend=with_parts("http://host/v1"), api_key=KEY, format="?"),
        lambda: rt.CascadeSession(backend="nowhere", api_key=KEY),
        lambda: Backend.find(with_parts("ftp://host/v1"), api_key=KEY),
        lambda: Backend.at(with_parts("http://host:99999/v1"), api_key=KEY),
        lambda: Backend.at(f"http://user:{PASSWORD}/more@host/v1"),
        lambda: Backend.at(f"user:{PASSWORD}@host/v1"),
        lambda: Backend.find(f"user:{PASSWORD}@host/v1"),
        lambda: Backend.openai(f"{KEY}é"),
        lambda: Backend("x", api_key=f"{KEY}é"),
        lambda: Backend("x", f"http://user:{PASSWORD}/more@host/v1", KEY),
        lambda: Backend("x", "http://host:more/v1", KEY, user=f"user:{PASSWORD}", query=f"api-key={TOKEN}"),
        lambda: rt.ChatSession(backend=with_parts("http://host/v1"), api_key=KEY, nonsense=1),
    ],
)
def test_no_key_is_in_the_traceback_of_what_cannot_be_meant(make):
    with pytest.raises((rt.SettingsError, TypeError)) as caught:
        make()
    assert_clean(str(caught.value))
    assert_clean(with_variables(caught.value))


class SecretStr:
    """As pydantic's: `str` masks it, which must not be sent as the key."""

    def __str__(self):
        return "**********"


@pytest.mark.parametrize("key", [KEY.encode(), bytearray(KEY.encode()), 20_260_101, SecretStr(), [KEY]])
@pytest.mark.parametrize(
    "make",
    [
        lambda key: rt.RealtimeSession(backend="http://host/v1", api_key=key),
        lambda key: rt.ChatSession(backend=Backend("x", "http://host/v1"), api_key=key),
        lambda key: rt.CascadeSession(api_key=key),
        lambda key: Backend.find("openai", api_key=key),
        lambda key: Backend.at("http://host/v1", key),
        lambda key: Backend("x", "http://host/v1", key),
        lambda key: LocalServer(api_key=key),
    ],
)
def test_a_key_that_is_no_text_is_refused_by_its_type_and_not_shown(make, key):
    with pytest.raises(rt.SettingsError, match=f"api_key must be a str, but is of type {type(key).__name__}") as caught:
        make(key)
    assert_clean(text := with_variables(caught.value))
    assert "20260101" not in text


# --- addresses ---


def test_the_parts_of_an_address_are_sent_and_only_that(monkeypatch):
    seen = []
    backend = Backend.find(with_parts("http://host:1/v1/"))
    assert backend.base_url == "http://host:1/v1"
    assert backend.realtime_url("m") == f"ws://host:1/v1/realtime?model=m&api-key={TOKEN}"
    assert backend.headers() == {"Authorization": f"Basic {MARKERS[-1]}"}

    def look(peer):
        seen.append((peer.request.path, peer.request.headers.get_all("Authorization")))

    with scripted(look) as address, pytest.raises(rt.RealtimeError):
        rt.RealtimeSession(backend=with_parts(address), api_key=KEY).connect().result(WAIT_S)
    ((path, authorization),) = seen
    assert path.startswith("/v1/realtime?model=") and path.endswith(f"&api-key={TOKEN}")
    assert authorization == [f"Basic {MARKERS[-1]}"]


def test_a_version_in_an_address_is_no_secret_elsewhere(tmp_path):
    backend = Backend.at("http://host/v1?api-version=2031-01-01-preview&model=of-the-house")
    assert backend.base_url == "http://host/v1"
    from realtime_nb.secrecy import Secrets, hide

    assert not Secrets().are_in(b"api-version=2031-01-01-preview&model=of-the-house")
    assert hide("of-the-house 2031-01-01-preview") == "of-the-house 2031-01-01-preview"


def test_a_pickled_address_takes_its_parts_from_where_it_comes(monkeypatch):
    data = pickle.dumps(Backend.at(with_parts("http://host/v1"), KEY))
    assert_clean(data)
    there = pickle.loads(data)
    assert (there.base_url, there.user, there.query) == ("http://host/v1", "", "")
    monkeypatch.setenv("REALTIME_NB_BASE_URL", with_parts("http://host/v1"))
    there = pickle.loads(data)
    assert (there.user, there.query) == (f"user:{PASSWORD}", f"api-key={TOKEN}")


# --- the holder ---


def test_a_secret_is_masked_wherever_variables_are_shown():
    import reprlib

    from IPython.lib.pretty import pretty

    key = Secret(KEY)
    for text in (repr(key), repr([key]), f"{key!r}", reprlib.repr(key), pretty({"k": key}), repr(key[:12]), ascii(key)):
        assert "marker" not in text
    assert f"Bearer {key}" == f"Bearer {KEY}" and key == KEY and hash(key) == hash(KEY)
    assert repr(Secret("")) == "''"


def test_other_records_are_left_as_they_are():
    Secret(KEY)
    record = logging.getLogRecordFactory()("uvicorn.access", 20, "f", 1, '%s - "%s"', ("a", "b"), None)
    assert record.args == ("a", "b")
    record = logging.getLogRecordFactory()("my.app", 20, "f", 1, "%s", (KEY,), None)
    assert record.args == (KEY,)
    record = logging.getLogRecordFactory()("httpx2", 20, "f", 1, "to %s", (KEY,), None)
    assert record.getMessage() == "to [hidden]"


def test_no_key_is_in_a_record_that_cannot_be_formatted(capfd):
    class Unshown:
        def __str__(self):
            raise LookupError("no text")

        __repr__ = __str__

    Secret(KEY)
    make = logging.getLogRecordFactory()
    handler = logging.StreamHandler()
    for record in (
        make("httpx2", 20, "f", 1, "to %d", (KEY,), None),
        make("httpx2", 20, "f", 1, f"{KEY} %s", (Unshown(),), None),
    ):
        handler.handle(record)
    shown = "".join(capfd.readouterr())
    assert "to %d" in shown and KEY not in shown


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_processes_of_the_local_voice_get_no_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "REALTIME_NB_API_KEY", "REALTIME_NB_SERVER_KEY"):
        monkeypatch.setenv(name, KEY)
    from realtime_nb.local.process import LocalVoice

    voice = LocalVoice()
    url, token = voice.address()
    try:
        rt.RealtimeSession(backend=Backend("there", url, token, model="local-rules")).ask("Hi!").result(WAIT_S)
        for process in _family(voice.process_id):
            for name in ("cmdline", "environ"):
                with open(f"/proc/{process}/{name}", "rb") as file:
                    assert_clean(file.read(), token)
    finally:
        voice.stop()


def _family(process_id):
    found = [process_id]
    with open(f"/proc/{process_id}/task/{process_id}/children") as file:
        for child in file.read().split():
            found += _family(int(child))
    return found
