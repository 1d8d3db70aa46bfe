from __future__ import annotations

import openai
import pytest
from local_http import served

from realtime_nb.protocol.parts import LocalParts


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


def test_the_local_models_are_listed(server):
    models = list(server.sdk.models.list())
    assert [model.id for model in models] == [
        *("local-voice", "local-rules", "local-script", "local-transcribe", "local-tts")
    ]
    assert {(model.object, model.owned_by, model.shutdown_date) for model in models} == {("model", "realtime_nb", None)}


def test_one_is_found_by_its_name(server):
    assert server.sdk.models.retrieve("local-rules").id == "local-rules"


def test_each_tells_which_parts_answer_there(server):
    rules, script = (
        LocalParts.from_dict(server.sdk.models.retrieve(name).parts) for name in ("local-rules", "local-script")
    )
    assert (rules.brain.name, script.brain.name) == ("rules, no language model", "a script, no language model")
    assert (rules.ears, rules.voice, rules.end_of_turn) == (script.ears, script.voice, script.end_of_turn)
    for part in (rules.ears, rules.voice, rules.end_of_turn, rules.brain):
        assert part.name and part.licence
    assert [model.parts for model in server.sdk.models.list()][1:3] == [rules.to_dict(), script.to_dict()]


@pytest.mark.parametrize("name", ["gpt-realtime", "org/model"])
def test_others_are_not_found(server, name):
    with pytest.raises(openai.NotFoundError, match=f"The model '{name}' does not exist") as refused:
        server.sdk.models.retrieve(name)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
