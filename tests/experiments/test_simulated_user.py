"""A text model that plays the person."""

import json
import pickle
from functools import partial

import pytest
from scripted_text import scripted_text

import realtime_nb as rt
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, Said, Scenario, SimulatedUser, run

PRICED = "gpt-realtime-2.1-mini"


@pytest.fixture(autouse=True)
def sold_by_the_endpoint():
    """The scripted endpoint bills what OpenAI does."""
    rt.use_prices({PRICED: {"like": PRICED}})
    yield
    rt.use_prices(None)


def test_it_hears_the_answers_as_the_one_who_is_called_and_hangs_up_by_its_word():
    with scripted_text("  “Cancel\n it, please.” ", "Thanks. END_CALL", "END_CALL") as endpoint:
        user = SimulatedUser(goal="to cancel an order", persona="Jo", opening="Hi!", model=PRICED, backend=endpoint.url)
        assert user([]) == ("Hi!", 0.0)
        talk = [Said("user", "Hi!"), Said("assistant", "What can I do?")]
        said = user(talk)
        assert said.words == "“Cancel it, please.”" and said.cost_usd > 0
        assert user(talk).words == "Thanks."
        assert user(talk[:1]).words is None
        messages = endpoint.requests[0]["messages"]
        assert [(each["role"], each["content"]) for each in messages[1:]] == [
            ("assistant", "Hi!"),
            ("user", "What can I do?"),
        ]
        assert "to cancel an order" in messages[0]["content"] and "Jo" in messages[0]["content"]
        assert endpoint.requests[2]["messages"][-1]["content"] == "(Silence.)"
    assert pickle.loads(pickle.dumps(user)) == user


def test_without_an_opening_the_model_begins():
    with scripted_text("Hello.") as endpoint:
        assert SimulatedUser(goal="x", model=PRICED, backend=endpoint.url)([]).words == "Hello."
        assert "You begin" in endpoint.requests[0]["messages"][1]["content"]


def test_in_a_run_it_talks_with_all_three_systems_and_is_paid(tmp_path):
    systems = {
        "realtime": partial(rt.RealtimeSession, backend="local"),
        "chat": partial(rt.ChatSession, backend="local"),
        "chain": partial(rt.CascadeSession, backend="local"),
    }
    with scripted_text("What is two plus three?", "END_CALL") as endpoint:
        endpoint.answers *= 3
        user = SimulatedUser(
            goal="to learn a sum", opening="What is three plus two?", model=PRICED, backend=endpoint.url
        )
        dataset = Dataset([Scenario(example_id="sum", user=user)])
        results = run(dataset, systems, out=tmp_path, concurrency=1, progress=False)
    assert results.failed == []
    for row in results.rows:
        turns = json.loads(row["turn_measures"])
        assert [each["user_text"] for each in turns] == ["What is three plus two?", "What is two plus three?"]
        assert "3 plus 2" in turns[0]["assistant_text"] and "2 plus 3" in turns[1]["assistant_text"]
        assert row["user_cost_usd"] > 0 and row["user_text"] == "What is three plus two? What is two plus three?"
    assert results.cost_usd == pytest.approx(sum(row["user_cost_usd"] for row in results.rows))


def test_the_local_rules_can_play_the_person_too(tmp_path):
    user = SimulatedUser(goal="to chat", opening="What is two plus three?", backend="local")
    dataset = Dataset([Scenario(example_id="chat", user=user, max_turns=2)])
    results = run(dataset, {"x": partial(rt.RealtimeSession, backend="local")}, out=tmp_path, progress=False)
    [row] = results.rows
    assert row["status"] == "completed" and row["turns"] == 2
    # It answers with what it heard, as its rules have it.
    assert json.loads(row["turn_measures"])[1]["user_text"].startswith("2 plus 3 is 5")


def test_a_simulated_user_without_a_goal_is_refused():
    with pytest.raises(SettingsError, match="goal=' '"):
        SimulatedUser(goal=" ")
