"""How a conversation and a reply look: turns, players, words, and what it took."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from ..conversation.conversation import Conversation, breaks_by_place
from ..conversation.records import Reply, SessionBreak, Turn
from ..display import printable
from ..pricing.cost import format_least, format_usd
from ..pricing.usage import Usage
from . import words
from .budget import AudioBudget, duration_s
from .html import escape, facts, left_out, note, picture, player, saying, section, table
from .media import thumbnails
from .spectrogram import spectrogram
from .tracks import extent_s, tracks_of

# --- A conversation: every turn with its player and words, and the totals --------------------------------------------

#: The picture shows this much of the end; more would take long to draw and be hard to read.
_PICTURED_S = 120.0
_LONG_PICTURED_S = 30.0

_HOW_TO_KEEP = 'turn.audio.save("turn.flac") for each turn of session.conversation, or session.save("folder")'


def turn_bundle(turn: Turn) -> dict[str, Any]:
    """Return a turn's MIME bundle."""
    budget = AudioBudget()
    parts = [saying(words.who(turn), words.said(turn), remark=words.heard_remark(turn))]
    parts.append(thumbnails(turn.pictures, budget))
    if duration_s(turn):
        parts += [player(turn, budget), left_out(budget, 'turn.audio.save("turn.flac")')]
    return {"text/plain": words.line(turn), "text/html": "".join(parts)}


def conversation_bundle(conversation: Conversation) -> dict[str, Any]:
    """Return a conversation's MIME bundle: a table of turns, and a picture of both sides' audio."""
    record, image = conversation_outputs(conversation)
    if not image:
        return record
    png = base64.b64decode(image["image/png"])
    markup = record["text/html"] + picture(png, image["text/plain"])
    return record | {"text/html": markup, "image/png": image["image/png"]}


def conversation_outputs(conversation: Conversation) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a conversation's MIME bundle as two outputs: the table, and the picture, which is empty without audio.

    Code hosts strip audio and pictures from HTML, but show a PNG that is an output of its own.
    """
    turns = conversation.turns
    budget = AudioBudget(turns=len(turns))
    # The newest first: people want to hear again what was just said.
    sounding = [turn for turn in reversed(turns) if duration_s(turn)]
    budget.prepare(sounding)
    image = _picture(conversation, _LONG_PICTURED_S if budget.is_long else _PICTURED_S)
    players = {turn.item_id: player(turn, budget) for turn in sounding}
    shown = {turn.item_id: thumbnails(turn.pictures, budget) for turn in reversed(turns)}
    totals = _totals(conversation)
    record = {
        "text/plain": printable(_text(conversation, totals)),
        "text/html": section(
            table(
                ("", "said", "first audio", "cost"),
                _rows(conversation, shown, players),
            ),
            left_out(budget, _HOW_TO_KEEP),
            facts(totals),
            *map(note, conversation.remarks),
            title=f"Conversation · {words.DISCLOSURE}",
        ),
    }
    return record, image


def _picture(conversation: Conversation, most_s: float) -> dict[str, Any]:
    """Return the picture of a conversation's end; empty without audio."""
    tracks = tracks_of(conversation)
    if not tracks:
        return {}
    start_s, stop_s = extent_s(tracks)
    pictured = spectrogram(conversation, start_s=max(start_s, stop_s - most_s))
    which = "" if stop_s - start_s <= most_s else f"; the last of {stop_s - start_s:.0f} s"
    return {"image/png": base64.b64encode(pictured.png).decode(), "text/plain": f"{pictured!r}{which}"}


def _text(conversation: Conversation, totals: list[tuple[str, str]]) -> str:
    """Return a conversation as plain text."""
    lines = [f"Conversation · {words.DISCLOSURE}"]
    breaks = breaks_by_place(conversation)
    lines += map(words.session_break, breaks.get(None, ()))
    for turn in conversation:
        reply = _reply_beginning_with(conversation, turn)
        taken = ""
        if reply:
            taken = f" [first audio {words.milliseconds(reply.timing.first_audio_ms)}, cost {words.cost(reply)}]"
        lines.append(words.line(turn) + taken)
        lines += map(words.session_break, breaks.get(turn.item_id, ()))
    return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in totals), *conversation.remarks])


