"""A run's folder: written while the run goes on, so that no paid answer is lost, however it ends.

``rows.jsonl`` gets a line for each cell as soon as it is done, after the cell's files; ``results.csv``, or
``results.parquet``, and ``summary.json`` are made from it at the end. ``recordings/`` has one folder per cell for
`Recording.load`, and ``clips/`` what was said, once.
"""

from __future__ import annotations

import csv
import errno
import importlib.util
import io
import json
import os
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, KeysView, Mapping
from contextlib import suppress
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec
import numpy as np

from ..conversation.costs import sum_known
from ..errors import MissingExtra, SettingsError
from ..files import (
    FolderInUse,
    FolderLock,
    is_at,
    make_folder,
    open_private,
    read_sealed,
    seal,
    split_sealed,
    unseal,
    write_private,
    write_whole,
    writing_whole,
)
from ..pricing.usage import is_amount
from ..secrecy import Secrets
from .arrivals import FOLDER as ARRIVALS
from .arrivals import arrivals, clear_delivered, mark_delivered
from .cell import CellOutcome, plain_value
from .clips import clip_files, clip_remarks
from .example import defused
from .graders import finite
from .metrics import WORD_COUNTS, cost_per_task_usd, measures_of, place_of, spent_usd, value_of
from .retrying import after

_ABOUT, _ROWS, _SUMMARY, _LOCK = "run.json", "rows.jsonl", "summary.json", "run.lock"
#: The questions, as recipes, a line for each.
_DATASET = "dataset.jsonl"
#: The file to which damaged lines are moved, before their cells are asked again.
_DAMAGED = "rows.damaged"
_TABLES = ("csv", "parquet")


# --- Writing: rows and files, while the run goes on -------------------------------------------------------------------


