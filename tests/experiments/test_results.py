"""Sums and differences, on rows whose numbers are known."""

import json

import numpy as np
import pytest
from result_folders import graded_rows, write_results

from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Results
from realtime_nb.experiments.cell import CellOutcome
from realtime_nb.experiments.folder import RunFolder
from realtime_nb.experiments.metrics import WORD_COUNTS
from realtime_nb.speech.statistics import paired_difference, ratio_of
from realtime_nb.speech.words import count_errors


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
    assert (row["low"], row["high"], row["method"]) == (pytest.approx(expected.low), pytest.approx(expected.high), "t")
    assert row["caveat"] == "12 examples are few: only large differences show"
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


def test_only_results_can_be_compared(tmp_path):
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


def judged(name, values, **more):
    """Return a row for each example and try, right or wrong."""
    return [
        {"system": name, "example_id": f"e{place}", "repeat": repeat, "task_success": int(value)} | more
        for place, tries in enumerate(values)
        for repeat, value in enumerate([tries] if isinstance(tries, int) else tries, 1)
    ]


def test_ties_of_right_and_wrong_answers_are_no_proof_that_systems_are_alike(tmp_path):
    rows = [*judged("one", [1] * 8 + [0] * 2), *judged("two", [1] * 8 + [0] * 2)]
    [_, two] = write_results(tmp_path, rows).summary("system", "task_success").to_dict("records")
    assert (two["difference"], two["method"], two["pairs"]) == (0, "Tango", 10)
    assert (two["low"], two["high"]) == pytest.approx((-0.2775, 0.2775), abs=1e-3)


def test_differences_are_tested_on_request_and_corrected_for_their_number(tmp_path):
    rows = [*judged("one", [1] * 10), *judged("two", [0] * 8 + [1] * 2), *judged("three", [0] * 5 + [1] * 5)]
    found = write_results(tmp_path, [row | {"output_s": 1.0 + row["task_success"]} for row in rows])
    told = found.summary("system", "task_success", "output_s", test="mcnemar").set_index(["system", "measure"])
    assert told["p"].dropna().to_dict() == {("two", "task_success"): 2 / 2**8, ("three", "task_success"): 2 / 2**5}
    assert told["p_holm"].dropna().tolist() == [2 * 2 / 2**8, 2 / 2**5]
    told = found.summary("system", "output_s", test="permutation").set_index("system")
    assert told.loc["two", "p"] == pytest.approx(2 / 2**8) and np.isnan(told.loc["one", "p"])
    assert "p" not in found.summary()
    with pytest.raises(SettingsError, match="test='t' is not one of permutation, sign, mcnemar"):
        found.summary(test="t")
    with pytest.raises(SettingsError, match="measure='wer' is not one of task_success, output_s"):
        found.summary("system", "wer")


def test_tags_are_compared_though_they_have_no_example_in_common(tmp_path):
    rows = [
        row | {"tags": tag, "example_id": f"{tag}-{row['example_id']}", "output_s": output_s + place % 3}
        for tag, right, output_s in (("easy", [1] * 9 + [0], 5.0), ("hard", [1] * 3 + [0] * 7, 7.0))
        for place, row in enumerate(judged("one", right))
    ]
    told = write_results(tmp_path, rows).summary("tags", test="permutation").set_index(["tags", "measure"])
    shares, lengths = told.loc[("hard", "task_success")], told.loc[("hard", "output_s")]
    assert (shares["difference"], shares["method"], shares["pairs"]) == (pytest.approx(-0.6), "Newcombe", 0)
    assert -0.81 < shares["low"] < shares["high"] < -0.17 and shares["p"] < 0.05
    assert (lengths["difference"], lengths["method"]) == (2.0, "Welch") and 1.0 < lengths["low"] < lengths["high"] < 3.0
    assert np.isnan(told.loc[("easy", "output_s")]["difference"])


