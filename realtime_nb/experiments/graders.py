"""Graders: whether an answer is right, and how it sounds, as columns of results."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import numpy as np

from ..conversation.conversation import Conversation
from ..conversation.records import Reply
from ..errors import RealtimeError, SettingsError
from ..media.clip import AudioClip
from ..speech.voice import check_dnsmos, measure_voice
from .example import Example

# --- Whether an answer is right: by its words, its tool calls, or a function of yours ---------------------------------

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_ADDRESS_WORDS = {
    **{"st": "street", "ave": "avenue", "blvd": "boulevard", "rd": "road", "dr": "drive", "ln": "lane", "ct": "court"},
    **{"tx": "texas", "ca": "california", "ny": "new york", "wa": "washington"},
}


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call that a model made."""

    name: str
    arguments: Mapping[str, Any]
    """The arguments; empty if the model did not send a JSON object."""
    raw_arguments: str = ""
    """The arguments as the model wrote them."""
    call_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as a grader gets it."""

    example: Example
    text: str
    """Everything that was said or written in answer."""
    heard: str
    """The person's words, as the system transcribed them."""
    tool_calls: Sequence[ToolCall]
    audio: AudioClip | None
    conversation: Conversation


@dataclass(frozen=True)
class Grade:
    """A grader's result, with its reason and cost."""

    value: bool | float | None
    """`None`, NaN or infinite if there is no grade."""
    reason: str = ""
    """Why, in words."""
    cost_usd: float | None = 0.0
    """Cost of the grading; `None` if that is not known."""


class GradingError(RealtimeError):
    """Raised by a grader that reaches no grade."""

    def __init__(self, message: str, cost_usd: float | None = 0.0):
        super().__init__(message)
        self.cost_usd = cost_usd


#: Takes an answer and returns a grade: true or false, or a number; a pair of that and a reason; a `Grade`, which has a
#: cost; or several measures by name, each of which becomes a column ``GRADER_NAME``. NaN is not a grade.
Grader = Callable[[Answer], bool | float | tuple[bool | float, str] | Grade | Mapping[str, float | None]]


@dataclass(frozen=True)
class Keywords:
    """Grades the share of words or phrases that are in the answer; ignores case and punctuation.

    Parameters
    ----------
    *words : str
        The words to find. By default those in the example's ``expected_keywords`` field, separated by semicolons.
    """

    words: tuple[str, ...]

    def __init__(self, *words: str):
        object.__setattr__(self, "words", words)

    def __call__(self, answer: Answer) -> tuple[float, str]:
        """Return the share, and the missing words."""
        wanted = self.words or tuple(
            filter(None, map(str.strip, answer.example.fields.get("expected_keywords", "").split(";")))
        )
        if not wanted:
            raise SettingsError("Keywords() has no words, and the example has no field expected_keywords")
        missing = keywords_missing(wanted, answer.text)
        return 1 - len(missing) / len(wanted), f"missing: {', '.join(missing)}" if missing else ""

    def __str__(self) -> str:
        return "keywords"


@dataclass(frozen=True)
class Pattern:
    """Grades whether a regular expression is found in the answer; ignores case.

    Parameters
    ----------
    expression : str
        A pattern for `re.search`.
    """

    expression: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.expression)
        except re.error as error:
            raise SettingsError(f"expression={self.expression!r} is not a regular expression: {error}") from None

    def __call__(self, answer: Answer) -> bool:
        """Return whether the expression is found."""
        return re.search(self.expression, answer.text, re.IGNORECASE) is not None

    def __str__(self) -> str:
        return "pattern"


def named_graders(graders: Mapping[str, Grader] | Iterable[Grader]) -> dict[str, Grader]:
    """Return graders by name; a grader without a name is named after its text."""
    given: Any = graders
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SettingsError(f"graders={graders!r} must be a sequence or a mapping: give [Keywords('yes')]")
    named = (
        list(graders.items())
        if isinstance(graders, Mapping)
        else [(getattr(each, "__name__", str(each)), each) for each in graders]
    )
    for name, grader in named:
        if not callable(grader):
            raise SettingsError(f"the grader {name!r} cannot be called: it must take an Answer")
    if len({name for name, _ in named}) < len(named):
        raise SettingsError(f"graders={[name for name, _ in named]} must each have its own name: give a mapping")
    return dict(named)


