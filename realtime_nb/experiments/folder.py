"""A run on the disk: written while it goes on, so that whatever ends it, what was paid for is there.

``rows.jsonl`` gets a line for each cell as soon as it is done, after the cell's files; ``results.csv``, or
``results.parquet``, and ``summary.json`` are made of it at the end. The layout is the OpenAI cookbook's
(``examples/evals/realtime_evals``), with ``recordings/`` beside it, of which each is what `Recording.load` takes.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import MissingExtra, SettingsError
from .cells import Outcome, plain_value
from .metrics import MEASURES, NO_MEASURES, cost_per_task_usd, spent_usd, value_of
from .retrying import after

_ABOUT, _ROWS, _SUMMARY = "run.json", "rows.jsonl", "summary.json"
_TABLES = ("csv", "parquet")


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path : Path
        Where.
    about : dict
        What the run is: ``seed``, ``systems``, ``cells`` (ids in order), ``examples`` (digests by id), ``conditions``
        (by name). Of a run that is gone on with, what it was before is added.
    resume : bool
        Whether to go on with a run that is there.
    table : {"csv", "parquet"}, default "csv"
        Format of the table at the end.

    Raises
    ------
    SettingsError
        If there is a run and it must not be gone on with, or it is another one; or the folder cannot be written to.
    MissingExtra
        If nothing is installed that writes that table.
    """

    def __init__(self, path: Path, about: dict[str, Any], *, resume: bool, table: str = "csv"):
        self.path = path
        self.about = about
        self._table = _checked_table(table)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                self._check_same(resume)
            _write(path / _ABOUT, json.dumps(about, ensure_ascii=False, indent=1).encode())
            self._rows = {row["cell_id"]: row for row in read_rows(path)}
            self._lines: IO[bytes] = self._opened()
        except OSError as error:
            raise SettingsError(f"out={str(path)!r} cannot be written to: {error.strerror or error}") from error

    def _check_same(self, resume: bool) -> None:
        if not (self.path / _ABOUT).is_file():
            raise SettingsError(f"out={str(self.path)!r} holds other files: choose a new folder")
        if not resume:
            raise SettingsError(
                f"out={str(self.path)!r} holds a run: go on with it by resume=True, or choose a new folder"
            )
        before = read_about(self.path)
        if before["seed"] != self.about["seed"]:
            raise SettingsError(
                f"seed={self.about['seed']} is not that of the run in {str(self.path)!r}, {before['seed']}"
            )
        for kind in ("examples", "conditions"):
            for name, what in self.about[kind].items():
                if before[kind].get(name, what) != what:
                    raise SettingsError(
                        f"{kind.removesuffix('s')} {name!r} is not what it was in {str(self.path)!r}: "
                        "choose a new folder"
                    )
        for kind in ("examples", "conditions"):
            self.about[kind] = before[kind] | self.about[kind]
        for kind in ("systems", "cells"):
            self.about[kind] = list(dict.fromkeys([*before[kind], *self.about[kind]]))

    def _opened(self) -> IO[bytes]:
        """Open the lines for more, without one that was cut off in the middle."""
        file = (self.path / _ROWS).open("ab")
        whole = (self.path / _ROWS).read_bytes().rfind(b"\n") + 1
        file.truncate(whole)
        return file

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What came of each cell so far: of one that was tried in several runs the latest."""
        return list(self._rows.values())

    def add(self, outcome: Outcome) -> None:
        """Write what came of a cell: its files, then its row, which knows of those of earlier runs."""
        earlier = self._rows.get(outcome.row["cell_id"])
        row = outcome.row if earlier is None else after(outcome.row, [earlier])
        for name, data in outcome.files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        self._rows[row["cell_id"]] = row
        self._lines.write(json.dumps(row, ensure_ascii=False, default=plain_value).encode() + b"\n")
        self._lines.flush()

    def close(self) -> None:
        """Write no more."""
        self._lines.close()

    def finish(self, stopped: str) -> None:
        """Write the table and the summary; `stopped` says why the run ended before all was done."""
        self.close()
        rows = in_order(self.rows, self.about["cells"])
        for kind in _TABLES:
            (self.path / f"results.{kind}").unlink(missing_ok=True)  # Of an earlier run, perhaps in the other format.
        _write(self.path / f"results.{self._table}", _csv(rows) if self._table == "csv" else _parquet(rows))
        _write(self.path / _SUMMARY, json.dumps(summary_of(rows) | {"stopped": stopped}, indent=1).encode())


def _checked_table(table: str) -> str:
    if table not in _TABLES:
        raise SettingsError(f"table={table!r} is neither 'csv' nor 'parquet'")
    if table == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise MissingExtra("table='parquet'", "parquet", "No module named 'pyarrow'")
    return table


def _csv(rows: list[dict[str, Any]]) -> bytes:
    table = io.StringIO()
    writer = csv.DictWriter(table, dict.fromkeys(name for row in rows for name in row))
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue().encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pandas

    table = io.BytesIO()
    pandas.DataFrame(rows).to_parquet(table, engine="pyarrow", index=False)
    return table.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


def read_about(path: Path) -> dict[str, Any]:
    """Return what a run is."""
    try:
        about: dict[str, Any] = json.loads((path / _ABOUT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{str(path)!r} holds no run: {error}") from None
    return about


def read_stopped(path: Path) -> str:
    """Return why a run ended before all was done, where it is known."""
    try:
        return str(json.loads((path / _SUMMARY).read_text("utf-8"))["stopped"])
    except (OSError, ValueError, KeyError):
        return ""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows that are whole, one for each cell: the latest.

    Raises
    ------
    SettingsError
        If a row is not one of a run's. Its id is the name of its files, and somebody else's folder must not lead to
        files outside of it.
    """
    file = path / _ROWS
    lines = file.read_bytes().split(b"\n")[:-1] if file.is_file() else []
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        row = json.loads(line)
        name = row["cell_id"]
        if name in ("", "..") or Path(name).name != name:
            raise SettingsError(f"{str(file)!r}, line {number}: cell_id={name!r} is not the name of a file")
        rows[row["cell_id"]] = row
    return list(rows.values())


