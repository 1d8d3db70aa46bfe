import re

import numpy as np
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
        "caveat",
    ]
    assert set(table["caveat"]) == {"12 examples are few: only large differences show"}
    assert table["polite"].iloc[1].startswith("67% [") and table["answered"].iloc[0] == "12 of 12"
    assert table["right tool called"].iloc[0] == "100% [76, 100]"  # Wilson's, of 12
    assert table["word errors in the transcript"].iloc[0] == "0%"  # no width, no brackets
    assert table["cost of an answer, US$"].iloc[0].startswith("$0.00206 [0.0020")


def test_a_table_of_enough_examples_has_no_caveat(tmp_path):
    found = write_results(tmp_path, graded_rows(30))
    assert "caveat" not in found.table() and set(found.summary()["caveat"]) == {""}


def test_a_table_of_other_measures_and_groups(tmp_path):
    table = write_results(tmp_path, graded_rows()).table("output_tokens", by="system")
    assert list(table.index) == ["slow", "quick"] and list(table["output tokens"]) == ["200", "100"]


def test_a_free_run_has_no_column_of_costs(tmp_path):
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


@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), -float("inf"), np.float32("nan"), None])
def test_a_number_that_is_none_is_missing_in_every_mean_interval_and_file(tmp_path, nothing):
    rows = [row | {"grade_polite": 1.0 + (n % 4)} for n, row in enumerate(graded_rows())]
    lacking = [row | {"grade_polite": nothing} if n % 3 == 0 else row for n, row in enumerate(rows)]
    run = {"systems": ("quick", "slow"), "conditions": ("clean", "telephone")}
    found = write_results(tmp_path / "found", lacking, **run)
    kept = write_results(tmp_path / "kept", [row for n, row in enumerate(rows) if n % 3], **run)
    columns = ["count", "mean", "mean_low", "mean_high", "median", "p95", "difference", "low", "high", "pairs"]
    summaries = [each.summary().query("measure == 'grade_polite'")[columns] for each in (found, kept)]
    assert str(summaries[0].to_numpy().tolist()) == str(summaries[1].to_numpy().tolist())
    assert found.table("grade_polite")["polite"].tolist() == kept.table("grade_polite")["polite"].tolist()
    assert found.plot.grades("grade_polite").description == kept.plot.grades("grade_polite").description
    for name in ("rows.jsonl", "summary.json", "results.csv"):
        text = (tmp_path / "found" / name).read_text("utf-8")
        assert not re.search(r"\b(nan|inf|infinity)\b", text, re.IGNORECASE), name
    assert '"grade_polite": null' in (tmp_path / "found" / "rows.jsonl").read_text("utf-8")
