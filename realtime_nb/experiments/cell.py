"""One cell of a run: one question, put once to one system under one condition, and measured."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from ..conversation.conversation import Conversation
from ..conversation.records import Reply
from ..errors import LocalProtocolError, RealtimeError, ServerError, SettingsError
from ..loop import submit
from ..media.clip import AudioClip
from ..recording.tracks import Compact
from ..sessions.own_system import System, SystemSession, is_system
from ..sessions.rate_limit import Limiter
from ..sessions.realtime import RealtimeSession
from ..sessions.session import Session
from .arrivals import get_arrival, put_arrival
from .clips import RunClips, SpokenClip, file_name
from .conditions import Pipeline, apply_conditions
from .example import Example
from .exports import as_markdown
from .graders import Answer, Grader, graded
from .metrics import answer_of, foreign_cost, grade_expected, grade_talk, measure, measure_talk, unknown_cost
from .retrying import after, may_pass, pause
from .scenario import Scenario, UserTurn
from .stopping import RunningCell, at_work, leave_to_parent
from .talk import Talker, turn_seed
from .timelines import WINDOWS, Windows

# --- Put a question: all at once, or in real time, as a person says it and hears the answer out -----------------------


def ask(session: Session, clip: AudioClip, *, live: bool, timeout_s: float) -> Reply:
    """Put a question to an open session, and wait for its answer; call it in a worker's own thread.

    `live`: whether the question and the answer take as long as they sound. A `RealtimeSession` with turn detection
    gets the question as from an open microphone (`RealtimeSession.listen_to`), and finds its turns; others get it as
    one turn when it has been said.
    `timeout_s`: the longest wait, in addition to the time in which the question is said.

    Raises `RealtimeError` if turn detection finds no turn in the clip; `TimeoutError` if it takes too long; and
    whatever the session raises.
    """
    if not live:
        # The session's own error, which names a silent server, must come before this time-out.
        return session.ask(clip, timeout_s=timeout_s).result(timeout_s + _GRACE_S)
    pending = submit(ask_live(session, clip))
    try:
        return pending.result(timeout_s + clip.duration_s)
    finally:
        pending.cancel()  # Stops a microphone that is still open; does nothing if everything is done.


#: How long a session may take to give up on an answer that does not come.
_GRACE_S = 3.0


async def ask_live(session: Session, clip: AudioClip) -> Reply:
    """Put a question in real time, on the I/O thread; see `ask`."""
    if isinstance(session, RealtimeSession) and session.turn_detection is not None:
        replies = (await session.listen_to(clip, hears_out=True)).replies
        if not replies:
            raise RealtimeError("turn detection found no turn in the clip that could be answered")
        return replies[-1]
    await asyncio.sleep(SpokenClip.of(clip).turn_end_ms / 1000)
    reply = await session.ask(clip)
    sounds_ms = reply.audio.duration_s * 1000 if reply.audio is not None else 0.0
    played_ms = session.elapsed_ms - reply.timing.origin_ms - (reply.timing.first_audio_ms or 0.0)
    await asyncio.sleep(max(0.0, sounds_ms - played_ms) / 1000)
    return reply


# --- The question of one cell: put to a session, heard, and measured --------------------------------------------------


class Question(Protocol):
    """The question of a cell."""

    failure: tuple[str, str] | None
    """The kind of failure and its reason, if nothing was raised."""

    def put(self, session: Session, timeout_s: float) -> None:
        """Ask an open session, and wait for the answers, at most `timeout_s` for each."""
        ...

    def own_clips(self) -> Iterable[SpokenClip]:
        """Return the clips that were made for this cell alone, because they were not known in advance."""
        ...

    def sound(self, name: Literal["input", "output"]) -> AudioClip | None:
        """Return the sound of the question, or of the answer, as far as there is any."""
        ...

    def answer(self) -> Answer:
        """Return the answer for graders."""
        ...

    def measures(self) -> dict[str, Any]:
        """Return the columns with its measures."""
        ...

    def grades(self) -> dict[str, Any]:
        """Return the grades for what the dataset expects."""
        ...


def question_of(work: CellWork) -> Question:
    """Return the question for an example under a condition, asked at once or in real time."""
    if isinstance(work.example, Scenario):
        talker = Talker(work.example, work.pipeline, work.seed, work.clips)
        return TalkQuestion(work.example, talker, live=work.live or work.example.is_paced, windows=work.windows)
    [clip] = work.clips
    return SpokenQuestion(work.example, clip, live=work.live)


def known_clips(example: Example, condition: str, pipeline: Pipeline, seed: int, clips: RunClips) -> list[SpokenClip]:
    """Return the clips of a question that are known in advance, under a condition; each is made once in a run."""
    turns: Sequence[Example | UserTurn] = example.script if isinstance(example, Scenario) else [example]

    def heard(turn: Example | UserTurn, place: int) -> SpokenClip:
        make = turn.clip if isinstance(turn, Example) else partial(turn.clip, example.speaker)
        said = clips.keep(("said", example.example_id, place), make)
        return apply_conditions(pipeline, said, turn_seed(seed, place), clips)

    return [
        clips.keep(("heard", example.example_id, place, condition), partial(heard, turn, place))
        for place, turn in enumerate(turns)
    ]


class SpokenQuestion:
    """A question of one clip."""

    def __init__(self, example: Example, clip: SpokenClip, *, live: bool):
        self.failure: tuple[str, str] | None = None
        self._example, self._clip, self._live = example, clip, live
        self._conversation = Conversation()
        self._measured: Answer | None = None

    def put(self, session: Session, timeout_s: float) -> None:
        """Ask the question."""
        self._conversation = session.conversation
        reply = ask(session, self._clip, live=self._live, timeout_s=timeout_s)
        if reply.status != "completed":
            self.failure = reply.status, f"{reply.reason or reply.error or 'no reason was given'}"

    def own_clips(self) -> Iterable[SpokenClip]:
        """Return none: the clip is the run's."""
        return []

    def sound(self, name: Literal["input", "output"]) -> AudioClip | None:
        """Return the clip, or the answer's sound."""
        return self._clip if name == "input" else self.answer().audio

    def answer(self) -> Answer:
        """Return the answer, as far as there is one."""
        return self._measured or answer_of(self._conversation, self._example)

    def measures(self) -> dict[str, Any]:
        """Measure the answer, of which no more is to come."""
        self._measured = answer_of(self._conversation, self._example)
        return measure(self._measured, self._clip)

    def grades(self) -> dict[str, Any]:
        """Grade its tool calls."""
        return grade_expected(self.answer())


