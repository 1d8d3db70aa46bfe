"""Local events: what only this side of a session knows. They are logged and folded like those of the wire."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

#: The kind of the remark that a disk takes no more of a recording.
RECORDING_STOPPED = "recording stopped"


class StateChanged(Struct, frozen=True, kw_only=True):
    """The session is now ``"connecting"``, ``"open"`` or ``"closed"``, and in ``message`` why."""

    state: str
    message: str = ""
    type: str = "session.state"


class Remarked(Struct, frozen=True, kw_only=True):
    """Something was dropped, mended or guessed: `realtime_nb.Conversation.remarks` tells it, once per kind."""

    text: str
    """A plain sentence."""
    kind: str = ""
    """What remarks of one kind have in common; by default the text itself."""
    type: str = "session.remarked"


TWICE = Remarked(text="an event came twice, and counts once", kind="event twice")


class Interrupted(Struct, frozen=True, kw_only=True):
    """The person interrupts by hand; speakers fall silent."""

    type: str = "session.interrupted"


class SessionRenewed(Struct, frozen=True, kw_only=True):
    """Another session of the server's goes on with the conversation: what came before was told to it, as far as can be.

    Items keep their ids, so that turns stay the same turns.
    """

    reason: str
    """``"rotated"`` before the old one's time was over, ``"restored"`` after it broke off, ``"reopened"`` by hand."""
    carried: int
    """How many items were told to it."""
    left_out: list[str] = []
    """The items of the conversation that it does not know."""
    age_ms: float | None = None
    """How long the old one was open."""
    message: str = ""
    """Why the old one ended, where it did not end in peace."""
    type: str = "session.renewed"


class TurnEdited(Struct, frozen=True, kw_only=True):
    """An item takes the place of another one, which was taken out."""

    item_id: str
    replaced_id: str
    type: str = "turn.edited"


class Heard(Struct, frozen=True, kw_only=True):
    """The speaker's report: so much of an item's audio has been rendered."""

    item_id: str
    played_ms: int
    stopped: bool = False
    """True if playback ended there, before the audio did."""
    type: str = "playback.heard"


class EchoHeard(Struct, frozen=True, kw_only=True):
    """What interrupted an answer was the answer itself, come back through the microphone."""

    item_id: str
    likeness: float
    """Of microphone and answer, 0.0 to 1.0."""
    delay_ms: float
    """From the page's output to its input."""
    type: str = "playback.echoed"


class AnswerFile(Struct, frozen=True, kw_only=True):
    """An answer's audio came as a file; where it could not be decoded, ``remark`` says why."""

    response_id: str
    data: bytes
    remark: str = ""
    type: str = "answer.file"


class StageStarted(Struct, frozen=True, kw_only=True):
    """A step of a chain has begun to work on a response."""

    response_id: str
    stage: str
    model: str
    type: str = "stage.started"


class StageDone(Struct, frozen=True, kw_only=True):
    """A step of a chain is done with a response; ``usage`` as `realtime_nb.pricing.cost.metered_cost` takes it."""

    response_id: str
    stage: str
    usage: dict[str, Any] | None = None
    remark: str = ""
    """What the person should know of it, e.g. that other words were spoken than were written."""
    type: str = "stage.done"


class ToolStarted(Struct, frozen=True, kw_only=True):
    """A function that the model has called begins to run here."""

    call_id: str
    name: str
    type: str = "tool.started"


class ToolDone(Struct, frozen=True, kw_only=True):
    """A function call has its output: a result, or what went wrong."""

    call_id: str
    name: str
    output: str
    """What the model gets."""
    error: str = ""
    """What went wrong; empty for a result."""
    ran_ms: float | None = None
    """How long the function ran; `None` if it was not run."""
    type: str = "tool.done"


class ApprovalAsked(Struct, frozen=True, kw_only=True):
    """A call waits for somebody to agree to it; ``call_id`` is the request's id for a tool of an MCP server."""

    call_id: str
    name: str
    arguments: str
    server_label: str = ""
    """The MCP server that would run it; empty for a function that runs here."""
    type: str = "tool.approval_asked"


class ApprovalGiven(Struct, frozen=True, kw_only=True):
    """Somebody has decided on a call, or nobody could."""

    call_id: str
    approved: bool
    reason: str = ""
    """Why not, where nobody said no."""
    type: str = "tool.approval_given"


class Word(Struct, frozen=True):
    """A word and where it lies in the audio that it was heard in."""

    text: str
    start_ms: float
    end_ms: float


class WordsTimed(Struct, frozen=True, kw_only=True):
    """A transcriber said when each word of a part was spoken."""

    item_id: str
    content_index: int
    words: tuple[Word, ...]
    type: str = "transcription.words"


class ClockAligned(Struct, frozen=True, kw_only=True):
    """The page's clock was told from the kernel's, by an exchange of their times."""

    offset_ms: float
    """How far the page's clock is ahead of the kernel's."""
    error_ms: float
    """What it may be off by, at most: half the round trip, and the resolution of the page's clock."""
    round_trip_ms: float
    """Of the quickest exchange, which counts."""
    type: str = "clock.aligned"


class FramePassed(Struct, frozen=True, kw_only=True):
    """How the frame with a turn's last speech travelled, in session time; `None` for what is not known."""

    item_id: str
    captured_ms: float | None
    """The page had it whole."""
    arrived_ms: float | None
    """It was on the I/O thread."""
    sent_ms: float
    """It, or the commit behind it, was queued for the socket: the time of its own event."""
    written_ms: float | None
    """The socket had taken it."""
    type: str = "microphone.passed"


class SoundBegan(Struct, frozen=True, kw_only=True):
    """The page rendered an item's first sample, or its first audible one."""

    item_id: str
    rendered_ms: float
    """Session time."""
    latency_ms: float
    """What the browser says that its output takes from there to the loudspeaker."""
    audible: bool
    """True if the sample is louder than -60 dB of full scale."""
    type: str = "playback.began"


class Waiting(Struct, frozen=True, kw_only=True):
    """The session waits for a server that has too much to do, and why; with no message it waits no more."""

    message: str
    type: str = "session.waiting"


class BudgetStopped(Struct, frozen=True, kw_only=True):
    """A bound is reached: what is being said is cut, and the session closes."""

    bound: str
    """``"max_usd"``, ``"max_minutes"`` or ``"idle_minutes"``."""
    reason: str
    """What was used of what, and how to go on."""
    type: str = "budget.stopped"


class Flagged(Struct, frozen=True, kw_only=True):
    """A guard did not let something through, or failed to judge it: it is not answered, or is cut off."""

    side: str
    """``"user"`` or ``"assistant"``: whose words they are."""
    reason: str
    item_id: str = ""
    """The item that the words are in."""
    response_id: str = ""
    """The response that they are in, or that answered them."""
    type: str = "guard.flagged"


class Passed(Struct, frozen=True, kw_only=True):
    """A guard has let through what the person said; what answers it may sound."""

    item_id: str
    type: str = "guard.passed"
