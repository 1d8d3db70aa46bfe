"""The grid of systems, conditions, examples and repeats, run on any executor."""

from __future__ import annotations

import hashlib
import itertools
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

from ..display import printable
from ..errors import SettingsError
from ..files import make_folder
from ..media.clip import AudioClip
from ..sessions.rate_limit import Limiter
from ..sessions.session import Session
from .cell import KEPT, CellWork, Factory
from .clips import file_name, read_index
from .conditions import Condition, Pipeline, describe, named_pipelines
from .dataset import Dataset
from .executor import Budget, Runner, RunProgress, check_can_be_sent
from .folder import RunFolder, read_questions, read_run
from .forecast import Forecast, forecast_of, sessions_of
from .graders import Grader, named_graders
from .provenance import settings_of
from .recipes import NotMade, made, recipe_of
from .regrading import Regrading, grader_digests, lacking
from .results import Results
from .timelines import WINDOWS, Windows

# --- The grid: which system is asked which question, under which condition, in which order ----------------------------


def make_grid(
    dataset: Dataset,
    systems: Mapping[str, Factory],
    pipelines: Mapping[str, Pipeline],
    repeats: int,
    seed: int,
    make: Callable[..., CellWork],
) -> Iterator[CellWork]:
    """Yield all cells; the systems take turns at going first, so that changes over time affect all of them equally."""
    names = list(systems)
    rows = itertools.product(range(1, repeats + 1), pipelines.items(), dataset)
    for turn, (repeat, (condition, pipeline), example) in enumerate(rows):
        for place in range(len(names)):
            system = names[(turn + place) % len(names)]
            yield make(
                cell_id=_file_name(f"{example.example_id}__{system}__{condition}__{repeat}"),
                system=system,
                factory=systems[system],
                example=example,
                condition=condition,
                pipeline=pipeline,
                repeat=repeat,
                seed=_seed(seed, example.example_id),
            )


