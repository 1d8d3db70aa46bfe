"""The records of a conversation: `Turn`, `Reply`, and the `SessionBreak`s between sessions of the server's."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import UNSET

from ..display import Record, printable
from ..errors import PictureError
from ..media import clip as audio
from ..media import g711
from ..media.clip import AudioClip
from ..media.picture import Picture
from ..pricing import cost as pricing
from ..pricing.usage import Usage, add_usages, read_usage
from ..protocol.formats import base_of, bytes_per_ms, rate_of, sample_bytes
from ..protocol.items import ErrorDetail, Item, Response
from ..protocol.local_events import FramePassed, SessionRenewed, Word
from . import heard, timing
from .timing import Timing

# --- The records of a conversation: what was said (`Turn`) and what was answered (`Reply`) ----------------------------
#
# They are filled in by the fold in `realtime_nb.conversation.conversation` and read by everybody else.

#: What files of a model's voice say of themselves.
PROVENANCE = "AI-generated voice"


def decode_clip(data: bytes, encoding: str) -> AudioClip:
    """Make a clip of audio as it was on the wire."""
    decode = _DECODERS.get(base_of(encoding))
    pcm = decode(data) if decode else data[: len(data) // 2 * 2]
    return AudioClip.from_pcm16(pcm, rate_of(encoding))


_DECODERS = {"audio/pcmu": g711.decode_ulaw, "audio/pcma": g711.decode_alaw}


@dataclass(eq=False, repr=False, slots=True)
class Part:
    """One part of a turn: text, audio with its transcript, or an image."""

    kind: str
    text: str = ""
    text_done: bool = False
    audio_chunks: list[bytes] = field(default_factory=list)
    audio_bytes: int = 0
    audio_done: bool = False
    is_audible: bool = False
    """True if anything in it can be heard."""
    encoding: str = "audio/pcm"
    image_url: str = ""
    detail: str = "auto"
    """How closely the model looks at an image."""
    _shown: tuple[str, Picture | None] = ("", None)
    words: tuple[Word, ...] = ()

    def add_text(self, delta: str) -> None:
        """Append words; a straggler behind the end changes nothing."""
        if not self.text_done:
            self.text += delta

    def finish_text(self, text: str | None, *, anew: bool = False) -> None:
        """Set the whole text, whatever deltas came or were lost; `None` keeps what there is.

        The first end counts, unless it comes `anew`.
        """
        if text is not None and (anew or not self.text_done):
            self.text = text
        self.text_done = True

    def add_audio(self, chunk: bytes) -> None:
        """Append audio, in the wire's format; a straggler behind the end changes nothing."""
        if chunk and not self.audio_done:
            self.audio_chunks.append(chunk)
            self.audio_bytes += len(chunk)

    def find_sound(self, chunk: bytes) -> float | None:
        """Return where in the part a chunk that is about to be added has its first audible sample, in ms."""
        odd = self.audio_bytes % sample_bytes(self.encoding)  # Half a sample came before.
        found_ms = timing.first_audible_ms(decode_clip(chunk[odd:], self.encoding))
        self.is_audible = found_ms is not None
        return None if found_ms is None else self.audio_ms + found_ms

    def replace_audio(self, data: bytes) -> None:
        """Set the whole audio."""
        self.audio_chunks = [data] if data else []
        self.audio_bytes = len(data)
        self.audio_done = True

    @property
    def audio_ms(self) -> float:
        """How much audio there is."""
        return self.audio_bytes / bytes_per_ms(self.encoding)

    @property
    def picture(self) -> Picture | None:
        """The image, or `None` if there is none, or none that can be read."""
        url, shown = self._shown
        if url != self.image_url:
            url, shown = self.image_url, None
            with contextlib.suppress(PictureError):
                shown = Picture.from_url(url, detail=self.detail)
            self._shown = url, shown  # At once: others may read it meanwhile.
        return shown

    @property
    def clip(self) -> AudioClip | None:
        """The audio, or `None` if there is none."""
        clip = decode_clip(b"".join(self.audio_chunks), self.encoding)
        return clip if len(clip.samples) else None


