"""Compare two runs: the same questions on another day, or with other settings."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..display import printable
from .clips import heard_differently
from .folder import Answers
from .plots import Drawing
from .provenance import changes, made_with, other_parts
from .statistics import (
    FACTORS,
    Row,
    by_example,
    caveat_of,
    compared_rows,
    difference_of,
    format_difference,
    format_value,
    grouped,
    is_binary,
    label_of,
    main_measures,
    measured,
    named_columns,
)

if TYPE_CHECKING:
    import pandas

    from ..views.interval_plot import Panel


class RunComparison:
    """The differences between two runs; made by `Results.compare`. A notebook shows them as a table and a picture.

    A difference is the other run's value minus this one's, over the examples and conditions that are the same in both.
    """

    def __init__(self, results: Answers, other: Answers, by: str | Sequence[str] = "system", *, seed: int = 0):
        self.results = results
        self.other = other
        self.by = named_columns(by, results.rows)
        """The columns that make the groups."""
        self.seed = seed
        self.rows = list(self._compared())
        """A row for each group and measure, as in `frame`."""

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each group and measure that this run has.

        ``mean`` here and ``other_mean`` there; ``difference``, its 95 % interval ``low`` and ``high``, effect size
        ``effect``, ``pairs``, ``method`` and ``caveat``, as in `Results.summary`.
        """
        import pandas

        return pandas.DataFrame(self.rows)

    @property
    def plot(self) -> DifferencePlot:
        """The differences of the main measures, with their intervals, around 0."""
        return DifferencePlot(self)

    @property
    def main_rows(self) -> list[Row]:
        """The rows of the main measures that both have: grades, word errors, first audible sample, cost."""
        wanted = main_measures([*self.results.rows, *self.other.rows])
        found = [row for row in self.rows if row["measure"] in wanted and row["difference"] is not None]
        return sorted(found, key=lambda row: wanted.index(row["measure"]))

    @property
    def remarks(self) -> list[str]:
        """Other differences than in the answers: settings, versions, examples, conditions, seeds."""
        found = []
        for kind, name in (("examples", "example"), ("conditions", "condition")):
            ours, theirs = self.results.about[kind], self.other.about[kind]
            for count, what in (
                (len(ours.keys() - theirs.keys()), "in this run only"),
                (len(theirs.keys() - ours.keys()), "in the other only"),
                (len(self._changed(kind)), "not the same in both"),
            ):
                if count:
                    found.append(f"{count} {name}{'s' if count > 1 else ''} {what}: left out")
        if self.results.about["seed"] != self.other.about["seed"]:
            found.append(f"seed {self.results.about['seed']} → {self.other.about['seed']}: the noise differs")
        found += heard_differently(self.results.rows, self.other.rows)
        runs = [made_with(each.path, each.rows, each.about["systems"]) for each in (self.results, self.other)]
        for system in runs[0].keys() & runs[1].keys():
            found += [f"{system}: {change}" for change in changes(runs[0][system], runs[1][system])]
        return [*found, *other_parts(self.results.rows, self.other.rows)]

    def _changed(self, kind: str) -> set[str]:
        ours, theirs = self.results.about[kind], self.other.about[kind]
        return {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]}

    def _compared(self) -> Iterator[Row]:
        examples, conditions = self._changed("examples"), self._changed("conditions")
        ours, theirs = (grouped(each.rows, self.by, each.about) for each in (self.results, self.other))
        paired_by = [name for name in FACTORS if name not in self.by]
        for key, rows in ours.items():
            others = theirs.get(key, [])
            same, others_same = (
                [row for row in each if row["example_id"] not in examples and row["condition"] not in conditions]
                for each in (rows, others)
            )
            compared = compared_rows(others_same, same, paired_by)
            for measure in measured(rows):
                binary = is_binary([*rows, *others], measure)
                found = difference_of(compared, measure, is_binary=binary, seed=self.seed)
                yield (
                    dict(zip(self.by, key, strict=True))
                    | {"measure": measure, "mean": _mean(rows, measure), "other_mean": _mean(others, measure)}
                    | found
                    | {"caveat": caveat_of(found["pairs"])}
                )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return _bundle(self)

    def __repr__(self) -> str:
        pairs = max((row["pairs"] for row in self.rows), default=0)
        return f"RunComparison({str(self.results.path)!r} → {str(self.other.path)!r}: {pairs} pairs)"


