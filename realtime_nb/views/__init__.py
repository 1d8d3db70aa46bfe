"""How records look in a notebook: static text, HTML and pictures that need no kernel and no scripts."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ..audio import AudioClip
from ..checkup import Checkup
from ..comparison import Comparison
from ..conversation import Conversation
from ..costs import Costs, Elsewhere
from ..estimates import Estimate
from ..latency import Timeline
from ..pictures import Picture
from ..pricing import Cost
from ..recording.difference import Difference
from ..recording.recording import Recording
from ..recording.replay import Replay
from ..terminal import for_terminal
from ..timing import Timing
from ..tokens import Usage
from ..turn_comparison import TurnDetectionComparison
from ..turns import Reply, Stage, Turn
from ..voice_measures import VoiceMeasures
from ..watched import Watch
from .amounts import cost_bundle, stage_bundle, timing_bundle, usage_bundle
from .checkup import checkup_bundle
from .clip import clip_bundle
from .comparison import comparison_bundle
from .conversation import conversation_bundle, conversation_outputs, turn_bundle
from .costs import costs_bundle, elsewhere_bundle
from .difference import difference_bundle
from .estimate import estimate_bundle
from .html import escape
from .picture import picture_bundle
from .practice import Practice, practice_bundle
from .recording import recording_bundle, replay_bundle
from .reply import reply_bundle
from .spectrogram import Spectrogram, spectrogram_bundle
from .timeline import timeline_bundle
from .turn_comparison import turn_comparison_bundle
from .voice_measures import voice_measures_bundle
from .watched import watch_bundle

__all__ = ["conversation_outputs", "escape", "mimebundle"]


def mimebundle(record: Any) -> dict[str, Any]:
    """Return a record's looks by MIME type: ``text/plain``, ``text/html`` and, for pictures, ``image/png``.

    Parameters
    ----------
    record : AudioClip, Picture, Watch, Turn, Reply, Conversation, Comparison, Costs, Elsewhere, Estimate, Timeline,
        Recording, Replay, Difference, Practice, Spectrogram, TurnDetectionComparison, VoiceMeasures, Usage, Cost,
        Timing, Stage or Checkup
        What to show.

    Returns
    -------
    bundle : dict
        As Jupyter's ``display_data`` takes it; ``image/png`` is base64 text.
    """
    return for_terminal(_look(record))


@singledispatch
def _look(record: Any) -> dict[str, Any]:
    raise TypeError(f"there is no view of {type(record).__name__}")


# For records of one's own, as the README shows.
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
_look.register(Elsewhere, elsewhere_bundle)
_look.register(Estimate, estimate_bundle)
_look.register(Recording, recording_bundle)
_look.register(Replay, replay_bundle)
_look.register(Difference, difference_bundle)
_look.register(Practice, practice_bundle)
_look.register(TurnDetectionComparison, turn_comparison_bundle)
_look.register(Checkup, checkup_bundle)
_look.register(VoiceMeasures, voice_measures_bundle)
