"""The grid of systems, conditions, examples and repeats, run on any executor."""

from __future__ import annotations

import hashlib
import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

from ..display import printable
from ..errors import SettingsError
from ..sessions.rate_limit import Limiter
from ..sessions.session import Session
from .cell import CellWork, Factory
from .conditions import Condition, Pipeline, describe, named_pipelines
from .dataset import Dataset
from .executor import Budget, Runner, RunProgress, check_can_be_sent
from .folder import RunFolder
from .forecast import Forecast, forecast
from .graders import Grader, named_graders
from .results import Results

# --- Which system is asked what, when, and under which condition ------------------------------------------------------


def make_grid(
    dataset: Dataset,
    systems: Mapping[str, Factory],
    pipelines: Mapping[str, Pipeline],
    repeats: int,
    seed: int,
    make: Callable[..., CellWork],
) -> Iterator[CellWork]:
    """Yield all cells; the systems take turns in being first, so that what changes with time is the same for all."""
    names = list(systems)
    seen: set[str] = set()
    rows = itertools.product(range(1, repeats + 1), pipelines.items(), dataset)
    for turn, (repeat, (condition, pipeline), example) in enumerate(rows):
        for place in range(len(names)):
            system = names[(turn + place) % len(names)]
            cell_id = _file_name(f"{example.example_id}__{system}__{condition}__{repeat}")
            if cell_id.lower() in seen:
                raise SettingsError(f"names are too much alike for files: {cell_id!r} would be there twice")
            seen.add(cell_id.lower())
            yield make(
                cell_id=cell_id,
                system=system,
                factory=systems[system],
                example=example,
                condition=condition,
                pipeline=pipeline,
                repeat=repeat,
                seed=_seed(seed, example.example_id),
            )


def _file_name(name: str) -> str:
    plain = re.sub(r"[^\w.+-]+", "-", name)
    return plain if len(plain) <= 150 else f"{plain[:140]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _seed(seed: int, example_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}|{example_id}".encode()).digest()[:4])


# --- The grid of systems, conditions, examples and repeats, run on any executor ---------------------------------------