class RunFolder:
    """The folder of a run.

    `about`: the run's description: ``seed``, ``systems``, ``cells`` (ids in order), ``examples`` (digests by id),
    ``conditions`` (by name). If a run is resumed, its earlier description is merged in.
    `questions`: the ids of the examples, each with its recipe.

    Raises `SettingsError` if the folder holds a run that must not be resumed, or another run, or cannot be written to;
    `MissingExtra` if nothing installed can write the table.
    """

    def __init__(
        self,
        path: Path,
        about: dict[str, Any],
        *,
        resume: bool,
        table: str = "csv",
        questions: Iterable[tuple[str, Any]] = (),
    ):
        self.path = path
        self.arrivals = path / ARRIVALS
        """Where workers put answers until they are delivered."""
        self.about = about
        self.failure = ""
        """Why the disk takes no more; empty as long as it does."""
        self.unwritten: list[CellOutcome] = []
        """The outcomes that could not be written."""
        self._table = _checked_table(table)
        try:
            make_folder(path)
            if {each.name for each in path.iterdir()} - {_LOCK} and not _is_run(path):
                raise SettingsError(f"out={str(path)!r} holds other files: choose a new folder")
            self._lock = FolderLock(path, _LOCK)
            try:
                self._begin(resume, questions)
            except BaseException:
                self._lock.release()
                raise
        except FolderInUse as error:
            raise SettingsError(
                f"out={str(path)!r} holds a run that is under way, in {error}: wait for its end, or choose a new folder"
            ) from None
        except OSError as error:
            raise SettingsError(f"out={str(path)!r} cannot be written to: {error.strerror or error}") from error

    def _begin(self, resume: bool, questions: Iterable[tuple[str, Any]]) -> None:
        before = read_run(self.path) if _is_run(self.path) else StoredRun({}, PackedRows(), [], [])
        if _is_run(self.path):
            self._check_same(before.about if before.is_whole else _about_of(before.rows), resume)
        remarks = [each.replace(_AGAIN, _ASKED) for each in before.all_remarks]
        if remarks:
            self.about["remarks"] = remarks
        self.rows: PackedRows = before.rows
        """The row of each cell so far; the latest, if a cell was tried in several runs."""
        if before.damaged:
            with open_private(self.path / _DAMAGED, "ab") as file:
                file.writelines(line + b"\n" for _, line in before.damaged)
        self._write_questions(questions)
        self._write_about()
        with writing_whole(self.path / _ROWS) as file:
            file.writelines(map(_line, self.rows))
        self._earlier = frozenset(self.rows.ids)
        self._lines_path = self.path / _ROWS
        self._lines: IO[bytes] = open_private(self._lines_path, "ab", buffering=0)
        for found in arrivals(self.arrivals):  # Of a run that ended before it had them.
            if found.row["cell_id"] in self._earlier:
                mark_delivered(self.arrivals, found.row["cell_id"])
            else:
                self.put(CellOutcome(row=found.row, files=found.files))
        clear_delivered(self.arrivals)

    def _write_questions(self, questions: Iterable[tuple[str, Any]]) -> None:
        """Write the new questions, and those of earlier runs, one by one: all of them can be large."""
        earlier = read_questions(self.path)
        with writing_whole(self.path / _DATASET) as file:
            for name, told in questions:
                earlier.pop(name, None)
                file.write(_line({"example_id": name, **told}))
            file.writelines(_line({"example_id": name, **told}) for name, told in earlier.items())

    def _write_about(self) -> None:
        write_whole(self.path / _ABOUT, seal(json.dumps(self.about, ensure_ascii=False, indent=1).encode()))

    def _check_same(self, before: dict[str, Any], resume: bool) -> None:
        if not resume:
            raise SettingsError(
                f"out={str(self.path)!r} holds a run: resume it with resume=True, or choose a new folder"
            )
        if before["seed"] not in (self.about["seed"], None):
            raise SettingsError(
                f"seed={self.about['seed']} is not that of the run in {str(self.path)!r}, {before['seed']}"
            )
        for kind in ("examples", "conditions"):
            for name, what in self.about[kind].items():
                if before[kind].get(name, what) not in (what, _UNKNOWN):
                    raise SettingsError(
                        f"{kind.removesuffix('s')} {name!r} is not what it was in {str(self.path)!r}: "
                        "choose a new folder"
                    )
        for kind in ("examples", "conditions"):
            self.about[kind] = {name: what for name, what in before[kind].items() if what is not None} | self.about[
                kind
            ]
        for kind in ("systems", "cells"):
            self.about[kind] = list(dict.fromkeys([*before[kind], *self.about[kind]]))
        made, earlier = self.about.get("made", {}), before.get("made", {})
        self.about["made"] = earlier | made
        for kind in ("systems", "settings", "conditions", "graders"):
            self.about["made"][kind] = earlier.get(kind, {}) | made.get(kind, {})

    def recording_of(self, cell_id: str) -> Path:
        """Return the folder of an answer's recording."""
        return self.path / "recordings" / cell_id

    def add(self, outcome: CellOutcome) -> None:
        """Write a cell's outcome: its files, then its row, which includes earlier tries.

        If it cannot be written, it is in `unwritten`, and `failure` says why.
        """
        cell_id = outcome.row["cell_id"]
        row = after(outcome.row, [self.rows[cell_id]]) if cell_id in self._earlier else outcome.row
        self.put(CellOutcome(row=row, files=outcome.files))

    def put(self, outcome: CellOutcome) -> None:
        """Write a cell's outcome in place of any earlier one; NaN and infinity become `None`, as JSON has neither."""
        secrets, cell_id = Secrets(), outcome.row["cell_id"]
        # A server may repeat the key in an answer; recordings come without it.
        text = secrets.hide(_text({name: finite(value) for name, value in outcome.row.items()}))
        self.rows.put(cell_id, text)
        try:
            for name, data in outcome.files.items():
                make_folder((self.path / name).parent)
                write_private(self.path / name, secrets.hide(data) if name.endswith(".md") else data)
            self._append(seal(text) + b"\n")
            mark_delivered(self.arrivals, cell_id)
        except OSError as error:
            self._fail(error)
            self.unwritten.append(outcome)

    def copy_clips(self, path: Path) -> None:
        """Copy the clips of another run's folder."""
        try:
            for each in clip_files(path):
                target = self.path / each.relative_to(path)
                make_folder(target.parent)
                write_private(target, each.read_bytes())
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = f"{str(self.path)!r} takes no more: {error.strerror or error}"

    def _append(self, line: bytes) -> None:
        """Write a line whole or not at all."""
        if not is_at(self._lines, self._lines_path):
            raise OSError("the folder was removed or replaced during the run")
        end = self._lines.seek(0, io.SEEK_END)
        try:
            written = self._lines.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._lines.truncate(end)
            raise

    @property
    def kept(self) -> StoredRun:
        """The run as it is in memory, written or not."""
        return StoredRun(self.about, self.rows, [], [])

    def close(self) -> None:
        """Write no more."""
        self._lines.close()
        clear_delivered(self.arrivals)
        self._lock.release()

    def finish(self, stopped: str) -> None:
        """Write the table and the summary; `stopped` says why the run ended early, if it did."""
        unwritten, self.unwritten, self.failure = self.unwritten, [], ""
        for outcome in unwritten:  # There may be room again.
            self.put(outcome)
        lacking = {outcome.row["cell_id"] for outcome in self.unwritten}
        rows = self.rows.only(each for each in self.rows.ordered(self.about["cells"]) if each not in lacking)
        try:
            for kind in _TABLES:
                # From an earlier run, perhaps in the other format.
                (self.path / f"results.{kind}").unlink(missing_ok=True)
            with writing_whole(self.path / f"results.{self._table}") as file:
                (_write_csv if self._table == "csv" else _write_parquet)(file, rows)
            summary = json.dumps(summary_of(rows) | {"stopped": stopped}, indent=1).encode()
            write_whole(self.path / _SUMMARY, seal(summary))
        except OSError as error:
            self.failure = self.failure or f"{str(self.path)!r} takes no more: {error.strerror or error}"
        finally:
            self.close()