def checked_ids(grid: Iterable[CellWork]) -> list[str]:
    """Return the ids of all cells; raise if two would be one file where names in small and large letters are."""
    cells = [work.cell_id for work in grid]
    twice = Counter(map(str.lower, cells)).most_common(1)
    if twice and twice[0][1] > 1:
        cell_id = [each for each in cells if each.lower() == twice[0][0]][1]
        raise SettingsError(f"names are too similar for files: {cell_id!r} would occur twice")
    return cells


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
    windows: Windows = WINDOWS,
    keep: Iterable[str] = tuple(sorted(KEPT)),
    sound: Literal["flac", "opus"] = "flac",
    table: Literal["csv", "parquet"] = "csv",
    progress: bool = True,
) -> Results:
    """Ask every system every example, under every condition, and write down the results.

    Each question gets its own session. Rows and recordings are written to the disk as soon as they are ready. Ctrl-C
    stops the run: answers under way are cancelled at the server, nothing more is asked, and finished answers are kept.
    Stopped questions have no row; ``resume=True`` asks them again. A second Ctrl-C does not wait.

    Parameters
    ----------
    dataset : Dataset
        The questions.
    systems : mapping of str to callable
        Functions that make a session of any kind, by name, e.g.
        ``{"realtime": rt.RealtimeSession, "chat": functools.partial(rt.ChatSession, voice="cedar")}``. A system of your
        own is a class with ``async def answer(self, clip) -> SystemAnswer``; see `realtime_nb.SystemSession`.
    conditions : mapping or sequence, optional
        Conditions, or sequences of them, by name; without a name they are named after their steps. An empty sequence
        leaves clips as they are, which is the default.
    graders : mapping or iterable of callable, optional
        Functions that take an `Answer` and return a grade (columns ``grade_NAME``) or a mapping of measures (columns
        ``NAME_MEASURE``, which are summed up as well). NaN, infinity and `None` are missing in every mean and file. If
        a grader raises, the grade is missing, too, and ``grading_remarks`` says why. Tool calls are graded by what the
        dataset expects.
    repeats : int, default 1
        How often to ask each question.
    executor : concurrent.futures.Executor, optional
        Where to run the cells: in threads (the default), in processes, or on a Dask cluster,
        ``client.get_executor()``. Workers in other processes get the function that makes the session, but not the key,
        which they read from their own environment. See the notes.
    concurrency : int, default 8
        How many questions are under way at once, on any executor.
    limiter : Limiter, optional
        Limits sessions and tokens per minute at the servers, in place of the one in `realtime_nb.bounds`; only for
        threads of this process. Workers elsewhere each have their own `realtime_nb.bounds`, and only `concurrency`
        limits all of them together.
    seed : int, default 0
        Seed of the conditions. A clip is the same for all systems, repeats and workers: see the notes.
    out : str or Path, optional
        The folder; by default ``results/`` plus the time.
    resume : bool or "failed", default False
        Whether to continue the run in `out`, if there is one. Existing answers are not asked again; those that one of
        the `graders` has not graded yet, or only with other settings, are graded by it from their recordings. The grid
        may have grown. ``"failed"`` asks failed questions again, too.
    max_usd : float, optional
        US dollars that this call may spend. A question is asked only if it would stay within this amount at the cost
        of the dearest answer so far, or at first at the estimated cost; without an estimate the first is asked alone.
    timeout_s : float, default 120.0
        How long an answer may take, in seconds.
    retries : int, default 2
        How often, at most, to ask a question again in another session, if a connection was lost, or a server was busy
        or at fault. Columns ``attempts``, ``retried_errors`` and ``retried_cost_usd``, which is part of ``cost_usd``.
    live : bool, default False
        Whether questions and answers take as long as they sound; a session with turn detection hears them through an
        open microphone. By default a clip is sent at once, as one turn.
    windows : Windows, optional
        The windows of the measures of turn-taking, e.g. within which time an answer must fall silent; `Results.grade`
        can measure again with others.
    keep : iterable of str
        What to keep in `out` beside rows and clips, by default all: ``"events"`` (recordings, which `Results.show` and
        `Results.grade` need), ``"answers"`` (their sound) and ``"conversations"`` (each as Markdown, to read).
    sound : {"flac", "opus"}, default "flac"
        Codec of the answers. Opus takes a sixth; measures are taken before, but `Results.grade` then hears it.
    table : {"csv", "parquet"}, default "csv"
        Format of the table in `out`. Parquet keeps the columns' types; it needs the extra ``parquet``.
    progress : bool, default True
        Whether to print an estimate and a progress bar with the cost so far, failures and time left.

    Returns
    -------
    results : Results
        A failed cell is a row with its stage (``input``, ``session``, ``connect``, ``response``, or ``worker`` if the
        executor lost it) and its error. If the disk is full, the run stops with a `RuntimeWarning`,
        and the results hold the unwritten answers: see `Results.save`.

    Raises
    ------
    SettingsError
        If there is nothing to run, if `out` holds something else or a run that is under way, or if a system cannot be
        sent to the executor's workers.
    MissingExtra
        If nothing installed can write `table`.

    Notes
    -----
    The folder has ``results.csv`` and ``summary.json``, made from ``rows.jsonl``; ``run.json`` with all settings and
    prompts, for `rerun`; ``dataset.jsonl``; ``recordings/ID`` for `Recording.load`, with the events and the sound;
    ``conversations/ID.md``; and ``audio/ID`` with both tracks of scenarios. `Results.to_cookbook` writes the layout of
    the OpenAI cookbook's realtime evals. The measures, with
    formulas and sources, are listed in `realtime_nb.experiments.metrics`. In ``results.csv`` a text that a spreadsheet
    would run as a formula, e.g. an answer that begins with ``=``, gets an apostrophe in front; `Dataset.from_csv`
    removes it, and `Results`, which reads ``rows.jsonl``, never has it. Numbers stay numbers.

    Each clip is spoken or read, and each condition applied, once, in this process, and kept as ``clips/SHA256.wav``,
    named by the SHA-256 of its samples; ``input_sha256`` in a row says what was heard. A resumed run uses the same
    files. Only turns of a simulated user, which are not known in advance, are spoken where they are said. `Results`
    check the hashes, and `Results.compare` says if two runs heard different sounds.

    In other processes: systems, graders and speakers are pickled, so they must be importable there (`functools.partial`
    of a session class is; Dask also takes functions from a notebook). Clips are made here, and sent there. Work that
    contains a key is refused. On a Dask cluster with TLS you can send a key encrypted:
    ``client.register_plugin(Environ({"OPENAI_API_KEY": key}))``, from ``distributed.diagnostics.plugin``. If a Dask
    worker dies, another one asks its questions again, at most three times; the cost of the dead worker's attempts is
    not known, and not in the row. If workers see `out`, an answer that had arrived is not asked again. If a process of
    a pool dies, the pool is broken and the run ends; continue it with ``resume``.

    Examples
    --------
    >>> import functools
    >>> import realtime_nb as rt
    >>> questions = rt.Dataset.from_texts(["What time is it?", "What can you do?"])
    >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
    >>> results = rt.run(questions, systems, out="results/monday", progress=False)
    >>> list(results.frame["heard"])
    ['What time is it?', 'What can you do?']
    """
    _check_kinds(dataset, systems, executor, limiter, windows)
    _check_resume(resume, out)
    pipelines, named = named_pipelines(conditions), named_graders(graders)
    _check(
        systems,
        {"max_usd": max_usd or 0.0, "retries": retries},
        repeats=repeats,
        concurrency=concurrency,
        timeout_s=timeout_s,
    )
    digests = grader_digests(named)
    sessions = sessions_of(systems)
    expected = forecast_of(dataset, sessions, conditions=len(pipelines), repeats=repeats)
    options: dict[str, Any] = {"timeout_s": timeout_s, "retries": retries, "live": live, "sound": sound}
    options["windows"] = windows
    options["keep"] = _kept(keep, sound)
    make = partial(CellWork, graders=named, grader_digests=digests, limiter=limiter, **options)
    # Each cell's work is made anew where it is needed: all of it would take as much memory as the rows.
    grid = partial(make_grid, dataset, systems, pipelines, repeats, seed, make)
    cells = checked_ids(grid())
    if executor is not None and not isinstance(executor, ThreadPoolExecutor):
        for work in itertools.islice(grid(), len(systems)):
            check_can_be_sent(work, executor)
    path = Path(out) if out is not None else _new_folder()
    recipes: dict[str, Any] = {"systems": systems, "conditions": pipelines, "graders": named}
    recipes["settings"] = {name: settings_of(session) for name, session in sessions.items() if session is not None}
    recipes |= {"options": options | {"repeats": repeats, "seed": seed, "table": table}}
    about = _about(dataset, systems, pipelines, cells, seed, expected) | {"made": recipe_of(recipes)}
    folder = RunFolder(
        path,
        about,
        resume=bool(resume),
        table=table,
        questions=((example.example_id, recipe_of(example)) for example in dataset),
    )
    known = folder.rows.ids
    examples = {work.cell_id: work.example for work in grid() if work.cell_id in known} if known else {}
    done: set[str] = set()
    ungraded: list[Regrading] = []
    for row in folder.rows:
        if resume != "failed" or row["status"] != "failed":
            done.add(row["cell_id"])
            if row["cell_id"] in examples and (missing := lacking(row, named, digests)):
                ungraded.append(Regrading(row, examples[row["cell_id"]], missing, digests))
    arrivals = ""
    if executor is not None and not isinstance(executor, ThreadPoolExecutor):
        make_folder(folder.arrivals)
        arrivals = str(folder.arrivals.resolve())
    todo = (
        replace(work, cell_id=cell_id, arrivals=arrivals)  # With the id that is kept, not one more like it.
        for cell_id, work in zip(cells, grid(), strict=True)
        if cell_id not in done
    )
    with RunProgress(len(cells), len(done), expected, shown=progress) as bar:
        stopped = Runner(folder, bar, Budget(max_usd, expected.dearest_cell_usd), concurrency).on(
            executor, todo, ungraded
        )
    if folder.failure:
        warnings.warn(printable(_not_written(folder)), RuntimeWarning, stacklevel=2)
    if isinstance(stopped, BaseException):
        raise stopped
    return Results(path, kept=folder)


