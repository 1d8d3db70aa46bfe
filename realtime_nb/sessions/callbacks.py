"""Run users' functions, sync and async, so that they cannot stop a session or end its thread."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, TypeVar

from ..loop import people_loop

T = TypeVar("T")


async def run(function: Callable[..., Any], *args: Any, read: Callable[[Any], T], **kwargs: Any) -> T:
    """Call a function: a coroutine on the loop for users, anything else in its own thread.

    A thread cannot be stopped: if the caller is cancelled, it goes on, and its result is dropped. It does not keep the
    interpreter from ending.

    Raises what the function or `read` raised, or a `RuntimeError` in place of an error that would end a thread, e.g.
    `SystemExit`.
    """

    async def awaited(result: Awaitable[Any]) -> T:
        try:
            return read(await result)
        except (SystemExit, KeyboardInterrupt) as error:
            raise _harmless(error) from error

    def in_thread() -> T:
        result = function(*args, **kwargs)
        if inspect.isawaitable(result):
            return asyncio.run_coroutine_threadsafe(awaited(result), people_loop()).result()
        return read(result)

    if inspect.iscoroutinefunction(function):
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(awaited(function(*args, **kwargs)), people_loop())
        )
    return await asyncio.wrap_future(_thread(in_thread))


def _thread(work: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()

    def run() -> None:
        with contextlib.suppress(InvalidStateError):  # The caller no longer waits.
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)
            except BaseException as error:
                future.set_exception(_harmless(error))

    threading.Thread(target=run, name="realtime_nb-function", daemon=True).start()
    return future


def _harmless(error: BaseException) -> RuntimeError:
    """Return an exception to raise in place of one that would end a thread or its loop."""
    return RuntimeError(f"{type(error).__name__}: {error}".removesuffix(": "))
