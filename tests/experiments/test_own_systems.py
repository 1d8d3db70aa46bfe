"""Your own systems beside the package's: a class with one method is asked, measured, recorded and compared."""

import json
import runpy
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, Keywords, UserTurn, run

DOCS = Path(__file__).parents[2] / "docs"
TONE = rt.AudioClip(0.1 * np.sin(np.arange(24_000) / 10).astype(np.float32), 24_000)
#: A second of speech, as far as measures can tell: a tone with silence around it.
SAID = rt.AudioClip(np.pad(TONE.samples, (2_400, 4_800)), 24_000)


class Told:
    """Says given words at given times."""

    model = "told"
    prompt = "Be brief."
    api_key = "not to be written down"

    def __init__(self, **told):
        self._told = told

    async def answer(self, clip):
        assert isinstance(clip, rt.AudioClip)
        return rt.SystemAnswer(**self._told)


def quiet(dataset, systems, out, **options):
    return run(dataset, systems, out=out, progress=False, **options)


def asked(example_id="q", text="What is two plus three?"):
    return Dataset([rt.experiments.Example(example_id=example_id, text=text, source=SAID)])


def test_the_example_that_hears_thinks_and_speaks_by_itself_is_right(tmp_path):
    calculator = runpy.run_path(str(DOCS / "own_cascade.py"))["Calculator"]
    sums = Dataset.from_texts(["What is two plus three?", "What is nine minus four?"], speaker="echo")
    local = partial(rt.RealtimeSession, backend="local")
    results = quiet(sums, {"own": calculator, "local": local}, tmp_path, graders=[Keywords("5")])
    assert results.failed == [] and results.cost_usd == 0.0
    own = results.frame[results.frame.system == "own"]
    assert list(own.wer) == [0.0, 0.0] and list(own.grade_keywords) == [1.0, 1.0]
    assert set(own.model) == {"pocketsphinx → rules → espeak-ng"}
    assert (own.latency_first_audio_ms > 0).all() and (own.turn_gap_ms >= own.latency_first_audible_ms).all()
    difference = results.summary(by="system").set_index(["system", "measure"]).loc["local", "grade_keywords"]
    assert difference["pairs"] == 2 and difference["difference"] == 0


def test_the_duplex_example_is_measured_where_it_says_that_it_sounds(tmp_path):
    example = runpy.run_path(str(DOCS / "own_duplex.py"))
    dataset = Dataset.from_scenarios(example["SCENARIOS"], speaker="echo")
    results = quiet(dataset, {"own": example["Scripted"]}, tmp_path)
    assert results.failed == []
    cut, listened = results.rows
    assert (cut["yield_rate"], cut["false_barge_in_rate"]) == (1.0, None)
    assert (listened["yield_rate"], listened["false_barge_in_rate"]) == (None, 0.0)
    first, second = json.loads(cut["turn_measures"])
    assert second["start_ms"] == pytest.approx(first["answer_start_ms"] + 1_500, abs=1)
    assert first["answer_end_ms"] == pytest.approx(second["start_ms"] + 400)
    assert second["interruption_stop_ms"] == pytest.approx(400 - (second["speech_start_ms"] - second["start_ms"]))
    assert second["answer_start_ms"] == pytest.approx(second["end_ms"] + 200)
    assert [turn["assistant_text"] for turn in json.loads(listened["turn_measures"])][1] == ""
    conversation = results.show(cut["cell_id"])
    answers = [turn for turn in conversation if turn.role == "assistant"]
    assert [turn.interrupted for turn in answers] == [True, False]
    assert (
        rt.AudioClip.from_file(tmp_path / cut["output_audio_path"]).duration_s > second["answer_end_ms"] / 1000 - 0.01
    )


