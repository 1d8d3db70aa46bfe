"""What turn detection listens to again: a source's clips by name, and what is known of the turns in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..audio import AudioClip
from ..errors import AudioError, SettingsError
from ..recording.recording import Recording
from .datasets import Dataset, Example
from .results import Results
from .scenarios import Scenario

#: What `realtime_nb.compare_turn_detection` takes.
Source = AudioClip | Recording | Dataset | Results | Mapping[str, AudioClip] | Sequence[AudioClip]

_SAME_LENGTH_S = 0.01


class GivenSound(NamedTuple):
    """A clip."""

    clip: AudioClip
    is_one_turn: bool = False
    clean: AudioClip | None = None
    """The same before noise came to it, where that is another."""


def sounds_of(source: Source) -> dict[str, GivenSound]:
    """Return what is listened to, by name.

    Raises
    ------
    AudioError
        If a recording has no sound of the person's.
    SettingsError
        If a run has no input audio, or a scenario's words are not known beforehand.
    TypeError
        If the source is something else.
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
        raise TypeError(f"source={source!r} is no AudioClip, Recording, Dataset or Results, and no clips")
    return {name: GivenSound(clip) for name, clip in clips.items()}


def _turns_of(example: Example) -> list[tuple[str, AudioClip]]:
    """Return an example's clip; of a scenario, that of each turn of its script."""
    if not isinstance(example, Scenario):
        return [(example.example_id, example.clip())]
    clips = (turn.clip(example.speaker) for turn in example.script)
    return [(f"{example.example_id} · turn {number}", clip) for number, clip in enumerate(clips, 1)]


def _inputs(results: Results) -> dict[str, GivenSound]:
    """Return what was sent: the same for all systems and repeats, and of scenarios, which differ, the first one."""
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
            clean = None  # Its words are elsewhere.
        found[f"{example_id} · {condition}" if several else example_id] = GivenSound(clip, is_one_turn, clean)
    return found
