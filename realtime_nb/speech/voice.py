"""Measure a voice: pitch, rate, loudness, and the quality that listeners would hear."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..conversation.conversation import Conversation
from ..conversation.heard import UNSPACED
from ..conversation.records import Reply, Turn
from ..display import Record
from ..errors import AudioError, MissingExtra
from ..media.activity import speech_spans
from ..media.clip import AudioClip, check_is_clip
from .syllables import count_syllables

if TYPE_CHECKING:
    import pandas


# --- Prosody: pitch and loudness, measured on the sound ---------------------------------------------------------------

# Speaking voices, from a low man's to a child's.
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 450.0
_SAMPLE_RATE = 16_000
_HOP = 320
#: The search goes beyond that range, so that a pitch outside it is not mistaken for its half or double.
_LOWEST_SOUGHT_HZ, _HIGHEST_SOUGHT_HZ = 40.0, 990.0
#: A voice repeats itself after one period: the median correlation over voiced frames is above this. Noise in a narrow
#: band, such as whispered vowels, stays below.
_LEAST_CORRELATION = 0.65
#: If the correlation after two periods is higher by this, the pitch found is an octave too high: a telephone leaves out
#: the fundamental, and a formant may lift the second harmonic far above the others. Measured: 0.05 then, otherwise
#: below 0.
_OCTAVE_CORRELATION = 0.02
#: Only the beginning of longer clips is measured; finding the pitch takes a third of its length.
_MEASURED_S = 10.0


@dataclass(frozen=True)
class Prosody:
    """The pitch and loudness of a clip; made by `prosody`.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> measured = rt.prosody(rt.speak("What can you do?"))
    >>> 60 < measured.pitch_hz < 400
    True
    """

    pitch_hz: float | None
    """Median of the fundamental, 65 to 450; `None` if nothing is voiced, or most of it is outside that range."""
    pitch_range_semitones: float | None
    """From the 5th to the 95th percentile of the fundamental."""
    loudness_db: float
    """Root mean square of the louder half of 32 ms frames, relative to full scale."""
    times_s: npt.NDArray[np.floating] = field(compare=False, repr=False)
    """Where in the clip `fundamental_hz` was measured, every 20 ms."""
    fundamental_hz: npt.NDArray[np.floating] = field(compare=False, repr=False)
    """The contour of the pitch; NaN where nothing is voiced."""

    @property
    def contour_semitones(self) -> npt.NDArray[np.floating]:
        """The contour relative to its own median, so that high and low voices can be compared."""
        semitones: npt.NDArray[np.floating] = 12 * np.log2(self.fundamental_hz / (self.pitch_hz or 1.0))
        return semitones


def prosody(clip: AudioClip) -> Prosody:
    """Measure the pitch and loudness of speech.

    Parameters
    ----------
    clip : AudioClip
        Speech; of longer clips the first 10 s.

    Returns
    -------
    measured : Prosody
        Pitch by probabilistic YIN (`librosa.pyin`; Mauch & Dixon 2014) from 65 to 450 Hz, loudness by
        `librosa.feature.rms`.

    Notes
    -----
    The search covers 40 to 990 Hz, so that a pitch outside the range is not mistaken for its half or double. There is
    no pitch if half of the voiced frames or more are outside the range; nor for noise, i.e. if the correlation of the
    sound with itself one period later has a median below 0.65, or is clearly higher two periods later.

    Examples
    --------
    >>> from realtime_nb import speak
    >>> measured = prosody(speak("What time is it?"))
    >>> measured.fundamental_hz.shape == measured.times_s.shape
    True
    """
    import librosa

    check_is_clip(clip)
    samples = clip.cut(0, _MEASURED_S).resample(_SAMPLE_RATE).samples
    rms = librosa.feature.rms(y=samples, frame_length=512, hop_length=512)[0]
    loud = np.sort(rms)[len(rms) // 2 :]
    loudness_db = 20 * np.log10(max(float(np.sqrt(np.mean(loud**2))), 1e-6))
    found, _, _ = librosa.pyin(
        samples,
        sr=_SAMPLE_RATE,
        fmin=_LOWEST_SOUGHT_HZ,
        fmax=_HIGHEST_SOUGHT_HZ,
        frame_length=1024,
        hop_length=_HOP,
    )
    times_s = np.arange(len(found)) * _HOP / _SAMPLE_RATE
    pitch = np.where((found >= _LOWEST_HZ) & (found <= _HIGHEST_HZ), found, np.nan)
    voiced = pitch[np.isfinite(pitch)]
    likeness = _correlation(samples, pitch)
    is_octave = _correlation(samples, pitch, periods=2) > likeness + _OCTAVE_CORRELATION
    if 2 * len(voiced) <= np.isfinite(found).sum() or likeness < _LEAST_CORRELATION or is_octave:
        return Prosody(None, None, loudness_db, times_s, np.full(len(found), np.nan))
    low, middle, high = np.percentile(voiced, (5, 50, 95))
    return Prosody(float(middle), float(12 * np.log2(high / low)), loudness_db, times_s, pitch)


def _correlation(samples: npt.NDArray[np.floating], pitch: npt.NDArray[np.floating], periods: int = 1) -> float:
    """Return the correlation of sound with itself `periods` later: the median over voiced frames, at the best lags."""
    found = [0.0]
    for frame in np.flatnonzero(np.isfinite(pitch)):
        period = round(periods * _SAMPLE_RATE / pitch[frame])
        length = max(512, 3 * period)
        first = max(0, frame * _HOP - (length + period) // 2)
        passage = samples[first : first + length + period].astype(float)
        found.append(_peak(*(_alike(passage, lag) for lag in (period - 1, period, period + 1))))
    return float(np.median(found[1:] or found))


def _peak(before: float, middle: float, behind: float) -> float:
    """Return the height of a peak between samples, from the parabola through three of them."""
    bend = before - 2 * middle + behind
    vertex = middle - (before - behind) ** 2 / (8 * bend) if bend < 0 else 1.0
    return min(1.0, max(before, middle, behind, vertex if abs(before - behind) <= -2 * bend else 0.0))


def _alike(passage: npt.NDArray[np.floating], lag: int) -> float:
    before, behind = passage[: max(0, len(passage) - lag)], passage[lag:]
    energy = float(np.sqrt((before @ before) * (behind @ behind)))
    return float(before @ behind) / energy if energy else 0.0


def words_per_minute(text: str, clip: AudioClip) -> float | None:
    """Return the speaking rate, pauses included; `None` without words or sound."""
    words = len(text.split())
    return words / clip.duration_s * 60 if words and len(clip.samples) else None


# --- All figures of a voice: pitch, rate, loudness, and the quality that listeners would hear -------------------------

_LOUDNESS_RATE = 48_000
_GATING_BLOCK_S = 0.4
_STEP = _LOUDNESS_RATE // 10
#: In shorter clips most blocks are half silent, so only the sound in them is measured.
_SHORT_S = 1.0
#: A pause there is this long and at least 20 dB below the loudest 50 ms; less sound than the second has no loudness.
_PAUSE_S, _LEAST_SOUND_S = 0.1, 0.15
_MOS_RATE = 16_000
#: A word whose syllables can be counted: English letters, no digits.
_COUNTABLE = re.compile(r"[a-z]+(?:['’-][a-z]+)*", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


@dataclass(frozen=True, kw_only=True)
class VoiceMeasures(Record):
    """The figures of a voice; made by `measure_voice`, which explains each of them.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> measures = rt.measure_voice(rt.speak("What can you do?"), text="What can you do?")
    >>> 60 < measures.pitch_hz < 400
    True
    """

    duration_s: float
    """Length of the clip."""
    pitch_hz: float | None
    """Median of the fundamental, 65 to 450; `None` if nothing is voiced."""
    pitch_sd_semitones: float | None
    """Standard deviation of the fundamental, from 0 for a monotone."""
    pitch_range_semitones: float | None
    """From its 5th to its 95th percentile."""
    words_per_minute: float | None
    """From the first to the last sound, pauses included; `None` without words, or spaces between them."""
    syllables_per_s: float | None
    """Syllables over the same time, for English words."""
    pause_share: float | None
    """Share of pauses of 200 ms or longer in the time from the first to the last sound, 0 to 1."""
    loudness_lufs: float | None
    """Integrated loudness, -70 to about 0; `None` for less than 0.15 s of sound, and for silence."""
    dnsmos_ovrl: float | None = None
    """Overall quality, 1 to 5; `None` without ``dnsmos=True``."""
    dnsmos_sig: float | None = None
    """Quality of the speech itself, 1 to 5; distortions lower it."""
    dnsmos_bak: float | None = None
    """Quality of the background, 1 to 5; noise lowers it."""
    dnsmos_p808: float | None = None
    """Overall quality by another network, 1 to 5."""
    prosody: Prosody | None = field(default=None, compare=False, repr=False)
    """The pitch over time."""

    @property
    def columns(self) -> dict[str, float | None]:
        """All figures by name."""
        return {name: getattr(self, name) for name in COLUMNS}


#: The figures of `VoiceMeasures`, in order.
COLUMNS = tuple(each.name for each in fields(VoiceMeasures) if each.name != "prosody")


def measure_voice(source: AudioClip | Turn | Reply, *, text: str | None = None, dnsmos: bool = False) -> VoiceMeasures:
    """Measure how a voice sounds.

    Parameters
    ----------
    source : AudioClip, Turn or Reply
        Speech.
    text : str, optional
        Its words; by default those of the turn or reply. A clip has none.
    dnsmos : bool, default False
        Whether to estimate listeners' ratings; needs the extra ``mos``, and takes a tenth of the clip's length.

    Returns
    -------
    measures : VoiceMeasures
        A notebook shows them as a table, with the pitch over time.

    Raises
    ------
    AudioError
        If there is no sound.
    MissingExtra
        If DNSMOS is asked for and not installed.

    Notes
    -----
    *Pitch*: the fundamental *f*, every 20 ms by probabilistic YIN within 65 to 450 Hz (Mauch & Dixon 2014; see
    `prosody`), of the first 10 s; none for noise, or if most of it is outside that range. ``pitch_hz`` is its median
    *m*. Semitones are 12 log2 (*f* / *m*): ``pitch_sd_semitones`` is their standard deviation, and
    ``pitch_range_semitones`` their 95th minus their 5th percentile.

    *Rate*: words, and syllables of English (`realtime_nb.speech.syllables`), over the time from
    the first to the last sound (`realtime_nb.media.activity`), pauses included: the *speech rate*. Words whose
    syllables cannot be counted, such as numbers, are assumed to be as long as the others; if that is most of them, the
    rate is not known.

    *Loudness*: ITU-R BS.1770-4, annex 1, one channel: K-weighted mean square over blocks of 400 ms, gated at -70 LUFS
    and at 10 LU below the mean (``pyloudnorm``, at 48 kHz, for which the standard gives its filters). A sine of 997 Hz
    at full scale has -3.01 LUFS. Clips below 1 s have few blocks that are filled with sound: for these clips, the mean
    square leaves out silence before and after the sound, and pauses of 100 ms or longer.

    *DNSMOS*: listeners' ratings, on scales from 1 (bad) to 5 (excellent), estimated by networks that were trained on
    the ratings of many people: P.835's ``sig``, ``bak`` and ``ovrl`` (Reddy, Gopal & Cutler 2022) and P.808's overall
    quality (Reddy, Gopal & Cutler 2021); means over windows of 9 s, every second, at 16 kHz. Shorter clips are
    repeated until they fill one. The networks were made for noise suppressors: compare versions of the same voice, not
    different voices.

    Examples
    --------
    >>> from realtime_nb import speak
    >>> measured = measure_voice(speak("What time is it?", voice="echo"), text="What time is it?")
    >>> 60 < measured.pitch_hz < 150, 2 < measured.syllables_per_s < 8
    (True, True)
    """
    clip = source if isinstance(source, AudioClip) else source.audio
    if clip is None or not len(clip.samples):
        raise AudioError(f"there is no sound to measure in {source!r}")
    if text is None:
        text = "" if isinstance(source, AudioClip) else source.transcript if isinstance(source, Reply) else source.text
    spans = speech_spans(clip)
    spoken_s = spans[-1][1] - spans[0][0] if spans else 0.0
    voice = prosody(clip)
    words = [] if re.search(UNSPACED, text) else _WORD.findall(text)
    semitones = voice.contour_semitones[np.isfinite(voice.contour_semitones)] if voice.pitch_hz else np.empty(0)
    syllables = _count_syllables(words)
    quality = _dnsmos(clip)._asdict() if dnsmos else {}
    return VoiceMeasures(
        duration_s=clip.duration_s,
        pitch_hz=voice.pitch_hz,
        pitch_sd_semitones=float(semitones.std()) if len(semitones) else None,
        pitch_range_semitones=voice.pitch_range_semitones,
        words_per_minute=len(words) / spoken_s * 60 if words and spoken_s else None,
        syllables_per_s=syllables / spoken_s if syllables and spoken_s else None,
        pause_share=1 - sum(end - start for start, end in spans) / spoken_s if spoken_s else None,
        loudness_lufs=loudness_lufs(clip),
        prosody=voice,
        **{f"dnsmos_{name}": value for name, value in quality.items()},
    )


def measure_voices(
    source: Conversation | Iterable[Reply | Turn | AudioClip], *, dnsmos: bool = False
) -> pandas.DataFrame:
    """Measure several voices.

    Parameters
    ----------
    source : Conversation, or iterable of Reply, Turn or AudioClip
        The voices; of a conversation, its replies.
    dnsmos : bool, default False
        As for `measure_voice`, which explains each figure.

    Returns
    -------
    frame : pandas.DataFrame
        A row for each that has sound: ``number`` (from 1, in order), ``text``, and the figures of `VoiceMeasures`.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> rt.measure_voices([rt.speak("Hello!"), rt.speak("What can you do?")])["number"].tolist()
    [1, 2]
    """
    import pandas

    rows = []
    for number, each in enumerate(source.replies if isinstance(source, Conversation) else source, 1):
        clip = each if isinstance(each, AudioClip) else each.audio
        if clip is None or not len(clip.samples):
            continue
        text = "" if isinstance(each, AudioClip) else each.transcript if isinstance(each, Reply) else each.text
        rows.append({"number": number, "text": text} | measure_voice(clip, text=text, dnsmos=dnsmos).columns)
    return pandas.DataFrame(rows, columns=["number", "text", *COLUMNS])


def check_dnsmos() -> None:
    """Raise `MissingExtra` unless DNSMOS can be computed."""
    missing = [name for name in ("speechmos", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra("DNSMOS", "mos", f"there is no {' and no '.join(missing)}")


def _count_syllables(words: list[str]) -> float | None:
    """Return the number of syllables; words that cannot be counted are assumed to be as long as the others."""
    counted = [count_syllables(word) for word in words if _COUNTABLE.fullmatch(word)]
    if 2 * len(counted) <= len(words):
        return None
    return float(sum(counted) / len(counted) * len(words))


def loudness_lufs(clip: AudioClip) -> float | None:
    """Return the integrated loudness, as in `measure_voice`; `None` for silence and less than 0.15 s of sound."""
    if not len(clip.samples):
        return None
    from pyloudnorm import Meter

    samples: npt.NDArray[np.floating] = clip.resample(_LOUDNESS_RATE).samples.astype(np.float64)
    if clip.duration_s < _SHORT_S:
        samples = _sounding(samples)
        if len(samples) < 0.99 * _LEAST_SOUND_S * _LOUDNESS_RATE:
            return None
        # One block; one sample less, because rounding must not make it longer than the clip.
        block_s = (len(samples) - 1) / _LOUDNESS_RATE
    else:
        # Whole steps between blocks: the meter fills an incomplete last block with silence.
        samples = samples[: len(samples) // _STEP * _STEP]
        block_s = _GATING_BLOCK_S
    # The filters of this class are the standard's to within 0.001 dB; the default's are not.
    meter = Meter(_LOUDNESS_RATE, filter_class="DeMan", block_size=block_s)
    loudness = float(meter.integrated_loudness(samples))
    return loudness if np.isfinite(loudness) else None


def _sounding(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return a clip without the silence before, after and between its sounds."""
    count = round(0.05 * _LOUDNESS_RATE)
    powers = np.convolve(np.square(samples), np.full(count, 1 / count))
    loud = np.flatnonzero(np.abs(samples) > 0.1 * np.sqrt(2 * powers.max(initial=0.0)))
    stretches = np.split(loud, np.flatnonzero(np.diff(loud) > _PAUSE_S * _LOUDNESS_RATE) + 1)
    return np.concatenate(
        [samples[stretch[0] : stretch[-1] + 1] for stretch in stretches if len(stretch)] or [samples[:0]]
    )


class _Dnsmos(NamedTuple):
    ovrl: float
    sig: float
    bak: float
    p808: float


def _dnsmos(clip: AudioClip) -> _Dnsmos:
    check_dnsmos()
    from speechmos import dnsmos

    samples = np.clip(clip.resample(_MOS_RATE).samples, -1.0, 1.0)
    found: dict[str, Any] = dnsmos.run(samples, _MOS_RATE)
    return _Dnsmos(*(float(found[f"{name}_mos"]) for name in _Dnsmos._fields))