#: The column that says which graders graded a row, each with the hash of its recipe.
GRADED_BY = "graded_by"


def graded(answer: Answer, graders: Mapping[str, Grader], digests: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Grade an answer with all graders, and return the columns.

    These are ``grade_NAME`` and ``reason_NAME``, or each measure of a grader that has several; ``judge_cost_usd`` if
    grading costs something; ``grading_remarks`` if a grader failed, or found no number; and, with the `digests` of the
    graders, ``graded_by``, which names those that did not fail.
    """
    columns: dict[str, Any] = {}
    costs: list[float | None] = []
    remarks: list[str] = []
    done: dict[str, str] = {}
    for name, grader in graders.items():
        try:
            found, cost_usd = _found(name, grader(answer))
        except (Exception, SystemExit) as error:  # A library may exit where it should raise.
            costs.append(getattr(error, "cost_usd", 0.0))
            remarks.append(f"{name}: {type(error).__name__}: {error}")
            continue
        costs.append(cost_usd)
        done[name] = (digests or {}).get(name, "")
        columns |= {column: finite(value) for column, value in found.items()}
        remarks += [f"{name}: {value} is not a grade" for value in found.values() if finite(value) is not value]
    if any(cost_usd != 0.0 for cost_usd in costs):
        columns["judge_cost_usd"] = None if None in costs else sum(filter(None, costs))
    told = {GRADED_BY: json.dumps(done)} if digests else {}
    return columns | told | ({"grading_remarks": "; ".join(remarks)} if remarks else {})


def _found(name: str, told: Any) -> tuple[dict[str, Any], float | None]:
    """Return the columns of what a grader returned, and its cost."""
    if isinstance(told, Mapping):
        return {f"{name}_{column}": _plain_number(value) for column, value in told.items()}, 0.0
    grade = told if isinstance(told, Grade) else Grade(*told) if isinstance(told, tuple) else Grade(told)
    columns: dict[str, Any] = {f"grade_{name}": None if grade.value is None else float(grade.value)}
    return columns | ({f"reason_{name}": grade.reason} if grade.reason else {}), grade.cost_usd


def _plain_number(value: Any) -> Any:
    """Return a measure that is true or false as 1 or 0, and numpy's numbers as Python's."""
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, bool) else value


def finite(value: Any) -> Any:
    """Return a value, or `None` if it is NaN or infinite: then it is missing."""
    return None if isinstance(value, float | np.floating) and not math.isfinite(value) else value


def _finite_within(value: Any) -> Any:
    """Return what Python read as JSON, with `None` in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite_within(each) for name, each in value.items()}
    return [_finite_within(each) for each in value] if isinstance(value, list) else finite(value)


def keywords_missing(wanted: Sequence[str], text: str) -> list[str]:
    """Return the words and phrases that are not in a text; ignores case and punctuation."""
    said = f" {_plain(text)} "
    return [word for word in wanted if f" {_plain(word)} " not in said]


