"""What came of a run: rows, sums, differences, and each answer's own record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..conversation import Conversation
from ..errors import SettingsError
from ..paired import paired_difference
from ..pricing import format_usd
from ..recording.recording import Recording
from ..turns import Reply
from .folder import in_order, measures_of, read_about, read_rows, read_stopped

if TYPE_CHECKING:
    import pandas

_FACTORS = ("system", "condition", "repeat", "example_id")


class Results:
    """What came of a run, or has come of it so far; made by `run`, or read again by `Results.load`.

    Examples
    --------
    >>> results = Results.load("results/monday")                                        # doctest: +SKIP
    >>> results.summary(by=("system", "condition"))                                     # doctest: +SKIP
    >>> results.show(results.frame.query("wer > 0.5").index[0])                         # doctest: +SKIP
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        """The folder: ``results.csv``, ``summary.json``, ``events/``, ``audio/``, ``recordings/``."""
        self.about = read_about(self.path)
        """What was run: ``seed``, ``examples``, ``conditions``, ``systems``, ``estimate_usd``, versions."""
        self.stopped = read_stopped(self.path)
        """Why the run ended before all was done; empty where it did not, or was killed."""
        self.rows: list[dict[str, Any]] = in_order(read_rows(self.path), self.about["cells"])
        """A row for each answer, in the order of the grid."""

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read a run's folder, also one whose run was killed.

        Raises
        ------
        SettingsError
            If there is no run in it.
        """
        return cls(path)

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
        """What it cost; `None` where an answer's price is not known."""
        answered = [row["cost_usd"] for row in self.rows if "cost_usd" in row]
        return None if None in answered else sum(answered)

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each answer, in the order of the grid."""
        import pandas

        return pandas.DataFrame(self.rows)

    def summary(
        self, by: str | Sequence[str] = "system", *, baseline: str | None = None, seed: int = 0
    ) -> pandas.DataFrame:
        """Return what each group's measures come to, and how far it is from a baseline.

        Parameters
        ----------
        by : str or sequence of str, default "system"
            Columns that make the groups, e.g. ``("system", "condition")`` or ``"tags"``.
        baseline : optional
            A value of the first of these; by default the first that there is.
        seed : int, default 0
            Of the resampling.

        Returns
        -------
        summary : pandas.DataFrame
            A row for each group and measure: ``count``, ``mean``, ``median``, ``p95``; ``difference`` to the group
            that differs in the first column alone, its 95 % interval ``low`` and ``high``, effect size ``effect``,
            and ``pairs``, the number of examples in it.

        Raises
        ------
        SettingsError
            If there is no such column, or no such baseline.

        Notes
        -----
        Paired by example, condition and repeat, as far as they are not what is compared; differences within an
        example are averaged first, because repeats and conditions of one clip do not tell about other clips. Interval
        (percentile bootstrap over examples) and effect size (*d_z*): see `realtime_nb.paired`.
        """
        import pandas

        columns = [by] if isinstance(by, str) else list(by)
        self._check_columns(columns)
        levels = list(dict.fromkeys(row.get(columns[0]) for row in self.rows))
        reference = levels[0] if baseline is None else baseline
        if reference not in levels:
            raise SettingsError(f"baseline={baseline!r} is not one of {', '.join(map(str, levels))}")
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in self.rows:
            groups.setdefault(tuple(row.get(name) for name in columns), []).append(row)
        found = []
        for key, rows in groups.items():
            base = groups.get((reference, *key[1:]), []) if key[0] != reference else []
            paired_by = [name for name in _FACTORS if name not in columns]
            for measure in measures_of(rows):
                values = pandas.Series([row[measure] for row in rows if row.get(measure) is not None], dtype=float)
                found.append(
                    dict(zip(columns, key, strict=True))
                    | {"measure": measure, "count": len(values), "mean": values.mean(), "median": values.median()}
                    | {"p95": values.quantile(0.95)}
                    | _difference(rows, base, measure, paired_by, seed)
                )
        return pandas.DataFrame(found)

    def _check_columns(self, columns: list[str]) -> None:
        known = dict.fromkeys(name for row in self.rows for name in row)
        unknown = [name for name in columns if name not in known]
        if unknown or not columns or not self.rows:
            raise SettingsError(
                f"by={columns} must name columns of the results: {', '.join(known) or 'there are none'}"
            )

    def compare(self, other: Results, *, seed: int = 0) -> pandas.DataFrame:
        """Compare with another run: the same examples, conditions and systems, on another day or with other settings.

        Parameters
        ----------
        other : Results
            What is compared with this.
        seed : int, default 0
            Of the resampling.

        Returns
        -------
        comparison : pandas.DataFrame
            A row for each system and measure that both have: ``difference`` (the other's less this one's), ``low``,
            ``high``, ``effect``, ``pairs``, as in `summary`; ``mean`` here, and ``other_mean`` there.
        """
        import pandas

        found = []
        for system in dict.fromkeys(row["system"] for row in self.rows):
            ours = [row for row in self.rows if row["system"] == system]
            theirs = [row for row in other.rows if row["system"] == system]
            for measure in measures_of(ours):
                means = [
                    pandas.Series([row[measure] for row in rows if row.get(measure) is not None], dtype=float).mean()
                    for rows in (ours, theirs)
                ]
                difference = _difference(theirs, ours, measure, ["example_id", "condition", "repeat"], seed)
                found.append(
                    {"system": system, "measure": measure, "mean": means[0], "other_mean": means[1]} | difference
                )
        return pandas.DataFrame(found)

    def show(self, row: int | str) -> Reply | Conversation:
        """Return an answer's own record, as its session had it: it plays, reads, and says what it took.

        Parameters
        ----------
        row : int or str
            Its index in `frame`, or its ``cell_id``.

        Returns
        -------
        record : Reply or Conversation
            The last reply; the conversation where there was none.

        Raises
        ------
        SettingsError
            If there is no such row, or nothing came of it; the message says why.
        """
        found = [each for index, each in enumerate(self.rows) if row in (index, each["cell_id"])]
        if not found:
            raise SettingsError(f"row={row!r} is neither an index below {len(self.rows)} nor a cell_id of the results")
        folder = self.path / "recordings" / found[0]["cell_id"]
        if not folder.is_dir():
            why = found[0]["error_message"] or "its recording is not there"
            raise SettingsError(f"there is nothing to show of {found[0]['cell_id']}: {why}")
        conversation = Recording.load(folder).conversation
        return conversation.replies[-1] if conversation.replies else conversation

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .look import results_bundle  # Whoever prints nothing needs no views.

        return results_bundle(self)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        cost = "unknown cost" if self.cost_usd is None else format_usd(self.cost_usd)
        missing = f", {self.missing} missing" if self.missing else ""
        stopped = f"; stopped: {self.stopped}" if self.stopped else ""
        return f"Results({str(self.path)!r}: {len(self)} answers, {len(self.failed)} failed{missing}, {cost}{stopped})"


def _difference(
    rows: list[dict[str, Any]], base: list[dict[str, Any]], measure: str, paired_by: list[str], seed: int
) -> dict[str, float | int | None]:
    """Return how far rows are from a baseline's, paired."""
    ours, theirs = ({tuple(row[name] for name in paired_by): row for row in each} for each in (rows, base))
    by_example: dict[Any, list[float]] = {}
    for key in sorted(ours.keys() & theirs.keys(), key=str):
        values = ours[key].get(measure), theirs[key].get(measure)
        if values[0] is not None and values[1] is not None:
            by_example.setdefault(ours[key]["example_id"], []).append(values[0] - values[1])
    found = paired_difference([sum(each) / len(each) for each in by_example.values()], seed)
    if found is None:
        return {"difference": None, "low": None, "high": None, "effect": None, "pairs": len(by_example)}
    return {
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "effect": found.effect,
        "pairs": found.pairs,
    }
