"""The I/O thread: an event loop that no busy cell can block, and a second one for users' coroutines.

Sockets live here. Public calls hand their work over with `submit` and return a `Pending`, which you await in a cell or
wait for in a script. `run_sync` runs your own coroutines.

Floor 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future, InvalidStateError, wait
from typing import Any, TypeVar

from .errors import RealtimeError

T = TypeVar("T")
#: How long to wait for cancelled work to end: it may have to tell a server and wait for its answer.
_ENDING_WAIT_S = 5.0


_NO_THREADS = (
    "sessions and widgets need a thread, and none can be started here: where Python runs in a browser (JupyterLite, "
    "Pyodide), you can read recordings and results, but talk only with a kernel on a computer"
)


class _LoopThread:
    """An event loop on a thread of its own, started on first use, and afresh after a fork."""

    def __init__(self, name: str):
        self.thread: threading.Thread | None = None
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                # The thread comes first: in Pyodide there is none, and a new loop would take the page's own away.
                made: Future[asyncio.AbstractEventLoop] = Future()
                self.thread = threading.Thread(target=lambda: made.result().run_forever(), name=self._name, daemon=True)
                try:
                    self.thread.start()
                except RuntimeError as error:
                    raise RealtimeError(_NO_THREADS) from error
                self._pid, self._loop = os.getpid(), asyncio.new_event_loop()
                made.set_result(self._loop)
            return self._loop


_io = _LoopThread("realtime_nb-io")
_people = _LoopThread("realtime_nb-tools")


class Pending(Future[T]):
    """A result that is on its way: ``await`` it, or call ``.result()`` to wait for it.

    It is a `concurrent.futures.Future`. Cancelling it stops the work, and so does Ctrl-C while you wait.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> session = rt.RealtimeSession(backend="local")
    >>> pending = session.ask("Hello!")                # returns at once; in a cell: await session.ask("Hello!")
    >>> pending.result(timeout=30).status
    'completed'
    >>> session.close().result()
    """

    def __init__(self) -> None:
        super().__init__()
        self._ended: Future[None] | None = None
        """For work on the I/O thread: done when the work has ended, which after a cancel is later than the result."""

    def __await__(self) -> Generator[Any, None, T]:
        return self._awaited().__await__()

    async def _awaited(self) -> T:
        try:
            return await asyncio.wrap_future(self)
        except asyncio.CancelledError:
            self.cancel()
            if self._ended is not None:
                await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=_ENDING_WAIT_S)
            raise

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result and return it, or raise what went wrong.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; then `TimeoutError` is raised and the work goes on.

        Raises
        ------
        KeyboardInterrupt
            If you interrupt it, once the work has stopped: answers are cancelled at the server, and waiting questions
            are dropped. A second Ctrl-C does not wait for that.
        """
        if on_io_thread() and not self.done():
            raise RuntimeError("result() would stop the I/O thread that it waits for: await it instead")
        try:
            return super().result(timeout)
        except KeyboardInterrupt:
            if self.cancel() and self._ended is not None:
                wait([self._ended], _ENDING_WAIT_S)
            raise

    def __getattr__(self, name: str) -> Any:
        # You get here when you forget to await: the attribute is one of the result's.
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"a result that was not waited for has no {name!r}: await it, or call .result(), first")

    def __repr__(self) -> str:
        if not self.done():
            return "<Pending: not there yet; await it, or call .result()>"
        if self.cancelled():
            return "<Pending: cancelled>"
        return f"<Pending: {self.exception() or super().result()!r}>"


def io_loop() -> asyncio.AbstractEventLoop:
    """Return the I/O thread's event loop, starting the thread on first use (and afresh after a fork)."""
    return _io.loop()


def people_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop for users' coroutines, which may block it: none of our sockets runs there."""
    return _people.loop()


def on_io_thread() -> bool:
    """Return whether the caller runs on the I/O thread."""
    return threading.current_thread() is _io.thread


def call_soon(function: Callable[..., object], *args: Any) -> None:
    """Call a function on the I/O thread: at once if the caller is on it, otherwise as soon as possible."""
    if on_io_thread():
        function(*args)
    else:
        io_loop().call_soon_threadsafe(function, *args)


def submit(coroutine: Coroutine[Any, Any, T]) -> Pending[T]:
    """Run a coroutine on the I/O thread and return its result as a `Pending`."""
    try:
        loop = io_loop()
    except RealtimeError:
        coroutine.close()  # It will never run.
        raise
    pending: Pending[T] = Pending()
    ended = pending._ended = Future[None]()

    def start() -> None:
        task = loop.create_task(coroutine)
        task.add_done_callback(finish)
        pending.add_done_callback(lambda done: done.cancelled() and loop.call_soon_threadsafe(task.cancel))

    def finish(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            pending.cancel()
        else:
            error = task.exception()
            with contextlib.suppress(InvalidStateError):  # It may be cancelled at this very moment, by any thread.
                if error is not None:
                    pending.set_exception(error)
                else:
                    pending.set_result(task.result())
        ended.set_result(None)

    call_soon(start)
    return pending


def run_sync(awaitable: Awaitable[T]) -> T:
    """Wait for your own coroutine where ``await`` is not possible, and return its result.

    In a notebook cell, where a loop already runs, the first call patches that loop with nest_asyncio. You do not need
    this for our own calls: ``session.ask(…).result()`` works everywhere.

    Examples
    --------
    >>> async def answer():
    ...     return 42
    >>> run_sync(answer())
    42
    """

    async def wait() -> T:
        return await awaitable

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    import nest_asyncio

    nest_asyncio.apply(loop)
    return loop.run_until_complete(wait())


# --- Users' functions, sync and async: they cannot stop a session or end its thread -----------------------------------


async def run_callback(function: Callable[..., Any], *args: Any, read: Callable[[Any], T], **kwargs: Any) -> T:
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
