"""`Recording`: a recorded session, as records, data frames and sound."""

from __future__ import annotations

import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from msgspec import UNSET

from ..conversation.conversation import Conversation
from ..conversation.records import Reply, Turn
from ..conversation.timing import Timing
from ..display import Record, printable
from ..errors import AudioError, RecordingError
from ..files import missing
from ..media.clip import AudioClip
from ..pricing.usage import Usage
from .exchanges import questions_in
from .files import TRACKS, Line, LineRun, Reference
from .mix import as_heard, beside, stretch
from .raw_log import write_raw_log
from .reader import Folder, RecordedEvent, many_records
from .spans import Piece, find_mentions, find_spans, length_s

if TYPE_CHECKING:
    import pandas

_SLOWEST, _FASTEST = 0.25, 4.0


class AskingSession(Protocol):
    """The part of a session that asking again needs."""

    def ask_each(self, questions: list[tuple[str | AudioClip, ...]]) -> Any:
        """Ask the questions one after another; returns a `Pending` conversation."""


@runtime_checkable
class ListeningSession(Protocol):
    """A session that detects turns in sound."""

    def listen_to(self, clip: AudioClip, *, speed: float = 1.0) -> Any:
        """Send a clip as an open microphone would; returns a `Pending` conversation."""


@dataclass(frozen=True, eq=False, repr=False)
class Replay(Record):
    """Both sides of a recording in one clip, with the turns and their times.

    Parameters
    ----------
    name : str
        The recording's name.
    clip : AudioClip
        Both sides as they were heard, the person on the left and the model on the right; a single side is mono.
    turns : list of (float, Turn)
        The turns, and where each begins in the clip, in seconds.
    speed : float
        How much faster than the original.
    """

    name: str
    clip: AudioClip
    turns: list[tuple[float, Turn]]
    speed: float = 1.0

    def __repr__(self) -> str:
        speed = f" at {self.speed:g} times the speed" if self.speed != 1.0 else ""
        return f"Replay({self.name!r}, {self.clip.duration_s:.1f} s{speed}, {len(self.turns)} turns)"