@dataclass(eq=False, repr=False)
class Turn(Record):
    """One item of the conversation: what somebody said, a function call, or its output.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask(rt.speak("What can you do?")).result()
    >>> session.conversation.turns[0]
    Turn(user, 'what can you do')
    >>> session.conversation.turns[0].audio.duration_s > 1
    True
    """

    item_id: str
    role: str = ""
    """``"user"``, ``"assistant"`` or ``"system"``; empty for the output of a function."""
    kind: str = "message"
    """``"message"``, ``"function_call"``, ``"function_call_output"``, or what an MCP server did or asks:
    ``"mcp_call"``, ``"mcp_approval_request"``, ``"mcp_approval_response"``, ``"mcp_list_tools"``."""
    status: str = ""
    """The API's: ``"in_progress"``, ``"completed"`` or ``"incomplete"``."""
    parts: dict[int, Part] = field(default_factory=dict)
    """By content index."""
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""
    """What a call returned, as the model gets it: on the call as on the item that answers it."""
    server_label: str = ""
    """The MCP server whose tool it is."""
    approval_request_id: str = ""
    """The item that asked for approval of an MCP server's call, or that is answered."""
    tool_ms: float | None = None
    """How long the function of a call ran here; `None` if it did not run."""
    tool_error: str = ""
    """What went wrong with a call."""
    approved: bool | None = None
    """True if somebody agreed to a call; `None` if nobody was asked."""
    response_id: str | None = None
    """The response that made it; `None` for what the person said."""
    audio_start_ms: int | None = None
    """Where a spoken turn begins in all audio ever sent, padding included."""
    audio_end_ms: int | None = None
    """Where it ends there, the silence that ended it included."""
    began_at_ms: float | None = None
    """Session time at which its sound began; `None` if nobody can say.

    For the person counted back from `spoken_at_ms` by the length of the speech; for an answer the earliest that the
    speaker's reports allow, and `None` if no speaker reports.
    """
    spoken_at_ms: float | None = None
    """Session time at which the last speech of the turn was sent."""
    frame_rest_ms: float | None = None
    """How much audio behind its last speech went in the same frame; `None` if nobody found the end of speech."""
    frame_times: FramePassed | None = None
    """How the last speech of the turn travelled; `None` if that is not known."""
    ended_at_ms: float | None = None
    """Session time at which the server said that the turn is over."""
    played_ms: int | None = None
    """How much of its audio was rendered; `None` if no speaker reports it."""
    interrupted: bool = False
    """True if playback was stopped before the end."""
    echoed: bool = False
    """True if it was stopped by its own echo in the microphone."""
    truncated_ms: int | None = None
    """Where the server cut it to what was heard."""
    is_transcribed: bool = True
    """True if somebody writes down what the person says."""
    transcription_usage: dict[str, Any] | None = None
    transcription_model: str | None = None
    transcription_error: ErrorDetail | None = None
    flagged: str = ""
    """Why a guard did not let it through; empty for what it did."""
    done: bool = False
    deleted: bool = False
    """True if it was taken out of what the model reads.

    A turn that was flagged, or an answer of which nothing was heard, stays among the turns of the record.
    """
    edited_from: Turn | None = None
    """The turn whose place it took, as it was before it was edited."""
    reply: Reply | None = None
    """The first reply to it, for a turn of the person's."""
    _written: dict[int, dict[str, Any] | None] = field(default_factory=dict, repr=False)

    def describe(self, item: Item) -> None:
        """Take over what a server's description of the item says."""
        self.kind = item.type
        self.status = item.status or self.status
        self.name = item.name or self.name
        self.call_id = item.call_id or self.call_id
        self.arguments = item.arguments or self.arguments
        self.output = item.output or self.output
        self.server_label = item.server_label or self.server_label
        self.approval_request_id = item.approval_request_id or self.approval_request_id
        self.tool_error = _reason(item.error) or self.tool_error
        if isinstance(item.approve, bool):
            self.approved = item.approve

    def __repr__(self) -> str:
        who = self.role or self.kind
        return f"Turn({printable(who)}, {(self.text or self.name or self.output)!r})"

    @property
    def text(self) -> str:
        """All that was said or written, whether heard or not."""
        words = (self.parts[index].text.strip() for index in sorted(self.parts))
        return " ".join(text for text in words if text)

    @property
    def words(self) -> list[Word]:
        """Its words with their times in `audio`, as far as a transcriber told them; the API itself never does."""
        found: list[Word] = []
        before_ms = 0.0
        for index in sorted(self.parts):
            part = self.parts[index]
            found += [Word(word.text, before_ms + word.start_ms, before_ms + word.end_ms) for word in part.words]
            before_ms += part.audio_ms
        return found

    @property
    def heard_text(self) -> str:
        """The part of `text` that was heard: all of it unless playback was stopped.

        Cut by played time at the end of a word; words whose times nobody told are taken to be spread evenly.
        """
        played_ms = self.heard_ms
        is_spoken = any(part.kind == "audio" for part in list(self.parts.values()))
        if is_spoken and played_ms == 0:
            return ""  # Also where no sound came: words run ahead of it.
        if played_ms is None or not any(part.audio_ms for part in list(self.parts.values())):
            return self.text
        return heard.heard_text([self.parts[index] for index in sorted(self.parts)], played_ms)

    @property
    def heard_ms(self) -> float | None:
        """How much of its audio was heard, where playback was stopped before the end; `None` if it was not."""
        if self.truncated_ms is not None:
            return self.truncated_ms
        return self.played_ms if self.interrupted else None

    @property
    def audio(self) -> AudioClip | None:
        """All audio of the turn, or `None`."""
        clips = [clip for index in sorted(self.parts) if (clip := self.parts[index].clip) is not None]
        if not clips:
            return None
        whole = audio.concatenate(clips)
        return replace(whole, comment=PROVENANCE) if self.role == "assistant" else whole

    @property
    def pictures(self) -> list[Picture]:
        """The pictures that the person showed, in order; those that cannot be read are passed over."""
        shown = (self.parts[index].picture for index in sorted(self.parts))
        return [picture for picture in shown if picture is not None]

    @property
    def is_speaking(self) -> bool:
        """True if the person is still saying it."""
        return self.audio_start_ms is not None and self.ended_at_ms is None

    @property
    def is_final(self) -> bool:
        """True if the text will not change any more."""
        if self.kind != "message" or self.role == "assistant":
            return self.done
        if not self.is_transcribed:
            return True
        parts = list(self.parts.values())
        return bool(parts) and all(part.text_done or part.kind == "image" for part in parts)

    def written_down(self, content_index: int, usage: dict[str, Any] | None, model: str | None) -> None:
        """Take over what writing down a part of it took; of a part that is told twice, the last word counts."""
        self._written[content_index] = usage
        self.transcription_usage, self.transcription_model = add_usages(self._written.values()), model

    @property
    def is_written_down(self) -> bool:
        """True if somebody has written down what was said aloud in it, be it nothing."""
        spoken = [part for part in list(self.parts.values()) if part.kind == "audio"]
        return self.transcription_error is None and bool(spoken) and all(part.text_done for part in spoken)

    @property
    def cost(self) -> pricing.Cost | None:
        """What writing down the person's words cost, or `None` if that is not known."""
        return pricing.metered_cost(self.transcription_usage, self.transcription_model)


