"""Ctrl-C at a terminal, which reaches the workers' processes as well."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from realtime_nb.experiments import Results
from realtime_nb.experiments.stopping import held_back, leave_to_client, leave_to_parent

SCRIPT = """
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import realtime_nb as rt
from realtime_nb.experiments import Dataset, run

class Make:
    def __call__(self):
        os.write(1, b"asked\\n")  # Whole, whatever other processes write.
        return rt.RealtimeSession(backend="local")

def executor(kind):
    if kind == "processes":
        return ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    return Client(LocalCluster(**options)).get_executor()

if __name__ == "__main__":
    run(Dataset.from_texts(["What is two plus three?"] * 40), {"one": Make()}, concurrency=2,
        executor=executor(sys.argv[1]), out=sys.argv[2])
"""


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_an_interrupt_of_the_whole_group_stops_what_is_under_way_and_loses_no_answer(kind, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, script, kind, tmp_path / "out"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        try:
            asked = 0
            while asked < 5:  # One for the estimate, one to see whether it can be sent.
                line = process.stdout.readline()
                assert line, process.stderr.read()
                asked += line.startswith("asked")
            os.killpg(process.pid, signal.SIGINT)
            out, errors = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in errors
    results = Results.load(tmp_path / "out")
    # One for the estimate, one to see whether it can be sent; two were under way, answered by then or stopped.
    made = asked + out.count("asked") - 2
    assert made - 2 <= len(results) <= made and results.missing == 40 - len(results) > 0
    assert results.failed == [] and results.stopped == "KeyboardInterrupt"


def test_an_interrupt_waits_for_what_must_not_be_broken_off():
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_has_no_interrupts_to_hold_back():
    done = []

    def work():
        with held_back():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert done == [signal.default_int_handler]


def test_this_process_and_its_threads_keep_their_interrupts():
    leave_to_parent()
    leave_to_client(None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
