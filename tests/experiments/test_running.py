"""Whole runs, on the local voice."""

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import pytest
from local_http import served

import realtime_nb as rt
from realtime_nb.experiments import Dataset, Example, Keywords, Noise, Results, Telephone, run
from realtime_nb.experiments.metrics import MEASURES
from realtime_nb.experiments.provenance import mixed_parts
from realtime_nb.local.access import Access
from realtime_nb.local.process import local_voice

LOCAL = partial(rt.RealtimeSession, backend="local")
QUESTIONS = ["What can you do?", "What is two plus three?", "What is three plus two?"]


def order_status(order_id: str) -> dict:
    """Look up where an order is."""
    return {"status": "on its way"}


def quiet(*args, **options):
    return run(*args, progress=False, **options)


def there_at(server):
    """Return a server of the local kind as one at an address."""
    return replace(rt.Backend.local(), name="127.0.0.1", base_url=server.url)


@pytest.fixture
def use_prices():
    yield rt.use_prices
    rt.use_prices(None)


def assert_same_answers(one, other):
    """Two runs have the same rows; a late turn is heard by another recogniser, perhaps in other words."""
    assert [row["cell_id"] for row in one.rows] == [row["cell_id"] for row in other.rows]
    for first, second in zip(one.rows, other.rows, strict=True):
        if first["local_ears"] == second["local_ears"]:
            assert settled(first) == settled(second)
            # The synthesiser cuts what it says into samples by when they come: a few more or less.
            assert first["output_s"] == pytest.approx(second["output_s"], abs=0.005)


def settled(row):
    """Return what must not depend on when a question was asked."""
    return {name: value for name, value in row.items() if not name.startswith(("latency_", "turn_gap", "output_s"))}


def length(answer):
    return {"words": len(answer.text.split()), "audio_s": answer.audio.duration_s}


def test_the_cookbooks_rows_through_three_systems_under_two_conditions(tmp_path, capsys):
    path = tmp_path / "data.csv"
    path.write_text(
        "example_id,user_text,gt_tool_call,gt_tool_call_arg\n"
        'cs_001,What is the status of order seven?,order_status,"{""order_id"": 7}"\n'
        "cs_002,What can you do?,,\n"
    )
    systems = {
        "realtime": partial(LOCAL, tools=[order_status]),
        "chat": partial(rt.ChatSession, backend="local", tools=[order_status]),
        "chain": partial(rt.CascadeSession, backend="local", tools=[order_status]),
    }
    graders = [Keywords("order"), length]
    results = run(Dataset.from_csv(path), systems, conditions=[(), Telephone()], graders=graders, out=tmp_path / "out")
    assert (len(results), results.failed, results.missing, results.cost_usd) == (12, [], 0, 0.0)
    frame = results.frame
    clean = frame[frame.condition == "clean"]
    assert set(clean.tool_call_correctness) == set(clean.tool_call_arg_correctness) == {1}
    assert (frame.latency_first_audio_ms <= frame.latency_first_audible_ms).all()
    assert (frame.turn_gap_ms >= frame.latency_first_audible_ms).all()
    assert (frame.length_words > 0).all() and (frame.length_audio_s == frame.output_s).all()
    assert clean[clean.system == "realtime"].wer.max() <= 0.2 and clean[clean.system == "chat"].wer.isna().all()
    own = {name for name in results.summary()["measure"] if not name.startswith("grade_")} - {*MEASURES}
    assert own == {"length_words", "length_audio_s"}  # Of a grader, and no other number of a row.
    assert results.plot.latency("length_audio_s").measures == ["length_audio_s"]
    printed = capsys.readouterr()
    assert "12 answers, about $0 (if they take 8 s each)" in printed.out
    assert "12/12" in printed.err and "$0, 0 failed" in printed.err


