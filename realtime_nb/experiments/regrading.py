"""Grade saved answers again: with other graders, and with nothing asked of the systems again."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from ..conversation.costs import sum_known
from ..errors import RealtimeError
from ..recording.recording import Recording
from ..sessions.backend import Backend
from .clips import RunClips
from .example import Example
from .graders import GRADED_BY, Grader, GradingError, graded
from .metrics import answer_of, foreign_cost, grade_expected, measure, measure_again, totals
from .recipes import digest_of_recipe
from .scenario import Scenario
from .timelines import Windows

Row = dict[str, Any]


class Regrading(NamedTuple):
    """A row that is to be graded by some graders."""

    row: Row
    example: Example
    graders: Mapping[str, Any]
    """`Grader` by name; what is under ``"metrics"`` stands for the row's own measures."""
    digests: Mapping[str, str]
    """The digests of these graders, from `grader_digests`."""


def grader_digests(graders: Mapping[str, Grader]) -> dict[str, str]:
    """Return a hash of each grader's settings, which shows whether it has changed."""
    return {name: digest_of_recipe(grader) for name, grader in graders.items()}


def is_answered(row: Row) -> bool:
    """Return whether a row has an answer that can be graded."""
    return row["status"] == "completed" or row.get("failure_stage") == "grade"  # Earlier versions failed there.


def lacking(row: Row, graders: Mapping[str, Grader], digests: Mapping[str, str]) -> dict[str, Grader]:
    """Return the graders that have not graded an answer yet, or have changed since they did."""
    if not is_answered(row):
        return {}
    if GRADED_BY in row:
        before = json.loads(row[GRADED_BY])
        return {name: grader for name, grader in graders.items() if before.get(name) != digests[name]}

    def has(name: str) -> bool:  # From an earlier version.
        return any(column == f"grade_{name}" or column.startswith(f"{name}_") for column in row)

    return {name: grader for name, grader in graders.items() if not has(name)}


def added_usd(before: Row, row: Row) -> float | None:
    """Return what it cost to grade a row again; `None` if that is not known."""
    costs = [each.get("judge_cost_usd", 0.0) for each in (before, row)]
    return None if None in costs else costs[1] - costs[0]


def graded_again(again: Regrading, folder: Path) -> Row:
    """Return a row with new grades from some graders in place of their earlier ones.

    `folder`: the answer's recording. The cost of the earlier grading stays in ``judge_cost_usd``.
    """
    row, graders = again.row, again.graders
    try:
        answer = answer_of(Recording.load(folder).conversation, again.example)
    except (OSError, RealtimeError) as error:
        columns: dict[str, Any] = {"grading_remarks": _each(graders, f"the saved answer cannot be read: {error}")}
    else:
        columns = graded(answer, graders, again.digests)
    stale = {f"{kind}_{name}" for name in graders for kind in ("grade", "reason")} | {"grading_remarks"}
    found = {name: value for name, value in row.items() if name not in stale} | columns
    found |= _remarks(row, graders, columns.get("grading_remarks", ""))
    if "judge_cost_usd" in row and "judge_cost_usd" in columns:
        found["judge_cost_usd"] = sum_known((row["judge_cost_usd"], columns["judge_cost_usd"]))
    if row["status"] == "failed":
        found |= {"status": "completed", "failure_stage": "", "error_type": "", "error_message": ""}
    before = {name: each for name, each in json.loads(row.get(GRADED_BY, "{}")).items() if name not in graders}
    return found | {GRADED_BY: json.dumps(before | json.loads(columns.get(GRADED_BY, "{}")))}


def example_of(row: Row, question: Mapping[str, Any] | None) -> Example:
    """Return a row's example for graders: its words and the expected result, without its sound."""
    told = (question or {}).get("kwargs", {})
    known = {name: told[name] for name in ("text", "tool_call", "tool_arguments", "language", "fields") if name in told}
    tags = tuple(told.get("tags", ()))
    return Example(**{"text": row.get("user_text") or "", **known, "tags": tags, "example_id": row["example_id"]})


