"""A conversation: every turn with its player and words, and what it took in all."""

from __future__ import annotations

import base64
from typing import Any

from ..audio import AudioClip, concatenate
from ..conversation import Conversation
from ..pricing import Usage, format_usd
from ..turns import Reply, Turn
from . import words
from .html import escape, facts, player, saying, section, table
from .spectrogram import spectrogram


def turn_bundle(turn: Turn) -> dict[str, Any]:
    """Return a turn's looks."""
    line = saying(words.who(turn), words.said(turn), remark=words.heard_remark(turn))
    return {"text/plain": words.line(turn), "text/html": line + (player(turn.audio) if turn.audio else "")}


def conversation_bundle(conversation: Conversation) -> dict[str, Any]:
    """Return a conversation's looks: a table of turns, and a picture of the answers' audio."""
    bundle: dict[str, Any] = {
        "text/plain": conversation_text(conversation),
        "text/html": section(
            table(("", "said", "first audio", "cost"), (_row(conversation, turn) for turn in conversation)),
            facts(_totals(conversation)),
            title=f"Conversation · {words.DISCLOSURE}",
        ),
    }
    clip = _answers(conversation)
    if clip is not None:
        bundle["image/png"] = base64.b64encode(spectrogram(clip).png).decode()
    return bundle


def conversation_text(conversation: Conversation) -> str:
    """Return a conversation in words alone."""
    lines = [words.line(turn) for turn in conversation]
    return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in _totals(conversation))])


def _row(conversation: Conversation, turn: Turn) -> list[str]:
    reply = conversation.reply(turn.response_id) if turn.response_id else None
    first = reply is not None and reply.turns[:1] == [turn]
    remark = words.heard_remark(turn)
    said = escape(words.said(turn)) + (f"<br><small>{escape(remark)}</small>" if remark else "")
    return [
        escape(words.who(turn)),
        said + (f"<br>{player(turn.audio)}" if turn.audio is not None else ""),
        escape(words.milliseconds(reply.timing.first_audio_ms)) if reply and first else "",
        escape(words.cost(reply)) if reply and first else "",
    ]


def _totals(conversation: Conversation) -> list[tuple[str, str]]:
    replies: list[Reply] = conversation.replies
    usage = sum((reply.usage for reply in replies if reply.usage), Usage())
    costs = [reply.cost for reply in replies if reply.usage]
    total = None if None in costs else sum(cost.total_usd for cost in costs if cost)
    return [
        ("answers", str(len(replies))),
        ("tokens", f"{usage.input_tokens:,} in, {usage.cached_tokens:,} cached · {usage.output_tokens:,} out"),
        ("cost", format_usd(total)),
        ("model", str(conversation.session.get("model", "–"))),
    ]


def _answers(conversation: Conversation) -> AudioClip | None:
    clips = [clip for reply in conversation.replies if (clip := reply.audio) is not None]
    return concatenate(clips) if clips else None
