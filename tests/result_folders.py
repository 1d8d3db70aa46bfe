"""Folders of runs whose numbers are known."""

import numpy as np

from realtime_nb.experiments import Results
from realtime_nb.experiments.cell import CellOutcome
from realtime_nb.experiments.folder import RunFolder


def write_results(path, rows, *, systems=(), conditions=("clean",), missing=(), stopped="", files=None, **about):
    """Write rows as a run would, and load them; what a row lacks of its names is filled in."""
    rows = [
        {"condition": "clean", "repeat": 1, "status": "completed", "failure_stage": "", "error_message": ""}
        | {"cell_id": "__".join(str(row.get(k, "-")) for k in ("example_id", "system", "condition", "repeat"))}
        | row
        for row in rows
    ]
    about = {
        "dataset": "known",
        "seed": 0,
        "systems": list(systems) or list(dict.fromkeys(row["system"] for row in rows)),
        "conditions": dict(conditions) if isinstance(conditions, dict) else {name: name for name in conditions},
        "cells": [*(row["cell_id"] for row in rows), *missing],
        "examples": {row["example_id"]: "0" for row in rows},
        "estimate_usd": 0.5,
        "began_at": "2026-11-27T10:00:00+00:00",
        "libraries": {"numpy": np.__version__},
    } | about
    folder = RunFolder(path, about, resume=False)
    for row in rows:
        folder.add(CellOutcome(row=row, files=(files or {}).get(row["cell_id"], {})))
    folder.finish(stopped)
    return Results.load(path)


def graded_rows(examples=12, *, systems=("quick", "slow"), conditions=("clean", "telephone")):
    """Return rows of every kind of measure; a slow system is 400 ms slower, a telephone costs one grade in three."""
    random = np.random.default_rng(0)
    base = random.normal(500, 60, examples)
    return [
        {"system": system, "condition": condition, "example_id": f"e{n:02d}"}
        | {"latency_first_audible_ms": base[n] + 400 * place, "cost_usd": 0.002 * (1 + place) + n * 1e-5}
        | {"input_tokens": 50 + n, "output_tokens": 100 * (1 + place), "wer": 0.1 * (condition != "clean")}
        | {"grade_polite": float(n % 3 > 0 or condition == "clean"), "tool_call_correctness": 1}
        for condition in conditions
        for n in range(examples)
        for place, system in reversed(list(enumerate(systems)))
    ]
