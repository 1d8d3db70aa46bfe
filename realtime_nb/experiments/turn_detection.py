"""Compare turn detection settings on recorded sound, with the local server's detector, offline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import AudioError, SettingsError
from ..local.recognition.turn_replay import HeardSound, speech_of
from ..loop import submit
from ..media.activity import speech_spans
from ..media.clip import AudioClip
from ..media.turn_cuts import FoundTurn, Span, SpokenTurn, match, spoken_turns
from ..protocol.settings import session_from_options, setting_at
from ..recording.recording import Recording
from ..speech.turn_detection import DetectedTurns, TurnDetectionComparison
from .dataset import Dataset
from .example import Example
from .results import Results
from .scenario import Scenario

if TYPE_CHECKING:
    from ..local.recognition.ears import Ears
    from ..local.recognition.heard import Recognition
    from ..local.recognition.recognizer import SharedRecognizer
    from ..local.recognition.turn_model import TurnModel


# --- The local server's recogniser and network of turns, for semantic_vad, started on first use -----------------------


class Recognised:
    """Recognises the words so far, and judges whether the turn is over, once for each sound.

    `session`: the API's session object, whose instructions and tools make some words likelier than others.
    """

    def __init__(self, session: dict[str, Any] | None = None):
        session = session or {}
        self._instructions, self._tools = session.get("instructions") or "", session.get("tools") or []
        self._recognizer: Ears | SharedRecognizer | None = None
        self._turn_model: TurnModel | None = None
        self._expected: Any = None
        self._heard: dict[bytes, Recognition] = {}
        self._judged: dict[bytes, float | None] = {}

    def __enter__(self) -> Recognised:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for started in (self._recognizer, self._turn_model):
            if started is not None:
                started.close()

    @property
    def turn_model(self) -> str:
        """Name of the network that was asked; empty if none was, or it is not installed."""
        return self._turn_model.name if self._turn_model else ""

    def hear(self, pcm16k: bytes) -> Recognition:
        """Return what was said in an utterance, PCM16 at 16 kHz."""
        if pcm16k not in self._heard:
            self._heard[pcm16k] = submit(self._recognize(pcm16k)).result()
        return self._heard[pcm16k]

    def judge(self, pcm16k: bytes) -> float | None:
        """Return how finished an utterance sounds, 0.0 to 1.0; `None` without a network to judge it."""
        if self._turn_model is None:
            from ..local.recognition.turn_model import TurnModel

            self._turn_model = TurnModel()
        if pcm16k not in self._judged:
            self._judged[pcm16k] = submit(self._turn_model.probability(pcm16k)).result()
        return self._judged[pcm16k]

    async def _recognize(self, pcm16k: bytes) -> Recognition:
        if self._recognizer is None:
            from ..local.brains.rule_brain import RuleBrain
            from ..local.recognition.ears import open_ears

            self._recognizer = await open_ears()
            self._expected = await self._recognizer.expect(
                instructions=self._instructions, tools=self._tools, sentences=RuleBrain.vocabulary
            )
            await self._recognizer.warm_up(RuleBrain.vocabulary)
        return await self._recognizer.listen(pcm16k, self._expected)


# --- The sounds to listen to again: a source's clips by name, and the known turns in them -----------------------------

#: The sources for `realtime_nb.compare_turn_detection`.
Source = AudioClip | Recording | Dataset | Results | Mapping[str, AudioClip] | Sequence[AudioClip]

_SAME_LENGTH_S = 0.01


class GivenSound(NamedTuple):
    """A clip to listen to."""

    clip: AudioClip
    is_one_turn: bool = False
    clean: AudioClip | None = None
    """The clip without noise, if there is one."""


def sounds_of(source: Source) -> dict[str, GivenSound]:
    """Return a source's clips, by name.

    Raises `AudioError` if a recording has no sound from the person; `SettingsError` if a run has no input audio, or a
    scenario's words are not known in advance; `TypeError` for any other source.
    """
    if isinstance(source, AudioClip):
        return {"clip": GivenSound(source)}
    if isinstance(source, Recording):
        if source.user is None:
            raise AudioError(f"nothing was spoken in {source!r}")
        return {source.path.name: GivenSound(source.user)}
    if isinstance(source, Dataset):
        return {name: GivenSound(clip, is_one_turn=True) for example in source for name, clip in _turns_of(example)}
    if isinstance(source, Results):
        return _inputs(source)
    clips: dict[str, Any] = {}
    if isinstance(source, Mapping):
        clips = dict(source)
    elif isinstance(source, list | tuple):
        clips = {f"clip {number}": clip for number, clip in enumerate(source, 1)}
    if not clips or not all(isinstance(clip, AudioClip) for clip in clips.values()):
        raise TypeError(f"source={source!r} is not an AudioClip, Recording, Dataset or Results, nor clips")
    return {name: GivenSound(clip) for name, clip in clips.items()}


def _turns_of(example: Example) -> list[tuple[str, AudioClip]]:
    """Return an example's clip, or that of each turn of a scenario's script."""
    if not isinstance(example, Scenario):
        return [(example.example_id, example.clip())]
    clips = (turn.clip(example.speaker) for turn in example.script)
    return [(f"{example.example_id} · turn {number}", clip) for number, clip in enumerate(clips, 1)]


def _inputs(results: Results) -> dict[str, GivenSound]:
    """Return the clips that were sent, which all systems and repeats share; for scenarios, which differ, the first."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in results.rows:
        if row.get("input_audio_path"):
            rows.setdefault((row["example_id"], row["condition"]), row)
    if not rows:
        raise SettingsError(f"there is no input audio in {str(results.path)!r}")
    clips = {key: AudioClip.from_file(results.path / row["input_audio_path"]) for key, row in rows.items()}
    several = len({condition for _, condition in rows}) > 1
    found = {}
    for (example_id, condition), clip in clips.items():
        is_one_turn = rows[example_id, condition].get("turns") is None
        clean = clips.get((example_id, "clean")) if is_one_turn and condition != "clean" else None
        if clean is not None and abs(clean.duration_s - clip.duration_s) > _SAME_LENGTH_S:
            clean = None  # Its words lie elsewhere.
        found[f"{example_id} · {condition}" if several else example_id] = GivenSound(clip, is_one_turn, clean)
    return found