class Recording(Record):
    """A session as data: both voices, every event with its time, and the records that follow from them.

    Made by ``session.record_to(path)``, ``session.save(path)`` or ``RealtimeSession(recording=path)``.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask("What is two plus three?").result()
    ...     path = session.save("lesson-1")
    >>> recording = rt.Recording.load("lesson-1")
    >>> recording.conversation.replies[0].transcript
    '2 plus 3 is 5.'
    >>> recording.replay(speed=1.5)
    Replay('lesson-1', ... s at 1.5 times the speed, 2 turns)

    Notes
    -----
    It is a folder with ``manifest.json`` (what made it, the settings, wall time, hashes), ``events.jsonl`` (every
    event, with references into the tracks in place of audio), ``user.flac`` and ``assistant.flac`` (everything that was
    generated). Both tracks share one clock: session time, which waits for clips that were sent faster than they sound.
    """

    def __init__(self, folder: Folder, *, source: Path | None = None):
        self._folder = folder
        self.path = source or folder.path
        """The folder or file that it was loaded from."""
        self.manifest = folder.manifest
        """Facts about the recording: versions, backend, model, settings, clock, hashes."""

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Load a recording quickly; the sound is read when it is first needed.

        Parameters
        ----------
        path : str or Path
            The folder, or a raw log: a file with one JSON event on each line, as OpenAI's API sends them. An event may
            have a time (``timestamp``, ``time``, ``ts``, ``elapsed_ms``, …; ISO 8601, or a number, whose unit the sound
            tells) and a direction (``direction``, ``source``, …), beside it or in an object around it. Pauses of more
            than two minutes are shortened, and silence replaces sound that was taken out; `remarks` says so.

        Returns
        -------
        recording : Recording
            `remarks` says what is missing or damaged.

        Raises
        ------
        RecordingError
            If it is not a recording.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     reply = session.ask("Hello!").result()
        ...     _ = session.save("lesson-5")
        >>> len(rt.Recording.load("lesson-5").conversation)
        2
        """
        path = Path(path)
        if not path.exists():
            raise RecordingError(missing(path, "is not there"))
        if path.is_dir():
            return cls(Folder(path))
        folder = Path(tempfile.mkdtemp(prefix="realtime_nb-"))
        try:
            write_raw_log(path, folder)
            recording = cls(Folder(folder), source=path)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(recording, shutil.rmtree, folder, ignore_errors=True)
        return recording

    @property
    def model(self) -> str:
        """The model's name, from the server or, if it named none, from the session."""
        return str(self._outline.session.get("model") or self.manifest.get("model") or "")

    @property
    def said(self) -> list[tuple[float, Turn]]:
        """Each turn, and where it begins on the tracks' clock, in seconds."""
        starts = self._starts
        return sorted(((starts.get(turn.item_id, 0.0), turn) for turn in self._outline), key=lambda each: each[0])

    @property
    def remarks(self) -> list[str]:
        """Remarks on what was missing or damaged and how it was mended, followed by the session's own."""
        said = self._outline.remarks
        return [*self._folder.remarks, *said]

    def warn_of_damage(self) -> None:
        """Warn about what is missing or damaged, for callers who use its data without its `remarks`."""
        for remark in self._folder.remarks:
            warnings.warn(f"the recording {self.path.name!r}: {printable(remark)}", UserWarning, stacklevel=3)

    def __iter__(self) -> Iterator[RecordedEvent]:
        """Yield every event as it was sent or received: ``elapsed_ms``, ``direction``, ``event``."""
        return self._folder.entries()

    def __len__(self) -> int:
        return len(self._folder.lines)

    def __repr__(self) -> str:
        return f"Recording({self.path.name!r}, {self.duration_s:.1f} s, {len(self)} events)"

    # --- records ---

    @cached_property
    def conversation(self) -> Conversation:
        """The conversation, with the same records as live, made from the events again."""
        return _folded(self._folder.gathered())

    @cached_property
    def _outline(self) -> Conversation:
        """The same records with almost no sound, which are faster to make."""
        if "conversation" in self.__dict__:
            return self.conversation
        return _folded(self._folder.outline())

    @property
    def _lines(self) -> Iterator[Line]:
        return (run.line for run in self._folder.runs)

    @cached_property
    def _spans(self) -> dict[str, list[Piece]]:
        return find_spans(self._lines, self._outline)

    @cached_property
    def duration_s(self) -> float:
        """Length on the tracks' clock, in seconds, up to the last event or the last sound."""
        return length_s(self._lines)

    # --- data frames ---

    @cached_property
    def events(self) -> pandas.DataFrame:
        """A row for each event: ``elapsed_ms``, ``direction``, ``type``, ids, text, and where its audio is."""
        with many_records():
            return events_frame(self._folder.lines, self._folder.runs)

    @cached_property
    def turns(self) -> pandas.DataFrame:
        """A row for each turn: who spoke, the words, how much was heard, and the time on the tracks' clock."""
        return turns_frame(self._outline, self._spans, self._rates)

    @cached_property
    def usage(self) -> pandas.DataFrame:
        """A row for each reply: its tokens by kind, and dollars."""
        return usage_frame(self._outline)

    @cached_property
    def latency(self) -> pandas.DataFrame:
        """A row for each reply: `Timing`, in ms after the person had finished."""
        return latency_frame(self._outline)

    # --- sound ---

    @property
    def _rates(self) -> dict[str, int]:
        tracks = ((name, self._folder.track(name)) for name in TRACKS)
        return {name: track.rate for name, track in tracks if track is not None}

    @property
    def user(self) -> AudioClip | None:
        """The person's side, on the tracks' clock; `None` if there is no sound."""
        return self._clip("user")

    @property
    def assistant(self) -> AudioClip | None:
        """The model's side as generated, including what was not heard."""
        return self._clip("assistant")

    @cached_property
    def heard(self) -> AudioClip | None:
        """The model's side as it was heard, on the tracks' clock."""
        track = self._folder.track("assistant")
        return None if track is None else as_heard(track.whole, track.rate, self._spans, self._outline)

    def _clip(self, name: str) -> AudioClip | None:
        track = self._folder.track(name)
        return None if track is None else AudioClip.from_pcm16(track.whole.tobytes(), track.rate)

    # --- again ---

    def replay(self, *, speed: float = 1.0) -> Replay:
        """Play both sides as they were heard, with the original pauses.

        Parameters
        ----------
        speed : float, default 1.0
            Between 0.25 and 4; the pitch stays the same.

        Returns
        -------
        replay : Replay
            Shown as one player, with the person on the left and the model on the right, and the words with their times.

        Raises
        ------
        AudioError
            If the speed is out of range.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     reply = session.ask(rt.speak("What time is it?")).result()
        ...     recording = session.save("lesson-6")
        >>> recording.replay(speed=2)
        Replay('lesson-6', ... s at 2... times the speed, 2 turns)
        """
        if not _SLOWEST <= speed <= _FASTEST:
            raise AudioError(f"speed={speed!r} must be between {_SLOWEST} and {_FASTEST}")
        clip = stretch(beside(self.user, self.heard), speed)
        return Replay(self.path.name, clip, [(start_s / speed, turn) for start_s, turn in self.said], speed)

    @property
    def _starts(self) -> dict[str, float]:
        """Where each item begins on the tracks' clock, in seconds."""
        rates = self._rates
        sounding = {
            item_id: pieces[0].at_sample / rates[pieces[0].track] for item_id, pieces in self._spans.items() if pieces
        }
        return find_mentions(self._lines) | sounding

    def ask_again(self, session: AskingSession, *, live: bool = False, speed: float = 1.0) -> Any:
        """Ask another session the questions of this one, in the same order and with the same sound or words.

        Parameters
        ----------
        session : RealtimeSession, ChatSession or CascadeSession
            The session to ask, e.g. with another model, voice, instructions or turn detection.
        live : bool, default False
            If true, the turn detection of a `RealtimeSession` finds the turns: the person's side is sent from beginning
            to end with its pauses, as an open microphone would send it, and typed questions are left out. Otherwise
            every spoken turn is sent as a turn of the same length.
        speed : float, default 1.0
            With `live`, how much faster than it sounds the audio is sent; see `RealtimeSession.listen_to`.

        Returns
        -------
        conversation : Pending of Conversation
            The session's conversation; `diff` shows it beside this recording.

        Raises
        ------
        RecordingError
            If there are no questions in it.
        TypeError
            If `live` is true and the session takes whole turns.
        SettingsError
            If `live` is true and the session has no turn detection, or the speed is out of range.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session, rt.ChatSession(backend="local") as other:
        ...     reply = session.ask(rt.speak("What is two plus three?")).result()
        ...     again = session.save("lesson-7").ask_again(other).result()
        >>> again.replies[0].transcript
        '2 plus 3 is 5.'
        """
        if live:
            return self._ask_live(session, speed)
        questions = questions_in(self.conversation)
        if not questions:
            raise RecordingError(f"nothing was asked in {self.path.name!r}")
        return session.ask_each(questions)

    def _ask_live(self, session: AskingSession, speed: float) -> Any:
        if not isinstance(session, ListeningSession):
            raise TypeError(
                f"live=True needs a RealtimeSession, which detects turns itself, not {type(session).__name__}"
            )
        clip = self.user
        if clip is None:
            raise RecordingError(f"nothing was spoken in {self.path.name!r}")
        return session.listen_to(clip, speed=speed)


