"""How a conversation and a reply look: turns, players, words, and what it took."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from ..conversation.conversation import Conversation, breaks_by_place
from ..conversation.records import Reply, SessionBreak, Turn
from ..display import printable
from ..pricing.cost import format_least, format_usd
from ..pricing.usage import Usage
from . import words
from .budget import AudioBudget, duration_s
from .html import EMPTY, facts, folded, joined, left_out, note, picture, player, saying, section, table, unbroken
from .media import thumbnails
from .spectrogram import spectrogram
from .talk import WholeTalk, clock
from .tracks import as_cut

# --- What was said in a turn ------------------------------------------------------------------------------------------


def said(turn: Turn) -> Markup:
    """Return the words of a turn, and remarks on them; what a guard cut is behind a fold that says so."""
    remark = words.heard_remark(turn)
    below = Markup("<br><small>{}</small>").format(remark) if remark else EMPTY
    return joined([words.said(turn), below, revealed(turn)])


def revealed(turn: Turn) -> Markup:
    """Return what a guard cut, behind a fold that says so; empty for other turns."""
    return folded("Show what the guard cut", turn.text) if words.is_hidden(turn) else EMPTY


# --- A conversation: one player for all of it, the words of every turn, and the totals ------------------------------

_HOW_TO_KEEP = 'turn.audio.save("turn.flac") for each turn of session.conversation, or session.save("folder")'


def turn_bundle(turn: Turn) -> dict[str, Any]:
    """Return a turn's MIME bundle."""
    budget = AudioBudget()
    parts = [saying(words.who(turn), words.said(turn), remark=words.heard_remark(turn), more=revealed(turn))]
    parts.append(thumbnails(turn.pictures, budget))
    if duration_s(turn):
        parts += [player(as_cut(turn), budget), left_out(budget, 'turn.audio.save("turn.flac")')]
    return {"text/plain": words.line(turn), "text/html": joined(parts)}


def conversation_bundle(conversation: Conversation) -> dict[str, Any]:
    """Return a conversation's MIME bundle: a player for both sides with their picture, and a table of turns."""
    record, image = _drawn(conversation, picture_in=True)
    return record | ({"image/png": image["image/png"]} if image else {})


def conversation_outputs(conversation: Conversation, *, live: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a conversation's MIME bundle as two outputs: the record, and the picture, which is empty without audio.

    Code hosts strip audio and pictures from HTML, but show a PNG that is an output of its own. With `live`, which is an
    id, it is the record below a panel that shows the words itself: they are behind a fold, and the picture is part of
    the record, as its seek bar.
    """
    record, image = _drawn(conversation, live, picture_in=bool(live), words_open=not live)
    return record | {"text/html": str(record["text/html"])}, {} if live else image


def _drawn(
    conversation: Conversation, record_id: str = "", *, picture_in: bool = False, words_open: bool = True
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the record, which may hold the picture, too, and the picture by itself."""
    turns = conversation.turns
    budget = AudioBudget(turns=len(turns))
    talk = WholeTalk.of(conversation, budget)
    sound = EMPTY
    if talk:
        sound = talk.seek_bar(record_id) if picture_in else talk.player
    shown = {turn.item_id: thumbnails(turn.pictures, budget) for turn in reversed(turns)}
    begins_s = talk.begins_s if talk else {}
    turn_table = table(("at", "", "said", "first audio", "cost"), _rows(conversation, begins_s, shown))
    totals = _totals(conversation)
    record = {
        "text/plain": printable(_text(conversation, totals)),
        "text/html": section(
            sound,
            turn_table if words_open else folded("Words, times and costs", turn_table),
            _players(turns, begins_s, budget),
            facts(totals),
            *map(note, conversation.remarks),
            title=f"Conversation · {words.DISCLOSURE}",
        ),
    }
    return record, talk.image if talk else {}


def _players(turns: list[Turn], begins_s: dict[str, float], budget: AudioBudget) -> Markup:
    """Return a player for each turn, behind a fold; empty if there is one turn, or if the conversation is long."""
    sounding = [turn for turn in turns if duration_s(turn)]
    if len(sounding) < 2 or budget.is_long:
        return EMPTY
    # The newest first: people want to hear again what was just said.
    sounds = {turn.item_id: as_cut(turn) for turn in reversed(sounding)}
    budget.prepare([sound for sound in sounds.values() if sound is not None])
    players = {item_id: player(sound, budget) for item_id, sound in sounds.items()}
    rows = [
        [_clock(turn, begins_s), unbroken(words.who(turn)), words.said(turn), players[turn.item_id]]
        for turn in sounding
    ]
    each = table(("at", "", "said", "sound"), rows)
    return folded("Each turn by itself", each + left_out(budget, _HOW_TO_KEEP))


def _clock(turn: Turn, begins_s: dict[str, float]) -> Markup:
    """Return where the player has a turn; empty if it has not."""
    at_s = begins_s.get(turn.item_id)
    return EMPTY if at_s is None else Markup('<span data-rtnb-at="{:.3f}">{}</span>').format(at_s, clock(at_s))


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


def _rows(conversation: Conversation, begins_s: dict[str, float], shown: dict[str, Markup]) -> Iterator[list[str]]:
    breaks = breaks_by_place(conversation)
    yield from map(_break_row, breaks.get(None, ()))
    for turn in conversation:
        # What was said since the pictures were made is shown next time.
        yield [_clock(turn, begins_s), *_row(conversation, turn, shown.get(turn.item_id, EMPTY))]
        yield from map(_break_row, breaks.get(turn.item_id, ()))


def _break_row(session_break: SessionBreak) -> list[str]:
    return ["", "", Markup("<small>{}</small>").format(words.session_break(session_break)), "", ""]


def _row(conversation: Conversation, turn: Turn, pictures: Markup) -> list[str]:
    reply = _reply_beginning_with(conversation, turn)
    return [
        unbroken(words.who(turn)),
        Markup("<br>").join(filter(None, [said(turn), pictures])),
        unbroken(words.milliseconds(reply.timing.first_audio_ms)) if reply else "",
        unbroken(words.cost(reply)) if reply else "",
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
    image = EMPTY
    if clip is not None:
        record = spectrogram(reply)
        png = record.png
        image = picture(png, repr(record))
        bundle["image/png"] = base64.b64encode(png).decode()
    bundle["text/html"] = section(
        *[
            saying(words.who(turn), words.said(turn), remark=words.heard_remark(turn), more=revealed(turn))
            + thumbnails(turn.pictures, budget)
            for turn in _turns(reply)
        ],
        player(as_cut(reply), budget) if clip is not None else EMPTY,
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