def test_the_folder_has_each_answers_own_record(tmp_path):
    results = quiet(Dataset.from_texts({"q": QUESTIONS[1]}), {"realtime": LOCAL}, out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("run.json", "dataset.jsonl", "rows.jsonl", "results.csv", "summary.json"),
        *("recordings", "clips", "conversations"),
    }
    [row] = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert row["example_id"] == "q" and row["status"] == "completed" and float(row["output_s"]) > 0.5
    assert row["input_audio_path"] == f"clips/{row['input_sha256']}.wav"
    assert row["output_audio_path"] == f"recordings/{row['cell_id']}/assistant.flac"
    for column in ("input_audio_path", "output_audio_path"):
        assert rt.AudioClip.from_file(tmp_path / row[column]).duration_s > 0.5
    events = [json.loads(line)["event"]["type"] for line in (tmp_path / row["event_log_path"]).read_text().splitlines()]
    assert "session.created" in events and "response.done" in events
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["total_examples"], summary["failed_examples"], summary["stopped"]) == (1, 0, "")
    assert summary["systems"]["realtime"]["latency_first_audio_ms_p50"] > 0
    reply = results.show(0)
    assert reply.transcript == row["assistant_text"] and reply.audio.duration_s == float(row["output_s"])
    assert results.show(row["cell_id"]).transcript == reply.transcript
    assert results.show(results.frame.iloc[0]).transcript == reply.transcript
    loaded = Results.load(tmp_path)
    assert (loaded.about, loaded.rows, loaded.stopped) == (results.about, results.rows, results.stopped)


SCRIPT = """
import os
import sys
from functools import partial
import realtime_nb as rt
from realtime_nb.experiments import Dataset, Noise, run

def make():
    os.write(1, b"asked\\n")  # Whole, whatever other threads write.
    return rt.RealtimeSession(backend="local")

run(Dataset.from_texts({questions!r}), {{"realtime": make}}, conditions=[Noise(25)], repeats=2, concurrency=2,
    seed=5, out=sys.argv[1], progress=False)
"""


def test_an_answer_whose_record_is_damaged_is_shown_with_a_warning(tmp_path):
    results = quiet(Dataset.from_texts(QUESTIONS[:1]), {"one": LOCAL}, out=tmp_path)
    [track] = (tmp_path / "recordings").glob("*/assistant.flac")
    track.write_bytes(track.read_bytes()[:-2_000])
    with pytest.warns(UserWarning, match=r"assistant\.flac is damaged: .* silence here"):
        assert results.show(0).transcript


def test_killed_in_mid_run_and_resumed_gives_the_rows_of_an_unbroken_run(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(questions=QUESTIONS))
    with subprocess.Popen([sys.executable, script, tmp_path / "killed"], stdout=subprocess.PIPE, text=True) as process:
        for _ in range(5):  # One for the estimate; the fourth question begins when two are written down.
            assert process.stdout.readline() == "asked\n"
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    before = Results.load(tmp_path / "killed")
    assert 2 <= len(before) < 6 and before.missing == 6 - len(before)
    with (tmp_path / "killed" / "rows.jsonl").open("ab") as lines:
        lines.write(b'{"cell_id": "cut off in the mid')
    kept = {row["cell_id"]: row for row in before.rows}
    options = {"conditions": [Noise(25)], "repeats": 2, "concurrency": 2, "seed": 5}
    dataset = Dataset.from_texts(QUESTIONS)
    resumed = quiet(dataset, {"realtime": LOCAL}, out=tmp_path / "killed", resume=True, **options)
    unbroken = quiet(dataset, {"realtime": LOCAL}, out=tmp_path / "unbroken", **options)
    assert_same_answers(resumed, unbroken)
    assert resumed.missing == 0
    assert all(row == kept.get(row["cell_id"], row) for row in resumed.rows)  # what was there was not asked again
    for row in unbroken.rows:
        sound = [(tmp_path / name / row["input_audio_path"]).read_bytes() for name in ("killed", "unbroken")]
        assert sound[0] == sound[1]


