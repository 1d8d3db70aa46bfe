import pytest
from local_http import served
from openai import AsyncAzureOpenAI, AsyncOpenAI

from realtime_nb.errors import ConnectionLost, ServerError
from realtime_nb.loop import submit
from realtime_nb.sessions.api import Api, told_by_sdk
from realtime_nb.sessions.backend import AZURE_API_VERSION, Backend


@pytest.fixture(scope="module")
def server():
    with served() as running:
        yield running


def call(api, act):
    async def calling():
        try:
            async with told_by_sdk():
                return await act(await api.client())
        finally:
            await api.close()

    return submit(calling()).result(60)


def test_an_answer_comes_through(server):
    models = call(Api(Backend.at(server.url, server.api_key)), lambda client: client.models.list())
    assert "local-rules" in [model.id for model in models.data]


def test_the_apis_error_keeps_its_code_message_and_parameter(server):
    with pytest.raises(ServerError) as caught:
        call(
            Api(Backend.at(server.url, server.api_key)),
            lambda client: client.chat.completions.create(model="local-rules", messages=[]),
        )
    assert caught.value.message and caught.value.param == "messages"


def test_a_wrong_key_is_said_to_be_one(server):
    with pytest.raises(ServerError, match="check the key") as caught:
        call(Api(Backend.at(server.url, "wrong")), lambda client: client.models.list())
    assert caught.value.code == "invalid_api_key"


def test_a_server_that_is_not_there_is_a_lost_connection():
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        call(Api(Backend.at("http://127.0.0.1:9/v1")), lambda client: client.models.list())


@pytest.mark.parametrize(
    ("make", "name", "socket"),
    [
        (lambda: AsyncOpenAI(api_key="k"), "openai", "wss://api.openai.com/v1/realtime?model=m"),
        (lambda: AsyncOpenAI(base_url="http://box:8000/v1", api_key="k"), "box", "ws://box:8000/v1/realtime?model=m"),
        (
            lambda: AsyncAzureOpenAI(azure_endpoint="https://a.openai.azure.com", api_key="k", api_version="v"),
            "azure",
            f"wss://a.openai.azure.com/openai/realtime?api-version={AZURE_API_VERSION}&deployment=m",
        ),
    ],
)
def test_a_callers_client_says_where_its_server_is(monkeypatch, make, name, socket):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    backend = Api.find(None, None, make()).backend
    assert (backend.name, backend.api_key, backend.realtime_url("m")) == (name, "k", socket)


def test_a_client_with_a_token_has_no_key():
    client = AsyncAzureOpenAI(azure_endpoint="https://a.openai.azure.com", azure_ad_token="t", api_version="v")
    assert Api.find(None, None, client).backend.headers() == {}


def test_azure_is_reached_by_its_own_client():
    api = Api(Backend.azure_openai("https://name.openai.azure.com", "mine", api_key="key"))
    client = submit(api.client()).result(60)
    assert isinstance(client, AsyncAzureOpenAI) and "name.openai.azure.com" in str(client.base_url)
    submit(api.close()).result(60)