#: What a row's own measures are called among graders.
METRICS = "metrics"


def measured_again(again: Regrading, folder: Path, clips: RunClips, windows: Windows) -> Row:
    """Return a row measured again, from its recording and the clip that was heard.

    Times stay, because they were measured before the sound was kept as Opus, or left out. So does a cost that the
    system reported itself, or that includes earlier attempts.
    """
    row, example = again.row, again.example
    try:
        recording = Recording.load(folder)
        answer = answer_of(recording.conversation, example)
        if "turn_measures" in row:
            script = example.script if isinstance(example, Scenario) else ()
            columns = measure_again(row, script, example.language, windows)
            columns |= totals(answer.conversation, row["input_s"], row["output_s"])
        else:
            clip = clips.known(("heard", row["example_id"], 0, row["condition"]))
            if clip is None or clip.sha256 != row.get("input_sha256"):
                raise GradingError("the clip that was heard is missing, or not what it was")
            columns = {"user_text": example.text} | measure(answer, clip) | grade_expected(answer)
        server = recording.manifest.get("backend") or {}
        backend = Backend(str(server.get("name") or ""), str(server.get("url") or ""))
        columns |= foreign_cost(answer.conversation, backend)
    except (OSError, RealtimeError) as error:
        return not_graded(again, f"it cannot be measured again: {error}")
    stale = {"grading_remarks"}
    columns = {name: value for name, value in columns.items() if name not in _TIMES or row.get(name) is None}
    if recording.manifest.get("session") == "SystemSession" or row.get("attempts", 1) > 1:
        columns = {name: value for name, value in columns.items() if name not in _COSTS}
    else:
        stale |= _COSTS
    return {name: value for name, value in row.items() if name not in stale} | columns | _remarks(row, again.graders)


#: The columns about when an answer came.
_TIMES = frozenset(
    "latency_first_audio_ms latency_first_audible_ms latency_first_text_ms latency_response_done_ms turn_gap_ms".split()
)
#: The columns about the cost of a system.
_COSTS = frozenset({"cost_usd", "cost_per_minute_usd", "cost_at_most_usd", "cost_remarks", "wasted_usd"})


def not_graded(again: Regrading, why: str) -> Row:
    """Return a row as it was, with a remark that its graders did not grade it."""
    return again.row | _remarks(again.row, again.graders, _each(again.graders, why))


def _each(graders: Iterable[str], why: str) -> str:
    return "; ".join(f"{name}: {why}" for name in graders)


def _remarks(row: Row, graders: Iterable[str], new: str = "") -> dict[str, str]:
    """Return the column of remarks: a row's own of other graders than these, and new ones; none if there are none."""
    others = [each for each in row.get("grading_remarks", "").split("; ") if each.partition(":")[0] not in graders]
    told = "; ".join(filter(None, [*others, new]))
    return {"grading_remarks": told} if told else {}


def grade_saved(
    todo: Iterable[Regrading],
    grade: Callable[[Regrading], Row],
    put: Callable[[Row, Row], object],
    *,
    concurrency: int,
    refusal: Callable[[int], str],
) -> tuple[str, list[Regrading]]:
    """Grade saved answers, several at once; `put` gets each row, before and after, as soon as it is graded.

    Returns why some were not graded, and these; `refusal` is asked before each, with the number that is under way.
    """
    waiting, under_way = deque(todo), dict[Future[Row], Regrading]()
    with ThreadPoolExecutor(concurrency, "realtime_nb-grade") as threads:
        try:
            while waiting or under_way:
                why = ""
                while waiting and len(under_way) < concurrency and not (why := refusal(len(under_way))):
                    each = waiting.popleft()
                    under_way[threads.submit(grade, each)] = each
                if not under_way:
                    return why, list(waiting)
                for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                    put(under_way.pop(done).row, done.result())
        finally:
            threads.shutdown(cancel_futures=True)
    return "", []