def run(
    dataset: Dataset,
    systems: Mapping[str, Factory],
    *,
    conditions: Mapping[str, Condition | Sequence[Condition]] | Sequence[Condition | Sequence[Condition]] | None = None,
    graders: Mapping[str, Grader] | Iterable[Grader] = (),
    repeats: int = 1,
    executor: Executor | None = None,
    concurrency: int = 8,
    limiter: Limiter | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool | Literal["failed"] = False,
    max_usd: float | None = None,
    timeout_s: float = 120.0,
    retries: int = 2,
    live: bool = False,
    table: Literal["csv", "parquet"] = "csv",
    progress: bool = True,
) -> Results:
    """Ask every system every example, under every condition, so many times; and write down what comes of it.

    Each question gets a session of its own. Rows and recordings are on the disk as soon as they are there. Ctrl-C
    stops what is under way: answers are cancelled at the server, nothing more is asked or tried again, and what was
    answered is kept. What was stopped is no row, and is asked again by ``resume=True``. A second Ctrl-C does not wait.

    Parameters
    ----------
    dataset : Dataset
        What is asked.
    systems : mapping of str to callable
        What makes a session of any kind, by name, e.g. ``{"realtime": rt.RealtimeSession, "chat": rt.ChatSession}``
        or ``functools.partial(rt.RealtimeSession, voice="cedar")``.
    conditions : mapping or sequence, optional
        Conditions, or sequences of them, by name; without names they are called after what they do. An empty sequence
        leaves clips as they are. By default that alone.
    graders : mapping or iterable of callable, optional
        Take an `Answer` and return how good it is; columns ``grade_NAME``; or a mapping of measures, columns
        ``NAME_MEASURE``, which are summed up as well. Tool calls are graded by what the dataset says of them.
    repeats : int, default 1
        How often.
    executor : concurrent.futures.Executor, optional
        Where the work is done: threads by default; processes; or a Dask cluster, ``client.get_executor()``. Workers
        of another process get what makes the session, not its key: that is read there, from their environment. See
        the notes.
    concurrency : int, default 8
        How many questions are under way at once, on whatever executor.
    limiter : Limiter, optional
        Bounds sessions and tokens per minute at the servers, in place of that of `realtime_nb.bounds`; for threads of
        this process alone. Elsewhere each worker has its own `realtime_nb.bounds`, and `concurrency` is what bounds
        all of them together.
    seed : int, default 0
        Of the conditions. A clip is the same for all systems and repeats.
    out : str or Path, optional
        The folder; by default ``results/`` and the time.
    resume : bool or "failed", default False
        Whether to go on with the run in `out`, or to begin where there is none: what is there is not asked again, nor
        graded again, whatever `graders` are now. The grid may have grown. ``"failed"`` asks what failed again, too.
    max_usd : float, optional
        US dollars that this call may spend. Nothing is asked that would exceed them if it took as much as the dearest
        answer so far, or as the estimate where there is none yet; without an estimate the first is asked alone.
    timeout_s : float, default 120.0
        How long an answer may take.
    retries : int, default 2
        How often at most a question is asked again, in another session, where that may help: a connection was lost, a
        server had too much to do or was at fault. Columns ``attempts``, ``retried_errors`` and ``retried_cost_usd``,
        which is part of ``cost_usd``.
    live : bool, default False
        Whether questions are said as fast as they sound, to an open microphone where a session has turn detection, and
        answers are heard out as fast as they sound. By default a clip is sent at once, as a turn of its own.
    table : {"csv", "parquet"}, default "csv"
        Format of the table in `out`. Parquet keeps the columns' types; it needs the extra ``parquet``.
    progress : bool, default True
        Whether to print an estimate and a bar: cost so far, failures, time left.

    Returns
    -------
    results : Results
        A cell that failed is a row with its stage (``input``, ``session``, ``connect``, ``response``, ``grade``, or
        ``worker``, where the executor lost it) and its error. Where the disk takes no more, nothing more is asked, a
        `RuntimeWarning` says so, and the results hold what is not written: see `Results.save`.

    Raises
    ------
    SettingsError
        If there is nothing to run, `out` holds something else or a run that is under way, or a system cannot be sent to
        the executor's workers.
    MissingExtra
        If `table` is one that nothing installed can write.

    Notes
    -----
    The folder has the layout of the OpenAI cookbook's realtime evals: ``results.csv``, ``summary.json``,
    ``events/ID.jsonl``, ``audio/ID/{input,output}.wav``; and ``recordings/ID`` for `Recording.load`. What is measured,
    by which formula and after whom: `realtime_nb.experiments.metrics`. In ``results.csv`` a text that a spreadsheet
    would run as a formula, e.g. an answer that begins with ``=``, has an apostrophe before it; `Dataset.from_csv` takes
    it away, and `Results`, which reads ``rows.jsonl``, never has it. Numbers stay numbers.

    On other processes: systems, graders and speakers are pickled, so that they have to be importable there
    (`functools.partial` of a session's class is; Dask also takes functions of a notebook). Clips that a dataset names
    by their files are read there. Work that would take a key along is refused. On a Dask cluster with TLS a key may be
    sent encrypted: ``client.register_plugin(Environ({"OPENAI_API_KEY": key}))``, of
    ``distributed.diagnostics.plugin``. Where a Dask worker dies, its questions are asked again by another one, at most
    three times; what a dead worker has spent on them is not known, and not in the row. A pool of processes of which
    one dies is broken: the run ends, and goes on by ``resume``.

    Examples
    --------
    >>> import functools
    >>> import realtime_nb as rt
    >>> questions = rt.Dataset.from_texts(["What time is it?", "What can you do?"])
    >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
    >>> results = rt.run(questions, systems, out="results/monday", progress=False)
    >>> list(results.frame["heard"])
    ['what time is it', 'what can you do']
    """
    _check_kinds(dataset, systems, executor, limiter)
    _check_resume(resume, out)
    pipelines, named = named_pipelines(conditions), named_graders(graders)
    _check(
        systems,
        {"max_usd": max_usd or 0.0, "retries": retries},
        repeats=repeats,
        concurrency=concurrency,
        timeout_s=timeout_s,
    )
    expected = forecast(dataset, systems, conditions=len(pipelines), repeats=repeats)
    make = partial(CellWork, graders=named, timeout_s=timeout_s, retries=retries, live=live, limiter=limiter)
    grid = list(make_grid(dataset, systems, pipelines, repeats, seed, make))
    if executor is not None and not isinstance(executor, ThreadPoolExecutor):
        for work in grid[: len(systems)]:
            check_can_be_sent(work, executor)
    path = Path(out) if out is not None else Path("results") / f"{datetime.now():%Y%m%d_%H%M%S}"
    folder = RunFolder(
        path, _about(dataset, systems, pipelines, grid, seed, expected), resume=bool(resume), table=table
    )
    done = {row["cell_id"] for row in folder.rows if resume != "failed" or row["status"] != "failed"}
    todo = [work for work in grid if work.cell_id not in done]
    with RunProgress(len(grid), len(done), expected, shown=progress) as bar:
        stopped = Runner(folder, bar, Budget(max_usd, expected), concurrency).on(executor, todo)
    if folder.failure:
        warnings.warn(printable(_not_written(folder)), RuntimeWarning, stacklevel=2)
    if isinstance(stopped, BaseException):
        raise stopped
    return Results(path, kept=folder) if folder.failure else Results(path)