# --- Run the local server's detector on a sound, offline, with any settings -------------------------------------------

#: The turns, in seconds: start and end of each, with pauses inside.
Labels = Sequence[tuple[float, float]]

_SILENCES = tuple({"silence_duration_ms": silence_ms} for silence_ms in (200, 300, 500, 700, 1000))
_API_DEFAULT = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
_RECORDED = "recorded"
_SAME_SETTINGS = "recorded settings"


def compare_turn_detection(
    source: Source,
    turn_detection: Mapping[str, Any] | Sequence[Any] = _SILENCES,
    *,
    turns: Labels | Mapping[str, Labels] | Literal["recorded"] | None = None,
    baseline: str | None = None,
    pause_ms: float = 1000.0,
) -> TurnDetectionComparison:
    """Compare how turn detection settings divide a sound into turns: the time they save, and the speech they clip.

    Nothing is sent anywhere: the local server's turn detection hears the sound again, many times faster than real time.

    Parameters
    ----------
    source : AudioClip, Recording, Dataset, Results, or several clips
        The sound: a clip; the person's side of a recording, such as ``session.save(path)`` returns; each clip of a
        dataset; the input of each cell of a run, with its conditions; or clips in a sequence or by name.
    turn_detection : mapping or sequence
        Settings as for a session, with or without names: ``"server_vad"``, ``"semantic_vad"``, or mappings of
        the API's fields, such as ``{"silence_duration_ms": 300, "threshold": 0.6, "prefix_padding_ms": 200}`` or
        ``{"type": "semantic_vad", "eagerness": "high"}``. By default, silences of 200 to 1000 ms.
    turns : sequence of (float, float), mapping, or "recorded", optional
        The true turns, in seconds: start and end of each, with pauses inside; by the clip's name if there are several.
        ``"recorded"`` takes the turns that the server found at the time of a recording. By default they are estimated:
        see Notes.
    baseline : str, optional
        The setting to compare the others with; by default that of the recording, else the API's default if it is among
        them, else the first.
    pause_ms : float, default 1000.0
        The longest pause within a turn, if turns are estimated; after a longer one a new turn begins.

    Returns
    -------
    comparison : TurnDetectionComparison
        ``.frame`` has a row for each setting and turn, ``.summary()`` one for each setting; a notebook shows the
        waveform with each setting's turns, and the time saved against the speech clipped.

    Raises
    ------
    SettingsError
        If the API does not accept a setting, or `turns` does not fit the source.
    AudioError
        If no one speaks.
    MissingExtra
        If the extra ``local`` is not installed.

    Notes
    -----
    OpenAI's own detector is a different one: it may find other turns, and ``threshold`` need not mean the same in both.
    The effect of a pause on a turn is plain arithmetic, and the same in both.

    Speech is found by the Silero network (version 5) at 0.5, with its edges moved to those of loudness
    (`realtime_nb.media.activity`) if these are near. In clean sound the edges lie within 30 ms of the truth (measured),
    in white noise 10 dB below the voice within 110 ms before and 200 ms after. A turn is speech with pauses up to
    `pause_ms`; in a dataset, and in results, each clip is one turn, except for scenarios. If a run's condition keeps
    the length of a clip, its speech is taken from the ``"clean"`` version, if the run has one. If the sound is noisy,
    or much depends on the result, give labels. ``semantic_vad`` decides by the words so far, from the local recogniser,
    and by their sound, with the network smart-turn 3.2 if it is installed; here both take no time. For its waits, and
    the effect of ``eagerness``, see `realtime_nb.local.recognition.end_of_turn`.

    A recording's ``"recorded"`` turns are those that its own server found: their times include the network's. The
    other settings are compared with ``"recorded settings"``, the same settings in the detector here.

    Silence is assumed to follow the sound. There are no answers in it: a person who was really cut off might have
    spoken differently from then on.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> settings = [{"silence_duration_ms": 500}, {"silence_duration_ms": 300}]
    >>> found = rt.compare_turn_detection(rt.speak("What time is it?"), settings)
    >>> found.frame["outcome"].tolist()
    ['whole', 'whole']
    >>> bool(abs(found.summary()["gained_p50_ms"][1] - 200) <= 32)  # a frame
    True
    """
    settings = _named(turn_detection)
    if not pause_ms >= 0:
        raise SettingsError(f"pause_ms={pause_ms} must not be negative")
    recording = source if isinstance(source, Recording) else None
    session = recording.conversation.session if recording else {}
    used = setting_at(session, "audio.input.turn_detection")
    recorded = _recorded_turns(recording) if recording and used else []
    if used and _SAME_SETTINGS not in settings:
        settings = {_SAME_SETTINGS: used} | settings
    clips = sounds_of(source)
    labels = _labels(turns, clips, recorded)
    with Recognised(session) as recognised:
        sounds, engine = [], ""
        for name, (clip, is_one_turn, clean) in clips.items():
            heard = HeardSound(clip.to_pcm16(24_000))
            engine = heard.engine
            speech = _speech(clip, heard) if clean is None else _speech(clean, HeardSound(clean.to_pcm16(24_000)))
            spoken = _spoken(speech, labels.get(name), math.inf if is_one_turn else pause_ms)
            found = {each: _found(heard, given, recognised) for each, given in settings.items()}
            found = ({_RECORDED: recorded} if recorded else {}) | found
            cuts = {each: match(spoken, cut) for each, cut in found.items()}
            sounds.append(DetectedTurns(name, clip, tuple(spoken), cuts, _answers(recording)))
    if not any(sound.spoken for sound in sounds):
        raise AudioError(f"no one speaks in {source!r}")
    return TurnDetectionComparison(
        sounds,
        ({_RECORDED: used or {}} if recorded else {}) | settings,
        baseline=baseline or _baseline(settings),
        reference=_reference(turns, clips.values(), pause_ms),
        engine=engine,
        turn_model=recognised.turn_model,
        recorded=_RECORDED if recorded else "",
    )


