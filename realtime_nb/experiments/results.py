"""The results of a run: rows, sums, differences, and the record of each answer."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..conversation.conversation import Conversation
from ..conversation.records import Reply
from ..display import printable
from ..errors import SettingsError
from ..files import make_folder, write_private, write_whole
from ..pricing.cost import format_usd
from ..recording.recording import Recording
from .agreement import agreements, read_labels
from .cell import CellOutcome
from .clips import RunClips, clip_files
from .compare import RunComparison
from .executor import Budget
from .exports import print_table, write_cookbook
from .folder import Answers, RunFolder, read_questions
from .graders import Grader, named_graders
from .plots import Plots
from .recipes import recipe_of
from .regrading import (
    METRICS,
    Regrading,
    added_usd,
    example_of,
    grade_saved,
    graded_again,
    grader_digests,
    is_answered,
    measured_again,
    not_graded,
)
from .statistics import (
    Row,
    caveat_of,
    corpus_errors,
    grouped,
    named_columns,
    passes,
    sizes_needed,
    summarise,
    tabulate,
)
from .timelines import WINDOWS, TalkTimeline, Windows, as_defined

if TYPE_CHECKING:
    import pandas

    from ..speech.statistics import Test
    from ..speech.words import Normaliser
    from .dataset import Dataset
    from .timelines import Definition


class ReportFile(type(Path())):  # type: ignore[misc]  # Before 3.12 only the system's own kind can be subclassed.
    """The path of a report, which a notebook shows as a link."""

    def _repr_html_(self) -> str:
        from ..views.html import link

        return str(link(self, "Open the report"))


class Results(Answers):
    """The results of a run, finished or not; made by `run`, or loaded by `Results.load`.

    Examples
    --------
    >>> import functools
    >>> import realtime_nb as rt
    >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
    >>> _ = rt.run(rt.Dataset.from_texts(["What time is it?"]), systems, out="results/tuesday", progress=False)
    >>> results = rt.Results.load("results/tuesday")
    >>> results
    Results('results/tuesday': 1 answers, 0 failed, $0)
    >>> results.show(results.frame.index[0]).asked.text
    'What time is it?'
    """

    def __init__(self, path: str | Path, *, kept: RunFolder | None = None):
        super().__init__(path, kept=kept)
        self._unwritten = {} if kept is None else {each.row["cell_id"]: each for each in kept.unwritten}

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read a run's folder, even if the run was killed or its files are damaged.

        Every row has a checksum. A damaged row is left out, `remarks` says so, and ``run(…, resume=True)`` asks it
        again.

        Raises
        ------
        SettingsError
            If there is no run in it.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> _ = rt.run(rt.Dataset.from_texts(["What time is it?"]), systems, out="results/monday", progress=False)
        >>> rt.Results.load("results/monday")
        Results('results/monday': 1 answers, 0 failed, $0)
        """
        return cls(path)

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each answer, in the order of the grid."""
        import pandas

        return pandas.DataFrame(self.rows)

    @property
    def turns(self) -> pandas.DataFrame:
        """A data frame with a row for each turn of each scenario; `frame` has one for the whole scenario.

        In addition to the measures, it has ``start_ms`` and ``end_ms`` of the turn in the input track,
        ``speech_start_ms`` and ``speech_end_ms`` of the clean speech in it, and, if the conversation was held in real
        time, ``answer_start_ms`` and ``answer_end_ms`` of its answer in the output track.
        """
        import pandas

        names = ("cell_id", "example_id", "system", "condition", "repeat")
        return pandas.DataFrame(
            [
                {name: row[name] for name in names} | turn
                for row in self.rows
                for turn in json.loads(row.get("turn_measures") or "[]")
            ]
        )

    def summary(
        self,
        by: str | Sequence[str] = "system",
        *measures: str,
        baseline: str | None = None,
        test: Test | None = None,
        seed: int = 0,
    ) -> pandas.DataFrame:
        """Summarise the measures of each group, and compare it with a baseline.

        Parameters
        ----------
        by : str or sequence of str, default "system"
            Columns that make the groups, e.g. ``("system", "condition")`` or ``"tags"``.
        *measures : str
            The measures to summarise; by default all.
        baseline : optional
            A value of the first column; by default its first value.
        test : {"permutation", "sign", "mcnemar"}, optional
            The test of the differences, for columns ``p`` and ``p_holm``: p-values as they are, and corrected by Holm's
            method for their number in this summary. ``"mcnemar"`` tests measures that are right or wrong, and only
            these. By default nothing is tested.
        seed : int, default 0
            Seed of the resampling.

        Returns
        -------
        summary : pandas.DataFrame
            A row for each group and measure, in the order of the run: ``count`` of answers, and ``examples`` behind
            them; ``mean``, its 95 % interval ``mean_low`` and ``mean_high``, and how that was made, ``mean_method``;
            ``median``, ``p95``, ``p99``; ``difference`` of the mean to the group that differs only in the first column,
            its 95 % interval ``low`` and ``high``, effect size ``effect``, ``pairs``, the number of examples in it, and
            ``method``; and a ``caveat`` if examples are few. If answers failed, ``completed`` is the share that did
            not; of failed ones only the cost counts.

        Raises
        ------
        SettingsError
            If there is no such column, measure, baseline or test.

        Notes
        -----
        Answers are paired by example, condition and repeat, except for the columns compared. Differences within an
        example are averaged first, because repeats and conditions of one clip say nothing about other clips. Groups
        without a common example, such as ``tags``, are compared unpaired: ``pairs`` is 0, and only ``"permutation"``
        tests them. Intervals, effect size (*d_z*) and tests: see `realtime_nb.speech.statistics`. Only ``p_holm`` is
        corrected for the number of comparisons.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> texts = ["What time is it?", "What can you do?"]
        >>> results = rt.run(rt.Dataset.from_texts(texts), systems, out="results/friday", progress=False)
        >>> summary = results.summary(by="system")
        >>> summary[summary["measure"] == "wer"][["count", "mean"]].to_numpy().tolist()
        [[2.0, 0.0]]
        """
        import pandas

        options: dict[str, Any] = {"baseline": baseline, "measures": measures, "test": test, "seed": seed}
        return pandas.DataFrame(summarise(self.rows, self.about, by, **options))

    def sample_size(
        self, measure: str, half_width: float, *, by: str | Sequence[str] = "system", baseline: str | None = None
    ) -> pandas.DataFrame:
        """Return how many examples would make intervals of a wanted width, if they spread like those of this run.

        Parameters
        ----------
        measure : str
            A measure, e.g. ``"wer"``.
        half_width : float
            How far the 95 % interval may reach to either side, in the measure's unit: 0.02 for two points of ``wer``.
        by, baseline
            As in `summary`.

        Returns
        -------
        sizes : pandas.DataFrame
            A row for each group: ``examples`` now, and ``examples_needed`` for such an interval of its mean; ``pairs``
            now, and ``pairs_needed`` for such an interval of the difference to the baseline. Missing where fewer than
            two examples, or equal values, do not show a spread.

        Raises
        ------
        SettingsError
            If there is no such column, measure or baseline, or the width is not positive.

        Notes
        -----
        For the t interval. It is an estimate: the spread of few examples is uncertain, and so is this.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> texts = ["What time is it?", "What can you do?"]
        >>> results = rt.run(rt.Dataset.from_texts(texts), systems, out="results/pilot", progress=False)
        >>> list(results.sample_size("latency_first_audible_ms", half_width=50).columns)
        ['system', 'examples', 'examples_needed', 'pairs', 'pairs_needed']
        """
        import pandas

        sizes = pandas.DataFrame(sizes_needed(self.rows, self.about, measure, half_width, by, baseline=baseline))
        return sizes.astype({"examples_needed": "Int64", "pairs_needed": "Int64"})

    def word_errors(
        self, by: str | Sequence[str] = "system", *, normaliser: Normaliser = "realtime_nb", seed: int = 0
    ) -> pandas.DataFrame:
        """Return the word error rate of all answers together, with its counts, beside the mean of the answers' rates.

        Parameters
        ----------
        by : str or sequence of str, default "system"
            Columns that make the groups.
        normaliser : {"realtime_nb", "whisper", "open_asr_leaderboard"}, default "realtime_nb"
            Whose rules say which written forms are the same words; see `realtime_nb.speech.words.count_errors`. For
            others than ours, the kept transcripts are compared again.
        seed : int, default 0
            Seed of the resampling.

        Returns
        -------
        errors : pandas.DataFrame
            A row for each group with transcripts: the ``normaliser``; how many ``answers`` and ``examples``;
            ``substitutions``, ``deletions``, ``insertions``, and ``words`` in the references; ``wer``, which is the
            first three over the fourth, and its 95 % interval over examples, ``low`` and ``high``, by ``method``;
            ``mean_of_answers``, in which short answers weigh as much as long ones; and a ``caveat`` if examples are
            few.

        Raises
        ------
        SettingsError
            If there is no such column or normaliser.
        """
        import pandas

        return pandas.DataFrame(corpus_errors(self.rows, self.about, by, normaliser, seed=seed))

    def as_defined(self, name: Definition, *, by: str | Sequence[str] = "system", **windows: float) -> pandas.DataFrame:
        """Return the figures of a published benchmark, by its own definitions, for these conversations.

        Parameters
        ----------
        name : {"tau-voice", "full-duplex-bench-v1", "full-duplex-bench-v1.5"}
            The benchmark.
        by : str or sequence of str, default "system"
            Columns that make the groups.
        **windows : float
            The benchmark's windows and bounds, if they should not be its own: for τ-voice ``tick_s``,
            ``no_yield_window_s`` (2.0), ``backchannel_yield_window_s`` (1.0), …; ``docs/measures.md`` has them all.

        Returns
        -------
        figures : pandas.DataFrame
            A row for each group, with the number of ``conversations``, the benchmark's figures, and how many events
            each of them counts; times in seconds. Missing where there were no such events.

        Raises
        ------
        SettingsError
            If there is no such benchmark, column or window, or no conversation was held in real time.

        Notes
        -----
        Scenarios that were held in real time have the times at which both sides spoke in their column ``timeline``.
        Events of all conversations are pooled, as the benchmarks do. Failed answers are left out.
        """
        import pandas

        kept = [row for row in self.rows if row.get("timeline") and row["status"] == "completed"]
        if not kept:
            raise SettingsError("no scenario was held in real time here: give turns an at_ms, or run with live=True")
        columns = named_columns(by, kept)
        return pandas.DataFrame(
            dict(zip(columns, key, strict=True))
            | {"conversations": len(rows)}
            | as_defined(name, (TalkTimeline.from_json(row["timeline"]) for row in rows), **windows)
            for key, rows in grouped(kept, columns, self.about).items()
        )

    def pass_hat_k(
        self, measure: str = "task_success", *, by: str | Sequence[str] = "system", seed: int = 0
    ) -> pandas.DataFrame:
        """Return pass^k: how likely all of k tries at a task succeed.

        Parameters
        ----------
        measure : str, default "task_success"
            A measure that is 0 or 1.
        by : str or sequence of str, default "system"
            Columns that make the groups.
        seed : int, default 0
            Seed of the resampling.

        Returns
        -------
        passes : pandas.DataFrame
            A row for each group and number of tries ``k``, up to the most repeats: ``pass_hat_k``, its 95 % interval
            ``low`` and ``high``, the number of ``examples`` with at least `k` answers, the interval's ``method``, and a
            ``caveat`` if examples are few. Failed answers do not count as tries.

        Raises
        ------
        SettingsError
            If there is no such column, or a value of the measure is neither 0 nor 1.

        Notes
        -----
        As in τ-bench (Yao et al. 2024, arXiv 2406.12045): of ``n`` tries at an example with ``c`` successes,
        ``C(c, k) / C(n, k)``, averaged over the examples. Give `by` a condition, too, if there are several: otherwise
        they count as tries of the same task.
        """
        import pandas

        return pandas.DataFrame(passes(self.rows, self.about, measure, by, seed=seed))

    def grade(
        self,
        graders: Grader | Mapping[str, Grader] | Iterable[Grader] | Literal["metrics"],
        *,
        dataset: Dataset | None = None,
        windows: Windows = WINDOWS,
        concurrency: int = 8,
        max_usd: float | None = None,
    ) -> Results:
        """Grade the saved answers, or measure them again; nothing is asked of the systems again.

        The grades of other graders stay; one with the same name is replaced. Each row is written as soon as it is
        graded. An answer that cannot be read or graded keeps its row, and ``grading_remarks`` says why.

        Parameters
        ----------
        graders : callable, mapping or iterable of callable, or "metrics"
            As for `run`: a `Judge`, measures such as `Voice`, or any function that takes an `Answer`. ``"metrics"``
            takes the measures of this package again: words against better references, dollars at other prices,
            turn-taking in other windows. What a scenario expects of its turns stays as it was graded.
        dataset : Dataset, optional
            The questions, if what they expect has changed, e.g. a ``rubric`` or ``expected_keywords``; by default as
            the folder has them.
        windows : Windows, optional
            The windows of the measures of turn-taking, with ``"metrics"``.
        concurrency : int, default 8
            How many answers are graded at once.
        max_usd : float, optional
            US dollars that judges may cost in this call; decided as in `run`. The ``grading_remarks`` of answers that
            are not graded then say so.

        Returns
        -------
        results : Results
            The folder's results with the new grades.

        Raises
        ------
        SettingsError
            If something is not a grader, if the run is under way, or if answers are not written yet.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> results = rt.run(rt.Dataset.from_texts(["What is two plus three?"]), systems, out="sums", progress=False)
        >>> results.grade({"five": rt.experiments.Keywords("5")}).frame["grade_five"].to_list()
        [1.0]
        """
        is_metrics = isinstance(graders, str) and graders == METRICS
        named = {} if is_metrics else named_graders([graders] if callable(graders) else graders)  # type: ignore[arg-type]
        if self._unwritten:
            raise SettingsError("some answers are only in memory: write them with results.save(…) first")
        about = dict(self.about)
        made = dict(about.get("made", {}))
        about["made"] = made | {"graders": made.get("graders", {}) | recipe_of(named)}
        if is_metrics:
            about["made"]["options"] = made.get("options", {}) | {"windows": recipe_of(windows)}
        folder = RunFolder(self.path, about, resume=True, table=self._table)
        given = {example.example_id: example for example in dataset or ()}
        questions, digests = read_questions(self.path), grader_digests(named)
        wanted: dict[str, Any] = {METRICS: None} if is_metrics else dict(named)
        todo = [
            Regrading(
                row, given.get(name := row["example_id"]) or example_of(row, questions.get(name)), wanted, digests
            )
            for row in map(folder.rows.__getitem__, folder.rows.ordered(about["cells"]))
            if is_answered(row)
        ]
        clips, budget = RunClips(self.path), Budget(max_usd)

        def grade(each: Regrading) -> Row:
            recording = folder.recording_of(each.row["cell_id"])
            if is_metrics:
                return measured_again(each, recording, clips, windows)
            return graded_again(each, recording)

        def put(before: Row, row: Row) -> None:
            folder.put(CellOutcome(row=row, files={}))
            budget.take(added_usd(before, row))

        try:
            why, left = grade_saved(todo, grade, put, concurrency=concurrency, refusal=budget.refusal)
            for each in left:
                folder.put(CellOutcome(row=not_graded(each, f"not graded, as {why}"), files={}))
        finally:
            folder.finish(self.stopped)
        if folder.failure:
            raise SettingsError(f"the grades cannot be written: {folder.failure}")
        return Results(self.path)

    @property
    def _table(self) -> str:
        return "parquet" if (self.path / "results.parquet").is_file() else "csv"

    def agreement(self, labels: Any = None, *, threshold: float = 0.5) -> pandas.DataFrame:
        """Compare graders with people, criterion by criterion; or with each other.

        Parameters
        ----------
        labels : data frame, str, Path, mapping or sequence of mapping, optional
            People's verdicts, as a table or a CSV file. Each line names an answer by ``cell_id``, or by ``example_id``
            and, if needed, more columns such as ``system``. Every other column is a criterion: ``polite`` is compared
            with the graders ``polite`` and ``polite_…``, so that several judges may have one criterion. Verdicts are
            numbers, or yes and no; an answer may have a line from each person. Without labels, every two graders are
            compared.
        threshold : float, default 0.5
            The least grade that counts as met.

        Returns
        -------
        agreement : pandas.DataFrame
            A row for each grader and criterion: ``count``; ``agreement``, the share of equal verdicts; Cohen's
            ``kappa`` with its 95 % interval ``low`` and ``high``; and the shares that each side found to be met,
            ``grader_met`` and ``people_met``.

        Raises
        ------
        SettingsError
            If labels name no answer or no grader of these results, or cannot be read.

        Notes
        -----
        Kappa is 1 for equal verdicts, and 0 for as many equal ones as chance would give (Cohen 1960, Educational and
        Psychological Measurement 20). It is missing if both sides give one verdict throughout. The interval is the
        jackknife's over examples, with Student's t; it is missing for fewer than three examples.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> texts = rt.Dataset.from_texts(["What is two plus three?", "What can you do?"])
        >>> results = rt.run(texts, systems, graders=[rt.experiments.Keywords("5")], out="agree", progress=False)
        >>> people = [{"example_id": "text_001", "keywords": "yes"}, {"example_id": "text_002", "keywords": "no"}]
        >>> results.agreement(people)[["grader", "agreement", "kappa"]].to_numpy().tolist()
        [['keywords', 1.0, 1.0]]
        """
        import pandas

        told = None if labels is None else read_labels(labels)
        return pandas.DataFrame(agreements(self.rows, told, threshold))

    @property
    def plot(self) -> Plots:
        """Pictures for print: ``plot.latency()``, ``plot.cost()``, ``plot.grades()``."""
        return Plots(self.rows, self.about)

    def compare(self, other: Results, *, by: str | Sequence[str] = "system", seed: int = 0) -> RunComparison:
        """Compare with another run: the same examples, conditions and systems, on another day or with other settings.

        Parameters
        ----------
        other : Results
            The run to compare with this one.
        by : str or sequence of str, default "system"
            Columns that make the groups, e.g. ``("system", "condition")``.
        seed : int, default 0
            Seed of the resampling.

        Returns
        -------
        comparison : RunComparison
            Differences (the other run's minus this one's) with intervals and effect sizes, as a ``frame`` and a picture
            (``plot``); other changes are in ``remarks``. Changed examples and conditions are left out.

        Raises
        ------
        SettingsError
            If there is no such column, or `other` is not a run's results.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> texts = rt.Dataset.from_texts(["What time is it?"])
        >>> results = rt.run(texts, systems, out="results/before", progress=False)
        >>> again = rt.run(texts, systems, out="results/after", progress=False)
        >>> results.compare(again)
        RunComparison('results/before' → 'results/after': 1 pairs)
        """
        if not isinstance(other, Results):
            raise SettingsError(f"other={other!r} is not a run's Results: give Results.load of its folder")
        return RunComparison(self, other, by, seed=seed)

    def table(
        self, *measures: str, by: str | Sequence[str] = ("system", "condition"), seed: int = 0
    ) -> pandas.DataFrame:
        """Return a table for print: a line for each group, each figure with its 95 % interval.

        Parameters
        ----------
        *measures : str
            The measures to show; by default grades, word errors, the first audible sample and the cost. Measures of
            time show their median and 95th percentile, others their mean.
        by : str or sequence of str, default ("system", "condition")
            Columns that make the lines.
        seed : int, default 0
            Seed of the resampling.

        Returns
        -------
        table : pandas.DataFrame
            All text, e.g. ``532 [393, 610]``; write it with ``to_csv``, ``to_html``, or ``to_latex``, which escapes
            what LaTeX would take for commands. Has a column ``caveat`` if a group has few examples. For the numbers
            themselves, use `summary`.

        Raises
        ------
        SettingsError
            If there is no such column.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> texts = rt.Dataset.from_texts(["What time is it?"])
        >>> results = rt.run(texts, systems, out="results/table", progress=False)
        >>> print(results.table("wer").to_csv().splitlines()[1])
        realtime,clean,1 of 1,0%,1 example is few: only large differences show
        """
        headings, lines = tabulate(self.rows, self.about, by, measures, seed=seed)
        columns = 1 if isinstance(by, str) else len(by)
        groups = grouped(self.rows, headings[:columns], self.about).values()
        caveats = [caveat_of(len({row["example_id"] for row in rows})) for rows in groups]
        if any(caveats):
            headings, lines = [*headings, "caveat"], [[*line, told] for line, told in zip(lines, caveats, strict=True)]
        return print_table(lines, headings, columns)

    def report(
        self,
        path: str | Path | None = None,
        *,
        title: str | None = None,
        examples: int = 5,
        audio_mb: float = 6.0,
        seed: int = 0,
    ) -> ReportFile:
        """Write a report as one HTML page: it needs no network and no scripts, and prints well.

        It begins with the finding, and shows the run's settings, versions and dates of prices; sums and differences
        with intervals; pictures; failures; some answers to listen to; all answers; and what you may not conclude.

        Parameters
        ----------
        path : str or Path, optional
            The file; by default ``report.html`` in the run's folder.
        title : str, optional
            By default the dataset's name and the day.
        examples : int, default 5
            How many random examples you can listen to, with the answers of all systems.
        audio_mb : float, default 6.0
            Megabytes of sound in the page at most; the page says what is left out.
        seed : int, default 0
            Seed of the resampling and of the choice of examples.

        Returns
        -------
        path : ReportFile
            The file, as a `Path`; a notebook shows a link to it.

        Raises
        ------
        SettingsError
            If the file cannot be written, or a number is negative.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> texts = rt.Dataset.from_texts(["What time is it?"])
        >>> results = rt.run(texts, systems, out="results/report", progress=False)
        >>> results.report().name
        'report.html'
        """
        from .report import make_report  # The views load only when they are needed.

        for name, number in {"examples": examples, "audio_mb": audio_mb}.items():
            if number < 0:
                raise SettingsError(f"{name}={number} must be at least 0")
        day = str(self.about.get("began_at", ""))[:10]
        title = f"{self.about.get('dataset', 'results')}, {day}" if title is None else title
        target = self.path / "report.html" if path is None else Path(path)
        if not target.parent.is_dir():  # Checked before everything is drawn.
            raise SettingsError(f"path={str(target)!r} cannot be written: there is no folder {str(target.parent)!r}")
        html = make_report(self, title=title, examples=examples, audio_mb=audio_mb, seed=seed)
        try:
            write_whole(target, html.encode())
        except OSError as error:
            raise SettingsError(f"path={str(target)!r} cannot be written: {error.strerror or error}") from error
        return ReportFile(target)

    def show(self, row: int | str | pandas.Series) -> Reply | Conversation:
        """Return the record of an answer, as its session kept it: you can play it, read it, and see its usage.

        Parameters
        ----------
        row : int, str or pandas.Series
            Its index in `frame`, its ``cell_id``, or the row itself, e.g. ``frame.iloc[0]``.

        Returns
        -------
        record : Reply or Conversation
            The last reply; for a scenario, or if there was no reply, the conversation.

        Raises
        ------
        SettingsError
            If there is no such row, or it has no answer; the message says why.

        Warns
        -----
        UserWarning
            If part of its recording is missing or damaged.
        """
        if not isinstance(row, int | str) and hasattr(row, "get"):
            row = row.get("cell_id")
        found = [each for index, each in enumerate(self.rows) if row in (index, each["cell_id"])]
        if not found:
            raise SettingsError(f"row={row!r} is neither an index below {len(self.rows)} nor a cell_id of the results")
        folder = self._recording(found[0]["cell_id"])
        if not folder.is_dir():
            why = found[0]["error_message"] or "its recording is missing"
            raise SettingsError(f"there is nothing to show of {found[0]['cell_id']}: {why}")
        recording = Recording.load(folder)
        conversation = recording.conversation
        recording.warn_of_damage()
        is_scenario = "turn_measures" in found[0]
        return conversation.replies[-1] if conversation.replies and not is_scenario else conversation

    def _recording(self, cell_id: str) -> Path:
        """Return the folder of an answer's recording; an unwritten one goes to a temporary folder."""
        if cell_id not in self._unwritten:
            return self.path / "recordings" / cell_id
        folder = Path(tempfile.mkdtemp(prefix="realtime_nb-run-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        clips = {each.relative_to(self.path).as_posix(): each.read_bytes() for each in clip_files(self.path)}
        for name, data in (clips | self._unwritten[cell_id].files).items():
            make_folder((folder / name).parent)
            write_private(folder / name, data)
        return folder / "recordings" / cell_id

    def save(self, path: str | Path) -> Results:
        """Write the run, with any unwritten answers, to another folder, or to its own once the disk has room.

        Parameters
        ----------
        path : str or Path
            A new folder, or the run's.

        Returns
        -------
        results : Results
            The results in that folder; ``run(…, out=path, resume=True)`` goes on with it.

        Raises
        ------
        SettingsError
            If it cannot be written to, or holds something else.

        Examples
        --------
        >>> import functools
        >>> import realtime_nb as rt
        >>> systems = {"realtime": functools.partial(rt.RealtimeSession, backend="local")}
        >>> texts = rt.Dataset.from_texts(["What time is it?"])
        >>> results = rt.run(texts, systems, out="results/here", progress=False)
        >>> results.save("results/there")
        Results('results/there': 1 answers, 0 failed, $0)
        """
        is_there = Path(path).resolve() == self.path.resolve() and self.path.is_dir()
        folder = RunFolder(Path(path), dict(self.about), resume=is_there)
        for row in self.rows:
            if not is_there or row["cell_id"] in self._unwritten:
                folder.put(CellOutcome(row=row, files=self._files(row["cell_id"])))
        folder.finish(self.stopped if self.missing else "")
        if not is_there:
            folder.copy_clips(self.path)
        if folder.failure:
            raise SettingsError(f"path={str(path)!r} cannot be written: {folder.failure}")
        return Results(path)

    def to_cookbook(self, path: str | Path) -> Path:
        """Write the run in the layout of the OpenAI cookbook's evals, for its viewer and its scripts.

        Each system, condition and repeat is one run of the cookbook's, in a folder of its own if there are several:
        ``results.csv`` with exactly its columns, ``summary.json``, ``audio/EXAMPLE/{input,output}.wav`` and
        ``events/EXAMPLE.jsonl``, which holds what the server sent.

        Parameters
        ----------
        path : str or Path
            A new folder.

        Returns
        -------
        path : Path

        Raises
        ------
        SettingsError
            If the folder holds anything.

        Notes
        -----
        Format: ``examples/evals/realtime_evals``, crawl harness. The cookbook's ``grade`` is 1 if tool and arguments
        are right; a question that expects nothing has 0 there.
        """
        write_cookbook(Path(path), self.rows, self.about, self._recording)
        return Path(path)

    def _files(self, cell_id: str) -> dict[str, bytes]:
        if cell_id in self._unwritten:
            return self._unwritten[cell_id].files
        found = [
            self.path / "conversations" / f"{cell_id}.md",
            self.path / "events" / f"{cell_id}.jsonl",  # Of an earlier version.
            *(each for kind in ("audio", "recordings") for each in (self.path / kind / cell_id).glob("*")),
        ]
        return {each.relative_to(self.path).as_posix(): each.read_bytes() for each in found if each.is_file()}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .report import results_bundle  # The views load only when they are needed.

        return results_bundle(self)

    def __repr__(self) -> str:
        cost = "unknown cost" if self.cost_usd is None else format_usd(self.cost_usd)
        missing = f", {self.missing} missing" if self.missing else ""
        stopped = f"; stopped: {printable(self.stopped)}" if self.stopped else ""
        return f"Results({str(self.path)!r}: {len(self)} answers, {len(self.failed)} failed{missing}, {cost}{stopped})"
