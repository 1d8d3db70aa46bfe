"""A run on the disk."""

import csv
import io
import json
import os
import random
import re
import stat
import subprocess
import sys

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.errors import MissingExtra, SettingsError
from realtime_nb.experiments import Dataset, Results
from realtime_nb.experiments.cell import CellOutcome
from realtime_nb.experiments.example import defused, restored
from realtime_nb.experiments.folder import PackedRows, RunFolder, read_questions, read_run, read_stopped
from realtime_nb.files import seal

ABOUT = {
    "seed": 0,
    "systems": ["one"],
    "cells": ["a", "b"],
    "examples": {"a": "1", "b": "2"},
    "conditions": {"clean": "clean"},
}


def read_rows(path):
    return list(read_run(path).rows)


def outcome(cell_id, **row):
    row = {"cell_id": cell_id, "system": "one", "status": "completed", "cost_usd": 0.5} | row
    return CellOutcome(row=row, files={f"audio/{cell_id}/input.wav": b"RIFF"})


def opened(path, *, resume=False, table="csv", **changes):
    return RunFolder(path, ABOUT | changes, resume=resume, table=table)


def test_rows_are_unpacked_as_they_were_packed_whatever_their_columns():
    rows, packed = {name: {"cell_id": name, "said": name * 50, f"only_{name}": 1} for name in "abc"}, PackedRows()
    for name in "aabc":  # One of them twice.
        packed.put(name, json.dumps(rows[name]).encode())
    packed.put("b", json.dumps(rows["b"] | {"again": True}).encode())
    assert list(packed) == [rows["a"], rows["b"] | {"again": True}, rows["c"]]
    assert list(packed.only(["c", "a"])) == [rows["c"], rows["a"]] and len(packed) == 3


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
    with pytest.raises(SettingsError, match="holds a run: resume it with resume=True"):
        opened(tmp_path)
    with pytest.raises(SettingsError, match="seed=1 is not that of the run"):
        opened(tmp_path, resume=True, seed=1)
    with pytest.raises(SettingsError, match="example 'a' is not what it was"):
        opened(tmp_path, resume=True, examples={"a": "other"})
    with pytest.raises(SettingsError, match="condition 'clean' is not what it was"):
        opened(tmp_path, resume=True, conditions={"clean": "noise 3 dB"})
    opened(tmp_path, resume=True, examples={"a": "1", "c": "3"}, systems=["two"], cells=["c"]).close()  # it may grow
    about = read_run(tmp_path).about
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
    with pytest.raises(SettingsError, match="does not hold a run"):
        read_run(tmp_path)
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
    row = {"cell_id": cell_id, "system": "one", "status": "completed"}
    with (tmp_path / "rows.jsonl").open("ab") as file:
        file.write(seal(json.dumps(row).encode()) + b"\n")
    run = read_run(tmp_path)
    assert [row["cell_id"] for row in run.rows] == ["a"] and "rows.jsonl, line 2" in run.remarks[0]


# --- damage ---

GRID = [f"e{number}__one__clean__1" for number in range(12)]


def whole_run(path):
    about = ABOUT | {"cells": GRID, "examples": {f"e{n}": str(n) for n in range(12)}, "estimate_usd": 0.5}
    folder = opened(path, **about)
    for number, cell_id in enumerate(GRID):
        names = {"example_id": f"e{number}", "condition": "clean", "repeat": 1, "error_message": ""}
        folder.add(outcome(cell_id, wer=number / 16, assistant_text=f"It is {number} o'clock – \u2028 né.", **names))
    folder.finish("")
    return about


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    return path, whole_run(path), Results.load(path)


def check(path, about, before, damage):
    """Load a damaged run, look at it, and go on with it."""
    results = Results.load(path)
    known = {row["cell_id"]: row for row in before.rows}
    assert all(row == known.get(row["cell_id"]) for row in results.rows), damage  # Never another number.
    lost = known.keys() - {row["cell_id"] for row in results.rows}
    assert len(lost) <= 1 and (results.remarks or not lost), damage
    assert results._repr_mimebundle_() and results.cost_usd == 0.5 * len(results)
    folder = opened(path, resume=True, **about)
    assert {row["cell_id"] for row in folder.rows} == known.keys() - lost, damage
    for cell_id in lost:
        folder.add(CellOutcome(row=known[cell_id], files={}))
    folder.finish("")
    again = Results.load(path)
    assert again.rows == before.rows and again.missing == 0, damage
    assert len(again.remarks) == len(results.remarks), damage  # Losses are reported each time.
    return results


