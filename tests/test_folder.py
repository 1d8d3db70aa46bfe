"""A run on the disk."""

import csv
import json

import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.experiments.cells import Outcome
from realtime_nb.experiments.folder import RunFolder, read_about, read_rows, read_stopped

ABOUT = {
    "seed": 0,
    "systems": ["one"],
    "cells": ["a", "b"],
    "examples": {"a": "1", "b": "2"},
    "conditions": {"clean": "clean"},
}


def outcome(cell_id, **row):
    row = {"cell_id": cell_id, "system": "one", "status": "completed", "cost_usd": 0.5} | row
    return Outcome(row=row, files={f"audio/{cell_id}/input.wav": b"RIFF"})


def opened(path, *, resume=False, **changes):
    return RunFolder(path, ABOUT | changes, resume=resume)


def test_a_row_is_there_as_soon_as_it_is_added(tmp_path):
    folder = opened(tmp_path)
    folder.add(outcome("b", wer=0.25))
    assert [row["cell_id"] for row in read_rows(tmp_path)] == ["b"]
    assert (tmp_path / "audio" / "b" / "input.wav").read_bytes() == b"RIFF"
    folder.add(outcome("a"))
    folder.finish("enough")
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [row["cell_id"] for row in rows] == ["a", "b"] and rows[1]["wer"] == "0.25"
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["cost_usd"] == 1.0 and summary["systems"]["one"]["wer_mean"] == 0.25
    assert read_stopped(tmp_path) == "enough"


def test_a_row_that_was_cut_off_is_not_there_and_does_not_spoil_the_next(tmp_path):
    folder = opened(tmp_path)
    folder.add(outcome("a"))
    folder.close()
    with (tmp_path / "rows.jsonl").open("ab") as file:
        file.write(b'{"cell_id": "b", "sys')
    folder = opened(tmp_path, resume=True)
    assert [row["cell_id"] for row in folder.rows] == ["a"]
    folder.add(outcome("b"))
    folder.close()
    assert [row["cell_id"] for row in read_rows(tmp_path)] == ["a", "b"]


def test_a_run_is_not_written_over_or_mixed_with_another(tmp_path):
    opened(tmp_path).close()
    with pytest.raises(SettingsError, match="holds a run: go on with it by resume=True"):
        opened(tmp_path)
    with pytest.raises(SettingsError, match="seed=1 is not that of the run"):
        opened(tmp_path, resume=True, seed=1)
    with pytest.raises(SettingsError, match="example 'a' is not what it was"):
        opened(tmp_path, resume=True, examples={"a": "other"})
    with pytest.raises(SettingsError, match="condition 'clean' is not what it was"):
        opened(tmp_path, resume=True, conditions={"clean": "noise 3 dB"})
    opened(tmp_path, resume=True, examples={"a": "1", "c": "3"}, systems=["two"], cells=["c"]).close()  # it may grow
    about = read_about(tmp_path)
    assert (about["systems"], about["cells"], list(about["examples"])) == (
        ["one", "two"],
        ["a", "b", "c"],
        ["a", "b", "c"],
    )


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(SettingsError, match="holds other files"):
        opened(tmp_path, resume=True)
    with pytest.raises(SettingsError, match="cannot be written to"):
        opened(tmp_path / "thesis.tex")
    with pytest.raises(SettingsError, match="holds no run"):
        read_about(tmp_path)
    assert read_stopped(tmp_path) == ""