def test_a_pilot_says_how_many_examples_a_wanted_width_needs(tmp_path):
    found = write_results(tmp_path, graded_rows(12))
    sizes = found.sample_size("latency_first_audible_ms", 10).set_index("system")
    assert sizes["examples"].tolist() == [12, 12] and set(sizes["examples_needed"]) == {78}
    # The systems differ by the same everywhere, so nothing is known of how that varies.
    assert sizes["pairs"].tolist() == [0, 12] and sizes["pairs_needed"].isna().all()
    with pytest.raises(SettingsError, match="half_width=0 must be positive"):
        found.sample_size("wer", 0)


def test_pass_hat_k_counts_tasks_that_succeed_every_time(tmp_path):
    rows = judged("one", [[1, 1, 1], [1, 1, 0], [0, 0, 0], [1, 0, 1]])
    told = write_results(tmp_path, rows).pass_hat_k()
    assert told["k"].tolist() == [1, 2, 3] and told["examples"].tolist() == [4, 4, 4]
    assert told["pass_hat_k"].tolist() == pytest.approx([7 / 12, (1 + 1 / 3 + 1 / 3) / 4, 1 / 4])
    assert told["method"].tolist() == ["t", "t", "Wilson"] and (told["low"] >= 0).all()


def heard(name, *pairs, language="en"):
    """Return a row for each reference and what was heard, as a run would measure it."""
    rows = []
    for place, (reference, text) in enumerate(pairs):
        words, characters = count_errors([(reference, text, language)])
        row = {"system": name, "example_id": f"e{place}", "repeat": 1, "user_text": reference, "heard": text}
        row |= {"wer": words.rate, "cer": characters.rate, "language": language}
        rows.append(row | dict(zip(WORD_COUNTS, words, strict=True)))
    return rows


def test_word_errors_of_all_words_stand_beside_the_mean_of_answers(tmp_path):
    long = "the quick brown fox jumps over the lazy brown dog"
    pairs = [("yes", "no"), (long, long), ("The U.S.A. won", "the USA won it"), ("stop", "")]
    found = write_results(tmp_path, heard("ear", *pairs))
    [told] = found.word_errors().to_dict("records")
    assert [told[name] for name in ("substitutions", "deletions", "insertions", "words")] == [1, 1, 1, 15]
    assert told["wer"] == pytest.approx(3 / 15) and told["mean_of_answers"] == pytest.approx((1 + 0 + 1 / 3 + 1) / 4)
    assert (told["normaliser"], told["method"], told["answers"]) == ("realtime_nb", "t", 4)
    assert told["low"] == 0 and told["high"] > told["wer"]
    [theirs] = found.word_errors(normaliser="whisper").to_dict("records")
    assert (theirs["words"], theirs["normaliser"]) == (17, "whisper")  # "u s a" are three.
    assert "wer_of_all_words" in (tmp_path / "summary.json").read_text("utf-8")
    assert not {*WORD_COUNTS} & {*found.summary()["measure"]}
    assert "word errors of all words" in found.report().read_text("utf-8")


def test_a_scenarios_turns_are_compared_one_by_one_by_another_normaliser(tmp_path):
    turns = [{"user_text": "hello there", "heard": "hello", "wer": 0.5}, {"user_text": "mhm", "heard": ""}]
    [row] = heard("ear", ("hello there mhm", "hello"))
    found = write_results(tmp_path, [row | {"turn_measures": json.dumps(turns)}])
    [told] = found.word_errors(normaliser="whisper").to_dict("records")
    assert (told["deletions"], told["words"], told["low"]) == (1, 2, None)


def test_the_rate_of_all_words_is_covered_where_examples_differ_in_length():
    def covers(seed):
        random = np.random.default_rng(seed)
        lengths = random.integers(3, 30, 8)
        found = ratio_of([(random.binomial(length, 0.3), length) for length in lengths])
        return found.low <= 0.3 <= found.high

    assert 0.92 <= np.mean([covers(seed) for seed in range(1_000)]) <= 0.98
