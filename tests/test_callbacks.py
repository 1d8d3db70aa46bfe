import asyncio
import threading

import pytest

from realtime_nb.loop import on_io_thread, run_callback, submit


def run(function, *args, **kwargs):
    kwargs.setdefault("read", lambda result: result)
    return submit(run_callback(function, *args, **kwargs)).result(60)


def test_a_function_runs_in_a_thread_of_its_own_that_ends_with_the_interpreter():
    threads = [run(threading.current_thread) for _ in range(2)]
    assert threads[0] is not threads[1] and all(thread.daemon for thread in threads)


def test_a_coroutine_runs_on_a_loop_that_stays_and_is_not_the_sessions():
    async def where():
        return asyncio.get_running_loop(), on_io_thread()

    (first, there), (second, _) = run(where), run(where)
    assert first is second and not there


def test_an_awaitable_result_is_awaited():
    async def later():
        return 7

    assert run(lambda: later()) == 7


def test_arguments_are_passed_and_the_result_is_read_where_it_was_made():
    def add(a, *, b):
        return a + b

    assert run(add, 1, b=2, read=lambda result: (result, on_io_thread())) == (3, False)


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("no")])
def test_an_exception_reaches_the_caller(error):
    def fail():
        raise error

    async def fail_later():
        raise error

    for function in (fail, fail_later, lambda: fail_later()):
        with pytest.raises(type(error), match="no"):
            run(function)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_a_thread_is_an_exception_like_others(kind):
    def leave():
        raise kind("bye")

    async def leave_later():
        raise kind("bye")

    for function in (leave, leave_later):
        with pytest.raises(RuntimeError, match=f"{kind.__name__}: bye"):
            run(function)
    assert run(lambda: 1) == 1


def test_a_function_that_hangs_is_left_alone():
    gate, ended = threading.Event(), threading.Event()

    def hang():
        gate.wait(20)
        ended.set()

    async def bounded():
        async with asyncio.timeout(0.02):
            await run_callback(hang, read=lambda result: result)

    with pytest.raises(TimeoutError):
        submit(bounded()).result(60)
    gate.set()
    assert ended.wait(10)  # and what it returns is dropped.


def test_a_coroutine_that_hangs_is_cancelled():
    cancelled = threading.Event()

    async def hang():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def bounded():
        async with asyncio.timeout(0.02):
            await run_callback(hang, read=lambda result: result)

    with pytest.raises(TimeoutError):
        submit(bounded()).result(60)
    assert cancelled.wait(10)
