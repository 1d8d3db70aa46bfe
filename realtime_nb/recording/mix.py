"""Both sides of a recording as they were heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..conversation.conversation import Conversation
from ..conversation.records import Turn
from ..media.clip import AudioClip, Samples
from .spans import Piece
from .tracks import Samples16

#: Blocks are cut at the quietest stretch of this length in their last seconds.
_CUT_MS = 20
_SEARCH_S = 3.0
_BLOCK_S = 15.0
#: In samples; a shorter block is a click, and left out.
_SHORTEST_WINDOW = 64
#: Parts that are quieter than the loudest one by more than this do not get their loudness back.
_FLOOR_DB = -30.0


def as_heard(track: Samples16, rate: int, spans: Mapping[str, list[Piece]], conversation: Conversation) -> AudioClip:
    """Return the assistant's side as it sounded, without what was cut off, and each answer where it began."""
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
    """Return how much of an item was heard; `None` for all of it."""
    heard_ms = turn.heard_ms if turn is not None else None
    return None if heard_ms is None else round(heard_ms * rate / 1000)


@dataclass(frozen=True, eq=False, repr=False)
class Sides(AudioClip):
    """Two voices in one clip: in files the person is left and the model right; ``samples`` is the mix of both."""

    left: AudioClip = field(kw_only=True)
    right: AudioClip = field(kw_only=True)

    def resample(self, sample_rate: int) -> Sides:
        """Return the clip at another sample rate."""
        return _beside(self.left.resample(sample_rate), self.right.resample(sample_rate))

    def cut(self, start_s: float = 0.0, stop_s: float | None = None) -> Sides:
        """Return the part from `start_s` to `stop_s` seconds, as far as the clip reaches."""
        return _beside(self.left.cut(start_s, stop_s), self.right.cut(start_s, stop_s))

    @property
    def _channels(self) -> Samples:
        return np.stack([self.left.samples, self.right.samples], axis=1)


def beside(one: AudioClip | None, other: AudioClip | None) -> AudioClip:
    """Put two clips side by side, at the higher of their rates; a single clip stays alone."""
    clips = [clip for clip in (one, other) if clip is not None]
    if len(clips) < 2:
        return clips[0] if clips else AudioClip(np.zeros(0, np.float32))
    rate = max(clip.sample_rate for clip in clips)
    left, right = (clip.resample(rate) for clip in clips)
    return _beside(left, right)


def _beside(left: AudioClip, right: AudioClip) -> Sides:
    length = max(len(left.samples), len(right.samples))
    filled = [np.pad(clip.samples, (0, length - len(clip.samples))) for clip in (left, right)]
    rate = left.sample_rate
    both = np.clip(filled[0] + filled[1], -1.0, 1.0)
    return Sides(both, rate, left=AudioClip(filled[0], rate), right=AudioClip(filled[1], rate))


def stretch(clip: AudioClip, speed: float) -> AudioClip:
    """Return a clip at another speed and the same pitch.

    Applies `librosa.effects.time_stretch`, a phase vocoder, to blocks that are cut where it is quiet; silence just gets
    shorter or longer. A vocoder smears the sound and makes it quieter, so each tenth of a second gets its original
    power back.
    """
    if speed == 1.0 or not len(clip.samples):
        return clip
    if isinstance(clip, Sides):
        return _beside(stretch(clip.left, speed), stretch(clip.right, speed))
    import librosa

    blocks = []
    for block in _blocks(clip):
        if not block.any() or len(block) < _SHORTEST_WINDOW:
            blocks.append(np.zeros(round(len(block) / speed), np.float32))
        else:
            window = min(2_048, len(block) // 2 * 2)  # librosa's default; a block must be at least as long.
            stretched = librosa.effects.time_stretch(block, rate=speed, n_fft=window)
            blocks.append(_as_loud(stretched, block, clip.sample_rate // 10))
    return AudioClip(np.concatenate(blocks), clip.sample_rate)


def _as_loud(stretched: np.ndarray, block: np.ndarray, window: int) -> np.ndarray:
    """Return a stretched block with the powers of the original at the same places."""
    wanted, found = _powers(block, round(window * len(block) / len(stretched))), _powers(stretched, window)
    wanted = np.interp(np.linspace(0, 1, len(found)), np.linspace(0, 1, len(wanted)), wanted)
    floor = wanted.max() * 10 ** (_FLOOR_DB / 10)
    gained = stretched * np.sqrt((wanted + floor) / (found + floor))
    energy = float(np.mean(np.square(gained)))
    loud: np.ndarray = (gained * np.sqrt(np.mean(np.square(block)) / energy if energy else 1.0)).astype(np.float32)
    return loud


def _powers(samples: np.ndarray, window: int) -> np.ndarray:
    """Return the mean power around each sample."""
    from scipy.ndimage import uniform_filter1d

    powers: np.ndarray = uniform_filter1d(np.square(samples, dtype=float), max(1, min(window, len(samples))))
    positive: np.ndarray = np.maximum(powers, 0.0)
    return positive


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
