"""Exports of a run: its table, its conversations, the cookbook's layout, small files, and the run again."""

import csv
import json
from functools import partial

import numpy as np
import pytest
from result_folders import graded_rows, write_results

import realtime_nb as rt
from realtime_nb.conversation.conversation import Conversation
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, Example, Keywords, Noise, Results, rerun, run
from realtime_nb.experiments.exports import as_markdown

LOCAL = partial(rt.RealtimeSession, backend="local", instructions="Be brief.")
HOSTILE = "<script>alert(1)</script> **bold** `code` | $x_1$ & #3 ~ ^ \\input{a} 50%"
WRITTEN = f"{HOSTILE} τ-voice 今天 é–ü"


def order_status(order_id: str) -> dict:
    """Look up where an order is."""
    return {"status": "on its way"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One question with a call, asked of two systems in sound that is kept as Opus."""
    path = tmp_path_factory.mktemp("made")
    example = Example(
        example_id="q",
        text="What is the status of order seven?",
        tool_call="order_status",
        tool_arguments={"order_id": "7"},
    )
    systems = {"realtime": partial(LOCAL, tools=[order_status]), "chat": partial(rt.ChatSession, backend="local")}
    results = run(Dataset([example]), systems, out=path / "out", sound="opus", progress=False)
    assert results.failed == []
    return results


def test_a_question_is_kept_once_and_recordings_are_whole_without_it_beside_them(made):
    files = {path.relative_to(made.path).as_posix(): path for path in made.path.rglob("*") if path.is_file()}
    assert len([name for name in files if name.endswith(".wav")]) == 1
    assert not [name for name in files if name.endswith((".flac", ".pcm"))] and "events" not in files
    for row in made.rows:
        recording = rt.Recording.load(made.path / "recordings" / row["cell_id"])
        assert recording.remarks == []
        asked = recording.conversation.turns[0].audio
        said = rt.AudioClip.from_file(made.path / row["input_audio_path"])
        assert np.array_equal(asked.samples, said.samples)
        answers = [turn.audio for turn in recording.conversation if turn.role == "assistant" and turn.audio]
        assert sum(clip.duration_s for clip in answers) == pytest.approx(row["output_s"], abs=1e-3)
        assert rt.AudioClip.from_file(made.path / row["output_audio_path"]).peak > 0.05
        assert row["event_log_path"] == f"recordings/{row['cell_id']}/events.jsonl"
    assert made.save(made.path.parent / "copy").rows == made.rows
    assert Results.load(made.path.parent / "copy").show(0).transcript == made.show(0).transcript


def test_a_clip_that_is_gone_is_silence_and_a_remark(made, tmp_path):
    copy = made.save(tmp_path / "copy")
    [clip] = (copy.path / "clips").glob("*.wav")
    clip.unlink()
    with pytest.warns(UserWarning, match="is missing: its sound is silence here"):
        copy.show(0)


def test_a_run_keeps_the_files_that_you_choose(tmp_path):
    dataset = Dataset.from_texts({"q": "What is two plus three?"})
    for keep, kinds in (("conversations", {"conversations"}), (["answers"], {"audio"}), (["events"], {"recordings"})):
        results = run(dataset, {"one": LOCAL}, out=tmp_path / str(keep), keep=keep, progress=False)
        assert {path.name for path in results.path.iterdir() if path.is_dir()} == {"clips", *kinds}
    [row] = results.rows
    recording = rt.Recording.load(results.path / "recordings" / row["cell_id"])
    assert recording.remarks == [] and "5" in recording.conversation.replies[0].transcript
    assert not [path for path in recording.path.iterdir() if path.stem == "assistant"]
    for wrong, message in (({"keep": ["sounds"]}, "choose among"), ({"sound": "mp3"}, "neither 'flac' nor 'opus'")):
        with pytest.raises(SettingsError, match=message):
            run(dataset, {"one": LOCAL}, out=tmp_path / "no", **wrong)


def test_the_table_names_the_raw_call_and_the_summary_has_the_slowest_hundredth(made):
    [call, *_] = json.loads(next(row for row in made.rows if row["system"] == "realtime")["tool_calls"])
    assert call["name"] == "order_status" and call["arguments"] == json.loads(call["raw_arguments"])
    assert call["call_id"].startswith("call_")
    summary = json.loads((made.path / "summary.json").read_text())
    assert summary["systems"]["chat"]["latency_first_audio_ms_p99"] > 0
    assert (made.summary()["p99"] >= made.summary()["p95"]).all()


def test_a_conversation_reads_well_whatever_is_said_in_it(made, tmp_path):
    row = next(row for row in made.rows if row["system"] == "realtime")
    text = (made.path / "conversations" / f"{row['cell_id']}.md").read_text()
    assert text.startswith("# q\n\nsystem realtime") and "**AI voice** (00:0" in text and "AI-generated voice" in text
    assert r"**calls order\_status**" in text and "**gets**" in text
    conversation = rt.Recording.load(made.path / "recordings" / row["cell_id"]).conversation
    hostile = as_markdown(conversation, row | {"user_text": HOSTILE, "status": "completed"})
    assert r"\<script\>" in hostile and r"\*\*bold\*\*" in hostile and r"\`code\`" in hostile and r"\$x\_1" in hostile
    failed = as_markdown(
        Conversation(), row | {"status": "failed", "failure_stage": "input", "error_message": "no\n# x"}
    )
    assert failed.endswith("\n\nFailed (input): no \\# x\n")


def test_latex_is_escaped_and_an_svg_keeps_its_words(tmp_path):
    rows = [row | {"system": f"{WRITTEN} {row['system']}", "cell_id": f"c{n}"} for n, row in enumerate(graded_rows(4))]
    results = write_results(tmp_path / "out", rows, conditions=("clean", "telephone"))
    latex = results.table().to_latex()
    body = latex.replace(r"\&", "").replace(r"\%", "").replace(r"\$", "").replace(r"\#", "").replace(r"\_", "")
    cells = [line for line in body.splitlines() if "script" in line]
    assert cells and not any(sign in line for line in cells for sign in "#_%~^")
    assert all(line.count("&") == cells[0].count("&") for line in cells)
    assert r"\input{a}" not in latex and r"\textbackslash" in latex
    assert r"$\tau$-voice" in latex and r"\ifdefined\Umathchar 今天\else U+4ECA U+5929\fi{}" in latex and "é–ü" in latex
    results.table().to_latex(tmp_path / "table.tex")
    assert (tmp_path / "table.tex").read_text() == latex
    svg = results.plot.grades().save(tmp_path / "grades.svg").read_text()
    assert ">polite" in svg and "Verdana" in svg and "<script" not in svg and "&lt;script" in svg


def test_the_cookbooks_layout_has_exactly_its_columns_and_files(made, tmp_path):
    made.to_cookbook(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"realtime__clean__1", "chat__clean__1"}
    folder = tmp_path / "out" / "realtime__clean__1"
    assert {path.name for path in folder.iterdir()} == {"results.csv", "summary.json", "audio", "events"}
    with (folder / "results.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    # The columns that crawl_harness/run_realtime_evals.py prefers, in its order.
    assert (
        list(row)
        == (
            "example_id user_text assistant_text gt_tool_call pred_tool_call tool_call_correctness gt_tool_call_arg "
            "pred_tool_call_arg tool_call_arg_correctness grade tool_calls status failure_stage error_type "
            "error_message event_log_path input_audio_path output_audio_path latency_first_audio_ms "
            "latency_first_text_ms latency_response_done_ms output_tokens output_audio_tokens output_text_tokens"
        ).split()
    )
    assert (row["status"], row["grade"]) == ("ok", "1")
    for column in ("input_audio_path", "output_audio_path"):
        assert rt.AudioClip.from_file(row[column]).duration_s > 0.5
    with open(row["event_log_path"]) as file:
        types = [json.loads(line)["type"] for line in file]
    assert types[0] == "session.created" and "response.done" in types
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["grade_mean"] == 1.0 and summary["latency_first_audio_ms_p99"] > 0
    assert {"run_name", "model", "voice", "chunk_ms", "sample_rate_hz", "real_time", "data_csv"} <= summary.keys()
    with pytest.raises(SettingsError, match="holds other files"):
        made.to_cookbook(tmp_path / "out")


def test_a_run_is_made_again_from_its_folder(tmp_path, monkeypatch):
    source = rt.speak("What is two plus three?", voice="echo")
    dataset = Dataset([Example(example_id="q", text="What is two plus three?", source=source, tags=("sums",))])
    key = "sk-" + "a1b2" * 8
    systems = {"one": partial(LOCAL, api_key=key)}
    options = {"conditions": {"noisy": Noise(20)}, "graders": [Keywords("5")], "seed": 3}
    first = run(dataset, systems, out=tmp_path / "first", repeats=2, progress=False, **options)
    told = (tmp_path / "first" / "run.json").read_text()
    assert "Be brief." in told and key not in told
    with pytest.raises(SettingsError, match=r"systems\['one'\] cannot be made .*a secret.*give systems"):
        rerun(tmp_path / "first", out=tmp_path / "refused", progress=False)
    again = rerun(tmp_path / "first", out=tmp_path / "second", systems={"one": LOCAL}, progress=False)
    assert [row["cell_id"] for row in again.rows] == [row["cell_id"] for row in first.rows]
    assert [row["input_sha256"] for row in again.rows] == [row["input_sha256"] for row in first.rows]
    assert list(again.frame.grade_keywords) == [1.0, 1.0] and again.missing == 0
    # Which recogniser hears a turn may depend on the load.
    assert [remark for remark in first.compare(again).remarks if "recognisers" not in remark] == []
    third = rerun(tmp_path / "second", out=tmp_path / "third", repeats=1, progress=False)
    assert len(third) == 1 and third.frame.tags[0] == "sums"


def test_a_run_that_is_made_again_takes_what_is_asked_of_it_even_if_that_is_nothing(tmp_path):
    dataset = Dataset.from_texts({"q": "What is two plus three?"})
    options = {"conditions": {"noisy": Noise(20)}, "graders": [Keywords("5")], "seed": 3}
    first = run(dataset, {"one": LOCAL}, out=tmp_path / "first", progress=False, **options)
    other = rerun(tmp_path / "first", out=tmp_path / "second", seed=0, graders=(), progress=False)
    assert other.frame.input_sha256[0] != first.frame.input_sha256[0]
    assert "grade_keywords" in first.frame and "grade_keywords" not in other.frame


def test_what_a_folder_cannot_make_again_is_named_and_never_imported(tmp_path):
    def own():
        return LOCAL()

    run(Dataset.from_texts({"q": "Hello!"}), {"mine": own}, out=tmp_path / "out", progress=False)
    with pytest.raises(SettingsError, match=r"systems\['mine'\] .*own.* is not a class of realtime_nb.*give systems="):
        rerun(tmp_path / "out")
    with pytest.raises(SettingsError, match="earlier version"):
        rerun(write_results(tmp_path / "old", graded_rows(2)).path)


def test_the_description_of_a_run_has_the_prompts_and_settings_of_every_system(tmp_path):
    systems = {
        "partial": LOCAL,
        "function": lambda: rt.ChatSession(backend="local", instructions="Be kind.", tools=[order_status]),
        "none": lambda: 1 / 0,
    }
    dataset = Dataset([Example(example_id="q", source=rt.AudioClip(np.full(24_000, 0.1)))])
    results = run(dataset, systems, out=tmp_path, keep=(), progress=False)
    told = json.loads((tmp_path / "run.json").read_text())["made"]["settings"]
    assert told == results.about["made"]["settings"] and set(told) == {"partial", "function"}
    assert (told["partial"]["session"], told["partial"]["instructions"]) == ("RealtimeSession", "Be brief.")
    assert (told["function"]["instructions"], told["function"]["tools"][0]["name"]) == ("Be kind.", "order_status")
