"""Text models behind real endpoints on this machine."""

import pytest
from scripted_text import scripted_text

import realtime_nb as rt
from realtime_nb.experiments.text_models import write

ASKED = [{"role": "user", "content": "What is two plus three?"}]
SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}}


def test_the_local_voice_answers_without_a_key_and_for_nothing():
    assert write(ASKED, model=None, backend="local", timeout_s=30) == ("2 plus 3 is 5.", 0.0)


def test_an_endpoint_without_structured_output_is_asked_without_it():
    # The local server refuses a response_format.
    assert write(ASKED, model=None, backend="local", timeout_s=30, schema=SCHEMA).text == "2 plus 3 is 5."


def test_a_schema_goes_to_an_endpoint_that_takes_it_and_the_price_is_that_of_the_model(monkeypatch):
    monkeypatch.setenv("REALTIME_NB_API_KEY", "k-1")
    with scripted_text('{"score": 1}') as endpoint:
        text, cost_usd = write(ASKED, model="gpt-5.4-mini", backend=endpoint.url, timeout_s=10, schema=SCHEMA)
        [asked] = endpoint.requests
    assert text == '{"score": 1}' and endpoint.keys == ["Bearer k-1"]
    assert asked["response_format"]["json_schema"]["schema"] == SCHEMA and asked["model"] == "gpt-5.4-mini"
    assert cost_usd is None or cost_usd > 0


def test_what_has_no_price_costs_nobody_knows_what():
    with scripted_text("Hello.") as endpoint:
        assert write(ASKED, model="some-llama", backend=endpoint.url, timeout_s=10) == ("Hello.", None)


def test_other_refusals_are_told_in_the_servers_words(monkeypatch):
    monkeypatch.setattr("realtime_nb.experiments.text_models._MAX_RETRIES", 0)  # They take their time.
    with scripted_text((400, "there is no model m")) as endpoint:
        with pytest.raises(rt.ServerError, match="there is no model m"):
            write(ASKED, model="m", backend=endpoint.url, timeout_s=10, schema=SCHEMA)
        assert len(endpoint.requests) == 1
    with pytest.raises(rt.ConnectionLost, match="cannot be reached"):
        write(ASKED, model="m", backend=endpoint.url, timeout_s=0.5)