def _speech(clip: AudioClip, heard: HeardSound) -> list[Span]:
    return speech_of(heard.probabilities, [(start_s * 1000, end_s * 1000) for start_s, end_s in speech_spans(clip)])


def _found(heard: HeardSound, given: Mapping[str, Any], recognised: Recognised) -> list[FoundTurn]:
    if given["type"] == "server_vad":  # It needs no words, which would be most of the work.
        return heard.turns(given)
    return heard.turns(given, hear=recognised.hear, judge=recognised.judge)


def _baseline(settings: Mapping[str, Mapping[str, Any]]) -> str:
    usual = next((name for name, given in settings.items() if {**_API_DEFAULT, **given} == _API_DEFAULT), None)
    return usual if usual and _SAME_SETTINGS not in settings else next(iter(settings))


def _named(turn_detection: Mapping[str, Any] | Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    """Return settings in the API's shape, by name."""
    if isinstance(turn_detection, str) or not turn_detection:
        raise SettingsError(
            f"turn_detection={turn_detection!r} must hold settings, e.g. [{{'silence_duration_ms': 300}}]"
        )
    if isinstance(turn_detection, Mapping):
        return {name: _checked(given) for name, given in turn_detection.items()}
    return {_name(given): _checked(given) for given in turn_detection}


def _name(given: Any) -> str:
    if not isinstance(given, Mapping):
        return str(given)
    fields = [f"{name}={value}" for name, value in given.items() if name != "type"]
    return ", ".join(fields if fields and _type(given) == "server_vad" else [_type(given), *fields])


def _type(given: Mapping[str, Any]) -> str:
    return str(given.get("type", "semantic_vad" if "eagerness" in given else "server_vad"))


def _checked(given: Any) -> Mapping[str, Any]:
    if given is None:
        raise SettingsError("turn_detection=None finds no turns: give 'server_vad', 'semantic_vad' or a mapping")
    wanted = {"type": _type(given), **given} if isinstance(given, Mapping) else given
    session = session_from_options(turn_detection=wanted)
    found: dict[str, Any] = session["audio"]["input"]["turn_detection"]
    for name in ("prefix_padding_ms", "silence_duration_ms"):
        if found.get(name, 0) < 0:
            raise SettingsError(f"{name}={found[name]} must not be negative")
    return found


def _recorded_turns(recording: Recording) -> list[FoundTurn]:
    """Return the turns that the recorded server cut, on the track's clock."""
    found = []
    for start_s, turn in recording.said:
        if turn.role != "user" or turn.audio_start_ms is None or turn.audio_end_ms is None:
            continue
        start_ms = start_s * 1000
        end_ms = start_ms + turn.audio_end_ms - turn.audio_start_ms
        timed = turn.ended_at_ms is not None and turn.began_at_ms is not None
        # Sound that was sent faster than real time is over before its end on the track.
        after_ms = turn.ended_at_ms - turn.began_at_ms if timed else 0.0  # type: ignore[operator]
        found.append(FoundTurn(start_ms, end_ms, math.nan, max(end_ms, start_ms + after_ms)))
    return found


def _answers(recording: Recording | None) -> tuple[Span, ...]:
    """Return where a recorded model was heard, on the track's clock."""
    found = []
    for start_s, turn in recording.said if recording else ():
        if turn.role == "assistant":
            made_ms = sum(part.audio_ms for part in list(turn.parts.values()))
            heard_ms = made_ms if turn.heard_ms is None else min(turn.heard_ms, made_ms)
            if heard_ms:
                found.append((start_s * 1000, start_s * 1000 + heard_ms))
    return tuple(found)


def _labels(
    turns: Labels | Mapping[str, Labels] | Literal["recorded"] | None,
    clips: Mapping[str, GivenSound],
    recorded: Sequence[FoundTurn],
) -> dict[str, list[Span]]:
    """Return the labelled turns, in ms, by the clip's name."""
    if turns is None:
        return {}
    if turns == "recorded":
        if not recorded:
            raise SettingsError("turns='recorded' needs a recording in which a server found turns")
        return {name: [(turn.start_ms, turn.end_ms) for turn in recorded] for name in clips}
    named = turns if isinstance(turns, Mapping) else {next(iter(clips)): turns}
    if not isinstance(turns, Mapping) and len(clips) > 1:
        raise SettingsError(f"turns must be a mapping, by the names of the clips: {', '.join(clips)}")
    found = {}
    for name, spans in named.items():
        if name not in clips:
            raise SettingsError(f"turns[{name!r}] names no clip; there are {', '.join(clips)}")
        found[name] = [(float(start_s) * 1000, float(end_s) * 1000) for start_s, end_s in spans]
        times = [time for span in found[name] for time in span]
        if times != sorted(times) or any(start == end for start, end in found[name]):
            raise SettingsError(f"turns of {name!r} must be pairs of start and end in seconds, in order: {spans!r}")
    return found


def _spoken(speech: Sequence[Span], labels: Sequence[Span] | None, pause_ms: float) -> list[SpokenTurn]:
    """Return the turns: as labelled, with the pauses found in them, or as divided by pauses."""
    if labels is None:
        return spoken_turns(speech, pause_ms=pause_ms)
    turns = []
    for start_ms, end_ms in labels:
        cut = ((max(start, start_ms), min(end, end_ms)) for start, end in speech)
        inside = [(start, end) for start, end in cut if start < end]
        edges = [(start_ms, inside[0][1]), *inside[1:]] if inside else [(start_ms, end_ms)]
        edges[-1] = (edges[-1][0], end_ms)
        turns.append(SpokenTurn(tuple(edges)))
    return turns


def _reference(turns: Any, given: Iterable[GivenSound], pause_ms: float) -> str:
    if turns == "recorded":
        return "the recorded turns"
    if turns is not None:
        return "the given turns"
    given = list(given)
    kinds = {each.is_one_turn for each in given}
    found = ["each clip is one turn"] if True in kinds else []
    if False in kinds:
        found.append(f"speech with pauses up to {pause_ms:,.0f} ms is one turn")
    if any(each.clean is not None for each in given):
        found.append("speech is taken from the clean clip")
    return "; ".join(found)
