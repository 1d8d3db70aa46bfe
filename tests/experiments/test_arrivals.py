"""Answers that arrived in a worker are not asked again, whether the worker dies or the whole run."""

import multiprocessing
import os
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

import realtime_nb as rt
from realtime_nb.experiments import Dataset, Results, run
from realtime_nb.experiments.arrivals import Arrival, arrivals, get_arrival, put_arrival
from realtime_nb.experiments.cell import plain_value

SAID = rt.speak("What is two plus three?", voice="echo")


class Counted:
    """Notes each question in a file, and lets its process die when it has answered the second time."""

    def __init__(self, lines):
        self._lines = Path(lines)

    async def answer(self, clip):
        with self._lines.open("a") as file:
            file.write("asked\n")
        return rt.SystemAnswer(text="Five.", cost_usd=0.5)


def dies_after_arrival(answer):
    """A grader, the last that runs in a cell; it ends the process once the answer before this one has arrived."""
    if multiprocessing.parent_process() is not None and answer.example.example_id == "b":
        os._exit(1)
    return True


def dataset(*names):
    return Dataset([rt.experiments.Example(example_id=name, text="", source=SAID) for name in names])


def test_what_arrived_before_a_run_was_killed_is_not_asked_again(tmp_path):
    lines, out = tmp_path / "lines", tmp_path / "out"
    systems = {"own": partial(Counted, lines)}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        with pytest.raises(BrokenProcessPool):
            run(
                dataset("a", "b"), systems, graders=[dies_after_arrival], executor=processes, concurrency=1,
                out=out, progress=False,
            )  # fmt: skip
    [row] = Results.load(out).rows
    asked = lines.read_text().count("asked")
    # The first answer, as if it had arrived in a worker only, and the run had been killed then.
    (out / "arrived").mkdir()
    put_arrival(str(out / "arrived"), row | {"cell_id": "c__own__clean__1", "example_id": "c"}, {}, plain_value)
    results = run(dataset("a", "b", "c"), systems, out=out, resume=True, progress=False)
    assert (len(results), results.failed, results.missing, results.cost_usd) == (3, [], 0, 1.5)
    assert lines.read_text().count("asked") == asked + 1  # Only "b" is asked again: "c" had arrived.
    assert not (out / "arrived").exists()


class AsksAgain(Executor):
    """Does the work that came before again, like a cluster whose worker dies when its answer has been delivered."""

    def __init__(self):
        self._before = []

    def submit(self, function, work):
        for before in self._before:
            function(before)
        self._before.append(work)
        done = Future()
        done.set_result(function(work))
        return done


def test_an_answer_that_is_written_down_is_not_asked_again_for_a_cluster(tmp_path):
    lines, out = tmp_path / "lines", tmp_path / "out"
    systems = {"own": partial(Counted, lines)}
    results = run(dataset("a", "b", "c"), systems, executor=AsksAgain(), concurrency=1, out=out, progress=False)
    assert (len(results), results.cost_usd, lines.read_text().count("asked")) == (3, 1.5, 3)
    assert not (out / "arrived").exists()


class Refuses:
    async def answer(self, clip):
        raise ValueError("not today")


def test_a_failed_answer_that_arrived_is_asked_again_on_request(tmp_path):
    lines, out = tmp_path / "lines", tmp_path / "out"
    [row] = run(dataset("a"), {"own": Refuses}, out=out, progress=False).failed
    # As if another worker had answered, too, and then died while it wrote.
    (out / "arrived").mkdir()
    put_arrival(str(out / "arrived"), row, {}, plain_value)
    (out / "arrived" / "a.msgpack.part").write_bytes(b"half an ans")
    systems = {"own": partial(Counted, lines)}
    results = run(dataset("a"), systems, executor=AsksAgain(), out=out, resume="failed", progress=False)
    assert results.failed == [] and lines.read_text().count("asked") == 1
    assert not (out / "arrived").exists()


def test_a_worker_takes_what_has_arrived_and_nothing_that_leads_elsewhere(tmp_path):
    put_arrival(str(tmp_path), {"cell_id": "a"}, {"audio/a/output.flac": b"fLaC"}, plain_value)
    assert get_arrival(str(tmp_path), "a") == Arrival({"cell_id": "a"}, {"audio/a/output.flac": b"fLaC"})
    for name in ("../x", "/etc/x", "run.json", "audio/../../x"):
        put_arrival(str(tmp_path), {"cell_id": "a"}, {name: b"x"}, plain_value)
        assert get_arrival(str(tmp_path), "a") is None and list(arrivals(tmp_path)) == []
    nested = b"\x82\xa3row\x81\xa7cell_id" + b"\x91" * 100_000 + b"\xa1a\xa5files\x80"
    for damaged in (b"half an ans", nested):
        (tmp_path / "a.msgpack").write_bytes(damaged)
        assert get_arrival(str(tmp_path), "a") is None and get_arrival("", "a") is None