@pytest.mark.parametrize("name", ["rows.jsonl", "run.json", "summary.json"])
def test_a_flipped_bit_costs_its_row_at_most_and_the_run_goes_on(tmp_path, original, name):
    path, about, before = original
    chance = random.Random(name)
    content = {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}
    told = 0
    for trial in range(200):
        data = bytearray(content[name])
        at, bit = chance.randrange(len(data)), chance.randrange(8)
        data[at] ^= 1 << bit
        damaged = tmp_path / str(trial)
        damaged.mkdir()
        for each, whole in content.items():
            (damaged / each).write_bytes(data if each == name else whole)
        results = check(damaged, about, before, (name, at, bit))
        told += bool(results.remarks)
        assert all(name in remark for remark in results.remarks)
    assert told > 150 or name == "summary.json"  # The rest joined two lines, which are both whole.


@pytest.mark.parametrize("name", ["rows.jsonl", "run.json", "summary.json"])
def test_a_file_that_was_cut_off_costs_what_is_gone(tmp_path, original, name):
    path, about, before = original
    content = {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}
    chance = random.Random(name)
    for trial in range(40):
        end = chance.randrange(len(content[name]))
        damaged = tmp_path / str(trial)
        damaged.mkdir()
        for each, whole in content.items():
            (damaged / each).write_bytes(whole[:end] if each == name else whole)
        results = Results.load(damaged)
        lost = len(before) - len(results)
        assert name == "rows.jsonl" or not lost
        assert not lost or any("rows.jsonl" in remark for remark in results.remarks), end
        folder = opened(damaged, resume=True, **about)
        for row in before.rows:
            if row["cell_id"] not in {each["cell_id"] for each in folder.rows}:
                folder.add(CellOutcome(row=row, files={}))
        folder.finish("")
        assert Results.load(damaged).rows == before.rows


def test_what_was_lost_is_named_and_what_was_damaged_is_kept(tmp_path):
    about = whole_run(tmp_path)
    lines = (tmp_path / "rows.jsonl").read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"0.125", b"0.625")
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    told = "rows.jsonl, line 3 (e2__one__clean__1) is damaged: left out, with what it cost; "
    assert Results.load(tmp_path).remarks == [told + "resume=True asks again"]
    opened(tmp_path, resume=True, **about).finish("")
    assert Results.load(tmp_path).remarks == [told + "asked again"]
    assert (tmp_path / "rows.damaged").read_bytes() == lines[2] + b"\n"


def test_a_run_of_an_earlier_version_loads_and_goes_on(tmp_path):
    about = whole_run(tmp_path)
    rows = read_rows(tmp_path)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "run.json").write_text(json.dumps(about, indent=1))
    assert read_rows(tmp_path) == rows and read_run(tmp_path).remarks == []
    opened(tmp_path, resume=True, **about).close()
    assert all(b'{"crc32":' in line for line in (tmp_path / "rows.jsonl").read_bytes().splitlines())
    assert read_rows(tmp_path) == rows and read_run(tmp_path).remarks == []


def test_the_recipes_of_earlier_runs_are_kept_and_new_ones_take_their_place(tmp_path):
    RunFolder(tmp_path, ABOUT, resume=False, questions=[(name, {"text": name}) for name in "ab"]).close()
    RunFolder(tmp_path, ABOUT, resume=True, questions=[(name, {"text": name * 2}) for name in "bc"]).close()
    assert {name: told["text"] for name, told in read_questions(tmp_path).items()} == {"a": "a", "b": "bb", "c": "cc"}


@pytest.mark.parametrize("line", [b'{"example_id":', b'{"example_id":["a"]}', b'{"example_id":' + b"[" * 50_000])
def test_a_damaged_recipe_of_an_earlier_version_is_left_out(tmp_path, line):
    """Its files have no checksums."""
    (tmp_path / "dataset.jsonl").write_bytes(b'{"example_id":"a","text":"Hello."}\n' + line + b"\n")
    assert read_questions(tmp_path) == {"a": {"example_id": "a", "text": "Hello."}}


