from __future__ import annotations

import pytest
from local_http import served


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


def flagged(server, given):
    return [result.flagged for result in server.sdk.moderations.create(input=given).results]


def test_words_of_the_list_are_found(server):
    answer = server.sdk.moderations.create(input="I will kill you, you moron.", model="omni-moderation-latest")
    assert answer.model == "omni-moderation-latest"
    [result] = answer.results
    assert result.flagged
    assert (result.categories.violence, result.categories.harassment_threatening) == (True, True)
    assert (result.categories.sexual, result.category_scores.sexual) == (False, 0.0)
    assert result.category_scores.violence == 1.0
    assert result.category_applied_input_types.violence == ["text"]


def test_the_result_says_what_it_is(server):
    [result] = server.sdk.moderations.create(input="Good morning.").results
    assert not result.flagged
    assert "not a model" in result.model_extra["notice"]


def test_each_text_has_its_result(server):
    assert flagged(server, ["Hello.", "A murder in the park.", "Skill and overkilled."]) == [False, True, False]
    assert flagged(server, []) == []


def test_the_parts_of_a_message_are_one_text(server):
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    assert flagged(server, [{"type": "text", "text": "Hello."}, image]) == [False]
    assert flagged(server, [{"type": "text", "text": "I want to die."}, image]) == [True]


@pytest.mark.parametrize(
    ("given", "param"),
    [(None, "input"), (3, "input"), (["x", 3], "input[0]"), ([{"type": "smell"}], "input[0].type")],
)
def test_errors_name_the_parameter(server, given, param):
    answer = server.http.post("/moderations", json={"input": given})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