def _new_folder() -> Path:
    return Path("results") / f"{datetime.now():%Y%m%d_%H%M%S}"


def _not_written(folder: RunFolder) -> str:
    count = len(folder.unwritten)
    kept = f"{count} answers, which are paid for, are only in memory" if count else "all answers are written"
    way_out = "results.save(…) writes the run elsewhere, or there once there is room"
    return f"the run stopped: {folder.failure}; {kept}: {way_out}"


def _check_kinds(dataset: Any, systems: Any, executor: Any, limiter: Any, windows: Any) -> None:
    """Raise for arguments of the wrong type, before a folder is made."""
    if not isinstance(dataset, Dataset):
        raise SettingsError(
            f"dataset={dataset!r} is not a Dataset: make one, e.g. with Dataset.from_texts, from_csv or from_folder"
        )
    if not isinstance(systems, Mapping):
        raise SettingsError(f"systems={systems!r} must name session makers, e.g. {{'realtime': RealtimeSession}}")
    if executor is not None and not isinstance(executor, Executor):
        raise SettingsError(
            f"executor={executor!r} is not a concurrent.futures.Executor: give a pool, or Dask's client.get_executor()"
        )
    if not isinstance(windows, Windows):
        raise SettingsError(f"windows={windows!r} is not a Windows: give e.g. Windows(yield_s=1.5)")
    if limiter is not None and not isinstance(limiter, Limiter):
        raise SettingsError(f"limiter={limiter!r} is not a Limiter: give Limiter(max_sessions=3), or set concurrency")


