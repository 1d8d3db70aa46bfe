import pytest
from result_folders import graded_rows

from realtime_nb.errors import SettingsError
from realtime_nb.experiments.metrics import value_of
from realtime_nb.experiments.statistics import (
    by_example,
    graded,
    grouped,
    is_binary,
    is_share,
    label_of,
    measured,
    named_columns,
)

ABOUT = {"systems": ["quick", "slow"], "conditions": {"clean": "", "telephone": ""}}


def test_groups_come_in_the_order_of_the_run_and_others_as_they_appear():
    rows = graded_rows(2)
    assert rows[0]["system"] == "slow"
    assert [*grouped(rows, ["system", "condition"], ABOUT)] == [
        ("quick", "clean"),
        ("quick", "telephone"),
        ("slow", "clean"),
        ("slow", "telephone"),
    ]
    assert [*grouped([{"tags": "b"}, {"tags": "a"}, {}], ["tags"], ABOUT)] == [("b",), ("a",), (None,)]


def test_values_of_one_example_stay_together():
    rows = [{"example_id": "a", "wer": 0.0}, {"example_id": "b", "wer": None}, {"example_id": "a", "wer": 1}]
    assert by_example(rows, "wer") == [[0.0, 1.0]]


def test_a_failed_answer_counts_only_with_its_cost():
    row = {"example_id": "a", "status": "failed", "wer": 0.0, "latency_first_audio_ms": 5.0, "cost_usd": 0.1}
    assert [value_of(row, name) for name in ("completed", "wer", "latency_first_audio_ms", "cost_usd")] == [
        *(0.0, None, None, 0.1)
    ]
    assert by_example([row, row | {"status": "completed", "wer": 1.0}], "wer") == [[1.0]]


def test_a_grade_is_binary_where_all_are_right_or_wrong_and_word_errors_never_are():
    rows = [{"status": "completed", "grade_a": 1.0, "grade_b": 0.5, "wer": 0.0}]
    assert [is_binary(rows, name) for name in ("grade_a", "grade_b", "wer", "completed")] == [True, False, False, True]


def test_the_share_answered_counts_where_something_failed():
    rows = [{"status": "completed", "wer": 0.0, "cost_usd": 0.0}]
    assert measured(rows) == ["wer", "cost_usd"] and graded(rows) == ["wer"]
    assert graded([*rows, {"status": "failed"}]) == ["completed", "wer"]


def test_shares_are_told_in_percent_and_grades_in_their_own_scale():
    told = {name: is_share(name) for name in ("wer", "task_success", "yield_rate", "grade_polite", "cost_usd")}
    assert told == {"wer": True, "task_success": True, "yield_rate": True, "grade_polite": False, "cost_usd": False}


@pytest.mark.parametrize(
    ("measure", "label"),
    [
        ("grade_is_polite", "is polite"),
        ("yield_rate", "interruptions yielded to"),
        ("voice_pitch_hz", "voice pitch, Hz"),
        ("stop_time_ms", "stop time, ms"),
        ("pitch_hz", "pitch, Hz"),
        ("cost_usd", "cost of an answer, US$"),
        ("input_tokens", "input tokens"),
    ],
)
def test_a_measure_has_words_and_a_unit(measure, label):
    assert label_of(measure) == label


def test_columns_that_are_not_there_are_named():
    with pytest.raises(SettingsError, match=r"by=\['colour'\] must name columns of the results: system"):
        named_columns("colour", [{"system": "one"}])
    with pytest.raises(SettingsError, match="there are none"):
        named_columns("system", [])