def _not_written(folder: RunFolder) -> str:
    count = len(folder.unwritten)
    kept = f"{count} answers, which are paid for, are in memory alone" if count else "all answers are written"
    way_out = "results.save(…) writes the run elsewhere, or there once there is room"
    return f"the run stopped: {folder.failure}; {kept}: {way_out}"


def _check_kinds(dataset: Any, systems: Any, executor: Any, limiter: Any) -> None:
    """Raise where something of another kind was given, before a folder is made for it."""
    if not isinstance(dataset, Dataset):
        raise SettingsError(
            f"dataset={dataset!r} is no Dataset: make one, e.g. by Dataset.from_texts, from_csv or from_folder"
        )
    if not isinstance(systems, Mapping):
        raise SettingsError(f"systems={systems!r} must name what makes sessions: give {{'realtime': RealtimeSession}}")
    if executor is not None and not isinstance(executor, Executor):
        raise SettingsError(
            f"executor={executor!r} is no concurrent.futures.Executor: give a pool, or a Dask client's get_executor()"
        )
    if limiter is not None and not isinstance(limiter, Limiter):
        raise SettingsError(f"limiter={limiter!r} is no Limiter: give Limiter(max_sessions=3), or set concurrency")


def _check_resume(resume: Any, out: str | Path | None) -> None:
    if resume not in (False, True, "failed"):
        raise SettingsError(f"resume={resume!r} is not True, False or 'failed': give the run's folder as out")
    if resume and out is None:
        raise SettingsError(f"resume={resume!r} needs a run to go on with: give its folder as out")


def _check(systems: Mapping[str, Factory], not_negative: dict[str, Any], **positive: Any) -> None:
    if not systems:
        raise SettingsError("systems={} must hold at least one")
    for name, factory in systems.items():
        if isinstance(factory, Session) or not callable(factory):
            raise SettingsError(f"systems[{name!r}] must make a session when it is called, e.g. lambda: ChatSession()")
    for name, number in (positive | not_negative).items():
        kind = ("a whole number", Integral) if name in ("repeats", "concurrency", "retries") else ("a number", Real)
        if not isinstance(number, kind[1]):
            raise SettingsError(f"{name}={number!r} must be {kind[0]}")
    for name, number in positive.items():
        if number <= 0:
            raise SettingsError(f"{name}={number} must be positive")
    for name, number in not_negative.items():
        if number < 0:
            raise SettingsError(f"{name}={number} must not be negative")


def _about(
    dataset: Dataset,
    systems: Mapping[str, Factory],
    pipelines: Mapping[str, Pipeline],
    grid: list[CellWork],
    seed: int,
    expected: Forecast,
) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "seed": seed,
        "systems": list(systems),
        "conditions": {name: describe(pipeline) for name, pipeline in pipelines.items()},
        "examples": {example.example_id: example.digest for example in dataset},
        "estimate_usd": expected.total_usd,
        "began_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "libraries": {name: version(name) for name in ("numpy", "scipy", "soxr", "jiwer")},
        "cells": [work.cell_id for work in grid],
    }
