import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from realtime_nb.loop import Pending, call_soon, io_loop, on_io_thread, run_sync, submit


async def give(value):
    await asyncio.sleep(0)
    return value


async def fail(error):
    raise error


async def forever():
    await asyncio.Event().wait()


def io_thread():
    return next(thread for thread in threading.enumerate() if thread.name == "realtime_nb-io")


def test_a_result_can_be_waited_for():
    assert submit(give(42)).result(60) == 42


def test_a_result_can_be_awaited():
    async def cell():
        pending = submit(give(42))
        return await pending, await pending, pending.result()

    assert asyncio.run(cell()) == (42, 42, 42)


def test_results_can_be_awaited_in_several_loops():
    pending = submit(give(42))

    async def cell():
        return await pending

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(cell()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == [42, 42, 42]


def test_work_can_await_other_work():
    async def outer():
        return await submit(give(1)) + 1

    assert submit(outer()).result(60) == 2


def test_errors_arrive_where_the_result_is_wanted():
    pending = submit(fail(KeyError("lost")))
    with pytest.raises(KeyError, match="lost"):
        pending.result(60)

    async def cell():
        await pending

    with pytest.raises(KeyError, match="lost"):
        asyncio.run(cell())


def test_work_runs_on_one_thread_of_its_own():
    async def where():
        return threading.current_thread(), on_io_thread()

    threads = {submit(where()).result(60) for _ in range(3)}
    assert threads == {(io_thread(), True)}
    assert not on_io_thread()
    assert io_thread().daemon


def test_work_goes_on_while_the_caller_is_busy():
    async def tick():
        for _ in range(5):
            await asyncio.sleep(0.001)

    pending = submit(tick())
    until = time.perf_counter() + 20
    while not pending.done():
        assert time.perf_counter() < until


def test_cancelling_stops_the_work():
    stopped = threading.Event()
    begun = threading.Event()

    async def work():
        begun.set()
        try:
            await forever()
        finally:
            stopped.set()

    pending = submit(work())
    assert begun.wait(10)
    assert pending.cancel()
    assert stopped.wait(10)
    assert pending.cancelled()


def test_cancelling_the_awaiting_task_stops_the_work():
    async def cell():
        pending = submit(forever())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pending, 0.01)
        return pending

    assert asyncio.run(cell()).cancelled()


def test_work_that_is_cancelled_inside_is_cancelled():
    assert submit(fail(asyncio.CancelledError())).exception is not None

    async def cell():
        await submit(fail(asyncio.CancelledError()))

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cell())


def test_waiting_may_end_before_the_work():
    pending = submit(forever())
    with pytest.raises(TimeoutError):
        pending.result(0.01)
    assert not pending.done()
    pending.cancel()


def test_waiting_on_the_io_thread_is_refused():
    async def wait_here():
        submit(give(1)).result()

    with pytest.raises(RuntimeError, match="await it instead"):
        submit(wait_here()).result(60)


def test_what_is_there_can_be_had_on_the_io_thread():
    done = submit(give(7))
    done.result(60)

    async def have():
        return done.result()

    assert submit(have()).result(60) == 7


def test_calls_are_handed_over():
    called = threading.Event()
    call_soon(called.set)
    assert called.wait(10)

    async def inside():
        seen = []
        call_soon(seen.append, 1)
        return seen

    assert submit(inside()).result(60) == [1]  # At once, where the caller is there already.


def test_a_pending_result_says_how_far_it_is():
    pending = submit(forever())
    assert "await it" in repr(pending)
    pending.cancel()
    assert repr(pending) == "<Pending: cancelled>"
    done = submit(give("here"))
    done.result(60)
    assert repr(done) == "<Pending: 'here'>"
    failed = submit(fail(KeyError("lost")))
    failed.exception(10)
    assert repr(failed) == "<Pending: KeyError('lost')>"


def test_a_pending_result_is_a_future():
    pending, called = submit(give(1)), threading.Event()
    pending.add_done_callback(lambda done: called.set())
    assert called.wait(10)
    assert isinstance(pending, Pending)


def test_run_sync_outside_a_loop():
    assert run_sync(give(42)) == 42
    assert run_sync(submit(give(42))) == 42


def test_run_sync_inside_a_running_loop():
    """In a process of its own: it patches asyncio for good."""
    code = (
        "import asyncio, sys\n"
        "from realtime_nb.loop import run_sync, submit\n"
        "async def give(value):\n"
        "    await asyncio.sleep(0)\n"
        "    return value\n"
        "async def cell():\n"
        "    assert 'nest_asyncio' not in sys.modules\n"
        "    return run_sync(give(42)), run_sync(submit(give(43)))\n"
        "print(asyncio.run(cell()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.strip() == "(42, 43)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_a_thread_of_its_own():
    code = (
        "import os, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from realtime_nb.loop import submit\n"
        "async def where(): return os.getpid()\n"
        "submit(where()).result(60)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if submit(where()).result(60) == os.getpid() else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert submit(where()).result(60) == os.getpid()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_loop_stays_the_same():
    assert io_loop() is io_loop()
    assert io_loop().is_running()


def test_a_cancelled_caller_goes_on_when_the_work_has_ended():
    began, events = threading.Event(), []

    async def work():
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            events.append("ended")

    async def main():
        waiting = asyncio.create_task(_awaiting(submit(work())))
        await asyncio.to_thread(began.wait, 10)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        events.append("went on")

    asyncio.run(main())
    assert events == ["ended", "went on"]


async def _awaiting(pending):
    return await pending


def test_ctrl_c_stops_what_is_waited_for(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio\n"
        "from realtime_nb.loop import submit\n"
        "async def inner():\n"
        "    try:\n"
        "        await asyncio.Event().wait()\n"
        "    finally:\n"
        "        await asyncio.sleep(0.1)\n"
        "        print('stopped', flush=True)\n"
        "async def outer():\n"
        "    while not pending._condition._waiters:\n"
        "        await asyncio.sleep(0.001)\n"
        "    print('began', flush=True)\n"
        "    await submit(inner())\n"
        "pending = submit(outer())\n"
        "try:\n"
        "    pending.result()\n"
        "except KeyboardInterrupt:\n"
        "    print('over', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "began\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0].split() == ["stopped", "over"]
