"""Both sides of a recording as they were heard."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..audio import AudioClip
from ..conversation import Conversation
from ..turns import Turn
from .samples import Samples16
from .spans import Piece

#: The quietest stretch of this length, in the last seconds of a block, is where blocks are cut.
_CUT_MS = 20
_SEARCH_S = 3.0
_BLOCK_S = 15.0


def as_heard(track: Samples16, rate: int, spans: Mapping[str, list[Piece]], conversation: Conversation) -> AudioClip:
    """Return the assistant's side as it sounded: what was cut off is not there, and the next begins where it did.

    Parameters
    ----------
    track : np.ndarray [shape=(n,)], int16
        The track as generated.
    rate : int
        Its samples a second.
    spans : mapping
        See `realtime_nb.recording.spans.find_spans`.
    conversation : Conversation
        Tells what was heard of each item.
    """
    pieces = []
    for item_id, found in spans.items():
        turn = conversation.turn(item_id)
        left = _heard_samples(turn, rate)
        for piece in found:
            if piece.track == "assistant":
                count = piece.samples if left is None else max(0, min(piece.samples, left))
                left = None if left is None else left - count
                pieces.append(piece._replace(samples=count))
    length = max((piece.at_sample + piece.samples for piece in pieces), default=0)
    heard = np.zeros(length, np.float32)
    for piece in pieces:
        stored = track[piece.start_sample : piece.start_sample + piece.samples]
        heard[piece.at_sample : piece.at_sample + len(stored)] = stored / np.float32(32768)
    return AudioClip(heard, rate)


def _heard_samples(turn: Turn | None, rate: int) -> int | None:
    """Return how much of an item was heard; `None` for all."""
    heard_ms = turn.heard_ms if turn is not None else None
    return None if heard_ms is None else round(heard_ms * rate / 1000)


def mix(one: AudioClip | None, other: AudioClip | None) -> AudioClip:
    """Lay two clips over each other, at the higher one's rate."""
    clips = [clip for clip in (one, other) if clip is not None]
    if not clips:
        return AudioClip(np.zeros(0, np.float32))
    rate = max(clip.sample_rate for clip in clips)
    samples = [clip.resample(rate).samples for clip in clips]
    mixed = np.zeros(max(map(len, samples)), np.float32)
    for each in samples:
        mixed[: len(each)] += each
    return AudioClip(np.clip(mixed, -1.0, 1.0), rate)


def stretch(clip: AudioClip, speed: float) -> AudioClip:
    """Return a clip at another speed and the same pitch.

    Notes
    -----
    `librosa.effects.time_stretch`, a phase vocoder, on blocks that are cut where it is quiet; silence just gets
    shorter or longer.
    """
    if speed == 1.0 or not len(clip.samples):
        return clip
    import librosa

    blocks = []
    for block in _blocks(clip):
        if not block.any():
            blocks.append(np.zeros(round(len(block) / speed), np.float32))
        else:
            blocks.append(librosa.effects.time_stretch(block, rate=speed))
    return AudioClip(np.concatenate(blocks), clip.sample_rate)


def _blocks(clip: AudioClip) -> list[np.ndarray]:
    frame = clip.sample_rate * _CUT_MS // 1000
    size, search = round(_BLOCK_S * clip.sample_rate), round(_SEARCH_S * clip.sample_rate) // frame * frame
    rest, blocks = clip.samples, []
    while len(rest) > size:
        energy = np.square(rest[size - search : size]).reshape(-1, frame).sum(axis=1)
        cut = size - search + int(energy.argmin()) * frame
        blocks.append(rest[:cut])
        rest = rest[cut:]
    return [*blocks, rest]