def _folded(entries: Iterator[RecordedEvent]) -> Conversation:
    conversation = Conversation()
    with many_records():
        for entry in entries:
            conversation.apply(entry.event, entry.elapsed_ms)
    return conversation


# --- The same as data frames ------------------------------------------------------------------------------------------

_COUNTS = [field.name for field in fields(Usage) if field.name not in ("is_complete", "remarks")]


def events_frame(lines: Sequence[Line], runs: Sequence[LineRun]) -> pandas.DataFrame:
    """Return a row for each event.

    `runs`: the same lines with the microphone's frames gathered, so that what they share is looked up only once.
    """
    import pandas

    counts = np.array([run.length for run in runs], dtype=np.int64)
    rows = [run.line.event for run in runs]
    references = [_reference(run.line) for run in runs]
    silent = np.array([each is None for each in references], dtype=bool)
    starts = np.array([0 if each is None else each.start_sample for each in references], dtype=np.int64)
    samples = np.array([0 if each is None else each.samples for each in references], dtype=np.int64) // counts
    audio_ms = np.array([np.nan if each is None else each.audio_ms for each in references]) / counts

    def spread(values: np.ndarray) -> np.ndarray:
        return np.repeat(values, counts)

    def column(values: list[Any]) -> pandas.Series:
        held = np.empty(len(values), dtype=object)
        held[:] = values
        return pandas.Series(spread(held), dtype=object)

    number = np.arange(len(lines)) - spread(np.cumsum(counts) - counts)
    return pandas.DataFrame(
        {
            "elapsed_ms": np.array([line.elapsed_ms for line in lines], dtype=float),
            "direction": _categories([run.line.direction for run in runs], counts),
            "type": _categories([row.type for row in rows], counts),
            "event_id": column([row.event_id for row in rows]),
            "item_id": column([row.item_id for row in rows]),
            "response_id": column([row.response_id for row in rows]),
            "text": column([row.delta or row.text or row.transcript for row in rows]),
            "audio_ms": spread(audio_ms),
            "track": _categories([None if each is None else each.track for each in references], counts),
            "start_sample": pandas.arrays.IntegerArray(spread(starts) + number * spread(samples), spread(silent)),
        }
    )


