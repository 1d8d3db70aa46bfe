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


@singledispatch
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
    raise TypeError(f"there is no view of {type(record).__name__}")


mimebundle.register(AudioClip, clip_bundle)
mimebundle.register(Picture, picture_bundle)
mimebundle.register(Watch, watch_bundle)
mimebundle.register(Turn, turn_bundle)
mimebundle.register(Reply, reply_bundle)
mimebundle.register(Conversation, conversation_bundle)
mimebundle.register(Spectrogram, spectrogram_bundle)
mimebundle.register(Comparison, comparison_bundle)
mimebundle.register(Timeline, timeline_bundle)
mimebundle.register(Usage, usage_bundle)
mimebundle.register(Cost, cost_bundle)
mimebundle.register(Timing, timing_bundle)
mimebundle.register(Stage, stage_bundle)
mimebundle.register(Costs, costs_bundle)
mimebundle.register(Elsewhere, elsewhere_bundle)
mimebundle.register(Estimate, estimate_bundle)
mimebundle.register(Recording, recording_bundle)
mimebundle.register(Replay, replay_bundle)
mimebundle.register(Difference, difference_bundle)
mimebundle.register(Practice, practice_bundle)
mimebundle.register(TurnDetectionComparison, turn_comparison_bundle)
mimebundle.register(Checkup, checkup_bundle)
mimebundle.register(VoiceMeasures, voice_measures_bundle)