def test_a_failure_is_a_row_with_its_stage_and_error(tmp_path):
    def refused():
        return rt.RealtimeSession(backend="http://127.0.0.1:9/v1")

    def unmade():
        raise KeyError("no such voice")

    def silent(answer):
        raise ValueError("cannot grade")

    dataset = Dataset(
        [Example(example_id="ok", text=QUESTIONS[0]), Example(example_id="gone", source=tmp_path / "x.wav")]
    )
    systems = {"local": LOCAL, "refused": refused, "unmade": unmade}
    results = quiet(dataset, systems, graders=[silent], retries=0, out=tmp_path / "out")
    found = {(row["example_id"], row["system"]): (row["failure_stage"], row["error_type"]) for row in results.failed}
    assert found == {
        ("ok", "refused"): ("connect", "ConnectionLost"),
        ("ok", "unmade"): ("session", "KeyError"),
        ("gone", "local"): ("input", "AudioError"),
        ("gone", "refused"): ("input", "AudioError"),
        ("gone", "unmade"): ("input", "AudioError"),
    }
    by_cell = {row["cell_id"]: row for row in results.rows}
    # A grader that fails is no failure of the answer.
    graded = by_cell["ok__local__clean__1"]
    assert graded["status"] == "completed" and graded["grading_remarks"] == "silent: ValueError: cannot grade"
    assert results.remarks == ["1 answer lacks a grade: silent: ValueError: cannot grade"]
    with pytest.raises(rt.SettingsError, match="no such voice"):
        results.show("ok__unmade__clean__1")


def test_a_question_that_takes_too_long_is_a_row(tmp_path):
    class Slow:
        model = "slow"

        async def answer(self, messages):
            import asyncio

            await asyncio.Event().wait()
            yield ""

    slow = partial(rt.CascadeSession, backend="local", text_model=Slow())
    with slow():  # What is loaded once takes longer.
        pass
    results = quiet(Dataset.from_texts(QUESTIONS[:1]), {"slow": slow}, timeout_s=5.0, out=tmp_path)
    assert [(row["failure_stage"], row["error_type"]) for row in results.failed] == [("response", "ReplyTimeout")]
    assert results.failed[0]["error_message"].startswith("no sign of an answer for 5 s (the last event was response.")


def test_a_budget_stops_the_run_cleanly_and_a_higher_one_goes_on(tmp_path):
    billed = partial(LOCAL, transcription="gpt-realtime-whisper")  # the local server bills it as the hosted one does
    dataset = Dataset.from_texts(QUESTIONS)
    one = quiet(dataset[1:2], {"billed": billed}, out=tmp_path / "one").cost_usd
    options = {"out": tmp_path / "out", "concurrency": 1}
    results = quiet(dataset, {"billed": billed}, max_usd=2.2 * one, **options)
    assert 0 < results.cost_usd <= 2.2 * one and 1 <= len(results) < 3
    assert results.stopped.startswith("max_usd=") and f"{results.missing} missing" in repr(results)
    rest = quiet(dataset, {"billed": billed}, resume=True, **options)
    assert (rest.missing, rest.stopped) == (0, "")


def test_processes_read_the_key_from_their_own_environment(tmp_path, monkeypatch):
    base_url, key = local_voice.address()
    monkeypatch.setenv("REALTIME_NB_API_KEY", key)
    there = partial(
        rt.RealtimeSession, backend=rt.Backend.at(base_url), model="local-rules", transcription="local-transcribe"
    )
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        results = quiet(Dataset.from_texts(QUESTIONS[:2]), {"there": there}, executor=processes, out=tmp_path)
        assert results.failed == [] and len(results) == 2
        with pytest.raises(rt.SettingsError, match=r"systems\['there'\], .* hold a key, which is not sent"):
            quiet(Dataset.from_texts(["Hi"]), {"there": partial(there, api_key=key)}, executor=processes)
        with pytest.raises(rt.SettingsError, match="cannot be sent to another process"):
            quiet(Dataset.from_texts(["Hi"]), {"there": lambda: there()}, executor=processes)
        with pytest.raises(rt.SettingsError, match="limiter="):
            quiet(Dataset.from_texts(["Hi"]), {"there": there}, executor=processes, limiter=rt.Limiter())
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert key.encode() not in written