def _reason(error: Any) -> str:
    """Return what the API says of a tool that failed: a text, or an object with a message."""
    told = error.get("message") or error.get("type") if isinstance(error, dict) else error
    return str(told) if told else ""


@dataclass(eq=False)
class Stage(Record):
    """What one step of a chain did for a reply."""

    model: str = ""
    usage: dict[str, Any] | None = None
    """Tokens, ``seconds`` or ``characters``, as the step is billed."""
    remark: str = ""
    """What is worth knowing, e.g. that other words were spoken than were written."""
    is_done: bool = False
    """True if it has told what it took."""

    @property
    def cost(self) -> pricing.Cost | None:
        """What the step cost, or `None` if that is not known."""
        return pricing.metered_cost(self.usage, self.model)


@dataclass(eq=False, repr=False)
class Reply(Record):
    """One answer of the model: words, audio, calls, and what it took.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask(rt.speak("What is two plus three?")).result()
    >>> reply.asked.text, reply.transcript, reply.status
    ('what is two plus three', '2 plus 3 is 5.', 'completed')
    >>> reply.audio.sample_rate, reply.usage.audio_out > 0, reply.cost.total_usd
    (24000, True, 0.0)
    """

    response_id: str
    status: str = "in_progress"
    """The API's: ``"in_progress"``, ``"completed"``, ``"cancelled"``, ``"incomplete"`` or ``"failed"``."""
    reason: str = ""
    """Why it was cancelled or is incomplete, in the API's words."""
    error: dict[str, Any] | None = None
    """What the server says of a failed one."""
    model: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    outputs: dict[int, Turn] = field(default_factory=dict)
    """The items that it made, by output index."""
    usage: Usage | None = None
    """Its tokens; of a chain, those of all steps, which `stages` tells apart."""
    timing: Timing = field(default_factory=Timing)
    audio_file: bytes = b""
    """The audio as the server sent it, where it came as a file: `ChatSession` without streaming."""
    remark: str = ""
    """What is worth knowing of it, e.g. why its file could not be decoded; steps of a chain have their own."""
    stages: dict[str, Stage] = field(default_factory=dict)
    """The steps of a chain by name, in order; empty for other systems."""
    asked: Turn | None = None
    """The person's turn that it answers."""
    flagged: str = ""
    """Why a guard cut it off, or did not let through what it answers; empty otherwise."""
    in_conversation: bool = True
    """False for an out-of-band response, which leaves no trace in the conversation."""
    done: bool = False

    def describe(self, response: Response) -> None:
        """Take over what a server's description of the response says."""
        self.metadata = response.metadata or self.metadata
        if response.conversation_id is not UNSET:
            self.in_conversation = response.conversation_id is not None
        if response.status_details is not None:
            self.reason = response.status_details.reason or ""
            self.error = response.status_details.error or None
        if response.usage is not None:
            self.usage = read_usage(response.usage) or self.usage
        if response.status == "completed" and self.usage and not self.usage.input_tokens + self.usage.output_tokens:
            self.usage = None  # No answer takes nothing: the server does not count.
        self.status = response.status or self.status  # Last: what is completed has its usage.

    def __repr__(self) -> str:
        return f"Reply({printable(self.status)}, {self.transcript!r})"

    @property
    def turns(self) -> list[Turn]:
        """The items that it made, in order."""
        return [self.outputs[index] for index in sorted(self.outputs)]

    @property
    def is_removed(self) -> bool:
        """True if all that it said was taken out of the conversation, e.g. because its question was asked again."""
        made = list(self.outputs.values())
        return bool(made) and all(turn.deleted for turn in made)

    @property
    def transcript(self) -> str:
        """All that the model said or wrote, whether heard or not; as it came, controls included."""
        return " ".join(turn.text for turn in self.turns if turn.text)

    @property
    def heard_transcript(self) -> str:
        """The part of `transcript` that was heard."""
        return " ".join(turn.heard_text for turn in self.turns if turn.heard_text)

    @property
    def audio(self) -> AudioClip | None:
        """All audio that the model made, or `None`."""
        clips = [clip for turn in self.turns if (clip := turn.audio) is not None]
        return audio.concatenate(clips) if clips else None

    @property
    def interrupted(self) -> bool:
        """True if the person did not hear it to the end."""
        return self.status == "cancelled" or any(turn.interrupted for turn in self.turns)

    @property
    def function_calls(self) -> list[Turn]:
        """The calls that it makes: ``name``, ``call_id`` and ``arguments`` (a JSON string)."""
        return [turn for turn in self.turns if turn.kind == "function_call"]

    @property
    def cost(self) -> pricing.Cost | None:
        """What it cost, or `None` if a price or the usage is not known; for a chain, the sum of its steps."""
        if stages := list(self.stages.values()):
            costs = [stage.cost for stage in stages]
            known = [cost for cost in costs if cost is not None]
            return sum(known, pricing.Cost()) if len(known) == len(costs) else None
        return pricing.cost_of(self.usage, self.model) if self.usage is not None else None