class TalkQuestion:
    """A question that is a whole scenario."""

    def __init__(self, scenario: Scenario, talker: Talker, *, live: bool, windows: Windows):
        self.failure: tuple[str, str] | None = None
        self._scenario, self._talker, self._live, self._windows = scenario, talker, live, windows
        self._conversation = Conversation()

    def put(self, session: Session, timeout_s: float) -> None:
        """Have the conversation."""
        self._conversation = session.conversation
        if isinstance(session, SystemSession) and session.is_duplex:
            self._talker.talk_on_track(session, timeout_s)
        else:
            (self._talker.talk_with if self._live else self._talker.ask)(session, timeout_s)
        self.failure = self._failure()

    def _failure(self) -> tuple[str, str] | None:
        for number, each in enumerate(self._talker.talk.exchanges, 1):
            for reply in each.replies:
                # A cancelled reply was interrupted.
                if reply.status not in ("completed", "cancelled") or (reply.status == "cancelled" and not self._live):
                    return reply.status, f"turn {number}: {reply.reason or reply.error or 'no reason was given'}"
        return None

    def own_clips(self) -> Iterable[SpokenClip]:
        """Return the clips of turns whose words were not known in advance."""
        return list(self._talker.own_clips.values())

    def sound(self, name: Literal["input", "output"]) -> AudioClip | None:
        """Return a track so far."""
        return self._talker.talk.input if name == "input" else self._talker.talk.output

    def answer(self) -> Answer:
        """Return the whole conversation."""
        return answer_of(self._conversation, self._scenario)

    def measures(self) -> dict[str, Any]:
        """Measure the conversation, and each of its turns."""
        return measure_talk(self._talker.talk, self._scenario, self._conversation, self._windows)

    def grades(self) -> dict[str, Any]:
        """Grade what the scenario, and each of its turns, expects."""
        return grade_talk(self._talker.talk, self._scenario)


