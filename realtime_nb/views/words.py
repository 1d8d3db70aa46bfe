"""Numbers and states in words, for all views."""

from __future__ import annotations

from ..conversation.records import Reply, SessionBreak, Stage, Turn
from ..pricing.cost import format_cost
from ..pricing.usage import Usage
from .budget import duration_s

#: People who hear the voice must be told that it is generated.
DISCLOSURE = "AI-generated voice"
#: In place of what a guard cut.
HIDDEN = "(hidden)"

_CALLS = {"function_call": "calls", "mcp_call": "calls", "mcp_approval_request": "asks to call"}
_ROLES = {"user": "You", "assistant": "AI voice", "system": "System"}


def who(turn: Turn) -> str:
    """Return the speaker of a turn."""
    if turn.kind in _CALLS:
        at = f" of {turn.server_label}" if turn.server_label else ""
        return f"{_CALLS[turn.kind]} {turn.name}{at}"
    if turn.kind == "function_call_output":
        return "gets"
    if turn.kind == "mcp_approval_response":
        return "You"
    if turn.kind == "mcp_list_tools":
        return f"tools of {turn.server_label}"
    return _ROLES.get(turn.role, turn.role or turn.kind)


def said(turn: Turn) -> str:
    """Return what was said in a turn, or why it is not known."""
    if turn.kind in _CALLS:
        return f"{turn.arguments} → {turn.output}" if turn.kind == "mcp_call" and turn.output else turn.arguments
    if turn.kind == "function_call_output":
        return turn.output
    if turn.kind == "mcp_approval_response":
        return "agreed" if turn.approved else "refused"
    if turn.transcription_error is not None:
        return f"(not transcribed: {turn.transcription_error.message or 'no reason given'})"
    if not turn.text and turn.role == "user" and duration_s(turn):
        return "(words not known)"
    return HIDDEN if is_hidden(turn) else " ".join(filter(None, [turn.text, shown(turn)]))


def is_hidden(turn: Turn) -> bool:
    """Return whether a guard flagged the words of an answer: they are shown only to those who ask for them."""
    return bool(turn.flagged) and turn.role == "assistant"


def shown(turn: Turn) -> str:
    """Say that pictures were shown; empty if none were."""
    return " ".join(shown_each(turn))


def shown_each(turn: Turn) -> list[str]:
    """Describe each picture that was shown."""
    return [
        f"[picture, {part.picture.width} × {part.picture.height}]" if part.picture else "[picture that cannot be read]"
        for part in (turn.parts[index] for index in sorted(turn.parts))
        if part.kind == "image"
    ]


def heard_remark(turn: Turn) -> str:
    """Return how much was heard of a turn that was cut off, or how a call went; empty for other turns."""
    if turn.kind in _CALLS:
        return _call_remark(turn)
    if is_hidden(turn):
        return f"(cut by guard: {turn.flagged})"
    return " ".join(
        filter(None, [f"(flagged: {turn.flagged})" if turn.flagged else "", _cut_remark(turn), _edit_remark(turn)])
    )


def _edit_remark(turn: Turn) -> str:
    before = turn.edited_from
    return f"(edited; before: “{said(before)}”)" if before is not None and said(before) != said(turn) else ""


def _cut_remark(turn: Turn) -> str:
    if turn.heard_text == turn.text:
        return ""
    how = "interrupted by its own echo" if turn.echoed else "interrupted" if turn.cut_ms is None else "cut by guard"
    return f"({how}; heard: “{turn.heard_text}”)" if turn.heard_text else f"({how} before a word was heard)"


def _call_remark(turn: Turn) -> str:
    told = [
        {True: "agreed to", False: "refused", None: ""}[turn.approved],
        f"failed: {turn.tool_error}" if turn.tool_error else "",
        "" if turn.tool_ms is None else f"ran {milliseconds(turn.tool_ms) if turn.tool_ms >= 1 else 'under 1 ms'}",
    ]
    remark = "; ".join(filter(None, told))
    return f"({remark})" if remark else ""


def session_break(session_break: SessionBreak) -> str:
    """Return what happened between two turns, as a line of dialogue."""
    return f"— {session_break.text} —"


def line(turn: Turn) -> str:
    """Return a turn as a line of dialogue."""
    return f"{who(turn)}: {said(turn)} {heard_remark(turn)}".rstrip()


def milliseconds(value: float | None) -> str:
    """Return a time span in ms, or a dash."""
    return "–" if value is None else f"{value:,.0f} ms"


def seconds(value: float | None) -> str:
    """Return a length in s, or a dash."""
    return "–" if value is None else f"{value:.1f} s"


def status(reply: Reply) -> str:
    """Return how a reply ended, with the reason where there is one."""
    if reply.flagged:
        return "cut by guard"
    if reply.error:
        return f"{reply.status}: {reply.error.get('message') or reply.error.get('code') or 'unknown error'}"
    return f"{reply.status} ({reply.reason})" if reply.reason else reply.status


def tokens(reply: Reply) -> str:
    """Return the tokens of a reply by kind."""
    usage = reply.usage
    if usage is None:
        return "–"
    steps = [_metered(stage) for stage in list(reply.stages.values())]
    return " · ".join([token_counts(usage), *filter(None, steps)])


def token_counts(usage: Usage) -> str:
    """Return how many tokens went in and out, and how many of them the cache had."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    return f"{usage.input_tokens:,} input{cached} · {usage.output_tokens:,} output"


def _metered(stage: Stage) -> str:
    """Return what a step is billed by if not by tokens."""
    usage = stage.usage or {}
    if usage.get("type") == "duration":
        return f"{seconds(usage.get('seconds'))} transcribed"
    return f"{usage.get('characters'):,} characters spoken" if usage.get("type") == "characters" else ""


def cost(reply: Reply) -> str:
    """Return what a reply cost."""
    return format_cost(reply.cost)


def remarks(reply: Reply) -> str:
    """Return the remarks on a reply and on its steps."""
    flagged = f"flagged: {reply.flagged}" if reply.flagged else ""
    steps = (stage.remark for stage in list(reply.stages.values()))
    return "; ".join(filter(None, [flagged, reply.remark, *steps, *(reply.cost.remarks if reply.cost else ())]))


def facts_of(reply: Reply) -> list[tuple[str, str]]:
    """Return the names and values that every view of a reply shows."""
    clip = reply.audio
    return [
        ("length", seconds(clip.duration_s if clip else None)),
        ("first audio after", milliseconds(reply.timing.first_audio_ms)),
        ("tokens", tokens(reply)),
        ("cost", cost(reply)),
        ("model", reply.model or "–"),
        ("status", status(reply)),
        *([("remark", remark)] if (remark := remarks(reply)) else []),
    ]