def test_a_full_disk_stops_the_run_and_what_is_paid_for_is_returned(tmp_path):
    dataset, out = Dataset.from_texts(QUESTIONS), tmp_path / "out"
    options = {"out": out, "concurrency": 1, "resume": True}
    first = quiet(dataset[:1], {"one": LOCAL}, **options)
    full = out / "recordings" / "text_002__one__clean__1" / "events.jsonl"
    full.parent.mkdir()
    full.symlink_to("/dev/full")
    with pytest.warns(
        RuntimeWarning, match=r"No space left on device; 1 answers, which are paid for, .* results\.save"
    ):
        results = quiet(dataset, {"one": LOCAL}, **options)
    assert (len(results), results.missing, results.failed) == (2, 1, [])
    assert "No space left on device" in results.stopped and "stopped" in repr(results)
    assert results.show(full.parent.name).transcript == results.rows[1]["assistant_text"] == "2 plus 3 is 5."
    assert [row["cell_id"] for row in Results.load(out).rows] == [first.rows[0]["cell_id"]]
    elsewhere = results.save(tmp_path / "elsewhere")
    assert elsewhere.rows == results.rows and elsewhere.show(1).transcript == "2 plus 3 is 5."
    full.unlink()
    assert results.save(out).rows == results.rows
    again = quiet(dataset, {"one": LOCAL}, **options)
    assert again.missing == 0 and again.rows[:2] == results.rows and again.remarks == []


def test_a_limiter_of_three_is_never_exceeded_at_the_server(tmp_path, monkeypatch):
    at_once, most, kinds = Counter(), Counter(), Counter()
    serve = Access.__call__

    async def counted(self, scope, receive, send):
        """Count what the server's own door lets in: sockets and requests."""
        kinds[scope["type"]] += 1
        at_once["all"] += 1
        most["all"] = max(most["all"], at_once["all"])
        try:
            await serve(self, scope, receive, send)
        finally:
            at_once["all"] -= 1

    monkeypatch.setattr(Access, "__call__", counted)
    with served() as server, ThreadPoolExecutor(6) as threads:
        there = {"backend": there_at(server), "api_key": server.api_key}
        systems = {"realtime": partial(rt.RealtimeSession, **there), "chat": partial(rt.ChatSession, **there)}
        results = quiet(
            Dataset.from_texts(QUESTIONS[1:] * 3),
            systems,
            executor=threads,
            limiter=rt.Limiter(max_sessions=3),
            out=tmp_path,
        )
    assert len(results) == 12 and results.failed == []
    assert most["all"] == 3 and kinds["websocket"] == 6 and kinds["http"] >= 6


def test_another_servers_dollars_are_unknown_until_its_prices_are_given(tmp_path, use_prices):
    with served() as server:
        there = {"backend": there_at(server), "api_key": server.api_key}
        systems = {
            "named": partial(rt.RealtimeSession, transcription="gpt-realtime-whisper", **there),
            "own": partial(rt.RealtimeSession, **there),
        }
        results = quiet(Dataset.from_texts(QUESTIONS[1:2]), systems, out=tmp_path / "a")
        named, own = results.rows
        assert own["cost_usd"] == 0 and named["cost_usd"] is named["cost_per_minute_usd"] is named["wasted_usd"] is None
        assert named["cost_remarks"].startswith("what 127.0.0.1 bills for gpt-realtime-whisper is not known")
        assert results.cost_usd is None and "unknown cost" in repr(results)
        assert results.summary("system", "cost_usd")["system"].tolist() == ["own"]
        assert "not known" in results.report().read_text()
        bounded = quiet(Dataset.from_texts(QUESTIONS[1:]), systems, max_usd=1.0, concurrency=1, out=tmp_path / "b")
        assert bounded.stopped.startswith("max_usd cannot be kept: a price is not known")
        use_prices({"gpt-realtime-whisper": {"like": "gpt-realtime-whisper"}})
        [row] = quiet(Dataset.from_texts(QUESTIONS[1:2]), {"named": systems["named"]}, out=tmp_path / "c").rows
        assert row["cost_usd"] > 0 and "cost_remarks" not in row


