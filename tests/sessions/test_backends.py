import copy
import pickle
from dataclasses import replace

import pytest

from realtime_nb.errors import ConnectionLost, MissingKey, SettingsError
from realtime_nb.sessions.backend import Backend

KEY = "sk-test-0123456789"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in (
        *("OPENAI_API_KEY", "OPENAI_BASE_URL", "REALTIME_NB_API_KEY"),
        *("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT"),
    ):
        monkeypatch.delenv(name, raising=False)


def test_without_a_key_it_is_the_local_voice():
    backend = Backend.find()
    assert (backend.name, backend.model, backend.api_key) == ("local", "local-voice", "")
    assert backend == Backend.find("local") == Backend.local()


def test_with_a_key_it_is_openai(monkeypatch):
    assert Backend.find(api_key=KEY).name == "openai"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    backend = Backend.find()
    assert (backend.name, backend.api_key) == ("openai", KEY)
    assert backend.realtime_url("gpt-realtime-2.1") == "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
    assert backend.headers() == {"Authorization": f"Bearer {KEY}"}


def test_the_defaults_are_models_that_stay():
    from realtime_nb.pricing.prices import shutdown_notice

    backend = Backend.find(api_key=KEY)
    assert (backend.model, backend.transcription, backend.voice) == (
        "gpt-realtime-2.1",
        "gpt-realtime-whisper",
        "marin",
    )
    assert shutdown_notice(backend.model) is shutdown_notice(backend.transcription) is None


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_an_empty_key_is_no_key(monkeypatch, blank):
    monkeypatch.setenv("OPENAI_API_KEY", blank)
    assert Backend.find().name == "local"


def test_a_key_copied_with_its_line_end_is_taken_without(monkeypatch):
    assert Backend.openai(f" {KEY}\n").api_key == KEY
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    assert Backend.find("openai").api_key == KEY
    assert Backend.find(Backend.local(), api_key=f"{KEY}\r\n").api_key == KEY


def test_the_address_of_openai_may_be_another(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://eu.example/v1/")
    assert Backend.openai(KEY).realtime_url("m") == "wss://eu.example/v1/realtime?model=m"


def test_azure_has_its_own_address_and_header(monkeypatch):
    backend = Backend.azure_openai("https://res.openai.azure.com/", "my deployment", api_key=KEY)
    assert backend.realtime_url(backend.model) == (
        "wss://res.openai.azure.com/openai/realtime?api-version=2025-08-28&deployment=my+deployment"
    )
    assert backend.headers() == {"api-key": KEY}
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "my deployment")
    assert Backend.find("azure") == backend


@pytest.mark.parametrize(
    ("address", "url", "name"),
    [
        ("http://127.0.0.1:8000/v1", "ws://127.0.0.1:8000/v1/realtime?model=m", "127.0.0.1"),
        ("https://voice.example/v1/", "wss://voice.example/v1/realtime?model=m", "voice.example"),
        ("ws://localhost/v1", "ws://localhost/v1/realtime?model=m", "localhost"),
        ("wss://[::1]:9/v1", "wss://[::1]:9/v1/realtime?model=m", "::1"),
    ],
)
def test_a_server_is_found_by_its_address(address, url, name):
    backend = Backend.find(address)
    assert (backend.name, backend.headers()) == (name, {})
    assert backend.realtime_url("m") == url
    assert Backend.find(address, api_key=KEY).headers() == {"Authorization": f"Bearer {KEY}"}


def test_a_models_name_cannot_change_the_address():
    assert Backend.at("https://voice.example/v1").realtime_url("a&b=c d/é") == (
        "wss://voice.example/v1/realtime?model=a%26b%3Dc%20d/%C3%A9"
    )


