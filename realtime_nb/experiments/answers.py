"""`Answers`: what a run's folder tells, as far as pictures, pages and comparisons need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .folder import RunFolder, in_order, read_run, read_stopped
from .metrics import spent_usd


class Answers:
    """The answers of a run, or those that there are so far; `Results` adds what can be made of them."""

    def __init__(self, path: str | Path, *, kept: RunFolder | None = None):
        self.path = Path(path)
        """The folder: ``results.csv``, ``summary.json``, ``events/``, ``audio/``, ``recordings/``."""
        told = read_run(self.path) if kept is None else kept.kept
        self.about = told.about
        """What was run: ``seed``, ``examples``, ``conditions``, ``systems``, ``estimate_usd``, versions."""
        self.stopped = read_stopped(self.path) if kept is None else kept.failure
        """Why the run ended before all was done; empty if it did not, or was killed."""
        self.rows: list[dict[str, Any]] = in_order(told.rows, self.about["cells"])
        """A row for each answer, in the order of the grid."""
        self.remarks = told.all_remarks
        """What of the folder was damaged or missing, and what was made of that."""

    @property
    def missing(self) -> int:
        """How many answers are still to be had, by ``run(…, resume=True)``."""
        return len(set(self.about["cells"]) - {row["cell_id"] for row in self.rows})

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The rows of what failed: ``failure_stage``, ``error_type``, ``error_message``."""
        return [row for row in self.rows if row["status"] == "failed"]

    @property
    def cost_usd(self) -> float | None:
        """What it cost, judges and simulated users included; `None` if an answer's price is not known."""
        spent = [spent_usd(row) for row in self.rows]
        known = [cost_usd for cost_usd in spent if cost_usd is not None]
        return sum(known) if len(known) == len(spent) else None

    def __len__(self) -> int:
        return len(self.rows)
