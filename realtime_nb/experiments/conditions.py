"""Conditions that change speech on its way: noise, babble, rooms, telephones, distance, speed.

A condition takes a clip and a random generator and returns another clip of the same rate. ``str(condition)`` is its
name in results. A pipeline is a series of conditions, applied in order.

`Level` and `Clipping` change how loud a clip is, and `Noise` and `Babble` add sound to it. All others keep its loudness
(`realtime_nb.speech.voice.loudness_lufs`) to within 0.5 LU, as far as full scale allows.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import SettingsError
from ..local.process import speak
from ..media import g711
from ..media.clip import AudioClip, Samples
from ..recording.mix import stretch
from ..speech.voice import loudness_lufs
from .clips import RunClips, SpokenClip

#: The band of speech on a telephone, in Hz. Source: ITU-T G.712, 300 to 3,400 Hz.
_TELEPHONE_BAND_HZ = (300.0, 3_400.0)
#: Harvard sentences, list 1 (IEEE 1969), for the voices of babble.
_BABBLE = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well. These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls. The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage.",
    "Four hours of steady work faced us. A large size in stockings is hard to sell.",
)
#: The most gain to make up for lost loudness; a condition that takes away more leaves the clip quieter.
_MOST_GAIN_DB = 10.0
#: Holding peaks lowers the loudness, and raising the loudness raises the peaks, so both are repeated.
_ROUNDS = 4
_AS_LOUD_LU = 0.05
#: How many samples on either side of a peak become quieter with it.
_HOLD = 25
_BABBLE_VOICES = ("alloy", "onyx", "coral", "ash", "sage", "verse", "shimmer", "cedar")


class Condition(Protocol):
    """Changes a clip; ``str(condition)`` names it.

    A condition that moves sound in time also has a method ``place_ms(at_ms)``, which returns where a moment of the clip
    is in the changed one, in ms. Without it, and if the length changes, it is not known where the person speaks, and
    measures such as ``turn_gap_ms`` are missing.
    """

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Return the changed clip, at its rate; take all randomness from `random`."""


#: Conditions, one after the other.
Pipeline = tuple[Condition, ...]


@dataclass(frozen=True)
class Noise:
    """Noise at a level relative to the clip.

    Parameters
    ----------
    snr_db : float
        ``10 · log10(P_clip / P_noise)``, both mean powers over the whole clip.
    color : {"white", "pink"}, default "white"
        White has the same power at all frequencies, pink in all octaves from 20 Hz on, like much everyday noise.

    Notes
    -----
    If the sum exceeds full scale, all of it becomes quieter, so the ratio stays.

    Examples
    --------
    >>> import numpy as np
    >>> import realtime_nb as rt
    >>> clip = rt.AudioClip(0.1 * np.sin(np.arange(24_000) / 9))
    >>> rt.Noise(snr_db=10, color="pink").apply(clip, np.random.default_rng(0)).duration_s
    1.0
    """

    snr_db: float
    color: str = "white"

    def __post_init__(self) -> None:
        _check_finite("snr_db", self.snr_db)
        if self.color not in ("white", "pink"):
            raise SettingsError(f'color={self.color!r} is not "white" or "pink"')

    def __str__(self) -> str:
        return f"{'' if self.color == 'white' else 'pink '}noise {self.snr_db:g} dB"

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Add the noise."""
        noise = random.standard_normal(len(clip.samples))
        if self.color == "pink":
            spectrum, hertz = np.fft.rfft(noise), np.fft.rfftfreq(len(noise), 1 / clip.sample_rate)
            noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 20.0)), len(noise))
        return _added(clip, noise, self.snr_db)


@dataclass(frozen=True)
class Babble:
    """Other people talking at once, at a level relative to the clip.

    Parameters
    ----------
    snr_db : float
        As for `Noise`.
    talkers : int, default 4
        How many people talk, 1 to 8: voices of the local synthesiser that say sentences of the Harvard lists, each
        starting at a different place.
    """

    snr_db: float
    talkers: int = 4

    def __post_init__(self) -> None:
        _check_finite("snr_db", self.snr_db)
        if not 1 <= self.talkers <= len(_BABBLE_VOICES):
            raise SettingsError(f"talkers={self.talkers} is not between 1 and {len(_BABBLE_VOICES)}")

    def __str__(self) -> str:
        return f"babble {self.snr_db:g} dB, {self.talkers} talkers"

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Add the other voices."""
        return self.mix(clip, random, _talker)

    def mix(self, clip: AudioClip, random: np.random.Generator, talker: Talker) -> AudioClip:
        """Add the other voices, each as `talker` returns it."""
        babble = np.zeros(len(clip.samples))
        for number in range(self.talkers):
            said = talker(number).resample(clip.sample_rate).samples
            start = int(random.integers(len(said)))
            babble += np.resize(np.roll(said, -start), len(babble)) / np.sqrt(np.mean(np.square(said)))
        return _added(clip, babble, self.snr_db)


