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
from .example import Example
from .graders import GRADED_BY, Answer, Grader, GradingError, graded
from .metrics import answer_of
from .recipes import digest_of_recipe

Row = dict[str, Any]


class Regrading(NamedTuple):
    """A row that is to be graded by some graders."""

    row: Row
    example: Example
    graders: Mapping[str, Grader]
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


def graded_again(again: Regrading, answer: Answer | Exception) -> Row:
    """Return a row with new grades from some graders in place of their earlier ones.

    The cost of the earlier grading stays in ``judge_cost_usd``. If `answer` is an error, the answer could not be read.
    """
    row, graders = again.row, again.graders
    if isinstance(answer, Answer):
        columns = graded(answer, graders, again.digests)
    else:
        columns = {"grading_remarks": "; ".join(f"{name}: {answer}" for name in graders)}
    stale = {f"{kind}_{name}" for name in graders for kind in ("grade", "reason")} | {"grading_remarks"}
    found = {name: value for name, value in row.items() if name not in stale} | columns
    others = [each for each in row.get("grading_remarks", "").split("; ") if each.partition(":")[0] not in graders]
    if remarks := [each for each in [*others, columns.get("grading_remarks", "")] if each]:
        found["grading_remarks"] = "; ".join(remarks)
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


def saved_answer(folder: Path, example: Example) -> Answer | Exception:
    """Return an answer from its recording, or the error that says why it cannot be graded."""
    try:
        return answer_of(Recording.load(folder).conversation, example)
    except (OSError, RealtimeError) as error:
        return GradingError(f"the saved answer cannot be read: {error}")


def grade_saved(
    todo: Iterable[Regrading],
    folder_of: Callable[[str], Path],
    put: Callable[[Row, Row], object],
    *,
    concurrency: int,
    refusal: Callable[[], str] = lambda: "",
) -> str:
    """Grade saved answers, several at once; `put` gets each row, before and after, as soon as it is graded.

    Returns why the rest was not graded; `refusal` is asked before each.
    """

    def grade(each: Regrading) -> tuple[Row, Row]:
        return each.row, graded_again(each, saved_answer(folder_of(each.row["cell_id"]), each.example))

    waiting, under_way = deque(todo), set[Future[tuple[Row, Row]]]()
    with ThreadPoolExecutor(concurrency, "realtime_nb-grade") as threads:
        try:
            while waiting or under_way:
                while waiting and len(under_way) < concurrency and not refusal():
                    under_way.add(threads.submit(grade, waiting.popleft()))
                if not under_way:
                    return refusal()
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for each in done:
                    put(*each.result())
        finally:
            threads.shutdown(cancel_futures=True)
    return ""