def test_an_answer_says_its_own_times_words_calls_and_cost(tmp_path):
    times = {"first_audio_ms": 300.0, "done_ms": 900.0}
    call = ("order_status", {"order_id": "7"})
    told = {"text": "On its way.", "audio": TONE, "heard": "What is 2 plus 3?", "tool_calls": [call], "cost_usd": 0.25}
    example = rt.experiments.Example(
        example_id="q", text="What is two plus three?", source=SAID, tool_call="order_status", tool_arguments=call[1]
    )
    results = quiet(Dataset([example]), {"own": partial(Told, **told, **times)}, tmp_path)
    [row] = results.rows
    assert (row["status"], row["wer"], row["task_success"], row["cost_usd"]) == ("completed", 0.0, 1, 0.25)
    assert row["latency_first_audio_ms"] == pytest.approx(300, abs=20)
    assert row["latency_response_done_ms"] == pytest.approx(900, abs=20)
    assert row["turn_gap_ms"] == pytest.approx(row["latency_first_audible_ms"] + 200, abs=1)
    assert row["cost_per_minute_usd"] == pytest.approx(0.25 * 60 / (row["input_s"] + row["output_s"]))
    assert results.show(0).function_calls[0].name == "order_status"
    settings = rt.Recording.load(tmp_path / "recordings" / row["cell_id"]).manifest["settings"]
    assert settings["model"] == "told" and "not to be" not in (tmp_path / "run.json").read_text()
    again = results.grade(Keywords("way"))
    assert again.frame.grade_keywords[0] == 1.0


def test_a_cost_that_is_not_told_is_not_known(tmp_path):
    results = quiet(asked(), {"own": partial(Told, text="Yes.")}, tmp_path)
    [row] = results.rows
    assert row["cost_usd"] is None and results.cost_usd is None and "did not say" in row["cost_remarks"]
    assert row["output_s"] == 0.0 and row["assistant_text"] == "Yes."


class Slow:
    """Computes, and blocks its thread as a model would."""

    def answer(self, clip):
        time.sleep(0.2)
        return rt.SystemAnswer(audio=clip, cost_usd=0.0)


class Wrong:
    async def answer(self, clip):
        return "words"


class Broken:
    async def answer(self, clip):
        raise ValueError("out of memory")


class Exits:
    async def answer(self, clip):
        raise SystemExit("usage: model [--help]")


def test_a_system_that_blocks_or_fails_costs_its_own_row_only(tmp_path):
    systems = {"exits": Exits, "slow": Slow, "wrong": Wrong, "broken": Broken}
    results = quiet(asked(), systems, tmp_path, retries=0, concurrency=1)
    rows = {row["system"]: row for row in results.rows}
    assert rows["slow"]["status"] == "completed" and rows["slow"]["latency_first_audio_ms"] >= 200
    assert rows["wrong"]["failure_stage"] == rows["broken"]["failure_stage"] == "response"
    assert "give back a SystemAnswer" in rows["wrong"]["error_message"]
    assert "out of memory" in rows["broken"]["error_message"]
    assert rows["exits"]["error_message"] == "Exits wanted to exit: usage: model [--help]"
    nothing = quiet(asked(), {"nothing": dict}, tmp_path / "nothing").rows[0]
    assert "neither a session nor a system with a method answer" in nothing["error_message"]


def test_scenarios_are_put_turn_by_turn_to_a_system_that_is_not_duplex(tmp_path):
    dataset = Dataset.from_scenarios({"t": [UserTurn("One.", source=SAID), UserTurn("Two.", source=SAID)]})
    results = quiet(dataset, {"own": partial(Told, text="Yes.", audio=TONE, cost_usd=0.5)}, tmp_path)
    [row] = results.rows
    assert (row["status"], row["turns"], row["response_rate"], row["cost_usd"]) == ("completed", 2, 1.0, 1.0)


def test_compare_takes_a_system_beside_a_session():
    comparison = rt.compare({"own": Told(text="Yes.", audio=TONE, cost_usd=0.0)}, [SAID]).result()
    [cell] = comparison.cells
    assert (cell.reply, cell.error) == ("Yes.", "")


def test_a_system_says_what_it_cannot_do():
    with pytest.raises(SettingsError, match="has no method answer"):
        rt.SystemSession(object())
    session = rt.SystemSession(Told(text="Yes."))
    with pytest.raises(TypeError, match="gets one AudioClip for each question"):
        session.ask("words").result()
    session.close().result()
