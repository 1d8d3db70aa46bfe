"""Measures of a scenario, on records made by hand."""

import json

import numpy as np
import pytest

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Part, Reply, Turn
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Scenario, UserTurn
from realtime_nb.experiments.clips import SpokenClip
from realtime_nb.experiments.metrics import grade_talk, measure_again, measure_talk
from realtime_nb.experiments.talk import Talk, TalkTurn
from realtime_nb.experiments.timelines import AnswerSpan, SpokenSpan, TalkTimeline, Windows
from realtime_nb.media.clip import AudioClip
from realtime_nb.sessions.listener import Listener, PlayedItem


def reply(text, *calls):
    turns = [Turn("said", role="assistant", parts={0: Part("text", text)})] if text else []
    turns += [Turn(name, kind="function_call", name=name, arguments=given) for name, given in calls]
    return Reply("r", status="completed", outputs=dict(enumerate(turns)))


def said(turn, *replies, start_ms=0.0, **more):
    clip = AudioClip(np.concatenate([np.zeros(2_400), np.full(21_600, 0.1), np.zeros(2_400)]))  # 0.1 s of silence
    return TalkTurn(turn, SpokenClip.of(clip), start_ms, replies=list(replies), **more)


def sounding(stopped_ms):
    return PlayedItem("said", 0.0, 5_000.0, audible_ms=0.0, stopped_ms=stopped_ms)


def measured(*exchanges, **options):
    scenario = Scenario(example_id="a", turns=[each.turn for each in exchanges], **options)
    row = measure_talk(Talk(list(exchanges)), scenario, Conversation())
    return row, json.loads(row["turn_measures"])


def graded(*exchanges, unsaid=(), **options):
    scenario = Scenario(example_id="a", turns=[*(each.turn for each in exchanges), *unsaid], **options)
    return grade_talk(Talk(list(exchanges)), scenario)


@pytest.mark.parametrize(("stopped_ms", "yielded", "stop_ms"), [(1_500, 1, 400), (3_200, 0, None), (None, 0, None)])
def test_an_answer_that_sounds_on_for_more_than_two_seconds_did_not_yield(stopped_ms, yielded, stop_ms):
    cut_in = said(UserTurn("Stop.", at_ms=10), start_ms=1_000, cut=sounding(stopped_ms))
    row, (_, second) = measured(said(UserTurn("Tell me a story.")), cut_in)
    # From the first audible sample of what is said, 100 ms into its clip.
    assert second["yielded"] == row["yield_rate"] == yielded
    assert second.get("interruption_stop_ms") == row["interruption_stop_ms"] == stop_ms


@pytest.mark.parametrize(("yield_s", "yielded"), [(0.3, 0), (0.5, 1), (2.0, 1)])
def test_the_window_in_which_an_answer_must_yield_is_an_option_and_may_be_another_one_afterwards(yield_s, yielded):
    exchanges = [
        said(UserTurn("Tell me a story.")),
        said(UserTurn("Stop.", at_ms=10), start_ms=1_000, cut=sounding(1_500.0)),  # After 400 ms.
    ]
    scenario = Scenario(example_id="a", turns=[each.turn for each in exchanges])
    row = measure_talk(Talk(exchanges), scenario, Conversation(), Windows(yield_s=yield_s))
    assert row["yield_rate"] == yielded
    again = measure_again(measure_talk(Talk(exchanges), scenario, Conversation()), (), "en", Windows(yield_s=yield_s))
    assert again == {name: row[name] for name in again}


@pytest.mark.parametrize(("stopped_ms", "false_barge_in"), [(1_500, 1), (4_099, 1), (4_101, 0), (None, 0)])
def test_a_backchannel_is_blamed_until_the_person_speaks_again(stopped_ms, false_barge_in):
    mhm = said(UserTurn("mhm", at_ms=10, backchannel=True), start_ms=1_000, cut=sounding(stopped_ms))
    row, turns = measured(said(UserTurn("Tell me a story.")), mhm, said(UserTurn("Stop."), start_ms=4_000))
    assert turns[1]["false_barge_in"] == row["false_barge_in_rate"] == false_barge_in
    assert row["yield_rate"] is None and (row["backchannels"], row["interruptions"]) == (1, 0)


def test_a_button_or_a_late_stop_is_no_yielding():
    pressed = said(UserTurn("Stop.", at_ms=10), start_ms=1_000, cut=sounding(1_000.0), by_hand=True)
    late = said(UserTurn("Stop.", at_ms=10), start_ms=9_000, left_out="the answer was over before")
    row, turns = measured(said(UserTurn("Tell me a story.")), pressed, late)
    assert row["interruptions"] == 0 and row["yield_rate"] is None
    assert turns[2]["left_out"] == "the answer was over before" and row["turns"] == 3


