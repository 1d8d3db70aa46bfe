"""Measures by the definitions of published benchmarks, on times whose figures are known."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from result_folders import write_results

import realtime_nb as rt
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, UserTurn, run
from realtime_nb.experiments.timelines import (
    AnswerSpan,
    MergeGaps,
    SpokenSpan,
    TakeOverBounds,
    TalkTimeline,
    TauVoiceWindows,
    Windows,
    as_defined,
    full_duplex_bench_v1_5,
    measure_timeline,
)

KINDS = {"": "turn", "b": "backchannel", "t": "vocal_tic", "n": "non_directed"}


def spans(text):
    """Return spans from text, in seconds: ``0-2`` is a turn, ``4-4.4b`` a backchannel."""
    found = re.findall(r"([\d.]+)-([\d.]+)([btn]?)", text)
    return [(float(start) * 1000, float(end) * 1000, KINDS[kind]) for start, end, kind in found]


def timeline(user, agent, length_s=0.0, words=None):
    answers = [AnswerSpan(start, end, words) for start, end, _ in spans(agent)]
    return TalkTimeline([SpokenSpan(*each) for each in spans(user)], answers, length_s * 1000)


#: The figures that the benchmarks' published code gives for these times.
PUBLISHED = [
    ("0-2", "2.6-5", {"response_latency_s": 0.6, "response_rate": 1, "agent_interruption_rate": 0}, [], [0.6]),
    ("0-2 6-8", "2.6-5 9-11", {"response_latency_s": 0.8, "response_rate": 1}, [], [0.6, 1.0]),
    # An interruption: the answer stops after 0.6 s; it never does; it ends by itself after 0.4 s.
    (
        *("0-2 4.4-6.4", "2.6-5 7-9"),
        {"response_latency_s": 0.6, "yield_latency_s": 0.6, "yield_rate": 1},
        *([0.6], [0.6, 0.6]),
    ),
    ("0-2 4.4-5.4", "2.6-6.8 7.4-9", {"response_latency_s": 0.6, "yield_rate": 0}, [1.0], [0.6, 2.0]),
    (
        *("0-2 4.4-6.4", "2.6-4.8 7-9"),
        {"response_latency_s": 0.6, "yield_latency_s": 0.4, "yield_rate": 1},
        *([0.4], [0.6, 0.6]),
    ),
    # A backchannel is ignored, or stops the answer.
    ("0-2 4-4.4b", "2.6-7", {"response_latency_s": 0.6, "selectivity_backchannel": 1}, [0.4], [0.6]),
    (
        *("0-2 4-4.4b 6.4-7.4", "2.6-4.6 8-9"),
        {"response_latency_s": 0.6, "selectivity_backchannel": 0},
        *([0.4], [0.6, 0.6]),
    ),
    # The last turn is not answered.
    ("0-2 6-8", "2.6-5", {"response_latency_s": 0.6, "response_rate": 1}, [], [0.6]),
]


@pytest.mark.parametrize(("user", "agent", "tau_voice", "stops", "gaps"), PUBLISHED)
@pytest.mark.parametrize("more_s", [0, 5])
def test_figures_are_those_of_the_published_code(user, agent, tau_voice, stops, gaps, more_s):
    talk = timeline(user, agent, 11 + more_s)
    found = as_defined("tau-voice", [talk])
    assert {name: found[name] for name in tau_voice} == pytest.approx(tau_voice)
    events = list(full_duplex_bench_v1_5(talk, MergeGaps()))
    assert [value for name, value in events if name == "stop_latency_s"] == pytest.approx(stops)
    assert [value for name, value in events if name == "response_latency_s"] == pytest.approx(gaps)


def test_events_of_several_conversations_are_pooled():
    talks = [timeline("0-2", "2.6-5"), timeline("0-2 6-8 12-13", "3-5 9-11 12.4-14")]
    found = as_defined("tau-voice", talks)
    # The last turn was answered early: it counts as an interruption by the agent, and not as a turn.
    assert found["response_latency_s"] == pytest.approx((0.6 + 1 + 1) / 3) and found["response_total"] == 3
    assert found["agent_interruption_rate"] == pytest.approx(1 / 3) and found["agent_interrupts_count"] == 1
    assert found["yield_rate"] is None and found["yield_total"] == 0
    unanswered = as_defined("tau-voice", [timeline("0-2 4-6", "7-8")])
    assert unanswered["response_rate"] == 0.5


@pytest.mark.parametrize(
    ("user", "agent", "tau_voice", "ours"),
    [
        ("0-1 3-3.4t", "1.6-6", None, 1.0),  # An answer goes on: τ-voice does not count that.
        ("0-1 3-3.4t", "1.6-3.8", 0.0, 0.0),  # It stops.
        ("0-1 3-3.4t", "1.6-4.2", None, 1.0),  # It stops later.
        ("0-0.4t", "1.6-3", 0.0, 0.0),  # It begins.
        ("0-0.4t", "3-5", 1.0, 1.0),
        ("0-0.4t 1-2", "2.2-4", 0.0, 1.0),  # What it answers is the turn after that.
    ],
)
def test_sounds_that_are_not_for_the_system_should_change_nothing(user, agent, tau_voice, ours):
    for mark, kind in (("t", "vocal_tic"), ("n", "non_directed")):
        talk = timeline(user.replace("t", mark), agent, 8)
        assert as_defined("tau-voice", [talk])[f"selectivity_{kind}"] == tau_voice
        assert measure_timeline(talk)[f"{kind}_selectivity"] == ours


@pytest.mark.parametrize(
    ("agent", "words", "interrupted", "taken"),
    [("2.5-4", 5, 0.5, 0.5), ("1-1.6", 2, 0.5, 0.0), ("1-1.6", 6, 0.5, 0.5), ("3.2-4", 6, 0.0, 0.0)],
)
def test_an_answer_into_a_pause_takes_the_turn_over_if_it_is_one(agent, words, interrupted, taken):
    talk = timeline("0-3 8-9", agent, 10, words)
    found = measure_timeline(talk)
    assert (found["agent_interruption_rate"], found["take_over_rate"]) == (interrupted, taken)
    assert as_defined("full-duplex-bench-v1", [talk])["pause_take_over_rate"] == taken
    assert found["vocal_tic_selectivity"] is None


def test_our_own_windows_are_options_too():
    cough, pause = timeline("0-1 3-3.4t", "1.6-4.2", 8), timeline("0-3", "1-1.6", 8, words=2)
    assert measure_timeline(cough)["vocal_tic_selectivity"] == 1
    assert measure_timeline(cough, Windows(stop_s=1.5))["vocal_tic_selectivity"] == 0
    silent = timeline("0-0.4n", "3-5", 8)
    assert measure_timeline(silent)["non_directed_selectivity"] == 1
    assert measure_timeline(silent, Windows(answer_s=3))["non_directed_selectivity"] == 0
    taken = [measure_timeline(pause, each)["take_over_rate"] for each in (Windows(), Windows(turn_s=0.5))]
    assert taken == [0, 1] and measure_timeline(pause, Windows(turn_words=1))["take_over_rate"] == 1
    for wrong in ({"yield_s": 0}, {"turn_words": -1}, {"stop_s": "1"}, {"answer_s": float("nan")}):
        with pytest.raises(SettingsError, match="must be positive"):
            Windows(**wrong)


def test_the_last_tick_of_a_call_is_left_out_on_both_sides_if_the_person_says_no_more_there():
    # Nothing is left of an answer that begins there, so the turn before has none.
    found = as_defined("tau-voice", [timeline("0-1 2-2.2", "2-2.2", 2.2)])
    assert (found["response_total"], found["agent_interrupts_count"]) == (0, 0)
    assert as_defined("tau-voice", [timeline("0-0.2", "", 0.2)])["response_total"] == 0


def test_the_first_full_duplex_bench_counts_turns_that_are_taken_and_early_answers_as_at_once():
    found = as_defined("full-duplex-bench-v1", [timeline("0-2 6-8 12-13", "1.5-4 8.5-8.9", words=2)])
    assert found == {
        **{"take_over_rate": pytest.approx(1 / 3), "latency_s": 0.0, "pause_take_over_rate": pytest.approx(1 / 3)},
        **{"take_over_rate_count": 3, "latency_s_count": 1, "pause_take_over_rate_count": 3},
    }
    assert as_defined("full-duplex-bench-v1", [timeline("0-2", "2.4-2.9", words=2)], turn_words=1)["latency_s"] == 0.4


def test_windows_are_options_with_the_benchmarks_defaults():
    talk = timeline("0-2 4.4-6.4", "2.6-6 7-9")
    assert as_defined("tau-voice", [talk])["yield_latency_s"] == pytest.approx(1.6)
    assert as_defined("tau-voice", [talk], no_yield_window_s=1.5)["yield_rate"] == 0
    with pytest.raises(
        SettingsError, match="no_yield_s is not an option of tau-voice: it has tick_s, no_yield_window_s"
    ):
        as_defined("tau-voice", [talk], no_yield_s=1.5)
    with pytest.raises(SettingsError, match="tick_s=0 must be positive"):
        as_defined("tau-voice", [talk], tick_s=0)
    with pytest.raises(SettingsError, match="name='fdb' is not one of tau-voice, full-duplex-bench-v1"):
        as_defined("fdb", [talk])


def test_the_page_of_measures_names_every_figure_and_default():
    page = (Path(__file__).parents[2] / "docs" / "measures.md").read_text("utf-8")
    names = as_defined("tau-voice", []).keys() | measure_timeline(TalkTimeline([], [])).keys()
    assert {name for name in names if "total" not in name and "count" not in name and name not in page} == set()
    for options in (TauVoiceWindows, TakeOverBounds, MergeGaps, Windows):
        for each in fields(options):
            assert f"`{each.name}={each.default}`" in page


def test_results_give_a_benchmarks_figures_for_each_system(tmp_path):
    talks = {"quick": timeline("0-2", "2.4-5", 6), "slow": timeline("0-2", "3-5", 6)}
    rows = [
        {"system": system, "example_id": f"e{place}", "repeat": 1, "timeline": talk.to_json()}
        for system, talk in talks.items()
        for place in range(2)
    ]
    found = write_results(tmp_path / "a", [*rows, {"system": "quick", "example_id": "e2", "repeat": 1}])
    told = found.as_defined("tau-voice").set_index("system")
    assert told["response_latency_s"].to_dict() == pytest.approx({"quick": 0.4, "slow": 1.0})
    assert told["conversations"].tolist() == [2, 2] and told["response_total"].tolist() == [2, 2]
    plain = write_results(tmp_path / "b", [{"system": "quick", "example_id": "e2", "repeat": 1}])
    with pytest.raises(SettingsError, match="no scenario was held in real time"):
        plain.as_defined("tau-voice")


class Duplex:
    """Answers 0.5 s after a turn with 4 s of sound; stops after 0.4 s of speech over it, but not for a cough."""

    model = "scripted"
    duplex = True

    def answer(self, turns):
        said = turns[-1]
        if said.clip.duration_s < 1:
            return rt.SystemAnswer(cost_usd=0.0)
        audio = rt.AudioClip(0.1 * np.sin(np.arange(96_000) / 10).astype(np.float32), 24_000)
        stops_ms = said.start_ms + 400
        return rt.SystemAnswer(text="All right.", audio=audio, first_audio_ms=500, stops_ms=stops_ms, cost_usd=0.0)


def test_a_duplex_systems_conversations_have_a_benchmarks_figures(tmp_path):
    def sound(seconds):
        return rt.AudioClip(0.1 * np.sin(np.arange(int(24_000 * seconds)) / 10).astype(np.float32), 24_000)

    tell = UserTurn("Tell me a story.", source=sound(1.5))
    cough = UserTurn("hm", source=sound(0.3), kind="vocal_tic", at_ms=1_000)
    stop = UserTurn("Stop.", source=sound(1.2), at_ms=2_000)
    dataset = Dataset.from_scenarios(
        {
            "cut": [tell, stop],
            "cough": [tell, cough],
            "alone": [tell, UserTurn("hm", source=sound(0.3), kind="vocal_tic")],
        }
    )
    results = run(dataset, {"own": Duplex}, out=tmp_path, progress=False)
    assert results.failed == []
    [told] = results.as_defined("tau-voice").to_dict("records")
    assert (told["yield_rate"], told["response_rate"], told["conversations"]) == (1, 1, 3)
    assert told["yield_latency_s"] == pytest.approx(0.4, abs=0.21)
    assert told["response_latency_s"] == pytest.approx(0.5, abs=0.21)
    # Only the cough in silence is counted there: the other one stopped nothing.
    assert (told["selectivity_vocal_tic"], told["vocal_tic_total"]) == (1, 1)
    rows = {row["example_id"]: row for row in results.rows}
    assert [rows[name]["vocal_tic_selectivity"] for name in ("cough", "alone", "cut")] == [1, 1, None]
    assert rows["cough"]["response_rate"] == 1