def test_a_run_without_its_description_is_known_by_its_rows(tmp_path):
    about = whole_run(tmp_path)
    (tmp_path / "run.json").unlink()
    results = Results.load(tmp_path)
    assert results.remarks[0].startswith("run.json is missing: ") and results.about["systems"] == ["one"]
    assert results.report().is_file()
    opened(tmp_path, resume=True, **about).finish("")
    assert Results.load(tmp_path).about["seed"] == 0


# --- one run a folder ---

HOLDER = """
import os, sys
from pathlib import Path
from realtime_nb.experiments.folder import RunFolder
folder = RunFolder(Path(sys.argv[1]), {about!r}, resume=True)
if sys.argv[2] == "fork" and not os.fork():
    os.read(0, 1)
    os._exit(0)
print("held", flush=True)
sys.stdin.read()
"""


def holder(path, *options):
    command = [sys.executable, "-c", HOLDER.format(about=ABOUT), path, *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_in_a_folder_is_refused_until_the_first_has_ended(tmp_path):
    folder = opened(tmp_path)
    with pytest.raises(SettingsError, match=rf"holds a run that is under way, in this process \({os.getpid()}\): wait"):
        opened(tmp_path, resume=True)
    with pytest.raises(SettingsError, match="under way"):
        opened(tmp_path)
    folder.add(outcome("a"))
    folder.finish("")
    assert not (tmp_path / "run.lock").exists()
    opened(tmp_path, resume=True).close()


@pytest.mark.parametrize("worker", ["none", "fork"])
def test_another_process_is_refused_and_one_that_was_killed_blocks_nothing(tmp_path, worker):
    with holder(tmp_path, worker) as process:
        with pytest.raises(SettingsError, match=f"under way, in process {process.pid}: wait"):
            opened(tmp_path, resume=True)
        process.kill()
        process.wait()
        opened(tmp_path, resume=True).close()  # Though a worker of its may live on.
        process.stdin.close()


def test_without_file_locks_the_named_process_holds_the_folder(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with holder(tmp_path, "none") as process:
        with pytest.raises(SettingsError, match=f"under way, in process {process.pid}"):
            opened(tmp_path, resume=True)
        process.kill()
        process.wait()
        process.stdin.close()
    opened(tmp_path, resume=True).close()
    (tmp_path / "run.lock").write_text(json.dumps({"host": "elsewhere", "process": 1}))
    with pytest.raises(SettingsError, match="under way, in process 1 on 'elsewhere'"):
        opened(tmp_path, resume=True)


# --- disks and people ---


def test_only_the_owner_reads_what_a_run_writes_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        whole_run(tmp_path / "results" / "run")
        Results.load(tmp_path / "results" / "run").report()
    finally:
        os.umask(before)
    written = list((tmp_path / "results").rglob("*"))
    assert {stat.S_IMODE(each.stat().st_mode) for each in written if each.is_file()} == {0o600}
    folders = [tmp_path / "results", *(each for each in written if each.is_dir())]
    assert {stat.S_IMODE(each.stat().st_mode) for each in folders} == {0o700}


def test_a_folder_that_is_gone_keeps_answers_in_memory_and_says_so(tmp_path):
    path = tmp_path / "run"
    folder = opened(path)
    folder.add(outcome("a"))
    path.rename(tmp_path / "elsewhere")
    folder.add(outcome("b"))
    assert "removed or replaced during the run" in folder.failure
    assert [each.row["cell_id"] for each in folder.unwritten] == ["b"]
    folder.finish("")
    results = Results(path, kept=folder)
    assert [row["cell_id"] for row in results.rows] == ["a", "b"]
    saved = results.save(tmp_path / "saved")
    assert saved.rows == results.rows and (tmp_path / "saved" / "audio" / "b" / "input.wav").read_bytes() == b"RIFF"


FORMULAS = [
    *(
        "=1+1",
        "+1 555 1234",
        "-2+3",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        " =1",
        '"=1',
        "'=1",
        "''-x",
        "\u200b=1",
        "\uff1d1",
    ),
    *('=HYPERLINK("http://evil.example","x")', "- a list", "-", "=", "-5 degrees"),
]
TEXTS = ["-5", "-0.25", "+3", "-1e-05", "7", "", "a=b", "'tis", "it's", "\u2212 5", "[1, -2]", "a; b=c", "1;-5\t+3"]
#: What a spreadsheet would run behind what it may take for the end of a cell, and the same defused.
INNER = {
    "a;=1+1": "a;'=1+1",
    "a;=cmd|'/C calc'!A0;b": "a;'=cmd|'/C calc'!A0;b",
    "a\t@SUM(1)": "a\t'@SUM(1)",
    "a\r\n=1+1": "a\r\n'=1+1",
    "a;'=1": "a;''=1",
    "=1;=1": "'=1;'=1",
    "\t=1": "'\t'=1",
}


@pytest.mark.parametrize("table", ["csv", "parquet"])
def test_a_table_keeps_the_type_of_every_column_whatever_graders_return(tmp_path, table):
    folder = opened(tmp_path, table=table)
    folder.add(outcome("a", example="007", whole=3, share=1, mixed=1, flag=True, nested=[1, "x"], empty=None))
    folder.add(outcome("b", example="x", whole=None, share=0.5, mixed="one", flag=None, nested=None, empty=None))
    folder.finish("")
    if table == "csv":
        with (tmp_path / "results.csv").open(newline="") as file:
            rows = list(csv.DictReader(file, quoting=csv.QUOTE_NONNUMERIC))
        assert (rows[0]["example"], rows[0]["whole"], rows[0]["share"], rows[0]["mixed"]) == ("007", 3.0, 1.0, 1.0)
        assert (rows[0]["flag"], rows[1]["whole"], rows[1]["share"], rows[1]["mixed"]) == (1.0, "", 0.5, "one")
        return
    frame = pandas.read_parquet(tmp_path / "results.parquet")
    assert frame.example.tolist() == ["007", "x"] and frame.mixed.tolist() == ["1", "one"]
    assert str(frame.whole.dtype) == "Int64" and frame.whole[0] == 3 and frame.whole.isna().tolist() == [False, True]
    assert (frame.share.dtype, str(frame.flag.dtype)) == (float, "boolean") and frame.nested[0] == '[1, "x"]'
    assert frame["empty"].isna().all()


def test_no_cell_of_the_table_is_run_by_a_spreadsheet_and_numbers_stay_numbers(tmp_path):
    folder = opened(tmp_path)
    folder.add(outcome("a", **{f"c{n}": text for n, text in enumerate(FORMULAS)}, **{"=cmd": "x"}, wer=-0.25))
    folder.finish("")
    names, cells = csv.reader(io.StringIO((tmp_path / "results.csv").read_bytes().decode(), newline=""))
    row = dict(zip(names, cells, strict=True))
    assert [row[f"c{n}"] for n in range(len(FORMULAS))] == [f"'{text}" for text in FORMULAS]
    assert row["'=cmd"] == "x" and row["wer"] == "-0.25"
    assert read_rows(tmp_path)[0]["c0"] == "=1+1"


@pytest.mark.parametrize("text", INNER)
def test_what_a_spreadsheet_may_take_for_a_cell_of_its_own_is_not_run(text):
    assert defused(text) == INNER[text]


@given(st.text(st.sampled_from("'=-5a;\t\r\n \"+@")))
def test_whatever_is_written_is_read_as_it_was_and_never_run(text):
    written = defused(text)
    assert restored(written) == text
    for cell in re.split(r"[;\t\r\n]", written):
        assert not re.match(r"[=+\-@]", cell) or re.fullmatch(r"[+-]?5+([eE]5+)?", cell)
    assert not written.startswith(("\t", "\r", "\n"))


@pytest.mark.parametrize("text", [*FORMULAS, *TEXTS])
def test_defused_cells_are_read_back_unchanged(text):
    assert restored(defused(text)) == text
    assert (defused(text) == text) == (text in TEXTS)


def test_a_dataset_reads_what_was_defused(tmp_path):
    path = tmp_path / "data.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["example_id", "user_text"], ["a", defused("-2+3")], ["b", "'tis"], ["c", "-5"]])
    assert [example.text for example in Dataset.from_csv(path)] == ["-2+3", "'tis", "-5"]
