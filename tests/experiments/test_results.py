"""Sums and differences, on rows whose numbers are known."""

import numpy as np
import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Results
from realtime_nb.experiments.cell import CellOutcome
from realtime_nb.experiments.folder import RunFolder
from realtime_nb.speech.statistics import paired_difference


def results(path, values, *, repeats=1, extra=()):
    """Write a run: a measure for each system, condition and example."""
    rows = [
        {"cell_id": f"{system}-{condition}-{example}-{repeat}", "system": system, "condition": condition}
        | {"example_id": f"e{example}", "repeat": repeat, "status": "completed", "error_message": "", "cost_usd": 0.01}
        | {"latency_first_audio_ms": float(value) + (repeat - 1) * 10}
        for (system, condition), numbers in values.items()
        for example, value in enumerate(numbers)
        for repeat in range(1, repeats + 1)
    ]
    rows += extra
    about = {"seed": 0, "systems": [], "cells": [row["cell_id"] for row in rows], "examples": {}, "conditions": {}}
    folder = RunFolder(path, about, resume=False)
    for row in reversed(rows):
        folder.add(CellOutcome(row=row, files={}))
    folder.finish("")
    return Results.load(path)


def test_differences_are_paired_by_example_and_have_their_interval_and_effect(tmp_path):
    random = np.random.default_rng(0)
    fast, more = random.normal(500, 200, 12), random.normal(40, 15, 12)
    found = results(tmp_path, {("fast", "clean"): fast, ("slow", "clean"): fast + more})
    summary = found.summary().set_index(["system", "measure"])
    row = summary.loc[("slow", "latency_first_audio_ms")]
    expected = paired_difference(more)
    assert (row["difference"], row["effect"], row["pairs"]) == pytest.approx((expected.mean, expected.effect, 12))
    assert row["low"] == pytest.approx(expected.low, abs=3) and row["high"] == pytest.approx(expected.high, abs=3)
    assert (row["mean"], row["count"]) == pytest.approx(((fast + more).mean(), 12))
    assert row["p95"] == pytest.approx(np.percentile(fast + more, 95))
    assert row["mean_low"] < row["mean"] < row["mean_high"]
    assert np.isnan(summary.loc[("fast", "latency_first_audio_ms")]["difference"])


def test_repeats_of_a_clip_are_not_taken_for_other_clips(tmp_path):
    values = {("one", "clean"): [100, 200, 300], ("two", "clean"): [110, 230, 350]}
    once = results(tmp_path / "once", values).summary().set_index(["system", "measure"])
    often = results(tmp_path / "often", values, repeats=5).summary().set_index(["system", "measure"])
    key = ("two", "latency_first_audio_ms")
    assert often.loc[key]["pairs"] == 3 and often.loc[key]["count"] == 15
    assert list(often.loc[key][["low", "high", "effect"]]) == pytest.approx(
        list(once.loc[key][["low", "high", "effect"]])
    )


def test_groups_of_several_columns_are_compared_within_the_others(tmp_path):
    medians = {("one", "clean"): 100, ("two", "clean"): 150, ("one", "noise"): 300, ("two", "noise"): 310}
    values = {group: [median, median] for group, median in medians.items()}
    found = results(tmp_path, values)
    summary = found.summary(by=("system", "condition")).set_index(["system", "condition", "measure"])
    measure = "latency_first_audio_ms"
    assert summary.loc[("two", "clean", measure)]["difference"] == 50
    assert summary.loc[("two", "noise", measure)]["difference"] == 10
    by_condition = found.summary(by="condition").set_index(["condition", "measure"])
    assert by_condition.loc[("noise", measure)]["difference"] == 180
    other = found.summary(baseline="two").set_index(["system", "measure"])
    assert other.loc[("one", measure)]["difference"] == -30


def test_two_runs_are_compared_system_by_system(tmp_path):
    before = results(tmp_path / "a", {("one", "clean"): [100, 200, 300], ("gone", "clean"): [1, 2, 3]})
    after = results(tmp_path / "b", {("one", "clean"): [90, 180, 270]})
    compared = before.compare(after).frame.set_index(["system", "measure"])
    row = compared.loc[("one", "latency_first_audio_ms")]
    assert (row["mean"], row["other_mean"], row["difference"], row["pairs"]) == (200, 180, -20, 3)
    assert np.isnan(compared.loc[("gone", "latency_first_audio_ms")]["difference"])


def test_what_is_no_results_is_not_compared(tmp_path):
    found = results(tmp_path, {("a", "clean"): [1, 2]})
    with pytest.raises(SettingsError, match=r"give Results\.load of its folder"):
        found.compare(str(tmp_path))


def test_a_run_says_what_it_came_to(tmp_path):
    failed = {"cell_id": "x", "system": "one", "condition": "clean", "example_id": "e9", "repeat": 1}
    failed |= {"status": "failed", "error_message": "the server is gone"}
    found = results(tmp_path / "run", {("one", "clean"): [1, 2]}, extra=[failed])
    assert repr(found) == f"Results('{tmp_path}/run': 3 answers, 1 failed, $0.0200)"
    assert [row["cell_id"] for row in found.failed] == ["x"] and len(found.frame) == 3
    with pytest.raises(SettingsError, match="nothing to show of x: the server is gone"):
        found.show("x")
    with pytest.raises(SettingsError, match="neither an index below 3 nor a cell_id"):
        found.show(7)
    with pytest.raises(SettingsError, match="must name columns"):
        found.summary(by="colour")
    with pytest.raises(SettingsError, match="baseline='three'"):
        found.summary(baseline="three")
    with pytest.raises(SettingsError, match="does not hold a run"):
        Results.load(tmp_path)
