"""The audio of records, laid out side by side on one clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np

from ..conversation.conversation import Conversation
from ..conversation.records import Reply, Turn
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip, concatenate
from .budget import duration_s
from .words import who


class HasConversation(Protocol):
    """A session or a recording."""

    @property
    def conversation(self) -> Conversation:
        """The conversation in it."""
        ...


Source: TypeAlias = AudioClip | Turn | Reply | Conversation | HasConversation
Word: TypeAlias = tuple[str, float, float]
# The padding of a spoken turn may overlap the turn before it.
_SHARED_S = 1.0


@dataclass(frozen=True, eq=False)
class DrawnPiece:
    """A stretch of sound; `origin_s` is on the clock, other times count from the start of the sound."""

    sound: AudioClip | Turn
    origin_s: float
    from_s: float
    to_s: float
    heard_s: float | None = None
    """How much of the sound was heard before playback was stopped; `None` if it was not stopped."""
    words: tuple[Word, ...] = ()

    @classmethod
    def of(cls, sound: AudioClip | Turn) -> DrawnPiece | None:
        """Return a whole sound that begins at zero; `None` if there is none. Does not decode it."""
        length_s = duration_s(sound)
        if not length_s:
            return None
        if isinstance(sound, AudioClip):
            return cls(sound, 0.0, 0.0, length_s)
        heard_ms = sound.heard_ms
        heard_s = None if heard_ms is None or heard_ms >= 1000 * length_s else heard_ms / 1000
        spoken = (
            sound.words if sound.cut_ms is None else [word for word in sound.words if word.end_ms <= (heard_ms or 0)]
        )
        words = tuple((word.text, word.start_ms / 1000, word.end_ms / 1000) for word in spoken)
        return cls(sound, 0.0, 0.0, length_s, heard_s, words)

    @property
    def start_s(self) -> float:
        """When it begins on the clock."""
        return self.origin_s + self.from_s

    @property
    def stop_s(self) -> float:
        """When it ends on the clock."""
        return self.origin_s + self.to_s

    @property
    def sounds_until_s(self) -> float:
        """When it falls silent on the clock: at its end, or when playback was stopped."""
        return (
            self.stop_s if self.heard_s is None else min(max(self.start_s, self.origin_s + self.heard_s), self.stop_s)
        )

    @cached_property
    def clip(self) -> AudioClip:
        """The audio of the stretch."""
        whole = self.sound if isinstance(self.sound, AudioClip) else self.sound.audio
        assert whole is not None  # `of` has checked that there is some.
        return whole.cut(self.from_s, self.to_s)

    @property
    def words_on_clock(self) -> list[Word]:
        """The words with their times on the clock."""
        return [
            (text, self.origin_s + max(start_s, self.from_s), self.origin_s + min(stop_s, self.to_s))
            for text, start_s, stop_s in self.words
            if start_s < self.to_s and stop_s > self.from_s
        ]

    def within(self, start_s: float, stop_s: float) -> DrawnPiece | None:
        """Return the part between two times on the clock; `None` if there is none."""
        if start_s <= self.start_s and self.stop_s <= stop_s:
            return self
        from_s, to_s = max(self.from_s, start_s - self.origin_s), min(self.to_s, stop_s - self.origin_s)
        return replace(self, from_s=from_s, to_s=to_s) if from_s < to_s else None


@dataclass(frozen=True, eq=False)
class Track:
    """All sound of one side, in order of time."""

    name: str
    """The label; empty for a single side without a speaker."""
    pieces: list[DrawnPiece] = field(default_factory=list)


def tracks_of(source: Source) -> list[Track]:
    """Lay out a record's audio; sides without sound are left out.

    The clock begins with the clip or turn; for a reply at the moment from which its `Timing` counts, and for a
    conversation when the session began.
    """
    if isinstance(source, AudioClip | Turn):
        piece = DrawnPiece.of(source)
        return [Track(who(source) if isinstance(source, Turn) else "", [piece])] if piece else []
    if isinstance(source, Reply):
        turns = [(turn, source) for turn in ([source.asked] if source.asked else []) + source.turns]
        return _laid_out(turns, source.timing.origin_ms / 1000)
    conversation = source if isinstance(source, Conversation) else source.conversation
    return _laid_out(((turn, _reply_of(turn, conversation)) for turn in conversation), 0.0)


def as_cut(sound: Turn | Reply) -> Turn | Reply | AudioClip | None:
    """Return an answer's sound up to where a guard cut it, `None` if nothing is left; other pieces unchanged."""
    turns = [sound] if isinstance(sound, Turn) else sound.turns
    if all(turn.cut_ms is None for turn in turns):
        return sound
    whole = [(clip, turn.heard_ms) for turn in turns if (clip := turn.audio) is not None]
    cut = [clip if heard_ms is None else clip.cut(0.0, heard_ms / 1000) for clip, heard_ms in whole]
    sounding = [clip for clip in cut if len(clip.samples)]
    return concatenate(sounding) if sounding else None