def _kept(keep: Iterable[str], sound: str) -> frozenset[str]:
    kept = frozenset([keep] if isinstance(keep, str) else keep)
    if unknown := sorted(kept - KEPT):
        raise SettingsError(f"keep={unknown} is not known: choose among {', '.join(sorted(KEPT))}")
    if sound not in ("flac", "opus"):
        raise SettingsError(f"sound={sound!r} is neither 'flac' nor 'opus'")
    return kept


def _check_resume(resume: Any, out: str | Path | None) -> None:
    if resume not in (False, True, "failed"):
        raise SettingsError(f"resume={resume!r} is not True, False or 'failed': give the run's folder as out")
    if resume and out is None:
        raise SettingsError(f"resume={resume!r} needs a run to continue: give its folder as out")


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
    cells: list[str],
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
        "cells": cells,
    }


# --- The same run again, from its folder ------------------------------------------------------------------------------


def rerun(folder: str | Path, *, out: str | Path | None = None, **changes: Any) -> Results:
    """Make a run again as its folder describes it: the same clips, settings, prompts, conditions and graders.

    Parameters
    ----------
    folder : str or Path
        The run's folder.
    out : str or Path, optional
        The new folder, as for `run`.
    **changes
        Arguments of `run` to use instead: ``dataset``, ``systems``, ``conditions``, ``graders``, ``repeats``, ….
        Your own functions and classes are named in the folder, but not imported from there: give the systems or graders
        that use them.

    Returns
    -------
    results : Results
        As for `run`. The clips are those of the folder, so `Results.compare` can pair both runs.

    Raises
    ------
    SettingsError
        If there is no run in the folder, or it does not say how to make something; the message names it.

    Notes
    -----
    Keys come from your environment. A folder from someone else may name any server, which would then get your
    questions, and your key for such servers: look at ``made`` in its ``run.json`` first.

    Examples
    --------
    >>> import functools
    >>> import realtime_nb as rt
    >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
    >>> _ = rt.run(rt.Dataset.from_texts(["What time is it?"]), systems, out="results/first", progress=False)
    >>> rt.rerun("results/first", out="results/second", progress=False)
    Results('results/second': 1 answers, 0 failed, $0)
    """
    path = Path(folder)
    told = read_run(path).about.get("made")
    if not isinstance(told, dict):
        raise SettingsError(f"{str(path)!r} does not say how its run was made: it is of an earlier version, or damaged")
    before = dict(told.get("options", {}))
    if "windows" in before:
        before["windows"] = _remade(before["windows"], "windows", "windows")
    options = before | changes
    if "dataset" not in changes:
        options["dataset"] = _remade_dataset(path)
    for kind in ("systems", "graders", "conditions"):
        if kind not in changes:
            recipes = told.get(kind, {}).items()
            options[kind] = {name: _remade(each, f"{kind}[{name!r}]", kind) for name, each in recipes}
    target = Path(out) if out is not None else _new_folder()
    if options.get("seed") == before.get("seed"):
        _lay_clips(path, target)
    return run(options.pop("dataset"), options.pop("systems"), out=target, resume=True, **options)


def _lay_clips(path: Path, target: Path) -> None:
    """Begin a run in a new folder with the clips of another one, and no answers."""
    about = read_run(path).about
    empty: dict[str, Any] = {"cells": [], "systems": [], "examples": {}, "conditions": {}, "made": {}}
    folder = RunFolder(target, about | empty, resume=False)
    folder.copy_clips(path)
    folder.close()
    if folder.failure:
        raise SettingsError(f"out={str(target)!r} cannot be written to: {folder.failure}")


def _remade(recipe: Any, what: str, argument: str) -> Any:
    try:
        return made(recipe)
    except (SettingsError, TypeError) as error:
        raise SettingsError(f"{what} cannot be made from the folder ({error}): give {argument}={{…}}") from None


def _remade_dataset(path: Path) -> Dataset:
    known = {entry.sha256 for entry in read_index(path).values()}

    def clip(sha256: str) -> AudioClip:
        if sha256 not in known:
            raise NotMade("a clip is not in the folder")
        return AudioClip.from_file(path / file_name(sha256))

    examples = []
    for name, told in read_questions(path).items():
        try:
            examples.append(made({key: value for key, value in told.items() if key != "example_id"}, clip))
        except (SettingsError, TypeError) as error:
            raise SettingsError(f"example {name!r} cannot be made from the folder ({error}): give dataset=…") from None
    return Dataset(examples, name=str(read_run(path).about.get("dataset", "dataset")))
