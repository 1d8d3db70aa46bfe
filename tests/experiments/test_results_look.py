"""How results look in a notebook."""

import base64

from realtime_nb.experiments import Results
from realtime_nb.experiments.cell import CellOutcome
from realtime_nb.experiments.folder import RunFolder


def results(path, *, latency_ms=500.0, failed=7):
    cells = [(system, n) for system in ("<b>quick", "slow") for n in range(10)]
    about = {"seed": 0, "cells": [f"{system}-{n}" for system, n in cells] + ["missing"], "examples": {}}
    about |= {"systems": ["slow", "<b>quick"], "conditions": {"clean": "clean"}}
    folder = RunFolder(path, about, resume=False)
    for system, n in cells:
        row = {
            "cell_id": f"{system}-{n}",
            "system": system,
            "condition": "clean",
            "example_id": str(n),
            "repeat": 1,
        }
        if system == "slow" and n < failed:
            row |= {"status": "failed", "failure_stage": "connect", "error_message": "<img onerror=alert(1)>"}
        else:
            row |= {"status": "completed", "error_message": "", "cost_usd": 0.001, "wer": 0.1, "grade_polite": 1.0}
            row |= {"tool_call_correctness": 1, "tool_call_arg_correctness": n % 2}
            row |= {"latency_first_audible_ms": latency_ms and latency_ms + n}
        folder.add(CellOutcome(row=row, files={}))
    folder.finish("max_usd=1: $0.9000 are spent")
    return Results.load(path)


def test_a_row_for_each_system_and_condition_and_a_picture(tmp_path):
    bundle = results(tmp_path)._repr_mimebundle_()
    text, html = bundle["text/plain"], bundle["text/html"]
    assert (
        "system slow, condition clean, answered 3 of 10, polite 100% [44, 100], word errors in the transcript 10%"
        in text
    )
    # No interval of 3 examples' median covers 95 %.
    assert "first audible sample, ms after the question, median 508, 95th percentile 509" in text
    assert "total cost $0.00300" in text and "Marker: median" in html
    assert text.index("slow,") < text.index("quick")  # as they were given
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "<b>quick" not in html and "<img onerror" not in html and "&lt;img onerror" in html


def test_scenarios_show_what_came_of_interruptions_where_there_were_some(tmp_path):
    found = results(tmp_path)
    assert "yielded" not in found._repr_mimebundle_()["text/plain"]
    for row in found.rows[:2]:
        row |= {"task_success": 1, "yield_rate": 0.5, "interruption_stop_ms": 310.4, "heard_fraction": 0.25}
    found.rows[1] |= {"task_success": 0, "interruption_stop_ms": 290.0}
    text = found._repr_mimebundle_()["text/plain"]
    assert "successful tasks 50% [9, 91]" in text and "interruptions yielded to 50%" in text
    assert "silent after an interruption, ms, median 300, 95th percentile 309" in text
    assert "share of the audio that was heard 25%" in text and "backchannels" not in text


def test_failed_and_missing_answers_are_listed(tmp_path):
    html = results(tmp_path)._repr_mimebundle_()["text/html"]
    assert html.count("failed (connect)") == 5 and "2 more failed: see results.failed" in html
    assert "still to be asked: 1 (max_usd=1: $0.9000 are spent). Run the same again with resume=True" in html


def test_results_without_an_answer_can_be_shown(tmp_path):
    bundle = results(tmp_path, latency_ms=None)._repr_mimebundle_()
    assert "image/png" not in bundle and "first audible" not in bundle["text/plain"]