def in_order(rows: list[dict[str, Any]], cells: list[str]) -> list[dict[str, Any]]:
    """Return rows in the order of the grid, whatever came first."""
    place = {cell_id: index for index, cell_id in enumerate(cells)}
    return sorted(rows, key=lambda row: place.get(row["cell_id"], len(place)))


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return totals, and of each system what its measures come to."""
    known = [cost_usd for row in rows if (cost_usd := spent_usd(row)) is not None]
    return {
        "total_examples": len(rows),
        "failed_examples": sum(row["status"] == "failed" for row in rows),
        "cost_usd": sum(known),
        "systems": {
            system: _measures([row for row in rows if row["system"] == system])
            for system in dict.fromkeys(row["system"] for row in rows)
        },
    }


def _measures(rows: list[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in measures_of(rows):
        values = [value for row in rows if (value := value_of(row, name)) is not None]
        if values:
            p50, p95 = np.percentile(values, (50, 95))
            found |= {f"{name}_mean": float(np.mean(values)), f"{name}_p50": float(p50), f"{name}_p95": float(p95)}
    if (per_task_usd := cost_per_task_usd(rows)) is not None:
        found["cost_per_task_usd"] = per_task_usd
    return found


def measures_of(rows: list[dict[str, Any]]) -> list[str]:
    """Return the measures that rows have: grades first, those of the caller's own graders last."""
    grades = dict.fromkeys(name for row in rows for name in row if name.startswith("grade_"))
    numbers = dict.fromkeys(name for row in rows for name, value in row.items() if type(value) in (int, float))
    own = [name for name in numbers if name not in {*grades, *MEASURES, *NO_MEASURES}]
    return [name for name in (*grades, *MEASURES, *own) if any(row.get(name) is not None for row in rows)]
