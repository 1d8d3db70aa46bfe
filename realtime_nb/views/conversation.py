"""How a conversation and a reply look: turns, players, words, and what it took."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from markupsafe import Markup

from ..conversation.conversation import Conversation, breaks_by_place
from ..conversation.records import Reply, SessionBreak, Turn
from ..display import printable
from ..pricing.cost import format_least, format_usd
from ..pricing.usage import Usage
from . import words
from .budget import AudioBudget, duration_s
from .html import (
    EMPTY,
    LEGIBLE,
    facts,
    folded,
    joined,
    left_out,
    note,
    picture,
    player,
    saying,
    section,
    table,
    unbroken,
)
from .media import thumbnails
from .plots import BLUE
from .spectrogram import GREEN, PLOT_LEFT, PLOT_RIGHT, spectrogram, spectrogram_of
from .tracks import Track, as_cut, extent_s, mixed, moved, tracks_of, within

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


# --- A whole talk in one player on one clock; its turns and its picture are the seek bar ------------------------------
#
# The player and the picture are static. A script that finds them by their ``data-rtnb`` marks,
# ``widgets/static/record.js``, makes the picture a seek bar.

#: A longer talk is heard and seen from so far before its end on.
_MOST_S = 600.0
_LONG_MOST_S = 30.0
_LONGEST_LABEL = 160
_LANE_PX = 7


@dataclass(frozen=True)
class WholeTalk:
    """Both sides of a conversation, on a clock that begins when the player does."""

    length_s: float
    """How much of the conversation is here: its end."""
    whole_s: float
    """How long it is."""
    player: Markup
    lanes: Markup
    """The turns on the clock."""
    png: bytes
    """The picture of both sides."""
    about: str
    """The picture in words."""
    begins_s: dict[str, float]
    """When each turn begins, by its item id."""

    @classmethod
    def of(cls, conversation: Conversation, budget: AudioBudget) -> WholeTalk | None:
        """Return as much of the end of a conversation as a player may hold; `None` without sound.

        It is kept until the conversation changes: a record is drawn once more when its kernel ends, which does not wait
        for long.
        """
        version = (conversation.revision, conversation.order_revision, budget.is_long, budget.limit_mb)
        kept_version, talk = _kept.get(conversation, (None, None))
        if version == kept_version:
            budget.spend(len(talk.player) if talk else 0)
            return talk
        tracks = tracks_of(conversation)
        talk = _made(tracks, budget) if tracks else None
        _kept[conversation] = version, talk
        return talk

    def seek_bar(self, record_id: str) -> Markup:
        """Return the player with its turns and picture below it; `record_id` is the same each time."""
        return Markup(
            '<div data-rtnb="talk" data-rtnb-id="{id}" data-rtnb-length="{length:.3f}" data-rtnb-begin="{begin:.3f}">'
            '{player}<div style="{legible}">{lanes}<div data-rtnb="bar" data-rtnb-left="{left:.4f}" '
            'data-rtnb-right="{right:.4f}" style="position:relative">{picture}</div></div></div>'
        ).format(
            id=record_id,
            length=self.length_s,
            begin=self.whole_s - self.length_s,
            player=self.player,
            legible=LEGIBLE,
            lanes=self.lanes,
            left=PLOT_LEFT,
            right=PLOT_RIGHT,
            picture=picture(self.png, self.about),
        )

    @property
    def image(self) -> dict[str, str]:
        """The picture's MIME bundle."""
        which = "" if self.length_s >= self.whole_s else f"; the last of {self.whole_s:.0f} s"
        return {"image/png": base64.b64encode(self.png).decode(), "text/plain": f"{self.about}{which}"}


#: By conversation, with its version: what is drawn, but not the samples.
_kept: WeakKeyDictionary[Conversation, tuple[Any, WholeTalk | None]] = WeakKeyDictionary()


def _made(tracks: list[Track], budget: AudioBudget) -> WholeTalk:
    first_s, stop_s = extent_s(tracks)
    whole_s = stop_s - first_s
    # Where no sound at all is embedded, the picture still is.
    begin_s = max(first_s, stop_s - min(_LONG_MOST_S if budget.is_long else _MOST_S, budget.fits_s or _MOST_S))
    shown, length_s = moved(within(tracks, begin_s, None), -begin_s), stop_s - begin_s
    drawn = spectrogram_of(shown)
    sound = player(mixed(shown, length_s), budget, wide=True)
    if length_s < whole_s:
        option = "full_turns" if budget.is_long else "audio_mb"
        sound += note(
            f'The last {_length(length_s)} of {_length(whole_s)}. All of it: session.save("folder"). '
            f"To embed more, set realtime_nb.display_options.{option} and show this again."
        )
    turns = [
        (piece.sound, piece.start_s, piece.sounds_until_s)
        for track in shown
        for piece in track.pieces
        if isinstance(piece.sound, Turn)
    ]
    return WholeTalk(
        length_s=length_s,
        whole_s=whole_s,
        player=sound,
        lanes=_lanes(turns, length_s),
        png=drawn.png,
        about=repr(drawn),
        begins_s={turn.item_id: start_s for turn, start_s, _ in turns},
    )


def _lanes(turns: list[tuple[Turn, float, float]], length_s: float) -> Markup:
    """Return the turns as two lanes, the person above the model, in the picture's width."""
    lanes = []
    for turn, start_s, stop_s in turns:
        lane, colour = (1, BLUE) if turn.role == "assistant" else (0, GREEN)
        place = f"left:{100 * start_s / length_s:.2f}%;width:{100 * (stop_s - start_s) / length_s:.2f}%"
        shape = f"top:{lane * (_LANE_PX + 1)}px;height:{_LANE_PX}px;border-radius:2px;forced-color-adjust:none"
        style = f"position:absolute;{place};{shape}"
        said = words.line(turn)
        said = said if len(said) <= _LONGEST_LABEL else said[: _LONGEST_LABEL - 1] + "…"
        lane_of = Markup('<span data-rtnb-at="{:.3f}" title="{} {}" style="{};background:{}"></span>')
        lanes.append(lane_of.format(start_s, clock(start_s), said, style, colour))
    around = f"margin:2px {100 * PLOT_RIGHT:.2f}% 2px {100 * PLOT_LEFT:.2f}%;height:{2 * _LANE_PX + 1}px"
    # Screen readers find the same in the table.
    return Markup('<div aria-hidden="true" style="position:relative;{}">{}</div>').format(around, joined(lanes))


def clock(seconds: float) -> str:
    """Return a time on the player's clock, as a player shows it."""
    whole_s = int(round(seconds, 1))
    return f"{whole_s // 60}:{whole_s % 60:02d}"


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