# --- The table, made at the end ---------------------------------------------------------------------------------------


def _checked_table(table: str) -> str:
    if table not in _TABLES:
        raise SettingsError(f"table={table!r} is neither 'csv' nor 'parquet'")
    if table == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise MissingExtra("table='parquet'", "parquet", "No module named 'pyarrow'")
    return table


def _write_csv(file: IO[bytes], rows: PackedRows) -> None:
    """Write a table whose texts are in quotation marks and whose numbers are not, so that each keeps its type."""
    names = dict.fromkeys(name for row in rows for name in row)
    table = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(table, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(map(defused, names))
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    table.flush()
    table.detach()  # Who opened the file closes it.


def _cell(value: Any) -> Any:
    return "" if value is None else int(value) if isinstance(value, bool) else defused(value)


def _write_parquet(file: IO[bytes], rows: PackedRows) -> None:
    import pandas

    columns: dict[str, list[Any]] = {}
    for place, row in enumerate(rows):
        for name, value in row.items():
            columns.setdefault(name, [None] * len(rows))[place] = value
    pandas.DataFrame({name: _typed(values) for name, values in columns.items()}).to_parquet(
        file, engine="pyarrow", index=False
    )


def _typed(values: list[Any]) -> Any:
    """Return a column with one type: whole numbers stay whole beside missing ones, and mixed values become texts."""
    import pandas

    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {bool, int}:
        return pandas.Series(values, dtype="boolean" if kinds == {bool} else "Int64")
    if kinds and kinds <= {bool, int, float}:
        return pandas.Series(values, dtype="float64")
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pandas.Series(texts, dtype=object)


def _line(row: dict[str, Any]) -> bytes:
    return seal(_text(row)) + b"\n"


def _text(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=plain_value).encode()


def _is_run(path: Path) -> bool:
    return (path / _ABOUT).is_file() or (path / _ROWS).is_file()


# --- Reading, whatever is damaged -------------------------------------------------------------------------------------


class PackedRows:
    """The rows of a run by their cells, as compressed texts, which take little memory; see `__iter__`."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}
        self._first = b""
        """The first row: the others are packed as what differs from it, as all have nearly the same columns."""

    @property
    def ids(self) -> KeysView[str]:
        """The cells."""
        return self._texts.keys()

    def put(self, cell_id: str, text: bytes) -> None:
        """Keep a row, as JSON, in place of any earlier one of its cell."""
        self._first = self._first or text
        packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS, zdict=self._first)
        self._texts[cell_id] = packer.compress(text) + packer.flush()

    def ordered(self, cells: Iterable[str]) -> list[str]:
        """Return the cells in the order of the grid, and then the others."""
        found = dict.fromkeys(cell_id for cell_id in cells if cell_id in self._texts)
        return [*found, *(cell_id for cell_id in self._texts if cell_id not in found)]

    def only(self, cells: Iterable[str]) -> PackedRows:
        """Return the rows of some cells, in this order."""
        chosen = copy(self)
        chosen._texts = {cell_id: self._texts[cell_id] for cell_id in cells}
        return chosen

    def __getitem__(self, cell_id: str) -> dict[str, Any]:
        unpacked = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=self._first).decompress(self._texts[cell_id])
        found: dict[str, Any] = msgspec.json.decode(unpacked)
        return found

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Unpack the rows, one after the other."""
        return map(self.__getitem__, list(self._texts))

    def __len__(self) -> int:
        return len(self._texts)


class StoredRun(NamedTuple):
    """A run as read from its folder."""

    about: dict[str, Any]
    """The run's description, recovered from its rows if it is damaged; unknown values are missing, or `None`."""
    rows: PackedRows
    """The undamaged rows, one for each cell: the latest."""
    remarks: list[str]
    """Remarks on damaged or missing parts."""
    damaged: list[tuple[int, bytes]]
    """The damaged lines of ``rows.jsonl``, with their numbers."""
    is_whole: bool = True
    """True if the description is undamaged."""

    @property
    def all_remarks(self) -> list[str]:
        """Remarks on damaged or missing parts, including those from before the run was resumed."""
        earlier = self.about.get("remarks", [])
        return [*map(str, earlier if isinstance(earlier, list) else []), *self.remarks]


def read_run(path: Path) -> StoredRun:
    """Read a run from its folder, even if it is damaged or unfinished.

    Raises `SettingsError` if there is no run in it.
    """
    remarks: list[str] = []
    about = _read_about(path, remarks)
    is_whole = not remarks
    rows, damaged = _read_rows(path, about["cells"] if about else [], remarks)
    if about is None:
        if not len(rows):
            raise SettingsError(f"{str(path)!r} does not hold a run: {_ABOUT} cannot be read, and there are no rows")
        about = _about_of(rows)
    told = _read_summary(path).get("total_examples")
    if isinstance(told, int) and told > len(rows) and not damaged:
        remarks.append(f"{_ROWS} holds {len(rows)} rows, but there were {told}: {_AGAIN}")
    return StoredRun(about, rows, remarks, damaged, is_whole)


#: How lost answers are handled: in a remark before the run is resumed, and after.
_AGAIN, _ASKED = "resume=True asks again", "asked again"
#: Takes the place of a digest or a description that was lost.
_UNKNOWN = "no longer known"
#: The columns that identify a row.
_NAMES = ("cell_id", "example_id", "system", "condition", "repeat", "status")
#: The types of the entries of a run's description that are needed to resume it.
_KINDS: Mapping[str, type] = {"systems": list, "cells": list, "examples": dict, "conditions": dict}


def _read_about(path: Path, remarks: list[str]) -> dict[str, Any] | None:
    is_whole = False
    try:
        about, is_whole = read_sealed((path / _ABOUT).read_bytes())
    except FileNotFoundError:
        if not (path / _ROWS).is_file():
            raise SettingsError(f"{str(path)!r} does not hold a run: there is no {_ABOUT} in it") from None
        about, is_whole = {}, True
    except (OSError, ValueError):
        about = {}
    if not is_whole:
        about = _plausible(about)
    if any(name not in about for name in _KINDS):
        state = "missing" if is_whole and not about else "damaged"
        remarks.append(f"{_ABOUT} is {state}: the questions are known only from the rows, and the seed is not known")
        return None
    if not is_whole:
        remarks.append(f"{_ABOUT} was changed since it was written: its description of the run may be wrong")
    return about


def _plausible(about: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a damaged description that have the right type."""
    found = {name: value for name, value in about.items() if isinstance(value, _KINDS.get(name, object))}
    for name in _KINDS:
        told: Any = found.get(name, [])
        if not all(isinstance(each, str) for each in (*told, *(told.values() if isinstance(told, dict) else ()))):
            del found[name]
    if not is_amount(found.get("estimate_usd")):
        found["estimate_usd"] = None
    if not isinstance(found.get("libraries"), dict):
        found["libraries"] = {}
    return {"seed": None} | found


def _about_of(packed: PackedRows) -> dict[str, Any]:
    """Recover a run's description from its rows."""
    rows = list(packed)
    return {
        "seed": None,
        "systems": list(dict.fromkeys(row["system"] for row in rows)),
        "cells": [row["cell_id"] for row in rows],
        "examples": {row.get("example_id", ""): _UNKNOWN for row in rows},
        "conditions": {row.get("condition", ""): _UNKNOWN for row in rows},
    }


def read_questions(path: Path) -> dict[str, Any]:
    """Return the recipes of a run's examples by id, as far as they are undamaged."""
    try:
        lines = split_sealed((path / _DATASET).read_bytes(), "example_id").whole
    except OSError:
        return {}
    found = {}
    for line in lines:
        with suppress(ValueError, TypeError, LookupError, RecursionError):  # Earlier versions wrote no checksums.
            told = json.loads(line)
            found[told["example_id"]] = told
    return found


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary, is_whole = read_sealed((path / _SUMMARY).read_bytes())
    except (OSError, ValueError):
        return {}
    return summary if is_whole else {}


def read_stopped(path: Path) -> str:
    """Return why a run ended early, if that is known."""
    return str(_read_summary(path).get("stopped", ""))


def _read_rows(path: Path, cells: Iterable[str], remarks: list[str]) -> tuple[PackedRows, list[tuple[int, bytes]]]:
    """Return the undamaged rows, and the damaged lines."""
    if (whole := _whole_rows(path / _ROWS)) is not None:
        return whole, []
    try:
        data = (path / _ROWS).read_bytes()
    except FileNotFoundError:
        return PackedRows(), []
    except OSError as error:
        raise SettingsError(f"{str(path / _ROWS)!r} cannot be read: {error.strerror or error}") from error
    lines = split_sealed(data, "cell_id")
    damaged = list(lines.damaged)
    rows = PackedRows()
    for line in lines.whole:
        found = _row(line, ("cell_id", "system", "status") if lines.is_sealed else _NAMES)
        if found is None:
            damaged.append((data[: data.find(line)].count(b"\n") + 1, line))
        else:
            rows.put(*found)
    remarks.extend(_damage(damaged, cells, rows.ids, cut=not data.endswith(b"\n")))
    return rows, damaged


def _whole_rows(path: Path) -> PackedRows | None:
    """Return the rows of an undamaged file, line by line, without a second copy of it; `None` if anything is wrong."""
    rows = PackedRows()
    try:
        with path.open("rb") as file:
            for line in file:
                body = unseal(line.rstrip()) if line.endswith(b"\n") else None
                found = _row(body, ("cell_id", "system", "status")) if body is not None else None
                if found is None:
                    return None
                rows.put(*found)
    except OSError:
        return None
    return rows


def _row(line: bytes, needed: Iterable[str]) -> tuple[str, bytes] | None:
    """Return a line's cell and its row as JSON, if it is valid.

    Its id names its files, and a folder from someone else must not lead to files outside it.
    """
    try:
        row = msgspec.json.decode(line)  # It is fast, and keeps each column's name only once.
    except RecursionError:
        return None
    except msgspec.DecodeError:
        try:
            # Earlier versions wrote NaN for a missing number.
            row = json.loads(line, parse_constant=lambda name: None)
            line = _text(row)
        except ValueError:
            return None
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str | int) for name in needed):
        return None
    name = str(row["cell_id"])
    return (name, line) if name not in ("", "..") and Path(name).name == name else None