#: Returns the sound of one talker of babble, by number.
Talker = Callable[[int], AudioClip]


@functools.lru_cache(maxsize=len(_BABBLE_VOICES))
def _talker(number: int) -> AudioClip:
    return speak(_BABBLE[number % len(_BABBLE)], voice=_BABBLE_VOICES[number])


@dataclass(frozen=True)
class Reverberation:
    """A room.

    Parameters
    ----------
    t60_s : float
        How long sound takes to fall by 60 dB, in seconds; the clip gets longer by this time. A living room has about
        0.5, a church 3 and more.
    direct_db : float, default 0.0
        Power of the direct sound over that of all echoes, in dB; the farther the talker, the lower.

    Notes
    -----
    The room's response is white noise under an exponential that falls by 60 dB in `t60_s` (Polack 1988). The speech
    keeps its loudness; a clip that is too short to have one keeps its energy.
    """

    t60_s: float
    direct_db: float = 0.0

    def __post_init__(self) -> None:
        if not 0.01 <= self.t60_s <= 20:
            raise SettingsError(f"t60_s={self.t60_s} is not between 0.01 and 20")
        _check_finite("direct_db", self.direct_db)

    def __str__(self) -> str:
        return f"reverberation {self.t60_s:g} s" + (f", direct {self.direct_db:g} dB" if self.direct_db else "")

    def place_ms(self, at_ms: float) -> float:
        """Return where a moment of the clip is in the room: the direct sound comes at once."""
        return at_ms

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Play the clip in the room."""
        from scipy.signal import fftconvolve

        time_s = np.arange(1, max(2, round(self.t60_s * clip.sample_rate))) / clip.sample_rate
        tail = random.standard_normal(len(time_s)) * 10 ** (-3 * time_s / self.t60_s)
        tail *= 10 ** (-self.direct_db / 20) / np.sqrt(np.sum(np.square(tail)))
        wet = fftconvolve(clip.samples.astype(float), np.concatenate([[1.0], tail]))
        energy = float(np.sum(np.square(wet)))
        before = float(np.sum(np.square(clip.samples, dtype=float)))
        return _as_loud_as(clip, wet * math.sqrt(before / energy) if energy else wet, clip.sample_rate)


@dataclass(frozen=True)
class Telephone:
    """A telephone line: 300 to 3,400 Hz, 8 kHz, 8 bits a sample (ITU-T G.711, G.712).

    Parameters
    ----------
    law : {"ulaw", "alaw"}, default "ulaw"
        The law of America and Japan, or that of the rest of the world.

    Notes
    -----
    The result is as loud as the clip, unless that takes more than 10 dB of gain.

    Examples
    --------
    >>> import numpy as np
    >>> import realtime_nb as rt
    >>> clip = rt.AudioClip(0.1 * np.sin(np.arange(24_000) / 9))
    >>> rt.Telephone().apply(clip, np.random.default_rng(0)).duration_s
    1.0
    """

    law: str = "ulaw"

    def __post_init__(self) -> None:
        if self.law not in ("ulaw", "alaw"):
            raise SettingsError(f'law={self.law!r} is not "ulaw" or "alaw"')

    def __str__(self) -> str:
        return "telephone" if self.law == "ulaw" else "telephone A-law"

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Send the clip over the line."""
        from scipy.signal import butter, sosfilt

        narrow = clip.resample(8_000)
        band = butter(4, _TELEPHONE_BAND_HZ, "bandpass", fs=8_000, output="sos")
        passed = sosfilt(band, narrow.samples)
        pcm = _as_loud_as(clip, passed, 8_000).to_pcm16()
        heard = (
            g711.decode_ulaw(g711.encode_ulaw(pcm)) if self.law == "ulaw" else g711.decode_alaw(g711.encode_alaw(pcm))
        )
        wide = AudioClip.from_pcm16(heard, 8_000).resample(clip.sample_rate)
        return AudioClip(_held_below_full_scale(wide.samples).astype(np.float32), clip.sample_rate)


