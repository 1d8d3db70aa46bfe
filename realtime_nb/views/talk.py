"""A whole talk in one player on one clock; its turns and its picture are the seek bar.

The player and the picture are static. A script that finds them by their ``data-rtnb`` marks, ``widgets/static/
record.js``, makes the picture a seek bar.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from markupsafe import Markup

from ..conversation.conversation import Conversation
from ..conversation.records import Turn
from . import words
from .budget import AudioBudget
from .html import joined, note, picture, player
from .plots import BLUE
from .spectrogram import GREEN, PLOT_LEFT, PLOT_RIGHT, spectrogram_of
from .tracks import Track, extent_s, mixed, moved, tracks_of, within

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
            '{player}{lanes}<div data-rtnb="bar" data-rtnb-left="{left:.4f}" data-rtnb-right="{right:.4f}" '
            'style="position:relative">{picture}</div></div>'
        ).format(
            id=record_id,
            length=self.length_s,
            begin=self.whole_s - self.length_s,
            player=self.player,
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
