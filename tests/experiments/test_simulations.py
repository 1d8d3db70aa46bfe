"""The cookbook's simulations as scenarios."""

import json
from functools import partial

import pytest
from scripted_text import scripted_text

import realtime_nb as rt
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, Judge, run

#: In the shape of the cookbook's own, with other words.
SIMULATION = {
    "simulation_id": "sim_order",
    "scenario": "Somebody wants to know where an order is.",
    "assistant": {"model": "gpt-realtime"},
    "simulator": {"system_prompt": "You are Jo. End with END_CALL.", "model": "gpt-realtime", "voice": "marin"},
    "turns": {"fixed_first_user_turn": "What is the status of order seven?", "max_turns": 4},
    "tool_mocks": [{"name": "order_status", "output": {"status": "on its way"}}],
    "expected_tool_call": {"name": "order_status", "arguments": {"order_id": "7"}},
    "graders": {"trace_level": [{"id": "goal", "type": "llm_as_judge", "criteria": "Jo knows where the order is."}]},
}
INDEX = "simulation_id,simulation_path,enabled,notes,max_turns_override\n"


def order_status(order_id: str) -> dict:
    """Look up where an order is."""
    return {"status": "on its way"}


@pytest.fixture
def index(tmp_path):
    (tmp_path / "sim.json").write_text(json.dumps(SIMULATION))
    (tmp_path / "index.csv").write_text(INDEX + "a,sim.json,true,x,2\nb,gone.json,false,,0\n")
    return tmp_path / "index.csv"


def test_an_index_gives_the_simulations_that_are_enabled(index):
    [one] = Dataset.from_simulations(index, backend="local")
    assert (one.example_id, one.max_turns, one.speaker) == ("sim_order", 2, "marin")
    assert (one.tool_call, one.tool_arguments) == ("order_status", {"order_id": "7"})
    assert one.user([]).words == "What is the status of order seven?"
    assert json.loads(one.fields["tool_mocks"])[0]["name"] == "order_status"
    [same] = Dataset.from_simulations(index.with_name("sim.json"), speaker="echo")
    assert (same.max_turns, same.speaker) == (4, "echo")


def test_a_simulation_runs_and_is_graded_by_its_own_criteria(index, tmp_path):
    with scripted_text("END_CALL", '{"reason": "It was told.", "score": 1}') as endpoint:
        dataset = Dataset.from_simulations(index, backend=endpoint.url, model="m", speaker="echo")
        make = partial(rt.RealtimeSession, backend="local", tools=[order_status])
        judge = Judge(backend=endpoint.url, model="m")
        [row] = run(dataset, {"x": make}, graders=[judge], out=tmp_path / "out", progress=False).rows
        simulator, judged = (asked["messages"][0]["content"] for asked in endpoint.requests)
    assert simulator == "You are Jo. End with END_CALL." and "Jo knows where the order is." in judged
    assert (row["status"], row["turns"], row["task_success"], row["grade_judge"]) == ("completed", 1, 1, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a simulation: Expecting"),
        ("[]", "is not a simulation"),
        ('{"simulator": {}}', "'system_prompt' is missing"),
    ],
)
def test_an_invalid_simulation_says_so(tmp_path, text, message):
    file = tmp_path / "s.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        Dataset.from_simulations(file)


def test_an_index_that_cannot_be_read_names_its_line(tmp_path):
    file = tmp_path / "i.csv"
    file.write_text(INDEX + "a,sim.json,true,,many\n")
    with pytest.raises(SettingsError, match=r"line 2: simulation_path='sim\.json' and max_turns_override='many'"):
        Dataset.from_simulations(file)
    with pytest.raises(SettingsError, match=r"gone\.csv' is not a file"):
        Dataset.from_simulations(tmp_path / "gone.csv")