@dataclass(frozen=True)
class Level:
    """Another loudness.

    Parameters
    ----------
    dbfs : float
        Mean power of the whole clip, in dB relative to a full-scale square wave; below 0. Samples beyond full scale are
        clipped, as a converter does.
    """

    dbfs: float

    def __post_init__(self) -> None:
        if not -120 <= self.dbfs <= 0:
            raise SettingsError(f"dbfs={self.dbfs} is not between -120 and 0")

    def __str__(self) -> str:
        return f"level {self.dbfs:g} dBFS"

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Bring the clip to this level."""
        gain = 10 ** (self.dbfs / 20) / max(math.sqrt(_power(clip.samples)), 1e-9)
        return AudioClip(np.clip(clip.samples * np.float32(gain), -1.0, 1.0), clip.sample_rate)


@dataclass(frozen=True)
class Speed:
    """Another speed, at the same pitch.

    Parameters
    ----------
    factor : float
        0.25 to 4; more is faster.
    """

    factor: float

    def __post_init__(self) -> None:
        if not 0.25 <= self.factor <= 4:
            raise SettingsError(f"factor={self.factor} is not between 0.25 and 4")

    def __str__(self) -> str:
        return f"speed {self.factor:g}"

    def place_ms(self, at_ms: float) -> float:
        """Return where a moment of the clip is at this speed."""
        return at_ms / self.factor

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Change the clip's speed (with librosa's phase vocoder), and keep its loudness."""
        fast = stretch(clip, self.factor)
        power = _power(fast.samples)
        gain = math.sqrt(_power(clip.samples) / power) if power else 1.0
        return _as_loud_as(clip, fast.samples * gain, clip.sample_rate)


@dataclass(frozen=True)
class Clipping:
    """An overdriven microphone.

    Parameters
    ----------
    drive_db : float
        How far the loudest sample would exceed the converter's range, in dB; everything beyond it is cut off.
    """

    drive_db: float

    def __post_init__(self) -> None:
        if not 0 <= self.drive_db <= 60:
            raise SettingsError(f"drive_db={self.drive_db} is not between 0 and 60")

    def __str__(self) -> str:
        return f"clipping {self.drive_db:g} dB"

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Cut off the clip's peaks, and leave the rest as loud as it was."""
        most = clip.peak * 10 ** (-self.drive_db / 20)
        return AudioClip(np.clip(clip.samples, -most, most), clip.sample_rate)