def tool_calls_of(replies: Iterable[Reply]) -> list[ToolCall]:
    """Return the calls that replies make, in order."""
    calls = (turn for reply in replies for turn in reply.function_calls)
    return [
        ToolCall(
            name=call.name,
            arguments=_arguments(call.arguments),
            raw_arguments=call.arguments,
            call_id=call.call_id or "",
        )
        for call in calls
    ]


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = _finite_within(json.loads(text or "{}"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


class ExpectsCall(Protocol):
    """Anything that expects a tool call: an `Example`, or a turn of a scenario."""

    @property
    def tool_call(self) -> str | None:
        """The expected tool; empty if none should be called, `None` if that is not graded."""
        ...

    @property
    def tool_arguments(self) -> Mapping[str, Any]:
        """The expected arguments."""
        ...


def grade_tool_calls(example: ExpectsCall, calls: Sequence[ToolCall]) -> dict[str, Any]:
    """Compare the calls that were made with the expected one.

    Returns ``tool_call_correctness`` (1 if the expected tool was called once and no other, or if no call was expected
    and none was made), ``tool_call_arg_correctness`` (1 if a call of it has the expected arguments), and the call that
    was compared, ``pred_tool_call`` and ``pred_tool_call_arg``. Empty if the example does not grade calls.

    The rules are the OpenAI cookbook's (``examples/evals/realtime_evals/shared/graders.py``): more arguments than
    expected are allowed; texts are compared without case and punctuation, ``order_id`` without spaces too,
    ``new_address`` with its abbreviations spelled out; a number equals its text; lists may be longer than expected.
    """
    if example.tool_call is None:
        return {}
    of_name = [call for call in calls if call.name == example.tool_call]
    holding = [call for call in of_name if holds_arguments(example.tool_arguments, call.arguments)]
    if example.tool_call:
        names_right, arguments_right = Counter(call.name for call in calls) == {example.tool_call: 1}, bool(holding)
    else:
        names_right = arguments_right = not calls
    compared = next(iter([*holding, *of_name, *calls]), None)
    return {
        "tool_call_correctness": int(names_right),
        "tool_call_arg_correctness": int(arguments_right),
        "pred_tool_call": compared.name if compared else "",
        "pred_tool_call_arg": json.dumps(compared.arguments, ensure_ascii=False) if compared else "",
    }


def holds_arguments(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> bool:
    """Return whether a call's arguments hold the expected ones, by the cookbook's rules; see `grade_tool_calls`."""
    return all(name in actual and _same(value, actual[name], name) for name, value in expected.items())


def _same(expected: Any, actual: Any, name: str = "") -> bool:
    if expected is None or actual is None or isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return holds_arguments(expected, actual)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) <= len(actual) and all(map(_same, expected, actual))
    if isinstance(expected, int | float) or isinstance(actual, int | float):
        number = _number(expected)
        return number is not None and number == _number(actual)
    if isinstance(expected, str) and isinstance(actual, str):
        return _comparable(expected, name) == _comparable(actual, name)
    return False


def _number(value: Any) -> Decimal | None:
    if isinstance(value, int | float):
        return Decimal(repr(value))
    return Decimal(value) if isinstance(value, str) and _JSON_NUMBER.fullmatch(value) else None


def _comparable(text: str, name: str) -> str:
    plain = _plain(text)
    if name == "order_id":
        return plain.replace(" ", "")
    if name == "new_address":
        return " ".join(_ADDRESS_WORDS.get(word, word) for word in plain.split())
    return plain


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())


# --- How answers sound, as columns of results -------------------------------------------------------------------------


@dataclass(frozen=True)
class Voice:
    """Measures the voice of each answer: pitch, rate, loudness, and the quality that listeners would hear.

    Give it to `run` among ``graders``. Columns ``voice_pitch_hz``, ``voice_loudness_lufs``, …: the figures of
    `realtime_nb.speech.voice.VoiceMeasures`, each with its formula and source in `realtime_nb.measure_voice`.

    Parameters
    ----------
    dnsmos : bool, default False
        Whether to estimate listeners' ratings; needs the extra ``mos`` where the cells run.

    Raises
    ------
    MissingExtra
        If DNSMOS is asked for and not installed.

    Notes
    -----
    Measuring takes a third of an answer's length for its pitch, and a tenth for DNSMOS; only the first 10 s count.

    Examples
    --------
    >>> str(Voice())
    'voice'
    """

    dnsmos: bool = False

    def __post_init__(self) -> None:
        if self.dnsmos:
            check_dnsmos()

    def __call__(self, answer: Answer) -> dict[str, float | None]:
        """Return the figures; none for an answer without sound."""
        if answer.audio is None or not len(answer.audio.samples):
            return {}
        columns = measure_voice(answer.audio, text=answer.text, dnsmos=self.dnsmos).columns
        del columns["duration_s"]  # Already in `output_s`.
        return columns

    def __str__(self) -> str:
        return "voice"