def test_what_a_broken_connection_cost_is_asked_again_and_counted(tmp_path, use_prices):
    def make():
        made.append(None)
        server = broken if len(made) == 2 else sound  # The first one is for the estimate.
        return billed(backend=there_at(server), api_key=server.api_key)

    made = []
    billed = partial(rt.RealtimeSession, transcription="gpt-realtime-whisper")
    use_prices({"gpt-realtime-whisper": {"like": "gpt-realtime-whisper"}})
    with served() as sound, served(faults=["disconnect"]) as broken:
        results = quiet(Dataset.from_texts(["What can you do?"]), {"one": make}, out=tmp_path / "again")
        [row] = results.rows
        assert row["status"] == "completed" and row["attempts"] == 2 and row["assistant_text"]
        assert row["retried_errors"].startswith("response: ConnectionLost: ")
        assert 0 < row["retried_cost_usd"] < row["cost_usd"] == results.cost_usd
        made.clear()
        [row] = quiet(Dataset.from_texts(["What can you do?"]), {"one": make}, retries=0, out=tmp_path / "once").rows
        assert (row["failure_stage"], row["error_type"], row["attempts"]) == ("response", "ConnectionLost", 1)
        assert row["cost_usd"] > 0


def test_a_later_run_can_ask_failed_questions_again(tmp_path):
    is_up = []

    def make():
        backend = rt.Backend.local() if is_up else "http://127.0.0.1:9/v1"
        return rt.RealtimeSession(backend=backend, transcription="gpt-realtime-whisper")

    dataset = Dataset.from_texts(QUESTIONS[1:])
    options = {"retries": 0, "out": tmp_path}
    assert len(quiet(dataset, {"one": make}, **options).failed) == 2
    is_up.append(True)
    assert len(quiet(dataset, {"one": make}, resume=True, **options).failed) == 2  # What is there is not asked again.
    results = quiet(dataset, {"one": make}, resume="failed", **options)
    assert (len(results), results.failed, results.missing) == (2, [], 0)
    assert [row["attempts"] for row in results.rows] == [2, 2]
    assert all(row["retried_errors"].startswith("connect: ConnectionLost") for row in results.rows)
    assert len(list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))) == 2


def exit_in_a_pool(answer):
    if multiprocessing.parent_process() is not None:
        os._exit(1)


def test_a_pool_of_which_a_process_dies_ends_the_run_and_another_goes_on(tmp_path):
    dataset, options = Dataset.from_texts(QUESTIONS[1:]), {"concurrency": 1, "out": tmp_path}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        quiet(dataset[:1], {"one": LOCAL}, executor=processes, **options)
        with pytest.raises(BrokenProcessPool) as raised:
            quiet(dataset, {"one": LOCAL}, graders=[exit_in_a_pool], executor=processes, resume=True, **options)
    assert "run(…, resume=True)" in raised.value.__notes__[0]
    kept = Results.load(tmp_path)
    assert (len(kept), kept.missing, kept.stopped) == (1, 1, "BrokenProcessPool")
    assert quiet(dataset, {"one": LOCAL}, resume=True, **options).missing == 0


def test_an_answer_that_failed_at_the_server_is_retried_as_often_as_set(tmp_path):
    with served(faults=["failed_response"]) as server:
        there = partial(rt.RealtimeSession, backend=there_at(server), api_key=server.api_key)
        [row] = quiet(Dataset.from_texts(QUESTIONS[1:2]), {"one": there}, retries=1, out=tmp_path).rows
    assert (row["status"], row["failure_stage"], row["error_type"], row["attempts"]) == (
        *("failed", "response", "failed"),
        2,
    )
    assert "The server had an error" in row["error_message"] and "The server had an error" in row["retried_errors"]


def test_a_key_that_is_refused_is_not_tried_twice(tmp_path):
    there = partial(rt.RealtimeSession, backend=local_voice.address()[0], api_key="wrong")
    [row] = quiet(Dataset.from_texts(QUESTIONS[:1]), {"one": there}, out=tmp_path).rows
    assert (row["failure_stage"], row["error_type"], row["attempts"]) == ("connect", "ServerError", 1)
    assert "REALTIME_NB_API_KEY" in row["error_message"]  # The variable of this server, and not OpenAI's.


