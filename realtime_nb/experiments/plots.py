"""Results as pictures for print: ``results.plot.latency()``, ``.cost()``, ``.grades()``."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..display import printable
from ..errors import SettingsError
from ..speech.statistics import RESAMPLES, Interval, Statistic, interval_of
from .statistics import (
    Row,
    by_example,
    graded,
    grouped,
    is_binary,
    is_share,
    label_of,
    measured,
    named_columns,
    within,
)

if TYPE_CHECKING:
    import pandas

    from ..views.interval_plot import Panel


# --- A picture for print: how it is saved, and how a notebook shows it ------------------------------------------------

_FORMATS = ("pdf", "svg", "png")


class Drawing(ABC):
    """A picture of means or medians with their intervals; made by ``results.plot`` and by comparisons of runs."""

    @property
    @abstractmethod
    def caption(self) -> str:
        """The caption: what the signs mean, and how the intervals were made."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The picture in words and numbers, for readers who cannot see it."""

    @abstractmethod
    def _panels(self) -> Sequence[Panel]:
        """Return the panels to draw."""

    @property
    def figure(self) -> Any:
        """The picture as a `matplotlib.figure.Figure`, in black on white, to change before it is saved."""
        return self._drawn(ink="black")

    def save(self, path: str | Path, *, width_mm: float = 183.0, dpi: int = 300) -> Path:
        """Write the picture in black on white, for print; equal results give equal files.

        Parameters
        ----------
        path : str or Path
            A name that ends in ``.pdf`` or ``.svg`` (vector graphics, sharp at any size), or ``.png``.
        width_mm : float, default 183.0
            The figure's width; a journal's page has 183 mm, a column about 89.
        dpi : int, default 300
            Dots per inch of a PNG.

        Returns
        -------
        path : Path

        Raises
        ------
        SettingsError
            If the name has another ending, or the width is not between 40 and 2000.
        """
        from ..views.interval_plot import to_bytes

        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in _FORMATS:
            raise SettingsError(f"{path.name!r} must end in .{', .'.join(_FORMATS)}")
        if not 40 <= width_mm <= 2_000:
            raise SettingsError(f"width_mm={width_mm} is not between 40 and 2000")
        path.write_bytes(to_bytes(self._drawn(ink="black", width_mm=width_mm), kind, dpi=dpi))
        return path

    def to_svg(self) -> str:
        """Return the picture as an SVG element, in the text colour of the page around it."""
        from ..views.interval_plot import to_inline_svg

        return to_inline_svg(self._drawn(ink=""), self.description)

    def _drawn(self, **options: Any) -> Any:
        from ..views.interval_plot import draw

        return draw(self._panels(), **options)

    def to_png(self) -> bytes:
        """Return the picture as a small PNG for a notebook, readable on light and dark backgrounds."""
        from ..views.plots import INK, compact

        return compact(self._drawn(ink=INK))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from ..views.html import note, picture, section

        png = self.to_png()
        return {
            "text/plain": printable(f"{self.description}\n{self.caption}"),
            "text/html": str(section(picture(png, self.description), note(self.caption))),
            "image/png": base64.b64encode(png).decode(),
        }


# --- The pictures of results: ``results.plot.latency()``, ``.cost()``, ``.grades()`` ----------------------------------

_BY = ("system", "condition")
#: Answers that took longer than this many times the median need a logarithmic axis.
_FAR_OUT = 10


