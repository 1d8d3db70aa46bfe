"""Text models behind real endpoints on this machine."""

import json
import threading

import pytest
from plain_http import plain
from scripted_text import scripted_text

import realtime_nb as rt
from realtime_nb.experiments import retrying
from realtime_nb.experiments.stopping import at_work, stop_cells
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


def test_without_a_price_the_cost_is_unknown():
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


BUSY = json.dumps({"error": {"message": "too much to do"}})
ANSWER = json.dumps({"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Five."}}]})


class Shown:
    """What was to be shown while it was waited for, in the place of a bar."""

    def __init__(self):
        self.said, self.begun = [], threading.Event()

    def __call__(self, what):
        self.said.append(what)
        return self

    def __enter__(self):
        self.begun.set()

    def __exit__(self, *_):
        pass


@pytest.fixture
def shown(monkeypatch):
    monkeypatch.setattr(retrying, "Progress", found := Shown())
    return found


@pytest.mark.parametrize(
    "refusal", [(429, BUSY, {"Retry-After": "100"}), (529, BUSY), (503, json.dumps({"error": {"type": "busy"}}))]
)
def test_a_server_that_has_too_much_to_do_is_asked_again_after_a_wait_that_is_bounded_and_shown(
    refusal, shown, monkeypatch
):
    monkeypatch.setattr(retrying, "_LONGEST_WAIT_S", 0.01)
    with plain({"/v1/chat/completions": [refusal, refusal, (200, ANSWER)]}) as url:
        assert write(ASKED, model="m", backend=url, timeout_s=10).text == "Five."
    assert len(shown.said) == 2 and all(said.startswith("Waiting about") for said in shown.said)


def test_a_server_that_asks_to_wait_very_long_is_not_waited_for(shown):
    with plain({"/v1/chat/completions": (429, BUSY, {"Retry-After": "9000"})}) as url:
        with pytest.raises(rt.ServerError, match="asks to wait 9000 s"):
            write(ASKED, model="m", backend=url, timeout_s=10)
    assert not shown.said


def test_stopping_a_cell_ends_its_wait(shown):
    work, failed = object(), []

    def judge(url):
        with at_work(work):
            try:
                write(ASKED, model="m", backend=url, timeout_s=10)
            except rt.RealtimeError as error:
                failed.append(error)

    with plain({"/v1/chat/completions": (429, BUSY, {"Retry-After": "100"})}) as url:
        thread = threading.Thread(target=judge, args=(url,), daemon=True)
        thread.start()
        assert shown.begun.wait(60)
        stop_cells([work])
        thread.join(20)
    assert len(failed) == 1 and len(shown.said) == 1
