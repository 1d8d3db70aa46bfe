"""Scenarios put to all three systems, turn by turn and as they sound, and what is measured of them."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.experiments import Dataset, Results, RuleUser, Scenario, UserTurn, run

LOCAL = partial(rt.RealtimeSession, backend="local")
BY_HAND = partial(LOCAL, turn_detection=None)
DEAF = partial(LOCAL, turn_detection={"type": "server_vad", "interrupt_response": False})
SYSTEMS = {
    "realtime": LOCAL,
    "chat": partial(rt.ChatSession, backend="local"),
    "chain": partial(rt.CascadeSession, backend="local"),
}
STOP = UserTurn("Please be quiet. What is two plus three?", at_ms=1_000, keywords=["5"])


def order_status(order_id: str) -> dict:
    """Look up where an order is."""
    return {"status": "on its way"}


def rows_of(dataset, systems, out, **options):
    results = run(dataset, systems, out=out, progress=False, **options)
    assert results.failed == [] and results.cost_usd == 0.0
    return {(row["example_id"], row["system"]): row for row in results.rows}


def turns_of(row):
    return json.loads(row["turn_measures"])


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Interruptions and backchannels, all at once, for they take as long as they sound."""
    backchannel = UserTurn("mhm", at_ms=1_000, backchannel=True)
    order = UserTurn("What is the status of order seven?", tool_call="order_status", keywords=["on its way"])
    dataset = Dataset.from_scenarios(
        {
            "cut": ["Please count to ten.", STOP],
            "mhm": ["Please count to ten.", backchannel, "Thank you."],
            "tool": [order],
        }
    )
    systems = {**SYSTEMS, "deaf": DEAF, "hand": BY_HAND}
    systems = {name: partial(make, tools=[order_status]) for name, make in systems.items()}
    out = tmp_path_factory.mktemp("live")
    with ThreadPoolExecutor(15) as threads:
        return rows_of(dataset, systems, out, executor=threads, concurrency=15, live=True), out


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """A script, and a user by rules, turn by turn."""
    rules = [
        ("2 plus 3 is 5", "What is three plus two?"),
        ("3 plus 2 is 5", "What is the status of order seven?"),
        ("on its way", None),
    ]
    user = RuleUser(rules, opening="What is two plus three?")
    script = [
        UserTurn("What is the status of order seven?", tool_call="order_status", tool_arguments={"order_id": "7"}),
        UserTurn("What is two plus three?", keywords=["5"], tool_call=""),
        UserTurn("What is three plus two?", keywords=["5", "potato"]),
    ]
    dataset = Dataset(
        [Scenario(example_id="script", turns=script), Scenario(example_id="user", user=user, max_turns=5)]
    )
    systems = {name: partial(make, tools=[order_status]) for name, make in SYSTEMS.items()}
    out = tmp_path_factory.mktemp("scripted")
    return rows_of(dataset, systems, out, conditions=[rt.experiments.Noise(50)]), out


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_script_is_asked_turn_by_turn_in_one_session_and_each_turn_is_measured(scripted, system):
    rows, out = scripted
    row = rows["script", system]
    turns = turns_of(row)
    assert row["turns"] == 3 and len(turns) == 3
    assert [each.get("tool_call_correctness") for each in turns] == [1, 1, None]
    assert [call["name"] for call in turns[0]["tool_calls"]] == ["order_status"]
    assert (row["tool_call_correctness"], row["tool_call_arg_correctness"]) == (1.0, 1.0)
    assert [each.get("keywords_found") for each in turns] == [None, 1.0, 0.5]
    assert row["keywords_found"] == pytest.approx(2 / 3) and row["task_success"] == 0
    assert row["response_rate"] == 1.0 and row["heard_fraction"] is None and row["interruptions"] == 0
    said_ms = [each["end_ms"] - each["start_ms"] for each in turns]
    assert turns[1]["start_ms"] == pytest.approx(turns[0]["end_ms"])
    clip = rt.AudioClip.from_file(out / row["input_audio_path"])
    assert clip.duration_s * 1000 == pytest.approx(sum(said_ms), abs=1)
    assert rt.AudioClip.from_file(out / row["output_audio_path"]).duration_s == pytest.approx(row["output_s"], abs=0.01)
    latencies = [each["latency_first_audible_ms"] for each in turns]
    assert row["latency_first_audible_ms"] == pytest.approx(np.mean(latencies))
    if system != "chat":  # Which writes nothing down.
        assert row["wer"] < 0.2 and turns[1]["heard"]
    else:
        assert row["wer"] is None