class Plots:
    """The pictures of `Results`, in ``results.plot``.

    Examples
    --------
    >>> import functools
    >>> import realtime_nb as rt
    >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
    >>> texts = ["What time is it?", "What can you do?"]
    >>> results = rt.run(rt.Dataset.from_texts(texts), systems, out="results/monday", progress=False)
    >>> results.plot.latency().save("latency.pdf").name
    'latency.pdf'
    """

    def __init__(self, rows: list[Row], about: Mapping[str, Any]):
        self._rows = rows
        self._about = about

    def latency(
        self, measure: str = "latency_first_audible_ms", *, by: str | Sequence[str] = _BY, seed: int = 0
    ) -> Plot:
        """Draw how long answers take: each answer, medians with 95 % intervals, and 95th percentiles.

        Parameters
        ----------
        measure : str, default "latency_first_audible_ms"
            A measure of time, e.g. ``"latency_response_done_ms"`` or ``"turn_gap_ms"``.
        by : str or sequence of str, default ("system", "condition")
            One or two columns: rows, and colours within them.
        seed : int, default 0
            Of the resampling.

        Returns
        -------
        plot : Plot

        Raises
        ------
        SettingsError
            If there is no such measure or column.
        """
        return Plot(self._rows, self._about, [measure], by, "median", dots=True, seed=seed)

    def cost(self, measure: str = "cost_usd", *, by: str | Sequence[str] = _BY, seed: int = 0) -> Plot:
        """Draw the cost of answers: each answer, means with 95 % intervals, and 95th percentiles.

        If all are free, as with the local voice, it draws their tokens instead.

        Parameters
        ----------
        measure : str, default "cost_usd"
            Or ``"cost_per_minute_usd"``, ``"judge_cost_usd"``, ``"user_cost_usd"``.
        by, seed
            As in `latency`.

        Returns
        -------
        plot : Plot

        Raises
        ------
        SettingsError
            If there is no such measure or column, or no price is known.
        """
        rows = self._rows
        answered = any(row["status"] == "completed" for row in rows)
        if measure == "cost_usd" and answered and all(row.get(measure) is None for row in rows):
            raise SettingsError("no answer's price is known: set prices with realtime_nb.use_prices, and run again")
        is_free = not any(row.get(measure) for row in rows)
        measures = [name for name in ("input_tokens", "output_tokens") if is_free and name in measured(rows)]
        return Plot(self._rows, self._about, measures or [measure], by, "mean", dots=True, seed=seed)

    def grades(self, *measures: str, by: str | Sequence[str] = _BY, seed: int = 0) -> Plot:
        """Draw how good answers are: means with 95 % intervals.

        Parameters
        ----------
        *measures : str
            The measures to draw; by default all grades, whether tools and arguments are right, word errors, and, if
            some failed, the share of completed answers.
        by, seed
            As in `latency`.

        Returns
        -------
        plot : Plot

        Raises
        ------
        SettingsError
            If there is no such measure or column, or nothing was graded.
        """
        found = list(measures) or graded(self._rows)
        if not found:
            raise SettingsError("nothing was graded: run with graders=, or with texts to compare with the transcripts")
        return Plot(self._rows, self._about, found, by, "mean", dots=False, seed=seed)


