"""Which view belongs to which record."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ..conversation.conversation import Conversation
from ..conversation.costs import Costs, OtherModelCosts
from ..conversation.records import Reply, Stage, Turn
from ..conversation.timeline import Timeline
from ..conversation.timing import Timing
from ..conversation.watched import Watch
from ..display import printable
from ..media.clip import AudioClip
from ..media.picture import Picture
from ..pricing.cost import Cost
from ..pricing.estimate import Estimate
from ..pricing.usage import Usage
from ..recording.diff import Difference
from ..recording.recording import Recording, Replay
from ..speech.comparison import Comparison
from ..speech.turn_detection import TurnDetectionComparison
from ..speech.voice import VoiceMeasures
from .conversation import conversation_bundle, reply_bundle, turn_bundle
from .costs import (
    cost_bundle,
    costs_bundle,
    estimate_bundle,
    other_models_bundle,
    stage_bundle,
    timing_bundle,
    usage_bundle,
)
from .media import clip_bundle, picture_bundle, watch_bundle
from .practice import Practice, practice_bundle
from .recording import difference_bundle, recording_bundle, replay_bundle
from .spectrogram import Spectrogram, spectrogram_bundle
from .speech import comparison_bundle, turn_comparison_bundle, voice_measures_bundle
from .timeline import timeline_bundle


def mimebundle(record: Any) -> dict[str, Any]:
    """Return a record's views by MIME type: ``text/plain``, ``text/html`` and, for pictures, ``image/png``.

    Parameters
    ----------
    record : AudioClip, Picture, Watch, Turn, Reply, Conversation, Comparison, Costs, OtherModelCosts, Estimate,
        Timeline, Recording, Replay, Difference, Practice, Spectrogram, TurnDetectionComparison, VoiceMeasures, Usage,
        Cost, Timing, Stage, or a record that another room registers
        What to show.

    Returns
    -------
    bundle : dict
        As Jupyter's ``display_data`` takes it; ``image/png`` is base64 text.
    """
    bundle = _look(record)
    if "text/plain" in bundle:
        bundle = bundle | {"text/plain": printable(bundle["text/plain"])}
    # A text and no kind of it: msgspec, by which marimo sends widgets' values, takes nothing else.
    return bundle | {"text/html": str(bundle["text/html"])} if "text/html" in bundle else bundle


@singledispatch
def _look(record: Any) -> dict[str, Any]:
    raise TypeError(f"there is no view of {type(record).__name__}")


# For records of your own, as the README shows.
mimebundle.register = _look.register  # type: ignore[attr-defined]

_look.register(AudioClip, clip_bundle)
_look.register(Picture, picture_bundle)
_look.register(Watch, watch_bundle)
_look.register(Turn, turn_bundle)
_look.register(Reply, reply_bundle)
_look.register(Conversation, conversation_bundle)
_look.register(Spectrogram, spectrogram_bundle)
_look.register(Comparison, comparison_bundle)
_look.register(Timeline, timeline_bundle)
_look.register(Usage, usage_bundle)
_look.register(Cost, cost_bundle)
_look.register(Timing, timing_bundle)
_look.register(Stage, stage_bundle)
_look.register(Costs, costs_bundle)
_look.register(OtherModelCosts, other_models_bundle)
_look.register(Estimate, estimate_bundle)
_look.register(Recording, recording_bundle)
_look.register(Replay, replay_bundle)
_look.register(Difference, difference_bundle)
_look.register(Practice, practice_bundle)
_look.register(TurnDetectionComparison, turn_comparison_bundle)
_look.register(VoiceMeasures, voice_measures_bundle)
