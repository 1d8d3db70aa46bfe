"""Work within a budget, and what an interrupt leaves of it."""

import json
import signal
import subprocess
import sys

from realtime_nb.experiments import Forecast, Results
from realtime_nb.experiments.executor import Budget, RunProgress
from realtime_nb.experiments.metrics import budgeted_usd

SCRIPT = """
import os
import sys
from functools import partial
import realtime_nb as rt
from realtime_nb.experiments import Dataset, run

def make():
    os.write(1, b"asked\\n")  # Whole, whatever other threads write.
    return rt.RealtimeSession(backend="local")

run(Dataset.from_texts(["What can you do?"] * 40), {"realtime": make}, concurrency=2, out=sys.argv[1])
"""


def test_an_interrupt_stops_what_is_under_way_and_loses_nothing_that_was_answered(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, script, tmp_path / "out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(5):  # One for the estimate.
            line = process.stdout.readline()
            while not line.startswith("asked"):
                assert line
                line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and errors.rstrip().endswith("KeyboardInterrupt")
    results = Results.load(tmp_path / "out")
    # Two were under way, each of which had its answer or was stopped.
    assert 2 <= len(results) <= 4 + out.count("asked") and results.missing == 40 - len(results) > 0
    assert results.failed == [] and results.stopped == "KeyboardInterrupt"
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["total_examples"] == len(results)


def test_a_resumed_run_says_what_of_its_estimate_is_there_already(capsys):
    with RunProgress(10, 4, Forecast(cells=10, usd={"one": 1.0}), shown=True):
        pass
    assert "10 answers, about $1.00 (if they take 8 s each); 4 of them are done already" in capsys.readouterr().out


def test_without_a_budget_nothing_is_refused():
    free = Budget(None)
    free.take(1e6)
    assert free.refusal(100) == "" and free.spent_usd == 1e6


def test_the_estimate_counts_until_there_is_an_answer():
    tight = Budget(0.10, 0.04)
    assert tight.refusal(0) == tight.refusal(1) == "" and tight.refusal(2)
    tight.take(0.01)
    assert tight.refusal(8) == "" and tight.refusal(9)


def test_without_an_estimate_the_first_answer_is_waited_for():
    blind = Budget(0.10)
    assert blind.refusal(0) == "" and blind.refusal(1)
    blind.take(0.03)
    assert blind.refusal(1) == "" and blind.refusal(2)


def test_the_dearest_answer_counts_for_the_next():
    tight = Budget(0.10)
    for cost_usd in (0.01, 0.05, 0.01):
        tight.take(cost_usd)
    assert tight.refusal(0) == "max_usd=0.1: $0.0700 are spent"


def test_a_failure_before_anything_was_asked_costs_nothing_but_an_unknown_price_ends_it():
    strict = Budget(1.0)
    strict.take(budgeted_usd({"status": "failed"}))
    assert strict.refusal(0) == ""
    strict.take(None)
    assert "use_prices" in strict.refusal(0)


def test_a_budget_of_nothing_pays_for_what_is_free():
    free = Budget(0.0)
    assert free.refusal(0) == ""
    free.take(0.0)
    assert free.refusal(7) == ""
    assert Budget(0.0, 0.01).refusal(0)


def test_answers_are_asked_with_what_is_left_of_a_budget_after_others_were_graded():
    assert Forecast(cells=10, usd={"one": 0.4, "free": 0.0}).dearest_cell_usd == 0.08
    grading = Budget(0.10, 0.04).rest(0.0)
    assert grading.refusal(0) == "" and grading.refusal(1)  # What the first costs decides about the next.
    grading.take(0.01)
    assert grading.refusal(7) == "" and grading.refusal(9)
    asking = grading.rest(0.04)
    assert asking.spent_usd == 0.01 and asking.refusal(1) == "" and asking.refusal(2)
    grading.take(None)
    assert "use_prices" in grading.rest(0.04).refusal(0)
