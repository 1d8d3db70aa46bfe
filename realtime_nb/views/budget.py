"""How much audio and how many pictures an output may hold, and what it leaves out.

Audio is MP3, because it plays wherever a notebook is opened: Safari plays Ogg Opus only since 18.4, of March 2025.
"""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

from ..conversation.records import Reply, Turn
from ..errors import SettingsError
from ..media.clip import MIME_TYPES, WIRE_SAMPLE_RATE, AudioClip

#: A clip, or a record that holds one.
Sound = AudioClip | Turn | Reply

_FORMAT = "mp3"
# Speech at 24 kHz takes about 38 kbit/s, at other rates in proportion, and base64 a third more.
_TYPICAL_BYTES_PER_SAMPLE = 0.27
# If less than this of a clip fits, it gets no player.
_SHORTEST_CUT_S = 1.0
# People read a long conversation and play its end again. Encoding takes 6 ms a second of speech.
_LONG_MB = 0.2


@dataclass
class DisplayOptions:
    """How records are shown.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> rt.display_options.audio_mb
    4.0
    >>> rt.display_options.audio_mb = 20     # an hour of speech in one output; 0 for none
    >>> rt.display_options.audio_mb = 4
    """

    audio_mb: float = 4.0
    """Megabytes of audio, and of small pictures, that one output embeds at most. Default: 4, ten minutes of speech."""
    full_turns: int = 120
    """Up to this many turns, a conversation has up to ten minutes in its player and picture, and players of single
    turns as far as they fit. A longer one has half a minute in its player and picture, so that it is shown in a tenth
    of the time. Default: 120.
    """

    def __setattr__(self, name: str, value: float) -> None:
        if name not in self.__annotations__:
            raise SettingsError(f"display_options has no {name!r}: there is {', '.join(self.__annotations__)}")
        if not (isinstance(value, int | float) and value >= 0):
            unit = name.rpartition("_")[2].replace("mb", "megabytes")
            raise SettingsError(f"{name}={value!r} must be a number of {unit}, 0 or more")
        object.__setattr__(self, name, value)


display_options = DisplayOptions()


class Embedded(NamedTuple):
    """Audio for an output."""

    url: str
    """The data URL; empty if it was left out."""
    embedded_s: float
    total_s: float


class AudioBudget:
    """How much audio still fits into one output.

    Audio is taken in the order in which it is asked for. The first clip is cut if it is too long. A later one that does
    not fit is left out, and so are all that follow it.

    `turns`: how many turns there are players for; in a long conversation only the end has players, see
    `display_options.full_turns`.
    """

    def __init__(self, limit_mb: float | None = None, *, turns: int = 0):
        self.limit_mb = display_options.audio_mb if limit_mb is None else limit_mb
        self.is_long = turns > display_options.full_turns
        """True if only the end of the conversation has a player."""
        self.left_out: list[float] = []
        """Seconds that are missing from each clip that was cut or left out."""
        self._left_bytes = math.floor(self.limit_mb * 1e6)
        self._sound_bytes = math.floor(min(self.limit_mb, _LONG_MB) * 1e6) if self.is_long else self._left_bytes
        self._used = False
        self._ahead: dict[Sound, Future[str]] = {}

    def prepare(self, sounds: Sequence[Sound]) -> None:
        """Begin to encode the sounds that will fit, on all processors, in the order in which they will be embedded."""
        wanted: list[Sound] = []
        left_s = self.fits_s
        for sound in sounds:
            left_s -= duration_s(sound)
            if left_s < 0:
                break
            wanted.append(sound)
        # No thread can be started while the interpreter ends; each sound is then encoded when it is embedded.
        with contextlib.suppress(RuntimeError):
            pool = ThreadPoolExecutor()
            self._ahead = {each: pool.submit(_encoded, each, duration_s(each), duration_s(each)) for each in wanted}
            pool.shutdown(wait=False)

    @property
    def fits_s(self) -> float:
        """How many seconds of speech still fit."""
        return min(self._left_bytes, self._sound_bytes) / (_TYPICAL_BYTES_PER_SAMPLE * WIRE_SAMPLE_RATE)

    def embed(self, sound: Sound) -> Embedded:
        """Return as much of a sound as fits, as a data URL.

        The encoded sound is kept with its record, so that showing a growing conversation again encodes only what is
        new.
        """
        if sound in self._ahead:
            wait([self._ahead.pop(sound)])
        total_s = duration_s(sound)
        rate = sound.sample_rate if isinstance(sound, AudioClip) else WIRE_SAMPLE_RATE
        room = min(self._left_bytes, self._sound_bytes)
        fits_s = room / (_TYPICAL_BYTES_PER_SAMPLE * rate)
        # Pauses take almost no room, so only encoding shows the size; a hopeless clip is not encoded.
        seconds = total_s if total_s < 2 * fits_s else fits_s
        data = ""
        while seconds == total_s or (seconds >= _SHORTEST_CUT_S and not self._used):
            data = _encoded(sound, total_s, seconds)
            if len(data) <= room:
                break
            seconds, data = 0.97 * seconds * room / len(data), ""
        if not data:
            seconds = 0.0
        if seconds < total_s:
            self.left_out.append(total_s - seconds)
            self._sound_bytes = 0
        self._left_bytes -= len(data)
        self._sound_bytes = max(0, self._sound_bytes - len(data))
        self._used = self._used or bool(data)
        return Embedded(f"data:{MIME_TYPES[_FORMAT]};base64,{data}" if data else "", seconds, total_s)

    def spend(self, size: int) -> None:
        """Note that this many bytes of sound are embedded already."""
        self._left_bytes -= size
        self._used = self._used or bool(size)

    def take(self, size: int) -> bool:
        """Reserve room for something other than sound, in bytes; return whether it fits."""
        fits = size <= self._left_bytes
        self._left_bytes -= size if fits else 0
        return fits


def duration_s(sound: Sound) -> float:
    """Return the length of a sound in seconds, without decoding it."""
    if isinstance(sound, AudioClip):
        return sound.duration_s
    turns = [sound] if isinstance(sound, Turn) else sound.turns
    lengths_ms = (part.audio_ms for turn in turns for part in list(turn.parts.values()))
    # An answer may begin with a single byte, which is not a sample yet.
    return sum(ms for ms in lengths_ms if ms >= 1 / 24) / 1000


_kept: WeakKeyDictionary[Sound, tuple[float, float, str]] = WeakKeyDictionary()


def _encoded(sound: Sound, total_s: float, seconds: float) -> str:
    """Return the first `seconds` of a sound as base64."""
    kept = _kept.get(sound)
    if kept is not None and kept[:2] == (total_s, seconds):
        return kept[2]
    clip = sound if isinstance(sound, AudioClip) else sound.audio
    data = ""
    if clip is not None and len(clip.samples):
        # An MP3 with a comment has no gapless mark, and players begin 50 ms late. The comment is shown beside the
        # player.
        clip = replace(clip if seconds == total_s else clip.cut(0, seconds), comment="")
        data = base64.b64encode(clip.encode(_FORMAT)).decode()
    _kept[sound] = (total_s, seconds, data)
    return data
