"""The records of a conversation: `Turn`, `Reply`, and the `SessionBreak`s between sessions of the server's."""

from __future__ import annotations

import contextlib
import math
import re
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
from ..protocol.parts import answered_by
from . import heard, timing
from .timing import Timing

# --- The records of a conversation: what was said (`Turn`) and what was answered (`Reply`) ----------------------------
# The fold in `realtime_nb.conversation.conversation` fills them in; everything else only reads them.

#: Whisper is right in nearly every word that is more probable, and wrong in many that are less.
_UNSURE_BELOW = 0.5
#: Compiled at first use, which takes as long as a tenth of our own imports.
_WORD = r"\w[\w'’-]*"

#: The comment in files of a model's voice.
PROVENANCE = "AI-generated voice"


def decode_clip(data: bytes, encoding: str) -> AudioClip:
    """Make a clip from wire audio."""
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
    """True if any of its audio is audible."""
    encoding: str = "audio/pcm"
    image_url: str = ""
    detail: str = "auto"
    """How closely the model looks at an image."""
    _shown: tuple[str, Picture | None] = ("", None)
    words: tuple[Word, ...] = ()
    tokens: tuple[tuple[str, float], ...] = ()
    """The transcriber's tokens, each with its probability, if it gave them."""

    def add_text(self, delta: str) -> None:
        """Append words; after the end this changes nothing."""
        if not self.text_done:
            self.text += delta

    def finish_text(self, text: str | None, *, again: bool = False) -> None:
        """Set the whole text, whatever deltas came or were lost; `None` keeps the text.

        The first end counts, unless a later one is sent `again`.
        """
        if text is not None and (again or not self.text_done):
            self.text = text
        self.text_done = True

    def add_audio(self, chunk: bytes) -> None:
        """Append wire audio; after the end this changes nothing."""
        if chunk and not self.audio_done:
            self.audio_chunks.append(chunk)
            self.audio_bytes += len(chunk)

    def find_sound(self, chunk: bytes) -> float | None:
        """Return where the first audible sample of the next chunk will be in the part, in ms."""
        odd = self.audio_bytes % sample_bytes(self.encoding)  # The chunk before ended with half a sample.
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
        """The length of the audio."""
        return self.audio_bytes / bytes_per_ms(self.encoding)

    @property
    def picture(self) -> Picture | None:
        """The image, or `None` if there is none or it cannot be read."""
        url, shown = self._shown
        if url != self.image_url:
            url, shown = self.image_url, None
            with contextlib.suppress(PictureError):
                shown = Picture.from_url(url, detail=self.detail)
            self._shown = url, shown  # In one step, because other threads may read it meanwhile.
        return shown

    @property
    def clip(self) -> AudioClip | None:
        """The audio, or `None` if there is none."""
        clip = decode_clip(b"".join(self.audio_chunks), self.encoding)
        return clip if len(clip.samples) else None