def test_an_impossible_run_raises_at_once(tmp_path):
    dataset = Dataset.from_texts({"a": "Hi", "A": "Hi"})
    with pytest.raises(rt.SettingsError, match="too similar"):
        quiet(dataset, {"x": LOCAL}, out=tmp_path)
    dataset = dataset[:1]
    with pytest.raises(rt.SettingsError, match="at least one"):
        quiet(dataset, {}, out=tmp_path)
    with LOCAL() as session, pytest.raises(rt.SettingsError, match=r"systems\['x'\] must make a session"):
        quiet(dataset, {"x": session}, out=tmp_path)
    numbers = ({"repeats": 0}, {"concurrency": 0}, {"timeout_s": 0}, {"max_usd": -1}, {"retries": -1})
    for wrong in (*numbers, {"repeats": "2"}, {"repeats": 1.5}, {"max_usd": "1"}):
        with pytest.raises(rt.SettingsError, match=f"{next(iter(wrong))}="):
            quiet(dataset, {"x": LOCAL}, out=tmp_path, **wrong)


def test_a_system_that_makes_no_session_of_its_own_for_each_question_says_so(tmp_path):
    with LOCAL() as shared, LOCAL() as used:
        used.ask("Hello!").result(60)
        systems = {"nothing": lambda: None, "shared": lambda: shared, "used": lambda: used}
        results = quiet(Dataset.from_texts(["What can you do?"] * 2), systems, out=tmp_path)
    told = Counter(
        (row["system"], row["failure_stage"], row["error_message"].partition(":")[0]) for row in results.failed
    )
    assert told == {
        (
            "nothing",
            "session",
            "systems['nothing'] returned NoneType, neither a session nor a system with a method answer",
        ): 2,
        ("shared", "session", "systems['shared'] returned the same session twice"): 1,
        ("used", "session", "systems['used'] returned a session that has answered before"): 1,
        ("used", "session", "systems['used'] returned the same session twice"): 1,
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dataset": ["What can you do?"]}, "is not a Dataset: make one, e.g. with Dataset.from_texts"),
        ({"systems": [LOCAL]}, "must name session makers"),
        ({"systems": LOCAL}, "must name session makers"),
        ({"executor": "threads"}, "executor='threads' is not a concurrent.futures.Executor"),
        ({"limiter": 3}, "limiter=3 is not a Limiter"),
        ({"conditions": Telephone()}, "must be a sequence or a mapping"),
        ({"graders": Keywords("five")}, "must be a sequence or a mapping"),
        ({"resume": "results/monday"}, "resume='results/monday' is not True, False or 'failed'"),
        ({"resume": True, "out": None}, "needs a run to continue: give its folder as out"),
    ],
)
def test_wrong_types_are_refused_before_a_folder_is_made(wrong, message, tmp_path):
    given = {"dataset": Dataset.from_texts(["Hi"]), "systems": {"x": LOCAL}, "out": tmp_path / "run"} | wrong
    with pytest.raises(rt.SettingsError, match=message):
        quiet(**given)
    assert not (tmp_path / "run").exists()


def test_a_row_says_what_heard_and_spoke_and_a_report_says_where_that_is_mixed(tmp_path):
    systems = {
        "realtime": partial(rt.RealtimeSession, backend="local", turn_detection="semantic_vad", voice="cedar"),
        "chat": partial(rt.ChatSession, backend="local"),
        "chain": partial(rt.CascadeSession, backend="local"),
    }
    results = quiet(Dataset.from_texts(QUESTIONS[1:2]), systems, live=True, out=tmp_path)
    assert results.failed == []
    parts = rt.Backend.local().parts
    engines = {parts.ears.name, "PocketSphinx, words of the conversation", "PocketSphinx, all of English"}
    rows = {row["system"]: row for row in results.rows}
    assert all(row["local_ears"] in engines for row in rows.values())
    assert rows["realtime"]["local_voice"] == "espeak-ng"
    assert all(rows[system]["local_voice"] in parts.voice.name for system in ("chat", "chain"))
    found = rows["realtime"]["local_end_of_turn"]
    assert found == parts.end_of_turn.name and "local_end_of_turn" not in rows["chat"]
    assert list(mixed_parts(results.rows)) == []
    late = rows["chain"] | {"local_ears": "something else"}
    [caveat] = mixed_parts([*results.rows, rows["chain"], late])
    assert caveat.startswith(
        f"chain: recognisers are mixed ({rows['chain']['local_ears']}: 2; something else: 1 answers)"
    )
