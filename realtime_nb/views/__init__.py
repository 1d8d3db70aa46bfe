"""Records → static text, HTML and pictures.

Floor 6: imports floors 0 to 3, for views show records and know no session.
"""

from __future__ import annotations

from functools import singledispatch
from importlib import import_module
from typing import Any

from markupsafe import escape

from ..display import printable

__all__ = ["escape", "mimebundle"]

#: The view of each record. It is loaded with the first record of its kind: a clip needs few of the others.
_VIEWS = {
    "AudioClip": "media.clip_bundle",
    "Picture": "media.picture_bundle",
    "Watch": "media.watch_bundle",
    "Turn": "conversation.turn_bundle",
    "Reply": "conversation.reply_bundle",
    "Conversation": "conversation.conversation_bundle",
    "Spectrogram": "spectrogram.spectrogram_bundle",
    "Timeline": "timeline.timeline_bundle",
    "Usage": "costs.usage_bundle",
    "Cost": "costs.cost_bundle",
    "Timing": "costs.timing_bundle",
    "Stage": "costs.stage_bundle",
    "Costs": "costs.costs_bundle",
    "OtherModelCosts": "costs.other_models_bundle",
    "Estimate": "costs.estimate_bundle",
    "Recording": "recording.recording_bundle",
    "Replay": "recording.replay_bundle",
    "Difference": "recording.difference_bundle",
    "Practice": "practice.practice_bundle",
    "Comparison": "speech.comparison_bundle",
    "TurnDetectionComparison": "speech.turn_comparison_bundle",
    "VoiceMeasures": "speech.voice_measures_bundle",
}


def mimebundle(record: Any) -> dict[str, Any]:
    """Return a record's views by MIME type: ``text/plain``, ``text/html`` and, for pictures, ``image/png``.

    `record` is one of those above, or one whose view was given to ``mimebundle.register``. The result is what Jupyter's
    ``display_data`` takes; ``image/png`` is base64 text.
    """
    for kind in type(record).__mro__:
        view = _VIEWS.get(kind.__name__) if kind.__module__.startswith("realtime_nb.") else None
        if view is not None and kind not in _look.registry:
            module, function = view.split(".")
            _look.register(kind, getattr(import_module(f".{module}", __name__), function))
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