def named_pipelines(
    conditions: Mapping[str, Condition | Sequence[Condition]] | Sequence[Condition | Sequence[Condition]] | None,
) -> dict[str, Pipeline]:
    """Return pipelines by name; a pipeline without a name is named after its conditions.

    Raises `SettingsError` if there is none, two have the same name, or one holds something that is not a condition.
    """
    if conditions is None:
        return {"clean": ()}
    given: Any = conditions
    if isinstance(conditions, Mapping):
        named = [(name, _pipeline(steps)) for name, steps in conditions.items()]
    elif isinstance(given, str) or not isinstance(given, Iterable):
        raise SettingsError(
            f"conditions={conditions!r} must be a sequence or a mapping: give [[], Telephone()], or "
            "{'clean': [], 'noisy': Noise(10)}"
        )
    else:
        named = [(describe(pipeline), pipeline) for pipeline in map(_pipeline, conditions)]
    if not named or len({name for name, _ in named}) < len(named):
        raise SettingsError(f"conditions={[name for name, _ in named]} must be one or more, each with its own name")
    return dict(named)


def _pipeline(steps: Any) -> Pipeline:
    pipeline = tuple(steps) if isinstance(steps, Sequence) and not isinstance(steps, str) else (steps,)
    for step in pipeline:
        if isinstance(step, type) or not callable(getattr(step, "apply", None)):
            raise SettingsError(
                f"{step!r} is not a condition: give an object with a method apply(clip, random), e.g. Telephone()"
            )
    return pipeline


def describe(pipeline: Pipeline) -> str:
    """Describe a pipeline, step by step."""
    return " + ".join(map(str, pipeline)) or "clean"


def apply_conditions(pipeline: Pipeline, clip: AudioClip, seed: int, clips: RunClips | None = None) -> SpokenClip:
    """Return a clip with a pipeline applied, and where the speech of the clean clip is in it.

    Each step has its own random generator, made from the seed and its place, so a clip gets the same noise at every
    level.

    `clips`: keeps the talkers of babble.
    """

    def talker(number: int) -> AudioClip:
        return _talker(number) if clips is None else clips.keep(("babble", number), lambda: _talker(number))

    said = SpokenClip.of(clip)
    for place, step in enumerate(pipeline):
        random = np.random.default_rng([seed, place])
        changed = step.mix(said, random, talker) if isinstance(step, Babble) else step.apply(said, random)
        said = said.changed_by(step, changed)
    return said


def _added(clip: AudioClip, noise: np.ndarray, snr_db: float) -> AudioClip:
    gain = math.sqrt(_power(clip.samples) / max(_power(noise), 1e-30)) * 10 ** (-snr_db / 20)
    return _clip(clip.samples + gain * noise, clip.sample_rate)


def _clip(samples: np.ndarray, sample_rate: int) -> AudioClip:
    """Make a clip of samples; if they exceed full scale, it becomes quieter."""
    return AudioClip((samples / max(1.0, float(np.abs(samples).max(initial=0.0)))).astype(np.float32), sample_rate)


def _as_loud_as(clip: AudioClip, samples: np.ndarray, sample_rate: int) -> AudioClip:
    """Make a clip of samples, as loud as another if both have a loudness, with peaks held below full scale."""
    wanted, gain_db = loudness_lufs(clip), 0.0
    for _ in range(_ROUNDS):
        held = AudioClip(_held_below_full_scale(samples * 10 ** (gain_db / 20)).astype(np.float32), sample_rate)
        found = loudness_lufs(held)
        if wanted is None or found is None or abs(wanted - found) < _AS_LOUD_LU:
            break
        gain_db = min(gain_db + wanted - found, _MOST_GAIN_DB)
    return held


def _held_below_full_scale(samples: np.ndarray) -> np.ndarray:
    """Smoothly make samples quieter around peaks above full scale."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    if np.abs(samples).max(initial=0.0) <= 1.0:
        return samples
    peaks = maximum_filter1d(np.maximum(np.abs(samples), 1.0), _HOLD, mode="nearest")
    gain = uniform_filter1d(1.0 / peaks, _HOLD, mode="nearest")
    held: np.ndarray = np.clip(samples * gain, -1.0, 1.0)
    return held


def _power(samples: np.ndarray | Samples) -> float:
    return float(np.mean(np.square(samples, dtype=float))) if len(samples) else 0.0


def _check_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise SettingsError(f"{name}={value} is not finite")