@pytest.mark.parametrize("backend", ["openai", "azure"])
def test_a_missing_key_is_named(monkeypatch, backend):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com")
    with pytest.raises(MissingKey, match=f"the {backend} backend needs an API key: set {backend.upper()}"):
        Backend.find(backend)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("opnai", "backend='opnai' is not"),
        ("", "backend='' is not"),
        ("ftp://voice.example", "backend='ftp://voice.example' is not"),
        ("127.0.0.1:8000", "is not"),
        ("https:///v1", "has no host"),
        ("http://127.0.0.1:99999/v1", "base_url='http://127.0.0.1:99999/v1': Port out of range"),
        ("azure", "AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_a_backend_that_cannot_be_meant_is_named(name, said):
    with pytest.raises(SettingsError, match=said):
        Backend.find(name, api_key=KEY)


def test_the_key_is_never_shown():
    for backend in (Backend.openai(KEY), Backend.at("http://localhost/v1", KEY), Backend("x", api_key=KEY)):
        assert KEY not in f"{backend} {backend!r}"


def test_a_backend_passes_through():
    backend = Backend.at("http://localhost/v1")
    assert Backend.find(backend) is backend
    assert backend.located() is backend


@pytest.mark.parametrize("key", ["sk-t\u00e9st", "sk-\u2026", "sk-a\nb", "sk-\ud800", "sk-\x00"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(key):
    for make in (
        Backend.openai,
        lambda key: Backend("x", api_key=key),
        lambda key: Backend.find("http://host/v1", api_key=key),
    ):
        with pytest.raises(SettingsError, match="copy it again") as caught:
            make(key)
        assert key not in str(caught.value)


def test_openais_key_is_not_sent_to_another_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert Backend.at("https://voice.example/v1").headers() == {}
    monkeypatch.setenv("REALTIME_NB_API_KEY", "key-of-this-server")
    assert Backend.at("https://voice.example/v1").headers() == {"Authorization": "Bearer key-of-this-server"}


def test_a_pickled_backend_holds_no_key_and_takes_that_of_where_it_comes(monkeypatch):
    sent = {
        name: pickle.dumps(make(KEY))
        for name, make in (
            ("OPENAI_API_KEY", Backend.openai),
            ("AZURE_OPENAI_API_KEY", lambda key: Backend.azure_openai("https://x.openai.azure.com", api_key=key)),
            ("REALTIME_NB_API_KEY", lambda key: Backend.at("http://host/v1", key)),
        )
    }
    for variable, data in sent.items():
        assert KEY.encode() not in data
        monkeypatch.delenv(variable, raising=False)
        assert pickle.loads(data).api_key == ""
        monkeypatch.setenv(variable, f"key of {variable}")
        assert pickle.loads(data).api_key == f"key of {variable}"


def test_a_pickled_local_backend_is_that_of_where_it_comes():
    here = Backend("local", base_url="http://127.0.0.1:1/v1", api_key=KEY)
    there = pickle.loads(pickle.dumps(here))
    assert (there.base_url, there.api_key) == ("", "") and there.name == "local"


def test_a_copied_backend_keeps_its_key():
    backend = Backend.at("http://host/v1", KEY)
    assert copy.copy(backend).api_key == copy.deepcopy([backend])[0].api_key == KEY


def test_the_local_voice_tells_which_parts_answer():
    parts = Backend.local().parts
    assert parts.brain.name == "rules, no language model"
    assert str(parts).startswith(f"ears: {parts.ears} · voice: ")
    assert Backend.openai("a key").parts is None


def test_a_model_of_another_name_is_answered_by_the_default_parts():
    other = replace(Backend.local().located(), model="gpt-realtime-2.1")
    assert other.parts == Backend.local().parts


def test_a_local_voice_that_is_gone_tells_nothing():
    with pytest.raises(ConnectionLost, match="does not tell its parts"):
        Backend("local", "http://127.0.0.1:9/v1", "a key").parts  # noqa: B018


@pytest.mark.parametrize(
    ("brain", "model"), [("auto", "local-voice"), ("rules", "local-rules"), ("script", "local-script")]
)
def test_the_local_voices_brain_is_chosen_by_its_model(brain, model):
    backend = Backend.local(brain)
    assert (backend.model, backend.chat_model, backend.chain[1]) == (model, model, model)


def test_a_brain_that_is_not_known_is_refused():
    with pytest.raises(SettingsError, match=r"brain='http://127.0.0.1:9/v1' is not one of 'auto', 'rules', 'script'"):
        Backend.local("http://ada:secret@127.0.0.1:9/v1")
