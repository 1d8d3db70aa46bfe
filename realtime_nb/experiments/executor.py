"""Hand out cells to an executor, in this process or others, a few at a time and within a budget."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..display import printable
from ..errors import SettingsError
from ..pricing.cost import format_usd
from ..secrecy import Secrets
from ..sessions.own_system import as_session
from .cell import CellOutcome, CellWork, Factory, lost_cell, run_cell, with_clips
from .clips import RunClips
from .folder import RunFolder
from .forecast import Forecast
from .metrics import budgeted_usd
from .regrading import Regrading, Row, added_usd, grade_saved, graded_again, not_graded
from .stopping import held_back, is_dask, leave_to_client, leave_to_parent, stop_everywhere

# --- Check that work can be sent to other processes, and carries no key -----------------------------------------------

#: Other ways to give the workers a key.
_BY_ENVIRONMENT = "set it in the workers' environment"
_BY_TLS = "or, on a cluster with TLS, send it by client.register_plugin(Environ({'OPENAI_API_KEY': key}))"


def check_can_be_sent(work: CellWork, executor: Executor) -> None:
    """Check that work can be sent to an executor's workers, without a key.

    Raises `SettingsError` if it has a limiter, which no other process can share; if the executor cannot pickle it; or
    if it holds a key of the environment, or the one that its session uses.
    """
    if work.limiter is not None:
        raise SettingsError("limiter= works only for threads of this process: on another executor, use concurrency=")
    dumps, whose = _pickler(executor)
    try:
        data = dumps(work)
    except Exception as error:
        raise SettingsError(
            f"systems[{work.system!r}], the graders or the speaker cannot be sent to {whose} ({error}): define them "
            "at the top of a module that can be imported there, or use functools.partial"
        ) from None
    if Secrets(_keys_of(work.factory)).are_in(data):
        advice = f"{_BY_ENVIRONMENT}, {_BY_TLS}" if is_dask(executor) else _BY_ENVIRONMENT
        raise SettingsError(
            f"systems[{work.system!r}], the graders or the speaker hold a key, which is not sent: {advice}"
        )


def _pickler(executor: Executor) -> tuple[Callable[[Any], bytes], str]:
    """Return an executor's way to pickle work, and a name for its workers."""
    if is_dask(executor):
        from distributed.protocol import pickle as dasks

        return dasks.dumps, "Dask's workers"
    if isinstance(executor, ProcessPoolExecutor):
        return pickle.dumps, "another process"
    try:
        import cloudpickle  # Most other executors use it, and it pickles the most.
    except ModuleNotFoundError:
        return pickle.dumps, "other workers"
    return cloudpickle.dumps, "other workers"


def _keys_of(factory: Factory) -> tuple[str, ...]:
    """Return the keys that a factory's session uses, if it can be made here."""
    try:
        return as_session(factory())._secrets()
    except Exception:  # Workers may have what is missing here.
        return ()


# --- Hand out work a few cells at a time, within a budget, with a progress bar ----------------------------------------


class Budget:
    """What may be spent, and has been.

    `expected_usd`: what one question is expected to cost; 0 if that is not known.
    """

    def __init__(self, max_usd: float | None, expected_usd: float = 0.0):
        self.spent_usd: float = 0.0
        self.expected_usd = expected_usd
        self._max_usd = max_usd
        self._dearest_usd = 0.0
        self._is_known = True
        self._taken = 0

    def take(self, cost_usd: float | None) -> None:
        """Count what something cost; `None` if that is not known."""
        self._taken += 1
        if cost_usd is None:
            self._is_known = False
            return
        self.spent_usd += cost_usd
        self._dearest_usd = max(self._dearest_usd, cost_usd)

    def refusal(self, under_way: int) -> str:
        """Return why nothing more may be asked; empty if it may."""
        if self._max_usd is None:
            return ""
        if not self._is_known:
            return (
                "max_usd cannot be kept: a price is not known (set it with realtime_nb.use_prices), or a server did "
                "not report the usage of an answer (see cost_remarks)"
            )
        if under_way and not self._taken and not self.expected_usd:
            return "the first answer will tell what one costs"  # Never shown: that answer is under way.
        next_usd = (under_way + 1) * (self._dearest_usd or self.expected_usd)
        if self.spent_usd + next_usd <= self._max_usd:
            return ""
        return f"max_usd={self._max_usd:g}: {format_usd(self.spent_usd)} are spent"

    def rest(self, expected_usd: float) -> Budget:
        """Return the budget of what comes next, which costs something else."""
        left = Budget(self._max_usd, expected_usd)
        left.spent_usd, left._is_known = self.spent_usd, self._is_known
        return left