class Plot(Drawing):
    """A picture of results, shown in a notebook; made by `Plots`."""

    def __init__(
        self,
        rows: list[Row],
        about: Mapping[str, Any],
        measures: Sequence[str],
        by: str | Sequence[str],
        statistic: Statistic,
        *,
        dots: bool,
        seed: int,
    ):
        self.measures = list(measures)
        """The measures drawn, from left to right."""
        self.by = named_columns(by, rows)
        """The columns that make rows and colours."""
        if len(self.by) > 2:
            raise SettingsError(f"by={self.by} must name one or two columns: rows, and colours within them")
        known = measured(rows)
        if rows and not any(row["status"] == "completed" for row in rows) and {*measures} - {*known}:
            raise SettingsError(
                f"there is no {', '.join(measures)}, because all {len(rows)} answers failed: check results.failed"
            )
        for measure in measures:
            if measure not in known and measure != "completed":
                raise SettingsError(
                    f"measure={measure!r} is not one of {', '.join(known) or 'any: nothing was measured'}"
                )
        self.statistic: Statistic = statistic
        """``"mean"`` or ``"median"``."""
        self._dots = dots
        self._seed = seed
        self._binary = {measure: is_binary(rows, measure) for measure in self.measures}
        groups = grouped(rows, self.by, about)
        self._values = {
            (key, measure): by_example(group, measure) for measure in self.measures for key, group in groups.items()
        }

    @cached_property
    def _intervals(self) -> dict[tuple[tuple[Any, ...], str], Interval | None]:
        return {
            (key, measure): interval_of(
                values,
                self.statistic,
                is_binary=self._binary[measure],
                within=within(measure, is_binary=self._binary[measure]),
                seed=self._seed,
            )
            for (key, measure), values in self._values.items()
        }

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each group and measure; ``low`` to ``high`` is the 95 % interval."""
        import pandas

        return pandas.DataFrame(
            dict(zip(self.by, key, strict=True))
            | {"measure": measure, "examples": len(values), "answers": sum(map(len, values))}
            | {self.statistic: found.center if found else None}
            | {"low": found.low if found else None, "high": found.high if found else None}
            | ({"p95": _tail(values)} if self._dots else {})
            for (key, measure), values in self._values.items()
            for found in [self._intervals[key, measure]]
        )

    @property
    def caption(self) -> str:
        """The caption: what the signs mean, and how the intervals were made."""
        examples = max((len(values) for values in self._values.values()), default=0)
        what = f"its 95 % interval over {examples} example{'s' if examples != 1 else ''}"
        methods = {found.method for found in self._intervals.values() if found is not None and found.method}
        how = "; ".join(_METHODS[name].format(seed=self._seed) for name in sorted(methods)) or "none"
        dots, tick = ("Dot: an answer. ", " Tick: 95th percentile.") if self._dots else ("", "")
        axis = " Logarithmic axis." if any(map(self._is_log, self.measures)) else ""
        return f"{dots}Marker: {self.statistic}; line: {what} ({how}).{tick}{axis}"

    @property
    def description(self) -> str:
        """The picture in words and numbers, for readers who cannot see it."""
        lines = []
        for (key, measure), found in self._intervals.items():
            who = " · ".join(map(str, key))
            if found is None:
                lines.append(f"{label_of(measure)}: {who} –")
                continue
            span = "" if found.low is None else f" [{found.low:,.4g}, {found.high:,.4g}]"
            lines.append(f"{label_of(measure)}: {who} {found.center:,.4g}{span}")
        return "\n".join(lines)

    def _panels(self) -> list[Panel]:
        return [self._panel(measure) for measure in self.measures]

    def _panel(self, measure: str) -> Panel:
        from ..views.interval_plot import IntervalMark, Panel

        marks = []
        for (key, name), values in self._values.items():
            if name != measure:
                continue
            found = self._intervals[key, name]
            who, series = str(key[0]), str(key[1]) if len(key) > 1 else ""
            center, low, high = (found.center, found.low, found.high) if found else (None, None, None)
            dots = [value for each in values for value in each] if self._dots else ()
            marks.append(IntervalMark(who, series, center, low, high, _tail(values) if self._dots else None, dots))
        highest = 1.0 if self._is_share(measure) else None
        return Panel(label_of(measure), marks, highest, is_log=self._is_log(measure))

    def _is_log(self, measure: str) -> bool:
        """Return whether some answers are so far out that a linear axis would not show the others."""
        pooled = self._pooled(measure)
        return self._dots and bool(pooled) and min(pooled) > 0 and max(pooled) > _FAR_OUT * float(np.median(pooled))

    def _is_share(self, measure: str) -> bool:
        is_graded = measure.startswith("grade_") or (is_share(measure) and measure not in ("wer", "cer"))
        return is_graded and all(0 <= value <= 1 for value in self._pooled(measure))

    def _pooled(self, measure: str) -> list[float]:
        return [
            value for (_, name), each in self._values.items() if name == measure for found in each for value in found
        ]

    def __repr__(self) -> str:
        return printable(f"Plot({', '.join(self.measures)} by {', '.join(self.by)})")


#: How intervals were made, in the words of a caption.
_METHODS = {
    "Wilson": "Wilson’s where answers are right or wrong",
    "bootstrap": f"percentile bootstrap over examples, {RESAMPLES:,} resamples, seed {{seed}}",
    "order statistics": "order statistics",
    "t": "t intervals over examples",
}


def _tail(values: Sequence[Sequence[float]]) -> float | None:
    pooled = [value for each in values for value in each]
    return float(np.percentile(pooled, 95)) if pooled else None