class DifferencePlot(Drawing):
    """The differences between two runs; made by `RunComparison.plot`."""

    def __init__(self, comparison: RunComparison):
        self._comparison = comparison
        self._rows = comparison.main_rows

    @property
    def caption(self) -> str:
        """As for `Drawing`."""
        methods = sorted({row["method"] for row in self._rows if row["method"]})
        return (
            "Marker: mean difference, the other run's minus this one's, on the same examples; line: its 95 % interval "
            f"({', '.join(methods) or 'none'}; seed {self._comparison.seed})."
        )

    @property
    def description(self) -> str:
        """As for `Drawing`."""
        return "\n".join(
            f"{label_of(row['measure'])}: {self._name(row)} "
            f"{format_difference(row['difference'], row['low'], row['high'], row['measure'])}"
            for row in self._rows
        )

    def _name(self, row: Row) -> str:
        return " · ".join(str(row[name]) for name in self._comparison.by)

    def _panels(self) -> list[Panel]:
        from ..views.interval_plot import IntervalMark, Panel

        measures = list(dict.fromkeys(row["measure"] for row in self._rows))
        names = list(dict.fromkeys(map(self._name, self._rows)))
        found = {(row["measure"], self._name(row)): row for row in self._rows}
        panels = []
        for measure in measures:
            marks = []
            for name in names:
                row = found.get((measure, name), {})
                marks.append(IntervalMark(name, "", row.get("difference"), row.get("low"), row.get("high")))
            panels.append(Panel(f"{label_of(measure)}: difference", marks, is_difference=True))
        return panels


def _bundle(comparison: RunComparison) -> dict[str, Any]:
    """Return a comparison as a notebook shows it."""
    from ..views import words
    from ..views.html import note, picture, section, table, unbroken

    header = (*comparison.by, "measure", "here", "there", "difference", "effect size d_z", "pairs")
    rows = [
        (
            *(str(row[name]) for name in comparison.by),
            label_of(row["measure"]),
            *(format_value(row[name], row["measure"]) for name in ("mean", "other_mean")),
            format_difference(row["difference"], row["low"], row["high"], row["measure"]),
            "–" if row["effect"] is None else f"{row['effect']:+.2f}".replace("-", "−"),
            str(row["pairs"]),
        )
        for row in comparison.main_rows
    ]
    remarks = comparison.remarks
    lines = [repr(comparison), *(", ".join(map(" ".join, zip(header, row, strict=True))) for row in rows), *remarks]
    bundle: dict[str, Any] = {"text/plain": printable("\n".join(lines))}
    parts = [note("No example was answered in both runs, so there is nothing to compare.")]
    if rows:
        plot = comparison.plot
        png = plot.to_png()
        bundle["image/png"] = base64.b64encode(png).decode()
        parts = [
            table(header, ([unbroken(cell) for cell in row] for row in rows)),
            picture(png, plot.description),
            note(f"{plot.caption} If an interval includes 0, these examples do not tell the runs apart."),
        ]
    remarks += dict.fromkeys(row["caveat"] for row in comparison.main_rows if row["caveat"])
    parts += [note(remark) for remark in remarks]
    title = f"{comparison.results.path} → {comparison.other.path} · {words.DISCLOSURE}"
    bundle["text/html"] = str(section(*parts, title=title))
    return bundle


def _mean(rows: Sequence[Row], measure: str) -> float | None:
    values = by_example(rows, measure)
    return float(np.concatenate(values).mean()) if values else None