def test_turns_without_an_answer_count_in_the_response_rate_and_backchannels_do_not():
    first = said(UserTurn("Tell me a story."), reply("Once"))
    mhm = said(UserTurn("mhm", at_ms=1, backchannel=True), start_ms=1_000, cut=sounding(None))
    row, _ = measured(first, mhm, said(UserTurn("Stop."), start_ms=4_000))
    assert row["response_rate"] == 0.5


def test_a_task_is_right_where_all_that_every_turn_expects_came_about():
    call = UserTurn("Where is it?", tool_call="status", tool_arguments={"order": 7})
    words = UserTurn("And when?", keywords=["on Monday", "soon"])
    right = said(call, reply("", ("status", '{"order": 7}')))
    found = graded(right, said(words, reply("Soon, on Monday!")))
    assert found == {
        **{"tool_call_correctness": 1, "tool_call_arg_correctness": 1, "keywords_found": 1.0, "task_success": 1}
    }
    assert graded(right, said(words, reply("Soon.")))["task_success"] == 0
    found = graded(said(call, reply("", ("status", '{"order": 8}'))), said(words, reply("Soon, on Monday")))
    assert (found["tool_call_correctness"], found["tool_call_arg_correctness"], found["task_success"]) == (1, 0, 0)
    # A turn that was never said, because the talk broke off, did not get its answer.
    assert graded(right, unsaid=[words])["task_success"] == 0
    assert graded(right, unsaid=[UserTurn("Thanks.")])["task_success"] == 1


def test_the_scenarios_own_call_is_looked_for_in_the_whole_talk():
    first, second = (UserTurn(text) for text in ("Where is order seven?", "Thanks."))
    asked = said(first, reply("Which one?")), said(second, reply("", ("status", '{"order": "7", "more": 1}')))
    found = graded(*asked, tool_call="status", tool_arguments={"order": "7"})
    assert (found["tool_call_correctness"], found["tool_call_arg_correctness"], found["task_success"]) == (1, 1, 1)
    assert found["pred_tool_call"] == "status"
    assert graded(*asked, tool_call="")["task_success"] == 0
    assert graded(*asked) == {}


def test_an_answer_that_ends_by_itself_neither_yields_nor_refuses_to():
    over = PlayedItem("said", 0.0, 2_000.0, audible_ms=0.0)
    row, (_, second) = measured(
        said(UserTurn("Tell me a story.")), said(UserTurn("Stop.", at_ms=10), start_ms=1_000, cut=over)
    )
    assert second["ended_by_itself"] == 1 and row["interruptions"] == 0 and row["yield_rate"] is None


class Ears:
    """A session that is told what was heard, and knows no items."""

    conversation = Conversation()


def test_the_times_at_which_both_sides_spoke_stand_in_the_row():
    exchanges = [
        said(UserTurn("Tell me a story.")),
        said(UserTurn("hm", kind="vocal_tic"), start_ms=4_000),
        said(UserTurn("And then?"), start_ms=8_000),
    ]
    listener = Listener(Ears())
    listener.played = [
        PlayedItem("a", 1_500.0, 2_500.0, audible_ms=1_550.0),
        PlayedItem("b", 2_500.0, 3_000.0, audible_ms=2_600.0),  # The same answer goes on.
        PlayedItem("c", 5_600.0, 6_000.0, audible_ms=5_600.0),
        PlayedItem("d", 7_000.0, 7_500.0),  # Silence.
    ]
    scenario = Scenario(example_id="a", turns=[each.turn for each in exchanges])
    row = measure_talk(Talk(exchanges, listener=listener, length_ms=12_000.0), scenario, Conversation())
    assert TalkTimeline.from_json(row["timeline"]) == TalkTimeline(
        [
            SpokenSpan(100.0, 1_000.0),
            SpokenSpan(4_100.0, 5_000.0, "vocal_tic"),
            SpokenSpan(8_100.0, 9_000.0),
        ],
        [AnswerSpan(1_550.0, 3_000.0, 0), AnswerSpan(5_600.0, 6_000.0, 0)],
        12_000.0,
    )
    assert (row["vocal_tic_selectivity"], row["agent_interruption_rate"], row["take_over_rate"]) == (0.0, 0.0, 0.0)
    assert row["non_directed_selectivity"] is None and json.loads(row["turn_measures"])[1]["kind"] == "vocal_tic"


def test_turns_of_a_kind_are_checked_where_they_are_made():
    assert UserTurn("mhm", at_ms=5, kind="backchannel").backchannel
    assert UserTurn("mhm", at_ms=5, backchannel=True).kind == "backchannel"
    assert Scenario(example_id="a", turns=["Hello.", UserTurn("hm", kind="vocal_tic")]).is_paced
    with pytest.raises(SettingsError, match="kind='cough' of 'hm' is not one of turn, backchannel, vocal_tic"):
        UserTurn("hm", kind="cough")
    with pytest.raises(SettingsError, match="begins with at_ms"):
        Scenario(example_id="a", turns=[UserTurn("hm", kind="vocal_tic"), UserTurn("Stop.", at_ms=5)])