@dataclass(eq=False, repr=False)
class Turn(Record):
    """One item of the conversation: something that was said, a function call, or its output.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask(rt.speak("What can you do?")).result()
    >>> session.conversation.turns[0]
    Turn(user, 'What can you do?')
    >>> session.conversation.turns[0].audio.duration_s > 1
    True
    """

    item_id: str
    role: str = ""
    """``"user"``, ``"assistant"`` or ``"system"``; empty for a function's output."""
    kind: str = "message"
    """``"message"``, ``"function_call"``, ``"function_call_output"``, or what an MCP server did or asks:
    ``"mcp_call"``, ``"mcp_approval_request"``, ``"mcp_approval_response"``, ``"mcp_list_tools"``."""
    status: str = ""
    """The API's status: ``"in_progress"``, ``"completed"`` or ``"incomplete"``."""
    parts: dict[int, Part] = field(default_factory=dict)
    """The parts by content index."""
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""
    """The result of a call, as the model gets it; set on the call and on the item that answers it."""
    server_label: str = ""
    """The MCP server that has the tool."""
    approval_request_id: str = ""
    """The item that asked for approval of an MCP server's call; on an answer, the item that it answers."""
    tool_ms: float | None = None
    """How long a call's function ran here; `None` if it did not run."""
    tool_error: str = ""
    """The error of a call."""
    approved: bool | None = None
    """True if a call was approved; `None` if no one was asked."""
    response_id: str | None = None
    """The response that made it; `None` for the person's turns."""
    audio_start_ms: int | None = None
    """Where a spoken turn begins in all audio ever sent, including padding."""
    audio_end_ms: int | None = None
    """Where it ends there, including the silence that ended it."""
    began_at_ms: float | None = None
    """Session time at which its sound began; `None` if that is not known.

    For the person, `spoken_at_ms` minus the length of the speech; for an answer, the earliest time that the speaker's
    reports allow, and `None` if no speaker reports.
    """
    spoken_at_ms: float | None = None
    """Session time at which the last speech of the turn was sent."""
    frame_rest_ms: float | None = None
    """How much audio after its last speech was sent in the same frame; `None` if the end of speech was not detected."""
    frame_times: FramePassed | None = None
    """Travel times of the turn's last speech; `None` if they are not known."""
    ended_at_ms: float | None = None
    """Session time at which the server said that the turn was over."""
    played_ms: int | None = None
    """How much of its audio was played; `None` if no speaker reports it."""
    interrupted: bool = False
    """True if playback was stopped before the end."""
    echoed: bool = False
    """True if its own echo in the microphone stopped it."""
    truncated_ms: int | None = None
    """Where the server truncated it to what was heard."""
    is_transcribed: bool = True
    """True if the person's speech is transcribed."""
    transcription_usage: dict[str, Any] | None = None
    transcription_model: str | None = None
    transcription_error: ErrorDetail | None = None
    flagged: str = ""
    """Why a guard blocked it; empty if it did not."""
    cut_ms: float | None = None
    """How much of an answer could have been played when a guard cut it; `None` if none did."""
    done: bool = False
    deleted: bool = False
    """True if it was removed from what the model reads.

    A flagged turn, or an answer that was not heard at all, stays in the record's turns.
    """
    edited_from: Turn | None = None
    """The turn that it replaced, as it was before it was edited."""
    reply: Reply | None = None
    """The first reply to it, for a turn of the person's."""
    _written: dict[int, dict[str, Any] | None] = field(default_factory=dict, repr=False)

    def describe(self, item: Item) -> None:
        """Copy a server's description of the item."""
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
        """Everything that was said or written, whether heard or not."""
        words = (self.parts[index].text.strip() for index in sorted(self.parts))
        return " ".join(text for text in words if text)

    @property
    def words(self) -> list[Word]:
        """The words with their times in `audio`, if a transcriber gave them; the API itself never does."""
        found: list[Word] = []
        before_ms = 0.0
        for index in sorted(self.parts):
            part = self.parts[index]
            found += [Word(word.text, before_ms + word.start_ms, before_ms + word.end_ms) for word in part.words]
            before_ms += part.audio_ms
        return found

    @property
    def confidence(self) -> float | None:
        """How sure the transcriber was: the geometric mean of its tokens' probabilities; `None` if it gave none.

        The local voice gives them where Whisper heard the words; other servers where the session's ``include`` asks for
        ``"item.input_audio_transcription.logprobs"``.
        """
        found = [probability for part in list(self.parts.values()) for _, probability in part.tokens]
        return math.exp(sum(map(math.log, found)) / len(found)) if found else None

    @property
    def unsure_words(self) -> list[tuple[int, int]]:
        """Where in `text` the words are that have a token whose probability is below 0.5; see `confidence`."""
        spoken = [part for part in list(self.parts.values()) if part.text.strip()]
        tokens = spoken[0].tokens if len(spoken) == 1 else ()
        said = "".join(token for token, _ in tokens)
        text = self.text
        if said.strip() != text:
            return []
        at, doubted = len(said.lstrip()) - len(said), set[int]()
        for token, probability in tokens:
            if probability < _UNSURE_BELOW:
                doubted.update(range(at, at + len(token)))
            at += len(token)
        found = (match.span() for match in re.finditer(_WORD, text))
        return [(start, end) for start, end in found if not doubted.isdisjoint(range(start, end))]

    @property
    def heard_text(self) -> str:
        """The part of `text` that was heard: all of it unless playback was stopped.

        It is cut after the last word that was played; words without times are taken to be spread evenly.
        """
        played_ms = self.heard_ms
        is_spoken = any(part.kind == "audio" for part in list(self.parts.values()))
        if is_spoken and played_ms == 0:
            return ""  # Also without any sound: the words arrive before it.
        if played_ms is None or not any(part.audio_ms for part in list(self.parts.values())):
            return self.text
        return heard.heard_text([self.parts[index] for index in sorted(self.parts)], played_ms)

    @property
    def heard_ms(self) -> float | None:
        """How much of its audio was heard, if playback was stopped before the end; `None` if it was not.

        If a guard cut the answer and no speaker reports, this is how much could have been played by then.
        """
        if self.truncated_ms is not None:
            return self.truncated_ms
        if self.interrupted or (self.cut_ms is not None and self.played_ms is not None):
            return self.played_ms
        return self.cut_ms

    @property
    def row(self) -> dict[str, Any]:
        """The turn as a row of `Conversation.frame`."""
        return {
            "item_id": self.item_id,
            "role": self.role,
            "kind": self.kind,
            "text": self.text or self.arguments or self.output,
            "heard_text": self.heard_text,
            "audio_s": sum(part.audio_ms for part in list(self.parts.values())) / 1000,
            "played_ms": self.played_ms,
            "interrupted": self.interrupted,
            "status": self.status,
            "response_id": self.response_id or (self.reply.response_id if self.reply else None),
            "spoken_at_ms": self.spoken_at_ms,
            "ended_at_ms": self.ended_at_ms,
        }

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
        """The pictures that the person showed, in order, without those that cannot be read."""
        shown = (self.parts[index].picture for index in sorted(self.parts))
        return [picture for picture in shown if picture is not None]

    @property
    def is_speaking(self) -> bool:
        """True if the person is still saying it."""
        return self.audio_start_ms is not None and self.ended_at_ms is None

    @property
    def is_final(self) -> bool:
        """True if the text will not change again."""
        if self.kind != "message" or self.role == "assistant":
            return self.done
        if not self.is_transcribed:
            return True
        parts = list(self.parts.values())
        return bool(parts) and all(part.text_done or part.kind == "image" for part in parts)

    def written_down(self, content_index: int, usage: dict[str, Any] | None, model: str | None) -> None:
        """Note the usage of transcribing a part; if it is reported twice, the last report counts."""
        self._written[content_index] = usage
        self.transcription_usage, self.transcription_model = add_usages(self._written.values()), model

    @property
    def is_written_down(self) -> bool:
        """True if its speech was transcribed, even if no words were found."""
        spoken = [part for part in list(self.parts.values()) if part.kind == "audio"]
        return self.transcription_error is None and bool(spoken) and all(part.text_done for part in spoken)

    @property
    def cost(self) -> pricing.Cost | None:
        """The cost of transcribing the person's words, or `None` if it is not known."""
        return pricing.metered_cost(self.transcription_usage, self.transcription_model)