class HasPieces(Protocol):
    """A track, or a side of a spectrogram."""

    @property
    def pieces(self) -> Sequence[DrawnPiece]:
        """Stretches of sound."""
        ...


def extent_s(tracks: Iterable[HasPieces]) -> tuple[float, float]:
    """Return when the first sound begins and the last one ends."""
    pieces = [piece for track in tracks for piece in track.pieces]
    return min(piece.start_s for piece in pieces), max(piece.stop_s for piece in pieces)


def within(tracks: list[Track], start_s: float | None, stop_s: float | None) -> list[Track]:
    """Return the parts of the tracks between two times on the clock; sides without any are left out."""
    limits = (-math.inf if start_s is None else start_s, math.inf if stop_s is None else stop_s)
    cut = [Track(track.name, [each for piece in track.pieces if (each := piece.within(*limits))]) for track in tracks]
    return [track for track in cut if track.pieces]


def moved(tracks: Iterable[Track], by_s: float) -> list[Track]:
    """Return tracks on another clock."""
    return [
        Track(track.name, [replace(piece, origin_s=piece.origin_s + by_s) for piece in track.pieces])
        for track in tracks
    ]


def visible(track: Track) -> list[DrawnPiece]:
    """Return a track's pieces without overlaps; what was heard takes precedence over what was not."""
    following = [piece.start_s for piece in track.pieces[1:]] + [math.inf]
    cut = (piece.within(-math.inf, until) for piece, until in zip(track.pieces, following, strict=True))
    return [piece for piece in cut if piece is not None]


def mixed(tracks: Iterable[Track], duration_s: float) -> AudioClip:
    """Return all sides as one clip that begins when the clock does, without what was not heard."""
    samples = np.zeros(round(duration_s * WIRE_SAMPLE_RATE), np.float32)
    for piece in (piece for track in tracks for piece in visible(track)):
        sounding = piece.within(-math.inf, piece.sounds_until_s)
        if sounding is None:
            continue
        at = max(0, round(sounding.start_s * WIRE_SAMPLE_RATE))
        heard = sounding.clip.resample(WIRE_SAMPLE_RATE).samples[: max(0, len(samples) - at)]
        samples[at : at + len(heard)] += heard
    return AudioClip(np.clip(samples, -1.0, 1.0), WIRE_SAMPLE_RATE)


def _reply_of(turn: Turn, conversation: Conversation) -> Reply | None:
    return conversation.reply(turn.response_id) if turn.response_id is not None else turn.reply


def _laid_out(turns: Iterable[tuple[Turn, Reply | None]], origin_s: float) -> list[Track]:
    """Place turns on the clock, each with the reply that answers it or that it is part of.

    Clips that are asked one after another are sent faster than they sound, and answers that no speaker plays arrive
    faster than they sound. A turn that would overlap them is moved to their end, and all later ones with it.
    """
    tracks: dict[str, Track] = {}
    moved_s = 0.0
    free_s = -math.inf
    for turn, reply in turns:
        piece = DrawnPiece.of(turn)
        if piece is None:
            continue
        track = tracks.setdefault(turn.role, Track(who(turn)))
        shared_s = _SHARED_S if turn.role == "user" else 0.0
        earliest_s = max(free_s, track.pieces[-1].sounds_until_s - shared_s) if track.pieces else free_s
        start_s = _start_s(turn, reply, piece, otherwise_s=max(earliest_s, 0.0) - moved_s) + moved_s
        moved_s += max(0.0, earliest_s - start_s)
        piece = replace(piece, origin_s=max(start_s, earliest_s))
        track.pieces.append(piece)
        if turn.began_at_ms is None:
            free_s = max(free_s, piece.stop_s)
    return moved([tracks[role] for role in sorted(tracks, key=lambda role: role == "assistant")], -origin_s)


def _start_s(turn: Turn, reply: Reply | None, piece: DrawnPiece, *, otherwise_s: float) -> float:
    """Return when a turn began to sound, on the session's clock."""
    if turn.began_at_ms is not None:
        return turn.began_at_ms / 1000
    if reply is None:
        return otherwise_s
    if turn.role == "user":  # It was sent as a whole, at the moment from which the answer's times count.
        return reply.timing.origin_ms / 1000 - piece.stop_s
    return (reply.timing.origin_ms + (reply.timing.first_audio_ms or 0.0)) / 1000