# --- The work that an executor is given for one cell, and its outcome -------------------------------------------------

#: Makes a session, or a system of yours; called once for each cell.
Factory = Callable[[], Session | System]

_CLOSE_TIMEOUT_S = 10.0
#: What a run can keep in its folder, beside the rows.
KEPT = frozenset({"answers", "events", "conversations"})
#: The cells of a process measure and write one after another: many computing threads would hold up the I/O thread,
#: which serves live sessions, for tens of milliseconds.
_COMPUTING = threading.Lock()
#: Sessions already used by cells: in another cell's conversation, a question would not be the same question.
_TAKEN: weakref.WeakSet[Session] = weakref.WeakSet()
_TAKING = threading.Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class CellWork:
    """The work of one cell. It can be sent to another process, and does not hold a key."""

    cell_id: str
    system: str
    factory: Factory
    example: Example
    condition: str
    pipeline: Pipeline
    repeat: int
    seed: int
    """Seed of the clip's conditions, the same for all systems and repeats."""
    graders: Mapping[str, Grader]
    grader_digests: Mapping[str, str] = field(default_factory=dict)
    """Hashes of the graders' recipes, made where the run began."""
    timeout_s: float
    clips: Sequence[SpokenClip] = ()
    """The clips that are known in advance, under the condition, from `with_clips`."""
    live: bool = False
    """True if question and answer take as long as they sound."""
    windows: Windows = WINDOWS
    """Those of the measures of turn-taking."""
    keep: frozenset[str] = KEPT
    """What to keep in the folder, beside the rows."""
    sound: Literal["flac", "opus"] = "flac"
    """The codec of answers."""
    arrivals: str = ""
    """A folder for answers until they are delivered; empty if delivery cannot fail."""
    retries: int = 2
    """How often, at most, to ask again if that may help."""
    limiter: Limiter | None = None
    """Only if the worker is a thread of this process."""


@dataclass(frozen=True, kw_only=True)
class CellOutcome:
    """The outcome of a cell: its row in the results, and its files by their paths in the folder."""

    row: dict[str, Any]
    files: dict[str, bytes]
    stopped: bool = False
    """True if it was stopped before there was an answer, so that a resumed run asks it again."""


def with_clips(work: CellWork, clips: RunClips) -> CellWork | CellOutcome:
    """Return work with its clips, or the row that says why there are none."""
    earlier: list[dict[str, Any]] = []
    while True:
        try:
            made = known_clips(work.example, work.condition, work.pipeline, work.seed, clips)
            return replace(work, clips=made)
        except Exception as error:
            attempt = _Attempt(work)
            attempt.fail(type(error).__name__, str(error) or type(error).__name__, error)
            if len(earlier) >= work.retries or not may_pass(error):
                return CellOutcome(row=after(attempt.row, earlier), files={})
            earlier.append(attempt.row)
            pause(len(earlier), error)


def run_cell(work: CellWork) -> CellOutcome:
    """Ask the question, again if that may help; any failure becomes a row with its stage and error."""
    leave_to_parent()
    if (arrived := get_arrival(work.arrivals, work.cell_id)) is not None:
        return CellOutcome(row=arrived.row, files=arrived.files)
    earlier: list[dict[str, Any]] = []
    with at_work(work) as cell:
        while True:
            attempt = _Attempt(work, cell=cell)
            try:
                attempt.run()
            except Exception as error:
                attempt.fail(type(error).__name__, str(error) or type(error).__name__, error)
            finally:
                attempt.close()
            is_over = len(earlier) >= work.retries or not may_pass(attempt.error)
            if not is_over and not cell.stopped.is_set():
                earlier.append(attempt.row)
                pause(len(earlier), attempt.error)
            if is_over or cell.stopped.is_set():
                stopped = cell.stopped.is_set() and attempt.row["status"] != "completed"
                row = after(attempt.row, earlier)
                if not stopped:
                    put_arrival(work.arrivals, row, attempt.files, plain_value)
                return CellOutcome(row=row, files=attempt.files, stopped=stopped)