# --- Where a conversation goes on under other conditions: in another session of the server's, or with other settings
# ---


@dataclass(frozen=True)
class SessionBreak:
    """A place between two turns, and what happened there."""

    elapsed_ms: float
    """Session time."""
    item_id: str | None
    """The item behind which it lies; `None` before the first."""
    text: str
    """What happened, for people."""


def renewal_text(event: SessionRenewed, lost: int) -> str:
    """Return what happened when a new session took over; `lost` counts what was being said and is lost."""
    what = {"rotated": "session renewed", "restored": "session restored", "reopened": "session opened again"}
    after = f" after {_span(event.age_ms)}" if event.age_ms is not None and event.reason != "reopened" else ""
    history = "history carried" if event.carried else "nothing carried"
    if event.carried and event.left_out:
        history += f", but for {len(event.left_out)} of its {event.carried + len(event.left_out)} items"
    cut = ", what was being said then is lost" if lost else ""
    return f"{what.get(event.reason, event.reason)}{after}, {history}{cut}"


def settings_text(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return which of a session's settings that the model reads have changed; empty if none."""
    changed = ["instructions changed"] if before.get("instructions") != after.get("instructions") else []
    if (tools := _names(after)) != _names(before):
        changed.append(f"tools now: {', '.join(tools) or 'none'}")
    return ", ".join(changed)


def _names(session: dict[str, Any]) -> list[str]:
    tools = session.get("tools")
    given = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [str(tool.get("name") or tool.get("server_label") or tool.get("type")) for tool in given]


def _span(ms: float) -> str:
    return f"{ms / 60_000:.0f} min" if ms >= 60_000 else f"{ms / 1000:.0f} s"