def _reason(error: Any) -> str:
    """Return the API's error for a tool that failed: a text, or an object with a message."""
    told = error.get("message") or error.get("type") if isinstance(error, dict) else error
    return str(told) if told else ""


@dataclass(eq=False)
class Stage(Record):
    """One step of a chain, for one reply."""

    model: str = ""
    usage: dict[str, Any] | None = None
    """Tokens, ``seconds`` or ``characters``, as the step is billed."""
    remark: str = ""
    """Remarks, e.g. that the spoken words differ from the written ones."""
    part: str = ""
    """Which part did it, if the server says so, e.g. ``"Whisper tiny.en"``."""
    is_done: bool = False
    """True if its usage was reported."""

    @property
    def cost(self) -> pricing.Cost | None:
        """The cost of the step, or `None` if it is not known."""
        return pricing.metered_cost(self.usage, self.model)


@dataclass(eq=False, repr=False)
class Reply(Record):
    """One answer of the model: words, audio, calls and usage.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session:
    ...     reply = session.ask(rt.speak("What is two plus three?")).result()
    >>> reply.asked.text, reply.transcript, reply.status
    ('What is 2 plus 3?', '2 plus 3 is 5.', 'completed')
    >>> reply.audio.sample_rate, reply.usage.audio_out > 0, reply.cost.total_usd
    (24000, True, 0.0)
    """

    response_id: str
    status: str = "in_progress"
    """The API's status: ``"in_progress"``, ``"completed"``, ``"cancelled"``, ``"incomplete"`` or ``"failed"``."""
    reason: str = ""
    """Why it was cancelled or is incomplete, in the API's words."""
    error: dict[str, Any] | None = None
    """The server's error for a failed one."""
    model: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    outputs: dict[int, Turn] = field(default_factory=dict)
    """The items that it made, by output index."""
    usage: Usage | None = None
    """Its tokens; for a chain those of all steps, which `stages` lists one by one."""
    timing: Timing = field(default_factory=Timing)
    audio_file: bytes = b""
    """The audio file that the server sent, if it sent one: `ChatSession` without streaming."""
    remark: str = ""
    """Remarks, e.g. why its file could not be decoded; the steps of a chain have their own."""
    stages: dict[str, Stage] = field(default_factory=dict)
    """The steps of a chain by name, in order; empty for other systems."""
    parts: dict[str, str] = field(default_factory=dict)
    """Which parts of the local voice heard (``"ears"``), spoke (``"voice"``) and found the end of the turn
    (``"end_of_turn"``) for it; empty for other servers."""
    asked: Turn | None = None
    """The person's turn that it answers."""
    flagged: str = ""
    """Why a guard cut it off, or blocked the turn that it answers; empty otherwise."""
    in_conversation: bool = True
    """False for an out-of-band response, which is not part of the conversation."""
    done: bool = False

    def describe(self, response: Response) -> None:
        """Copy a server's description of the response."""
        self.metadata = response.metadata or self.metadata
        self.parts = answered_by(response.parts) or self.parts
        if response.conversation_id is not UNSET:
            self.in_conversation = response.conversation_id is not None
        if response.status_details is not None:
            self.reason = response.status_details.reason or ""
            self.error = response.status_details.error or None
        if response.usage is not None:
            self.usage = read_usage(response.usage) or self.usage
        if response.status == "completed" and self.usage and not self.usage.input_tokens + self.usage.output_tokens:
            self.usage = None  # Every answer takes some tokens: this server does not count them.
        self.status = response.status or self.status  # Last, so that a completed reply always has its usage.

    def __repr__(self) -> str:
        return f"Reply({printable(self.status)}, {self.transcript!r})"

    @property
    def turns(self) -> list[Turn]:
        """The items that it made, in order."""
        return [self.outputs[index] for index in sorted(self.outputs)]

    @property
    def is_removed(self) -> bool:
        """True if everything it said was removed from the conversation, e.g. because its question was asked again."""
        made = list(self.outputs.values())
        return bool(made) and all(turn.deleted for turn in made)

    @property
    def transcript(self) -> str:
        """Everything that the model said or wrote, whether heard or not, including control characters."""
        return " ".join(turn.text for turn in self.turns if turn.text)

    @property
    def heard_transcript(self) -> str:
        """The part of `transcript` that was heard."""
        return " ".join(turn.heard_text for turn in self.turns if turn.heard_text)

    @property
    def audio(self) -> AudioClip | None:
        """All audio of the reply, or `None`."""
        clips = [clip for turn in self.turns if (clip := turn.audio) is not None]
        return audio.concatenate(clips) if clips else None

    @property
    def interrupted(self) -> bool:
        """True if the person did not hear it to the end."""
        return self.status == "cancelled" or any(turn.interrupted for turn in self.turns)

    @property
    def function_calls(self) -> list[Turn]:
        """Its function calls: ``name``, ``call_id`` and ``arguments`` (a JSON string)."""
        return [turn for turn in self.turns if turn.kind == "function_call"]

    @property
    def cost(self) -> pricing.Cost | None:
        """Its cost, or `None` if a price or the usage is not known; for a chain, the sum of its steps."""
        if stages := list(self.stages.values()):
            costs = [stage.cost for stage in stages]
            known = [cost for cost in costs if cost is not None]
            return sum(known, pricing.Cost()) if len(known) == len(costs) else None
        return pricing.cost_of(self.usage, self.model) if self.usage is not None else None


# --- Where a conversation continues in another session of the server's, or with other settings ------------------------


@dataclass(frozen=True)
class SessionBreak:
    """A place between two turns, and what happened there."""

    elapsed_ms: float
    """Session time."""
    item_id: str | None
    """The item that it follows; `None` before the first."""
    text: str
    """The event in words."""


def renewal_text(event: SessionRenewed, lost: int) -> str:
    """Describe how a new session took over; `lost` counts unfinished speech that was lost."""
    what = {"rotated": "session renewed", "restored": "session restored", "reopened": "session opened again"}
    after = f" after {_span(event.age_ms)}" if event.age_ms is not None and event.reason != "reopened" else ""
    history = "history carried" if event.carried else "nothing carried"
    if event.carried and event.left_out:
        history += f", but for {len(event.left_out)} of its {event.carried + len(event.left_out)} items"
    cut = ", what was being said then is lost" if lost else ""
    return f"{what.get(event.reason, event.reason)}{after}, {history}{cut}"


def settings_text(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Describe the changes in the settings that the model reads; empty if there are none."""
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