def _reference(line: Line) -> Reference | None:
    return None if line.audio is UNSET else next(iter(line.audio.values()), None)


def _categories(values: list[str | None], counts: np.ndarray) -> pandas.Categorical:
    """Return texts as categories, each repeated by its count."""
    import pandas

    names = [name for name in dict.fromkeys(values) if name is not None]
    codes: dict[str | None, int] = {name: code for code, name in enumerate(names)} | {None: -1}
    spread = np.repeat(np.array([codes[value] for value in values], dtype=np.int64), counts)
    return pandas.Categorical.from_codes(spread, categories=names)


def turns_frame(conversation: Conversation, spans: dict[str, list[Piece]], rates: dict[str, int]) -> pandas.DataFrame:
    """Return a row for each turn; ``start_s`` is on the tracks' clock."""
    rows = []
    for turn in conversation:
        pieces = spans.get(turn.item_id)
        rows.append(turn.row | {"start_s": pieces[0].at_sample / rates[pieces[0].track] if pieces else None})
    return _frame(rows, Turn(item_id="").row | {"start_s": None})


def usage_frame(conversation: Conversation) -> pandas.DataFrame:
    """Return a row for each reply: tokens of each kind, and dollars."""
    return _frame([_used(reply) for reply in conversation.replies], _used(Reply(response_id="")))


def _used(reply: Reply) -> dict[str, Any]:
    cost = reply.cost
    return {
        "response_id": reply.response_id,
        "model": reply.model,
        "status": reply.status,
        **{name: getattr(reply.usage, name, None) for name in _COUNTS},
        "cost_usd": cost.total_usd if cost else None,
        "remarks": "; ".join(cost.remarks) if cost else "",
    }


def latency_frame(conversation: Conversation) -> pandas.DataFrame:
    """Return a row for each reply: when things happened, in ms after the person had finished."""
    return _frame([_timed(reply) for reply in conversation.replies], _timed(Reply(response_id="")))


def _timed(reply: Reply) -> dict[str, Any]:
    timing = reply.timing
    marks = [name for name, value in vars(Timing).items() if name.endswith("_ms") and isinstance(value, property)]
    return {
        "response_id": reply.response_id,
        "model": reply.model,
        "status": reply.status,
        "asked": reply.asked.text if reply.asked else None,
        "origin_ms": timing.origin_ms,
        **{name: getattr(timing, name) for name in marks},
        **{f"{stage}_started_ms": started for stage, (started, _) in timing.stages.items()},
        **{f"{stage}_done_ms": done for stage, (_, done) in timing.stages.items()},
    }


def _frame(rows: list[dict[str, Any]], blank: dict[str, Any]) -> pandas.DataFrame:
    """Return rows as a frame, which has its columns even if there are no rows."""
    import pandas

    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=list(blank))
