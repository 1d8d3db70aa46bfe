"""Ctrl-C in a script stops what is under way: answers are cancelled at the server, and nothing more is asked."""

import signal
import subprocess
import sys

import pytest
from conversing_server import conversing

START = """
import asyncio, sys
import numpy as np
import realtime_nb as rt

address = sys.argv[1]
session = rt.RealtimeSession(backend=address)
clips = [rt.AudioClip(np.full(4_800, level / 32_768, np.float32), 24_000) for level in range(1, 6)]
"""
ASK = "session.ask('one').result()"
AWAIT = """
async def main():
    await asyncio.gather(*(session.ask(f"q{number}") for number in range(5)))
asyncio.run(main())
"""
COMPARE = "rt.compare({'one': session, 'two': rt.RealtimeSession(backend=address)}, clips).result()"
RUN = """
questions = rt.Dataset.from_texts(["Hello!"] * 5)
rt.run(questions, {'one': lambda: rt.RealtimeSession(backend=address)}, concurrency=2, out=sys.argv[2], progress=False)
"""


@pytest.mark.parametrize(
    ("work", "under_way"),
    [(ASK, 1), (AWAIT, 1), (COMPARE, 1), (RUN, 2)],
    ids=["ask", "await", "compare", "run"],
)
def test_ctrl_c_cancels_what_is_under_way_and_asks_nothing_more(work, under_way, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(START + work)
    with conversing(delay_s=lambda question: 8.0) as (address, server):
        command = [sys.executable, script, address, tmp_path / "out"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            server.wait_for(lambda: len(server.requests) == under_way, 60)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        server.wait_for(lambda: server.open == 0)
    assert process.returncode != 0 and errors.rstrip().endswith("KeyboardInterrupt")
    assert len(server.cancelled) == under_way, errors
    assert len(server.requests) == under_way and server.completed == []


def test_what_was_answered_before_is_kept_and_what_was_stopped_is_asked_again(tmp_path):
    from functools import partial

    import realtime_nb as rt

    script = tmp_path / "script.py"
    script.write_text(START + RUN)
    with conversing() as (address, server):
        server.delay_s = lambda question: 8.0 if len(server.requests) > 2 else 0.0
        command = [sys.executable, script, address, tmp_path / "out"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            server.wait_for(lambda: len(server.completed) == 2 and len(server.requests) == 4, 90)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        results = rt.Results.load(tmp_path / "out")
        assert len(results) == 2 and results.missing == 3 and results.stopped == "KeyboardInterrupt"
        server.delay_s = lambda question: 0.0
        questions = rt.Dataset.from_texts(["Hello!"] * 5)
        systems = {"one": partial(rt.RealtimeSession, backend=address)}
        again = rt.run(questions, systems, out=tmp_path / "out", resume=True, progress=False)
        assert len(again) == 5 and again.missing == 0 and again.failed == []