def lost_cell(work: CellWork, error: Exception) -> CellOutcome:
    """Return the outcome of a cell whose worker returned nothing: a row that says so."""
    attempt = _Attempt(work, stage="worker")
    attempt.fail(type(error).__name__, str(error) or type(error).__name__, error)
    return CellOutcome(row=after(attempt.row, ()), files={})


@dataclass
class _Attempt:
    work: CellWork
    row: dict[str, Any] = field(init=False)
    files: dict[str, bytes] = field(default_factory=dict)
    session: Session | None = None
    stage: str = "input"
    cell: RunningCell = field(default_factory=RunningCell)
    _said: SpokenClip | None = None
    """The clip of a question that is one."""
    error: Exception | None = None
    """The error that it failed with, if that decides whether to ask again."""

    def __post_init__(self) -> None:
        work, example = self.work, self.work.example
        self.row = {
            "cell_id": work.cell_id,
            "example_id": example.example_id,
            "system": work.system,
            "condition": work.condition,
            "repeat": work.repeat,
            "input_seed": work.seed,
            "tags": ";".join(example.tags),
            "user_text": example.text,
            "language": example.language,
            "gt_tool_call": example.tool_call,
            "gt_tool_call_arg": json.dumps(dict(example.tool_arguments), ensure_ascii=False)
            if example.tool_call
            else "",
            "status": "completed",
            "failure_stage": "",
            "error_type": "",
            "error_message": "",
        }

    def run(self) -> None:
        work = self.work
        question = question_of(work)
        self._keep_sounds(question)
        self.stage = "session"
        self.session = self.cell.session = session = _new_session(work)
        self.row["model"] = session.model
        if work.limiter is not None:
            session.bounds.limiter = work.limiter
        self.stage = "connect"
        if self.cell.stopped.is_set():
            raise LocalProtocolError("the run was stopped before this was asked")
        session.connect().result(work.timeout_s)
        self.stage = "response"
        try:
            question.put(session, work.timeout_s)
        except Exception:
            with suppress(Exception):  # The row tells the first error.
                self._keep_sounds(question)
                # The answer may still go on, and cost more.
                self.row |= {name: it for name, it in question.measures().items() if not name.startswith("cost_")}
            raise
        self._keep_sounds(question)
        with _COMPUTING:
            self.row |= question.measures()
        self.row |= _told_cost(session, self.row)
        if question.failure is not None:
            self.fail(*question.failure, _error_in(session))
        if self.row["status"] == "completed":
            self._grade(question)

    def _grade(self, question: Question) -> None:
        self.stage = "grade"
        self.row |= question.grades()
        self.row |= graded(question.answer(), self.work.graders, self.work.grader_digests)

    def fail(self, kind: str, message: str, error: Exception | None = None) -> None:
        self.error = error if self.stage != "grade" else None  # There is an answer, so do not ask again.
        self.row |= {"status": "failed", "failure_stage": self.stage, "error_type": kind, "error_message": message}

    def close(self) -> None:
        """End the session, and keep its recording."""
        session, self.cell.session = self.session, None
        if session is None:
            return
        with suppress(Exception):  # The question's outcome is known already.
            session.close().result(_CLOSE_TIMEOUT_S)
        # The cost of an answer that never ended, too.
        if "cost_usd" not in self.row:
            self.row["cost_usd"] = session.bounds.spent_usd
            if remarks := session.conversation.costs().remarks:
                self.row["cost_remarks"] = "; ".join(remarks)
            self.row |= _told_cost(session, self.row)
        if not len(session.log):
            return
        if "conversations" in self.work.keep:
            text = as_markdown(session.conversation, self.row)
            self.files[f"conversations/{self.work.cell_id}.md"] = text.encode()
        if "events" not in self.work.keep:
            return
        try:
            with _COMPUTING, tempfile.TemporaryDirectory(prefix="realtime_nb-cell-") as folder:
                self._take(session, Path(folder) / "recording")
        except (OSError, RealtimeError) as error:
            self.row["recording_error"] = str(error)

    def _take(self, session: Session, recording: Path) -> None:
        """Keep the parts of a recording that the run wants; a question of one clip has its sound only there."""
        place = f"recordings/{self.work.cell_id}"
        without = () if "answers" in self.work.keep else ("assistant",)
        session._save(recording, form=Compact(self._said, self.work.sound, without))
        for file in sorted(recording.iterdir()):
            self.files[f"{place}/{file.name}"] = file.read_bytes()
            if file.stem == "assistant" and self._said is not None:
                self.row["output_audio_path"] = f"{place}/{file.name}"
        self.row["event_log_path"] = f"{place}/events.jsonl"

    def _keep_sounds(self, question: Question) -> None:
        keep = self.work.keep
        self.files |= {file_name(clip.sha256): clip.encode("wav") for clip in question.own_clips()}
        if isinstance(question, SpokenQuestion):
            said = question.sound("input")
            assert isinstance(said, SpokenClip)
            self._said, self.row["input_audio_path"] = said, file_name(said.sha256)
        else:
            self._keep_sound(question, "input")
        # The recording of a question that is one clip has its answer's sound.
        if "answers" in keep and not ("events" in keep and isinstance(question, SpokenQuestion)):
            self._keep_sound(question, "output")

    def _keep_sound(self, question: Question, name: Literal["input", "output"]) -> None:
        if (clip := question.sound(name)) is not None:
            path = f"audio/{self.work.cell_id}/{name}.{self.work.sound}"
            self.files[path] = clip.encode(self.work.sound)
            self.row[f"{name}_audio_path"] = path


