"""`Answers`: the rows of a run's folder, for pictures, pages and comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .clips import clip_remarks
from .folder import RunFolder, in_order, read_run, read_stopped
from .metrics import spent_usd


class Answers:
    """The answers of a run, or those so far; `Results` adds summaries, pictures and reports."""

    def __init__(self, path: str | Path, *, kept: RunFolder | None = None):
        self.path = Path(path)
        """The folder: ``results.csv``, ``summary.json``, ``events/``, ``audio/``, ``recordings/``."""
        told = read_run(self.path) if kept is None else kept.kept
        self.about = told.about
        """The run's settings: ``seed``, ``examples``, ``conditions``, ``systems``, ``estimate_usd``, versions."""
        self.stopped = read_stopped(self.path) if kept is None else kept.failure
        """Why the run ended early; empty if it did not, or was killed."""
        self.rows: list[dict[str, Any]] = in_order(told.rows, self.about["cells"])
        """A row for each answer, in the order of the grid."""
        self.remarks = [*told.all_remarks, *clip_remarks(self.path, self.rows), *_grading_remarks(self.rows)]
        """Damaged or missing parts of the folder, and how they were handled; clips that are not the same for all; and
        grades that are missing."""

    @property
    def missing(self) -> int:
        """How many answers are still missing; ``run(…, resume=True)`` asks for them."""
        return len(set(self.about["cells"]) - {row["cell_id"] for row in self.rows})

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
        return len(self.rows)


def _grading_remarks(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what graders failed with, the most frequent first."""
    for told, count in Counter(row["grading_remarks"] for row in rows if row.get("grading_remarks")).most_common():
        yield f"{count} answer{'s lack' if count > 1 else ' lacks'} a grade: {told}"
