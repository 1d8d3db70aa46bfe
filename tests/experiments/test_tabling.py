import pytest
from result_folders import graded_rows, write_results

from realtime_nb.experiments.statistics import format_difference, format_interval, format_value


def test_a_table_has_a_line_for_each_group_and_an_interval_for_each_figure(tmp_path):
    found = write_results(tmp_path, graded_rows(), systems=("quick", "slow"), conditions=("clean", "telephone"))
    table = found.table()
    assert list(table.index) == [
        (system, condition) for system in ("quick", "slow") for condition in ("clean", "telephone")
    ]
    assert list(table.columns) == [
        *("answered", "polite", "word errors in the transcript", "right tool called"),
        *("first audible sample, ms after the question, median", "95th percentile", "cost of an answer, US$"),
    ]
    assert table["polite"].iloc[1].startswith("67% [") and table["answered"].iloc[0] == "12 of 12"
    assert table["right tool called"].iloc[0] == "100% [76, 100]"  # Wilson's, of 12
    assert table["word errors in the transcript"].iloc[0] == "0%"  # no width, no brackets
    assert table["cost of an answer, US$"].iloc[0].startswith("$0.00206 [0.0020")


def test_a_table_of_other_measures_and_groups(tmp_path):
    table = write_results(tmp_path, graded_rows()).table("output_tokens", by="system")
    assert list(table.index) == ["slow", "quick"] and list(table["output tokens"]) == ["200", "100"]


def test_what_is_free_has_no_column_of_costs(tmp_path):
    table = write_results(tmp_path, [row | {"cost_usd": 0.0} for row in graded_rows()]).table()
    assert not any("cost" in name for name in table.columns)


@pytest.mark.parametrize(
    ("value", "measure", "text"),
    [
        (None, "wer", "–"),
        (float("nan"), "wer", "–"),
        (0.125, "wer", "12%"),
        (1234.6, "turn_gap_ms", "1,235"),
        (0.0005, "cost_usd", "$0.00050"),
        (2.345, "output_s", "2.35"),
        (0.5, "grade_keywords", "0.50"),
        (-0.004, "wer", "0%"),
        (-0.001, "grade_keywords", "0.00"),
        (-0.4, "turn_gap_ms", "0"),
        (-0.01, "wer", "-1%"),
        (-10.0, "turn_gap_ms", "-10"),
    ],
)
def test_a_value_is_written_as_its_unit_asks(value, measure, text):
    assert format_value(value, measure) == text


def test_an_interval_stands_in_brackets_and_a_difference_has_a_sign():
    assert format_interval(0.1, 0.05, 0.2, "wer") == "10% [5, 20]"
    assert format_interval(500.0, None, None, "turn_gap_ms") == "500"
    assert format_difference(-0.05, -0.1, 0.01, "wer") == "−5 [−10, 1] points"
    assert format_difference(319.0, 236.0, 402.0, "turn_gap_ms") == "+319 [236, 402]"
    assert format_difference(-0.02, -0.03, -0.01, "cost_usd") == "−$0.0200 [−0.0300, −0.0100]"
