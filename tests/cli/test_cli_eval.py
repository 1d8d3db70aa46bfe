"""``realtime-nb eval``: whole runs from a terminal, on the local voice."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from realtime_nb.cli.eval import parse_conditions
from realtime_nb.cli.main import main
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Babble, Level, Noise, Reverberation, Speed, Telephone

ROWS = "example_id,user_text,gt_tool_call,gt_tool_call_arg\nq1,What can you do?,,\nq2,What is two plus three?,,\n"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(ROWS)
    return str(path)


def test_three_systems_under_two_conditions_are_a_table_and_a_folder(data, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--systems", "realtime,chat,cascade", "--conditions", "clean,noise:20+telephone"]
    assert main(["eval", data, "--out", str(out), *options]) == 0
    printed = capsys.readouterr()
    assert f"{data}: 12 answers, about $0" in printed.err
    lines = printed.out.splitlines()
    assert any(line.startswith("chat      noise:20+telephone  2 of 2") for line in lines), printed.out
    assert "cost    $0" in lines and f"report  {out / 'report.html'} (AI-generated voices)" in lines
    assert {"results.csv", "summary.json", "report.html", "clips", "recordings"} <= {
        each.name for each in out.iterdir()
    }
    # Asked again, it is refused; gone on with, nothing is asked twice.
    assert main(["eval", data, "--out", str(out)]) == 2
    assert "holds a run: continue it with --resume, or choose another --out" in capsys.readouterr().err
    before = (out / "rows.jsonl").read_bytes()
    assert main(["eval", data, "--out", str(out), *options, "--resume", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["total_examples"], facts["failed_examples"], facts["missing"], facts["cost_usd"]) == (12, 0, 0, 0.0)
    assert facts["ai_generated"] is True and set(facts["systems"]) == {"realtime", "chat", "cascade"}
    assert (out / "rows.jsonl").read_bytes() == before


def test_tools_are_called_and_graded(tmp_path, capsys):
    path = tmp_path / "calls.csv"
    path.write_text(
        "example_id,user_text,gt_tool_call,gt_tool_call_arg\n"
        'c1,What is the status of order seven?,order_status,"{""order_id"": 7}"\n'
    )
    tool = {"type": "function", "name": "order_status", "description": "Look up where an order is."}
    tool |= {
        "parameters": {"type": "object", "properties": {"order_id": {"type": "integer"}}, "required": ["order_id"]}
    }
    (tmp_path / "tools.json").write_text(json.dumps([tool]))
    (tmp_path / "rules.txt").write_text("Be brief.\n")
    given = ["--tools", str(tmp_path / "tools.json"), "--instructions", f"@{tmp_path / 'rules.txt'}", "--json"]
    assert main(["eval", str(path), "--out", str(tmp_path / "out"), *given]) == 0
    system = json.loads(capsys.readouterr().out)["systems"]["realtime"]
    assert system["tool_call_correctness_mean"] == system["tool_call_arg_correctness_mean"] == 1
    assert "instructions: Be brief." in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert main(["eval", str(path), "--out", str(tmp_path / "none"), "--dry-run"]) == 0
    assert "the dataset expects tool calls, but there are no tools: see --tools" in capsys.readouterr().err


def test_an_estimate_spends_nothing_and_writes_nothing(data, tmp_path, capsys):
    assert main(["eval", data, "--out", str(tmp_path / "out"), "--repeats", "3", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"answers": 6, "estimate_usd": 0.0}
    assert not (tmp_path / "out").exists()


def test_failures_are_reported_and_exit_with_1(data, tmp_path, capsys):
    # Nobody listens there.
    backend = ["--backend", "http://127.0.0.1:9/v1", "--max-usd", "5"]
    assert main(["eval", data, "--out", str(tmp_path / "out"), *backend]) == 1
    out = capsys.readouterr().out
    assert "failed  q1__realtime__clean__1 (" in out and "0 of 2" in out and "--retry-failed asks them again" in out
    again = ["--backend", "local", "--retry-failed", "--json"]
    assert main(["eval", data, "--out", str(tmp_path / "out"), *again]) == 0
    assert json.loads(capsys.readouterr().out)["failed_examples"] == 0


def test_answers_are_told_though_the_report_cannot_be_written(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["eval", data, "--out", str(out)]) == 0
    (out / "report.html").unlink()
    (out / "report.html" / "taken").mkdir(parents=True)
    capsys.readouterr()
    assert main(["eval", data, "--out", str(out), "--resume"]) == 1
    printed = capsys.readouterr()
    assert "2 of 2" in printed.out and "cost    $0" in printed.out and "report" not in printed.out
    assert "report.html' cannot be written: " in printed.err
    assert main(["eval", data, "--out", str(out), "--resume", "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["report"] is None and facts["total_examples"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--systems", "robot"], "--systems: 'robot' is not a system: name realtime, chat, cascade"),
        (["--systems", ","], "--systems is empty: name at least one"),
        (["--systems", "chat,chat"], "--systems=chat,chat names one twice: name each only once"),
        (["--conditions", "rain"], "--conditions: 'rain' is not a condition: name clean, telephone, "),
        (["--conditions", "noise"], "--conditions: 'noise': '' is not a number: write noise:10"),
        (["--conditions", "speed:99"], "--conditions: 'speed:99': factor=99.0 is not between 0.25 and 4"),
        (["--repeats", "0"], "repeats=0 must be positive"),
        (["--max-usd", "-1"], "max_usd=-1.0 must not be negative"),
        (["--backend", "openai"], "the openai backend needs an API key: set OPENAI_API_KEY, or use --backend local"),
        (["--tools", "nowhere.json"], "--tools=nowhere.json cannot be read as JSON: "),
        (["--instructions", "@nowhere.txt"], "nowhere.txt"),
    ],
)
def test_unusable_input_exits_with_2_and_a_sentence(data, tmp_path, capsys, options, message):
    assert main(["eval", data, "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_data_that_cannot_be_read_is_named(tmp_path, capsys):
    assert main(["eval", str(tmp_path / "none.csv"), "--out", str(tmp_path / "out")]) == 2
    assert "none.csv' is not a file: check its name" in capsys.readouterr().err


def test_conditions_are_named_with_their_numbers():
    assert parse_conditions("clean") == ()
    found = parse_conditions("noise:10+pink:5+babble:0+reverberation:0.5+level:-30+speed:1.5+telephone+telephone-alaw")
    assert found == (
        *(Noise(10.0), Noise(5.0, "pink"), Babble(0.0), Reverberation(0.5), Level(-30.0), Speed(1.5)),
        *(Telephone(), Telephone("alaw")),
    )
    with pytest.raises(SettingsError, match="'telephone:8' is not a condition"):
        parse_conditions("telephone:8")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_what_was_answered(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("example_id,user_text\n" + "".join(f"q{n},What is {n} plus three?\n" for n in range(40)))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "realtime_nb.cli.main", "eval", str(data), "--out", str(out), "--concurrency", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        deadline = time.monotonic() + 60
        rows = out / "rows.jsonl"
        # Until the first answer is written down.
        while not (rows.is_file() and rows.stat().st_size) and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and f"The answers so far are in '{out}': continue with --resume" in error
    assert 1 <= len(rows.read_text().splitlines()) < 40 and (out / "results.csv").is_file()