class RunProgress:
    """The progress bar of a run."""

    def __init__(self, total: int, done: int, expected: Forecast, *, shown: bool):
        from tqdm.auto import tqdm

        if shown:
            tqdm.write(printable(f"{expected}{f'; {done} of them are done already' if done else ''}"))
        self._bar = tqdm(total=total, initial=done, unit="answer", disable=not shown)
        self._failed = 0

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def add(self, row: dict[str, Any], spent_usd: float) -> None:
        """Count a finished cell."""
        self._failed += row["status"] == "failed"
        self._bar.set_postfix_str(f"{format_usd(spent_usd)}, {self._failed} failed", refresh=False)
        self._bar.update()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(printable(text))


class Runner:
    """Hands work to an executor, a few cells at a time, and collects the outcomes."""

    def __init__(self, folder: RunFolder, bar: RunProgress, budget: Budget, concurrency: int):
        self._folder = folder
        self._bar = bar
        self._budget = budget
        self._concurrency = concurrency
        self._clips = RunClips(folder.path)
        self._todo: Iterator[CellWork] = iter(())
        self._next: CellWork | None = None
        self._preparing: set[Future[CellWork | CellOutcome]] = set()
        """The cells whose clips are being made here."""
        self._ready: deque[CellWork] = deque()
        self._under_way: dict[Future[CellOutcome], CellWork] = {}
        self._is_told = False

    def on(
        self, executor: Executor | None, todo: Iterable[CellWork], ungraded: Iterable[Regrading] = ()
    ) -> str | BaseException:
        """Grade saved answers, then run all cells; return why that ended early, as a `BaseException` to be raised."""
        own = ThreadPoolExecutor(self._concurrency, "realtime_nb-cell") if executor is None else None
        makers = ThreadPoolExecutor(self._concurrency, "realtime_nb-clips")
        stopped: str | BaseException = ""
        try:
            leave_to_client(executor)
            if isinstance(executor, ProcessPoolExecutor):
                executor.submit(leave_to_parent).result()  # It forks now, while no other thread holds a lock.
            stopped = self._grade(ungraded) or self._work(own or executor, makers, todo)
        except BaseException as error:
            stopped = error
            self._rescue(own or executor, stops=isinstance(error, KeyboardInterrupt))
        finally:
            makers.shutdown(wait=False, cancel_futures=True)
            if own is not None:
                own.shutdown(wait=False, cancel_futures=True)
            self._folder.finish(stopped if isinstance(stopped, str) else type(stopped).__name__)
        return stopped

    def _grade(self, ungraded: Iterable[Regrading]) -> str:
        folder, budget = self._folder, self._budget.rest(0.0)

        def grade(each: Regrading) -> Row:
            return graded_again(each, folder.recording_of(each.row["cell_id"]))

        def put(before: Row, row: Row) -> None:
            folder.put(CellOutcome(row=row, files={}))
            budget.take(added_usd(before, row))

        def refusal(under_way: int) -> str:
            return folder.failure or budget.refusal(under_way)

        stopped, left = grade_saved(ungraded, grade, put, concurrency=self._concurrency, refusal=refusal)
        if not folder.failure:
            for each in left:
                folder.put(CellOutcome(row=not_graded(each, f"not graded, as {stopped}"), files={}))
        self._budget = budget.rest(self._budget.expected_usd)
        return stopped

    def _work(self, executor: Executor | None, makers: Executor, todo: Iterable[CellWork]) -> str:
        assert executor is not None
        self._todo = iter(todo)
        self._next = next(self._todo, None)
        while self._next or self._ready or self._preparing or self._under_way:
            with held_back():
                refusal = self._hand_out(executor, makers)
            if not (self._preparing or self._under_way):
                return refusal
            both: set[Future[Any]] = {*self._preparing, *self._under_way}
            done = wait(both, return_when=FIRST_COMPLETED).done
            with held_back():
                self._take_ready([future for future in self._preparing if future in done])
                self._take([future for future in self._under_way if future in done])
        return ""

    def _hand_out(self, executor: Executor, makers: Executor) -> str:
        """Hand out as many cells as may run at once; return why no more may be asked, if so."""
        while self._ready and not self._folder.failure:
            work = self._ready.popleft()
            self._under_way[executor.submit(run_cell, work)] = work
        while self._next and (count := len(self._preparing) + len(self._under_way)) < self._concurrency:
            refusal = self._folder.failure or self._budget.refusal(count)
            if refusal:
                return refusal
            self._preparing.add(makers.submit(with_clips, self._next, self._clips))
            self._next = next(self._todo, None)
        return self._folder.failure

    def _take_ready(self, done: Iterable[Future[CellWork | CellOutcome]]) -> None:
        """Take cells whose clips are made; those without are over."""
        for future in done:
            self._preparing.discard(future)
            ready = future.result()
            if isinstance(ready, CellWork):
                self._ready.append(ready)
            else:
                self._write_down(ready)

    def _take(self, done: Iterable[Future[CellOutcome]]) -> None:
        """Write down finished cells; if the executor is gone, raise only after that."""
        for future in sorted(done, key=_is_over):
            work = self._under_way.pop(future)
            try:
                outcome = future.result()
            except (BrokenExecutor, CancelledError) as error:
                error.add_note("The executor is gone. Its answers are kept: use run(…, resume=True) with another one.")
                raise
            except Exception as error:
                outcome = lost_cell(work, error)
            if not outcome.stopped:  # Otherwise there is no answer, and a resumed run asks again.
                self._write_down(outcome)

    def _write_down(self, outcome: CellOutcome) -> None:
        self._folder.add(replace(outcome, files=outcome.files | self._clips.unwritten))
        if self._folder.failure and not self._is_told:
            self._is_told = True
            self._bar.say(f"{self._folder.failure}. Nothing more is asked; the answers under way are still collected.")
        self._budget.take(budgeted_usd(outcome.row))
        self._bar.add(outcome.row, self._budget.spent_usd)

    def _rescue(self, executor: Executor | None, *, stops: bool) -> None:
        """Stop the cells under way if `stops`, and collect the answers, which are paid for."""
        # Others, like Dask's, cannot tell started from waiting cells, and would cancel both.
        tells = isinstance(executor, ThreadPoolExecutor | ProcessPoolExecutor)
        running = {future for future in self._under_way if not (tells and future.cancel())}
        with suppress(BaseException):  # The first error is raised.
            if stops and running:
                self._bar.say(
                    f"Stopping {len(running)} answers that are under way; resume=True asks them again. "
                    "Interrupt again to leave at once."
                )
                stop_everywhere(executor, [self._under_way[future] for future in running])
            for future in as_completed(running, timeout=None if stops else 0):
                with suppress(BrokenExecutor, CancelledError), held_back():  # It is asked again.
                    self._take([future])
        for future in running:
            future.cancel()


def _is_over(future: Future[CellOutcome]) -> bool:
    """Return whether a future's error says that its executor is gone."""
    return future.cancelled() or isinstance(future.exception(), BrokenExecutor)
