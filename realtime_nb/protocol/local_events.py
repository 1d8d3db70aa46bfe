"""Local events, which only this side of a session knows. They are logged and folded like those on the wire."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

#: The kind of the remark that the disk is too full to go on recording.
RECORDING_STOPPED = "recording stopped"


class StateChanged(Struct, frozen=True, kw_only=True):
    """The session is now ``"connecting"``, ``"open"`` or ``"closed"``; ``message`` says why."""

    state: str
    message: str = ""
    type: str = "session.state"


class Remarked(Struct, frozen=True, kw_only=True):
    """Something was dropped, repaired or guessed; `realtime_nb.Conversation.remarks` has it, once for each kind."""

    text: str
    """A plain sentence."""
    kind: str = ""
    """A key for remarks of the same kind; by default the text itself."""
    type: str = "session.remarked"


TWICE = Remarked(text="an event came twice, and counts once", kind="event twice")


class Interrupted(Struct, frozen=True, kw_only=True):
    """The person interrupts by hand; speakers stop."""

    type: str = "session.interrupted"


class SessionRenewed(Struct, frozen=True, kw_only=True):
    """Another session of the server's continues the conversation; as much of the history as possible was sent to it.

    Items keep their ids, so turns stay the same.
    """

    reason: str
    """``"rotated"`` before the old session's time ran out, ``"restored"`` after it broke, ``"reopened"`` by hand."""
    carried: int
    """How many items were sent to it."""
    left_out: list[str] = []
    """The items of the conversation that it does not know."""
    age_ms: float | None = None
    """How long the old session was open."""
    message: str = ""
    """Why the old session ended, if it ended with an error."""
    type: str = "session.renewed"


class TurnEdited(Struct, frozen=True, kw_only=True):
    """An item replaces another one, which was removed."""

    item_id: str
    replaced_id: str
    type: str = "turn.edited"


class Heard(Struct, frozen=True, kw_only=True):
    """The speaker's report of how much of an item's audio it has played."""

    item_id: str
    played_ms: int
    stopped: bool = False
    """True if playback stopped there, before the end of the audio."""
    type: str = "playback.heard"


class EchoHeard(Struct, frozen=True, kw_only=True):
    """An answer was interrupted by its own echo in the microphone."""

    item_id: str
    likeness: float
    """Correlation of microphone and answer, 0.0 to 1.0."""
    delay_ms: float
    """Delay from the page's output to its input."""
    type: str = "playback.echoed"


class AnswerFile(Struct, frozen=True, kw_only=True):
    """An answer's audio came as a file; if it could not be decoded, ``remark`` says why."""

    response_id: str
    data: bytes
    remark: str = ""
    type: str = "answer.file"


class StageStarted(Struct, frozen=True, kw_only=True):
    """A step of a chain began to work on a response."""

    response_id: str
    stage: str
    model: str
    type: str = "stage.started"


class StageDone(Struct, frozen=True, kw_only=True):
    """A step of a chain is done with a response; ``usage`` is what `realtime_nb.pricing.cost.metered_cost` takes."""

    response_id: str
    stage: str
    usage: dict[str, Any] | None = None
    remark: str = ""
    """A remark for the person, e.g. that the spoken words differ from the written ones."""
    part: str = ""
    """Which part did it, if the server says so, e.g. ``"Whisper tiny.en"``."""
    type: str = "stage.done"


class ToolStarted(Struct, frozen=True, kw_only=True):
    """A function that the model called begins to run here."""

    call_id: str
    name: str
    type: str = "tool.started"


class ToolDone(Struct, frozen=True, kw_only=True):
    """A function call has its output: a result, or what went wrong."""

    call_id: str
    name: str
    output: str
    """The text that the model gets."""
    error: str = ""
    """The error; empty for a result."""
    ran_ms: float | None = None
    """How long the function ran; `None` if it was not run."""
    type: str = "tool.done"


class ApprovalAsked(Struct, frozen=True, kw_only=True):
    """A call waits for approval; for a tool of an MCP server ``call_id`` is the id of the approval request."""

    call_id: str
    name: str
    arguments: str
    server_label: str = ""
    """The MCP server that would run it; empty for a function that runs here."""
    type: str = "tool.approval_asked"


class ApprovalGiven(Struct, frozen=True, kw_only=True):
    """A call was approved or refused, or no one could decide."""

    call_id: str
    approved: bool
    reason: str = ""
    """Why it was refused, if no person refused it."""
    type: str = "tool.approval_given"


class Word(Struct, frozen=True):
    """A word, and where it is in the audio."""

    text: str
    start_ms: float
    end_ms: float


class WordsTimed(Struct, frozen=True, kw_only=True):
    """A transcriber gave the times of a part's words."""

    item_id: str
    content_index: int
    words: tuple[Word, ...]
    type: str = "transcription.words"


class ClockAligned(Struct, frozen=True, kw_only=True):
    """The page's clock was compared with the kernel's, by exchanging their times."""

    offset_ms: float
    """How far the page's clock is ahead of the kernel's."""
    error_ms: float
    """The maximum error: half the round trip, plus the resolution of the page's clock."""
    round_trip_ms: float
    """Round trip of the quickest exchange, which counts."""
    type: str = "clock.aligned"


class FramePassed(Struct, frozen=True, kw_only=True):
    """Travel times of the frame with a turn's last speech, in session time; `None` if not known."""

    item_id: str
    captured_ms: float | None
    """The page had the whole frame."""
    arrived_ms: float | None
    """It reached the I/O thread."""
    sent_ms: float
    """It, or the commit after it, was queued for the socket; the time of that event."""
    written_ms: float | None
    """The socket had taken it."""
    type: str = "microphone.passed"


class SoundBegan(Struct, frozen=True, kw_only=True):
    """The page played an item's first sample, or its first audible one."""

    item_id: str
    rendered_ms: float
    """Session time."""
    latency_ms: float
    """The browser's latency from there to the loudspeaker."""
    audible: bool
    """True if the sample is louder than -60 dB of full scale."""
    latency_is_estimate: bool = False
    """True if the browser does not tell its latency, and `latency_ms` is a constant in its place."""
    type: str = "playback.began"


class Waiting(Struct, frozen=True, kw_only=True):
    """The session waits for a busy server, with the reason; without a message it no longer waits."""

    message: str
    type: str = "session.waiting"


class BudgetStopped(Struct, frozen=True, kw_only=True):
    """A bound was reached; the answer is cut off, and the session closes."""

    bound: str
    """``"max_usd"``, ``"max_minutes"`` or ``"idle_minutes"``."""
    reason: str
    """How much of it was used, and how to go on."""
    type: str = "budget.stopped"


class Flagged(Struct, frozen=True, kw_only=True):
    """A guard blocked something, or failed to judge it; it is not answered, or is cut off."""

    side: str
    """``"user"`` or ``"assistant"``: whose words they are."""
    reason: str
    item_id: str = ""
    """The item with the words."""
    response_id: str = ""
    """The response with the words, or the one that answered them."""
    type: str = "guard.flagged"


class Passed(Struct, frozen=True, kw_only=True):
    """A guard passed the person's words; the answer may be played."""

    item_id: str
    type: str = "guard.passed"
