from __future__ import annotations

import openai
import pytest
from local_http import served


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


def test_what_is_here_is_listed(server):
    models = list(server.sdk.models.list())
    assert [model.id for model in models] == ["local-rules", "local-script", "local-sphinx", "local-espeak"]
    assert {(model.object, model.owned_by, model.shutdown_date) for model in models} == {("model", "realtime_nb", None)}


def test_one_is_found_by_its_name(server):
    assert server.sdk.models.retrieve("local-rules").id == "local-rules"


@pytest.mark.parametrize("name", ["gpt-realtime", "org/model"])
def test_others_are_not_found(server, name):
    with pytest.raises(openai.NotFoundError, match=f"The model '{name}' does not exist") as refused:
        server.sdk.models.retrieve(name)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
