import pytest
from local_http import served
from plain_http import plain
from scripted_server import refusal, scripted

from realtime_nb.diagnosis.probes import ask_http, ask_local, ask_realtime, find_server
from realtime_nb.loop import submit
from realtime_nb.sessions.backend import Backend

KEY = "sk-proj-WRONG0123456789abcdefgh"
MODEL = '{"id": "gpt-realtime-2.1", "object": "model", "created": 0, "owned_by": "x"}'
REFUSED = '{"error": {"message": "Incorrect API key provided: ' + KEY + '", "code": "invalid_api_key"}}'


@pytest.fixture(scope="module")
def server():
    with served() as running:
        yield running


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "REALTIME_NB_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def result(coroutine):
    return submit(coroutine).result(30)


def at(address, key=KEY, **fields):
    return Backend("openai", address, key, **fields)


def test_a_server_with_the_right_key_answers_on_both_ways(server):
    backend = at(server.url, server.api_key, model="local-rules")
    http = result(ask_http(backend))
    assert http.error == http.code == "" and http.took_ms > 0
    assert result(ask_realtime(backend)).error == ""


def test_the_local_voice_answers_a_question(server):
    answer = result(ask_local(at(server.url, server.api_key, model="local-rules")))
    assert answer.error == "" and "it said '2 plus 3 is 5.'" in answer.said


def test_a_wrong_key_is_refused_on_both_ways_and_not_repeated(server):
    backend = at(server.url, model="local-rules")
    answers = [result(ask_http(backend)), result(ask_realtime(backend))]
    assert [answer.code for answer in answers] == ["invalid_api_key"] * 2
    assert all(answer.error and KEY not in answer.error for answer in answers)


def test_a_server_that_repeats_the_key_does_not_make_us_repeat_it():
    with plain({"/v1/models/gpt-realtime-2.1": (401, REFUSED)}) as address:
        answer = result(ask_http(at(address)))
    assert answer.code == "invalid_api_key" and KEY not in answer.error and "Incorrect" in answer.error
    with scripted(process_request=refusal(401, REFUSED)) as address:
        answer = result(ask_realtime(at(address)))
    assert answer.code == "invalid_api_key" and KEY not in answer.error


def test_a_model_that_is_not_there_is_told_by_its_code(server):
    answer = result(ask_http(at(server.url, server.api_key, model="gpt-9")))
    assert answer.code == "model_not_found" and "gpt-9" in answer.error


def test_a_way_that_lets_no_sockets_through_is_told_apart():
    with plain({"/v1/models/gpt-realtime-2.1": (200, MODEL)}) as address:
        assert result(ask_http(at(address))).error == ""
        answer = result(ask_realtime(at(address)))
    assert answer.code == "unreachable" and "no Realtime endpoint" in answer.error


def test_no_server_is_waited_for_beyond_the_timeout():
    with plain({"/v1/models/gpt-realtime-2.1": None}) as address:
        answer = result(ask_http(at(address), timeout_s=0.3))
    assert answer.code == "unreachable"
    with scripted(lambda peer: peer.wait_until_gone()) as address:
        answer = result(ask_realtime(at(address), timeout_s=0.3))
    assert answer.error == "no answer within 0.3 s"


def test_a_server_that_is_not_there_is_unreachable():
    backend = at("http://127.0.0.1:9/v1")
    for answer in (result(ask_http(backend)), result(ask_realtime(backend))):
        assert answer.code == "unreachable" and "127.0.0.1:9 cannot be reached (" in answer.error
        assert "doctor" not in answer.error


def test_azure_is_asked_for_its_list_with_its_own_header():
    with plain({"/openai/models": (200, '{"object": "list", "data": []}')}) as address:
        backend = Backend("azure", address.removesuffix("/v1"), KEY, model="mine", azure=True)
        assert result(ask_http(backend)).error == ""


@pytest.mark.parametrize(
    ("backend", "said"),
    [("openai", "set OPENAI_API_KEY"), ("azure", "set AZURE_OPENAI_ENDPOINT"), ("opneai", "backend='opneai' is not")],
)
def test_a_backend_that_cannot_be_asked_says_why(backend, said):
    found, server = find_server(backend, None)
    assert found is None and said in server.error and server.name == backend


def test_an_invalid_key_is_not_shown():
    found, server = find_server("openai", "sk-ключ-0123456789abcdef")
    assert found is None and "copy it again" in server.error and "sk-" not in server.error


def test_a_servers_address_is_shown_without_its_password():
    _, server = find_server("https://ada:hunter2@proxy.example:8443/v1", "k")
    assert server.host == "proxy.example:8443" and server.name == "proxy.example" and server.keyed
