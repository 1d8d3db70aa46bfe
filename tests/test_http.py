import pytest
from local_http import served

from realtime_nb.backends import Backend
from realtime_nb.errors import ConnectionLost, ServerError
from realtime_nb.loop import submit
from realtime_nb.sessions.http import Api, told_by_sdk


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


def test_nobody_there_is_a_lost_connection():
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        call(Api(Backend.at("http://127.0.0.1:9/v1")), lambda client: client.models.list())


def test_azure_is_reached_by_its_own_client():
    from openai import AsyncAzureOpenAI

    api = Api(Backend.azure_openai("https://name.openai.azure.com", "mine", api_key="key"))
    client = submit(api.client()).result(60)
    assert isinstance(client, AsyncAzureOpenAI) and "name.openai.azure.com" in str(client.base_url)
    submit(api.close()).result(10)