def test_the_record_of_a_scenario_is_its_conversation(scripted):
    rows, out = scripted
    row = rows["script", "realtime"]
    shown = Results.load(out).show(row["cell_id"])
    assert [turn.text for turn in shown if turn.role == "user"] == [each["heard"] for each in turns_of(row)]
    assert len(shown.replies) == 4  # One of them calls the tool.
    frame = Results.load(out).turns
    assert len(frame) == 3 * 3 + 3 * 3 and list(frame[frame.cell_id == row["cell_id"]].turn) == [1, 2, 3]
    assert frame.latency_first_audible_ms.notna().all() and set(frame.system) == set(SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_user_by_rules_hears_the_answers_and_goes_on_until_it_has_nothing_to_say(scripted, system):
    turns = turns_of(scripted[0]["user", system])
    said = ["What is two plus three?", "What is three plus two?", "What is the status of order seven?"]
    assert [each["user_text"] for each in turns] == said
    assert "on its way" in turns[2]["assistant_text"]
    assert "user_cost_usd" not in scripted[0]["user", system]


def test_a_simulated_user_does_not_cut_in(tmp_path):
    dataset = Dataset([Scenario(example_id="a", user=lambda talk: UserTurn("Wait.", at_ms=100))])
    [row] = run(dataset, {"x": LOCAL}, out=tmp_path, progress=False).failed
    assert row["error_type"] == "SettingsError" and "at_ms=100 is for scripts" in row["error_message"]


def test_conditions_apply_to_every_turn_and_noise_is_another_one_for_each(tmp_path):
    asked = []

    class Keep:
        def apply(self, clip, random):
            asked.append(random.standard_normal(3).tolist())
            return clip

        def __str__(self):
            return "keep"

    dataset = Dataset.from_scenarios({"a": ["What is two plus three?", "What is two plus three?"]})
    rows = rows_of(dataset, {"one": LOCAL, "two": LOCAL}, tmp_path, conditions=[Keep()], concurrency=1)
    assert len(rows) == 2 and len(asked) == 2  # Once for both systems.
    assert asked[0] != asked[1]


def test_an_interruption_makes_an_answer_fall_silent_and_its_rest_is_wasted(live):
    row = live[0]["cut", "realtime"]
    first, second = turns_of(row)
    assert (row["interruptions"], row["yield_rate"], second["yielded"]) == (1, 1.0, 1)
    # Speech takes a while to be sure of, and the clock goes by frames of 20 ms.
    assert 0 < row["interruption_stop_ms"] == second["interruption_stop_ms"] < 1_500
    assert second["start_ms"] >= first["answer_start_ms"] + 1_000
    assert first["answer_end_ms"] - second["start_ms"] < 1_500
    assert second["answer_start_ms"] > second["end_ms"] and second["keywords_found"] == 1.0
    assert 0 < row["heard_fraction"] < 1 and row["task_success"] == 1
    assert first["turn_gap_ms"] > 300  # The server waits for 500 ms of silence, of which the clip has some.
    assert first["turn_gap_ms"] == pytest.approx(first["answer_start_ms"] - first["speech_end_ms"], abs=500)
    assert first["start_ms"] <= first["speech_start_ms"] < first["speech_end_ms"] <= first["end_ms"]


def test_the_tracks_of_a_live_talk_are_on_one_clock(live):
    rows, out = live
    row = rows["cut", "realtime"]
    first, second = turns_of(row)
    tracks = [rt.AudioClip.from_file(out / row[f"{side}_audio_path"]) for side in ("input", "output")]
    assert tracks[0].duration_s == pytest.approx(tracks[1].duration_s, abs=0.03)
    asked, answered = (np.abs(track.samples) for track in tracks)

    def level(samples, start_ms, end_ms):
        return samples[round(start_ms * 24) : round(end_ms * 24)].max()

    assert level(asked, second["start_ms"], second["end_ms"]) > 0.05
    assert level(answered, first["answer_start_ms"], first["answer_end_ms"]) > 0.05
    # Silence where the answer was cut off, and while the person asked.
    assert level(answered, first["answer_end_ms"] + 1, second["answer_start_ms"] - 1) == 0
    assert level(asked, first["end_ms"] + 1, second["start_ms"] - 1) == 0


@pytest.mark.parametrize("system", [*SYSTEMS, "deaf", "hand"])
def test_a_talk_at_its_own_pace_waits_for_what_follows_a_tool_and_hears_it_out(live, system):
    row = live[0]["tool", system]
    [turn] = turns_of(row)
    assert row["task_success"] == 1 and row["heard_fraction"] == 1.0 and row["wasted_usd"] == 0.0
    # On a busy machine sound comes late, and the answer has gaps.
    assert -100 < turn["answer_end_ms"] - turn["answer_start_ms"] - row["output_s"] * 1000 < 1_000
    assert turn["answer_start_ms"] > turn["end_ms"] and turn["turn_gap_ms"] > 0


def test_a_session_that_does_not_let_itself_be_interrupted_does_not_yield(live):
    row = live[0]["cut", "deaf"]
    assert (row["yield_rate"], row["interruption_stop_ms"], row["heard_fraction"]) == (0.0, None, 1.0)
    assert row["interruptions"] == 1


def test_a_backchannel_that_stops_an_answer_is_a_false_barge_in(live):
    stopped, deaf = live[0]["mhm", "realtime"], live[0]["mhm", "deaf"]
    assert (stopped["backchannels"], stopped["interruptions"]) == (1, 0)
    assert stopped["false_barge_in_rate"] == 1.0 and stopped["heard_fraction"] < 1
    assert deaf["false_barge_in_rate"] == 0.0 and deaf["heard_fraction"] == 1.0
    assert stopped["yield_rate"] is None


@pytest.mark.parametrize("system", ["chat", "chain", "hand"])
def test_a_session_that_does_not_hear_while_it_speaks_is_stopped_by_hand(live, system):
    row = live[0]["cut", system]
    first, second = turns_of(row)
    assert row["yield_rate"] is None and row["interruption_stop_ms"] is None  # Nobody had to notice anything.
    assert first["answer_end_ms"] <= second["start_ms"] + 1 and 0 < row["heard_fraction"] < 1
    assert second["keywords_found"] == 1.0
    row = live[0]["mhm", system]
    assert row["turns"] == 2 and row["false_barge_in_rate"] is None and row["heard_fraction"] == 1.0
    assert turns_of(row)[1]["left_out"] == "the session does not hear while it speaks"


def test_a_published_benchmark_counts_the_same_talks(live):
    rows, out = live
    figures = Results.load(out).as_defined("tau-voice", by=("example_id", "system"))
    figures = figures.set_index(["example_id", "system"])
    assert (figures["conversations"] == 1).all() and len(figures) == len(rows)
    ours, theirs = rows["cut", "realtime"], figures.loc[("cut", "realtime")]
    assert (theirs["yield_total"], theirs["yield_rate"]) == (1, ours["yield_rate"])
    # In ticks of 0.2 s at both ends.
    assert theirs["yield_latency_s"] * 1000 == pytest.approx(ours["interruption_stop_ms"], abs=400)
    assert figures.loc[("mhm", "deaf"), "backchannel_total"] == 1
    assert ours["take_over_rate"] == 0.0 and ours["vocal_tic_selectivity"] is None