def _damage(
    damaged: list[tuple[int, bytes]], cells: Iterable[str], known: Iterable[str], *, cut: bool
) -> Iterable[str]:
    """Yield a remark for each damaged line, with its cell if that is known."""
    for number, line in damaged:
        told = re.search(rb'"cell_id": ?"([^"]+)"', line)
        cell_id = told[1].decode(errors="replace") if told else ""
        named = f" ({cell_id})" if cell_id in cells else ""
        what = "was cut off" if cut and (number, line) == damaged[-1] else "is damaged"
        again = "an earlier answer counts" if named and cell_id in known else _AGAIN
        yield f"{_ROWS}, line {number}{named} {what}: left out, with what it cost; {again}"


# --- The summary ------------------------------------------------------------------------------------------------------


def summary_of(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return totals, and each system's measures: mean, median, 95th and 99th percentile."""
    systems: dict[str, _Sums] = {}
    count, failed, cost_usd = 0, 0, cast("float | None", 0.0)
    for row in rows:
        count += 1
        failed += row["status"] == "failed"
        cost_usd = sum_known([cost_usd, spent_usd(row)])
        systems.setdefault(row["system"], _Sums()).add(row)
    return {
        "total_examples": count,
        "failed_examples": failed,
        "cost_usd": cost_usd,
        "systems": {system: sums.measures for system, sums in systems.items()},
    }


class _Sums:
    """The values of a system's measures, which are collected row by row."""

    def __init__(self) -> None:
        self._values: dict[str, array[float]] = {}
        self._counts = dict.fromkeys(WORD_COUNTS, 0)
        self._tasks = list[dict[str, Any]]()

    def add(self, row: dict[str, Any]) -> None:
        for name in measures_of([row]):
            if (value := value_of(row, name)) is not None:
                self._values.setdefault(name, array("d")).append(value)
        if row["status"] != "failed":
            for name in WORD_COUNTS:
                self._counts[name] += row.get(name) or 0
        if row.get("task_success") is not None:
            self._tasks.append({name: row.get(name) for name in ("task_success", "cost_usd")})

    @property
    def measures(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name in sorted(self._values, key=place_of):
            found[f"{name}_mean"] = float(np.mean(self._values[name]))
            for share in (50, 95, 99):
                found[f"{name}_p{share}"] = float(np.percentile(self._values[name], share))
        *errors, words = self._counts.values()
        if words:
            found["wer_of_all_words"] = sum(errors) / words
        if (per_task_usd := cost_per_task_usd(self._tasks)) is not None:
            found["cost_per_task_usd"] = per_task_usd
        return found


# --- The answers of a run, for pictures, pages and comparisons --------------------------------------------------------


class Answers:
    """The answers of a run, or those so far; `Results` adds summaries, pictures and reports."""

    def __init__(self, path: str | Path, *, kept: RunFolder | None = None):
        self.path = Path(path)
        """The folder: ``results.csv``, ``summary.json``, ``clips/``, ``recordings/``, ``conversations/``."""
        told = read_run(self.path) if kept is None else kept.kept
        self.about = told.about
        """The run's settings: ``seed``, ``examples``, ``conditions``, ``systems``, ``estimate_usd``, versions."""
        self.stopped = (kept.failure if kept else "") or read_stopped(self.path)
        """Why the run ended early; empty if it did not, or was killed."""
        self._told = told

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each answer, in the order of the grid."""
        packed = self._told.rows
        return [packed[cell_id] for cell_id in packed.ordered(self.about["cells"])]

    @cached_property
    def remarks(self) -> list[str]:
        """Damaged or missing parts of the folder, clips that are not the same for all, and grades that are missing."""
        return [*self._told.all_remarks, *clip_remarks(self.path, self.rows), *_grading_remarks(self.rows)]

    @property
    def missing(self) -> int:
        """How many answers are still missing; ``run(…, resume=True)`` asks for them."""
        return len(set(self.about["cells"]).difference(self._told.rows.ids))

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The rows that failed: ``failure_stage``, ``error_type``, ``error_message``."""
        return [row for row in self.rows if row["status"] == "failed"]

    @property
    def cost_usd(self) -> float | None:
        """The cost, judges and simulated users included; `None` if an answer's price is not known."""
        spent = [spent_usd(row) for row in self.rows]
        known = [cost_usd for cost_usd in spent if cost_usd is not None]
        return sum(known) if len(known) == len(spent) else None

    def __len__(self) -> int:
        return len(self._told.rows)


def _grading_remarks(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what graders failed with, the most frequent first."""
    for told, count in Counter(row["grading_remarks"] for row in rows if row.get("grading_remarks")).most_common():
        yield f"{count} answer{'s lack' if count > 1 else ' lacks'} a grade: {told}"