def _new_session(work: CellWork) -> Session:
    """Return a session that nobody has used; raise if the factory returns anything else."""
    session: Any = work.factory()
    advice = "let it make a new one each time, e.g. lambda: ChatSession()"
    if is_system(session):
        return SystemSession(session)
    if not isinstance(session, Session):
        raise SettingsError(
            f"systems[{work.system!r}] returned {type(session).__name__}, neither a session nor a system with a method "
            f"answer: {advice}"
        )
    with _TAKING:
        if session in _TAKEN:
            raise SettingsError(f"systems[{work.system!r}] returned the same session twice: {advice}")
        _TAKEN.add(session)
    if session.conversation.replies:
        raise SettingsError(f"systems[{work.system!r}] returned a session that has answered before: {advice}")
    return session


def _told_cost(session: Session, row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns about a cost that is another than the price table says."""
    if isinstance(session, SystemSession):
        if session.cost_usd is None:
            return unknown_cost(f"{session.model} did not say what it cost")
        return _own_cost(session.cost_usd, row)
    return foreign_cost(session.conversation, session.backend)


def _own_cost(cost_usd: float, row: dict[str, Any]) -> dict[str, Any]:
    length_s = row.get("input_s", 0.0) + row.get("output_s", 0.0)
    told: dict[str, Any] = {"cost_usd": cost_usd, "cost_per_minute_usd": cost_usd * 60 / length_s if length_s else None}
    return told | ({"cost_at_most_usd": cost_usd, "cost_remarks": ""} if "cost_remarks" in row else {})


def _error_in(session: Session) -> ServerError | None:
    """Return the server's error for the last answer, if that failed, as an exception."""
    reply = session.conversation.replies[-1] if session.conversation.replies else None
    if reply is None or reply.status != "failed" or not reply.error:
        return None
    kind, code = (None if reply.error.get(name) is None else str(reply.error[name]) for name in ("type", "code"))
    return ServerError(str(reply.error.get("message") or ""), code=code, error_type=kind)


def plain_value(value: Any) -> Any:
    """Return a row's value as plain JSON."""
    return value.item() if isinstance(value, np.generic) else str(value)
