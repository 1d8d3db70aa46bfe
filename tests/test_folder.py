"""A run on the disk."""

import csv
import json
import sys

import pandas
import pytest

from realtime_nb.errors import MissingExtra, SettingsError
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


def opened(path, *, resume=False, table="csv", **changes):
    return RunFolder(path, ABOUT | changes, resume=resume, table=table)


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


def test_the_table_may_be_parquet_which_keeps_types(tmp_path):
    opened(tmp_path, table="csv").finish("")
    assert (tmp_path / "results.csv").exists()
    folder = opened(tmp_path, resume=True, table="parquet")
    folder.add(outcome("b", wer=0.25, tool_calls="[]"))
    folder.add(outcome("a", reason_x="07", wer=None))
    folder.finish("")
    assert not (tmp_path / "results.csv").exists()
    frame = pandas.read_parquet(tmp_path / "results.parquet")
    assert list(frame.cell_id) == ["a", "b"] and frame.wer.dtype == float and frame.wer[1] == 0.25
    assert frame.reason_x[0] == "07" and pandas.isna(frame.reason_x[1])


def test_a_table_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match="table='xlsx' is neither 'csv' nor 'parquet'"):
        opened(tmp_path / "out", table="xlsx")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"realtime-nb\[parquet\]"):
        opened(tmp_path / "out", table="parquet")
    assert not (tmp_path / "out").exists()


def test_a_cell_that_is_tried_in_a_later_run_knows_of_the_earlier_one(tmp_path):
    folder = opened(tmp_path)
    broken = {"status": "failed", "failure_stage": "connect", "error_type": "ConnectionLost", "error_message": "gone"}
    folder.add(outcome("a", attempts=3, **broken))
    folder.finish("")
    folder = opened(tmp_path, resume=True)
    folder.add(outcome("a", attempts=1))
    folder.finish("")
    [row] = read_rows(tmp_path)
    assert (row["status"], row["attempts"], row["cost_usd"], row["retried_cost_usd"]) == ("completed", 4, 1.0, 0.5)
    assert json.loads((tmp_path / "summary.json").read_text())["cost_usd"] == 1.0


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(SettingsError, match="holds other files"):
        opened(tmp_path, resume=True)
    with pytest.raises(SettingsError, match="cannot be written to"):
        opened(tmp_path / "thesis.tex")
    with pytest.raises(SettingsError, match="holds no run"):
        read_about(tmp_path)
    assert read_stopped(tmp_path) == ""


def test_half_an_answer_is_no_answer_in_the_summary(tmp_path):
    folder = opened(tmp_path)
    folder.add(outcome("a", wer=0.25))
    folder.add(outcome("b", status="failed", wer=1.0))
    folder.finish("")
    system = json.loads((tmp_path / "summary.json").read_text())["systems"]["one"]
    assert system["wer_mean"] == 0.25 and system["cost_usd_mean"] == 0.5


@pytest.mark.parametrize("cell_id", ["../b", "/etc/passwd", "..", ".", "", "a/b"])
def test_a_row_leads_to_no_file_outside_of_the_folder(tmp_path, cell_id):
    folder = opened(tmp_path)
    folder.add(outcome("a"))
    folder.close()
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write(json.dumps({"cell_id": cell_id}) + "\n")
    with pytest.raises(SettingsError, match="line 2: cell_id="):
        read_rows(tmp_path)