def _reply_beginning_with(conversation: Conversation, turn: Turn) -> Reply | None:
    reply = conversation.reply(turn.response_id) if turn.response_id else None
    return reply if reply is not None and reply.turns[:1] == [turn] else None


def _rows(conversation: Conversation, shown: dict[str, str], players: dict[str, str]) -> Iterator[list[str]]:
    breaks = breaks_by_place(conversation)
    yield from map(_break_row, breaks.get(None, ()))
    for turn in conversation:
        # What was said since the pictures and players were made is shown next time.
        yield _row(conversation, turn, shown.get(turn.item_id, ""), players.get(turn.item_id, ""))
        yield from map(_break_row, breaks.get(turn.item_id, ()))


def _break_row(session_break: SessionBreak) -> list[str]:
    return ["", f"<small>{escape(words.session_break(session_break))}</small>", "", ""]


def _row(conversation: Conversation, turn: Turn, *embedded: str) -> list[str]:
    reply = _reply_beginning_with(conversation, turn)
    remark = words.heard_remark(turn)
    said = escape(words.said(turn)) + (f"<br><small>{escape(remark)}</small>" if remark else "")
    return [
        escape(words.who(turn)),
        "<br>".join([said, *filter(None, embedded)]),
        escape(words.milliseconds(reply.timing.first_audio_ms)) if reply else "",
        escape(words.cost(reply)) if reply else "",
    ]


def _totals(conversation: Conversation) -> list[tuple[str, str]]:
    replies: list[Reply] = conversation.replies
    usage = sum((reply.usage for reply in replies if reply.usage), Usage())
    costs = conversation.costs()
    separate = ", ".join(f"{what} {format_usd(usd)}" for what, usd in costs.separate_usd.items() if usd)
    errors = [error.error.message or error.error.code or "no reason given" for error in conversation.errors]
    return [
        ("answers", str(len(replies))),
        ("tokens", words.token_counts(usage)),
        ("total", format_least(costs.total_usd, costs.unsure_usd) + (f", of which {separate}" if separate else "")),
        ("model", str(conversation.session.get("model", "–"))),
        *([("errors", f"{len(errors)}; the last: {errors[-1]}")] if errors else []),
    ]


# --- A reply: what was asked and answered, a player, a picture, tokens, cost and latency ------------------------------


def reply_bundle(reply: Reply) -> dict[str, Any]:
    """Return a reply's MIME bundle; it needs neither a kernel nor a script."""
    bundle: dict[str, Any] = {"text/plain": reply_text(reply)}
    clip = reply.audio
    budget = AudioBudget()
    image = ""
    if clip is not None:
        record = spectrogram(reply)
        png = record.png
        image = picture(png, repr(record))
        bundle["image/png"] = base64.b64encode(png).decode()
    bundle["text/html"] = section(
        *[
            saying(words.who(turn), words.said(turn), remark=words.heard_remark(turn))
            + thumbnails(turn.pictures, budget)
            for turn in _turns(reply)
        ],
        player(reply, budget) if clip is not None else "",
        left_out(budget, 'reply.audio.save("answer.flac")'),
        image,
        facts(words.facts_of(reply)),
        title=words.DISCLOSURE if clip is not None else "AI-generated text",
    )
    return bundle


def reply_text(reply: Reply) -> str:
    """Return a reply as plain text."""
    lines = [words.line(turn) for turn in _turns(reply)]
    return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in words.facts_of(reply))])


def _turns(reply: Reply) -> list[Any]:
    return [*([reply.asked] if reply.asked else []), *reply.turns]
