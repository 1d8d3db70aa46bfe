"""Talk with a voice model in one notebook cell, and keep what happened.

>>> import realtime_nb as rt
>>> session = rt.RealtimeSession(backend="local")
>>> reply = session.ask("Hello!").result()
>>> session.close().result()

Names load on first use, so the import is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .display import show_by

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .conversation.conversation import Conversation
    from .conversation.costs import Costs
    from .conversation.records import Reply, Turn
    from .conversation.timeline import Timeline, timeline
    from .conversation.timing import Timing
    from .conversation.watched import Watch
    from .diagnosis.doctor import doctor
    from .errors import (
        AudioError,
        BudgetReached,
        ConnectionLost,
        InputFlagged,
        LocalProtocolError,
        MissingExtra,
        MissingKey,
        PictureError,
        RealtimeError,
        RecordingError,
        RemoteProtocolError,
        ReplyTimeout,
        ServerError,
        SettingsError,
    )
    from .experiments.dataset import Dataset
    from .experiments.results import Results
    from .experiments.run import run
    from .experiments.turn_detection import compare_turn_detection
    from .local.process import speak
    from .loop import Pending, run_sync
    from .media.clip import AudioClip
    from .media.picture import Picture
    from .pricing.cost import Cost
    from .pricing.estimate import Estimate, estimate
    from .pricing.prices import use_prices
    from .pricing.usage import Usage
    from .recording.diff import diff
    from .recording.recording import Recording
    from .sessions.backend import Backend
    from .sessions.budget import bounds
    from .sessions.cascade import CascadeSession
    from .sessions.chat import ChatSession
    from .sessions.compare import compare
    from .sessions.rate_limit import Limiter
    from .sessions.realtime import RealtimeSession
    from .speech.comparison import Comparison
    from .speech.turn_detection import TurnDetectionComparison
    from .speech.voice import Prosody, VoiceMeasures, measure_voice, measure_voices, prosody
    from .tools import Tool, tool
    from .views.budget import display_options
    from .views.practice import Practice, practice
    from .views.spectrogram import spectrogram
    from .widgets.camera import Camera
    from .widgets.microphone import Microphone
    from .widgets.panel import VoicePanel
    from .widgets.scope import Scope
    from .widgets.speaker import Speaker

_HOMES = {
    "AudioClip": "media.clip",
    "Backend": "sessions.backend",
    "Comparison": "speech.comparison",
    "compare": "sessions.compare",
    "Conversation": "conversation.conversation",
    "AudioError": "errors",
    "BudgetReached": "errors",
    "ConnectionLost": "errors",
    "InputFlagged": "errors",
    "LocalProtocolError": "errors",
    "MissingExtra": "errors",
    "MissingKey": "errors",
    "PictureError": "errors",
    "RealtimeError": "errors",
    "RecordingError": "errors",
    "RemoteProtocolError": "errors",
    "ReplyTimeout": "errors",
    "ServerError": "errors",
    "SettingsError": "errors",
    "Limiter": "sessions.rate_limit",
    "Timeline": "conversation.timeline",
    "timeline": "conversation.timeline",
    "speak": "local.process",
    "Picture": "media.picture",
    "Pending": "loop",
    "run_sync": "loop",
    "use_prices": "pricing.prices",
    "Cost": "pricing.cost",
    "Costs": "conversation.costs",
    "doctor": "diagnosis.doctor",
    "Estimate": "pricing.estimate",
    "estimate": "pricing.estimate",
    "Dataset": "experiments.dataset",
    "compare_turn_detection": "experiments.turn_detection",
    "Results": "experiments.results",
    "run": "experiments.run",
    "Usage": "pricing.usage",
    "diff": "recording.diff",
    "Recording": "recording.recording",
    "bounds": "sessions.budget",
    "CascadeSession": "sessions.cascade",
    "ChatSession": "sessions.chat",
    "RealtimeSession": "sessions.realtime",
    "Tool": "tools",
    "tool": "tools",
    "TurnDetectionComparison": "speech.turn_detection",
    "Reply": "conversation.records",
    "Timing": "conversation.timing",
    "Turn": "conversation.records",
    "display_options": "views.budget",
    "Practice": "views.practice",
    "practice": "views.practice",
    "Prosody": "speech.voice",
    "prosody": "speech.voice",
    "spectrogram": "views.spectrogram",
    "measure_voice": "speech.voice",
    "measure_voices": "speech.voice",
    "VoiceMeasures": "speech.voice",
    "Watch": "conversation.watched",
    "Camera": "widgets.camera",
    "Microphone": "widgets.microphone",
    "VoicePanel": "widgets.panel",
    "Scope": "widgets.scope",
    "Speaker": "widgets.speaker",
}

__all__ = [  # noqa: RUF022 - in the order in which a reader meets them
    "RealtimeSession",
    "ChatSession",
    "CascadeSession",
    "VoicePanel",
    "Microphone",
    "Speaker",
    "Scope",
    "Camera",
    "Watch",
    "AudioClip",
    "Picture",
    "speak",
    "tool",
    "Tool",
    "compare",
    "Comparison",
    "Dataset",
    "run",
    "Results",
    "compare_turn_detection",
    "TurnDetectionComparison",
    "Recording",
    "diff",
    "doctor",
    "Conversation",
    "Turn",
    "Reply",
    "Timing",
    "Usage",
    "Cost",
    "Costs",
    "estimate",
    "Estimate",
    "use_prices",
    "bounds",
    "Limiter",
    "Backend",
    "Pending",
    "run_sync",
    "spectrogram",
    "timeline",
    "Timeline",
    "prosody",
    "Prosody",
    "measure_voice",
    "measure_voices",
    "VoiceMeasures",
    "practice",
    "Practice",
    "display_options",
    "RealtimeError",
    "AudioError",
    "PictureError",
    "SettingsError",
    "RecordingError",
    "MissingKey",
    "MissingExtra",
    "LocalProtocolError",
    "RemoteProtocolError",
    "ServerError",
    "ReplyTimeout",
    "ConnectionLost",
    "BudgetReached",
    "InputFlagged",
]


def _looks(record: Any) -> dict[str, Any]:
    """Return a record's MIME bundle; the views load when the first record is shown."""
    mimebundle = import_module(".views", __name__).mimebundle
    import_module(".diagnosis.view", __name__)  # It registers a view of its own.
    bundle: dict[str, Any] = mimebundle(record)
    return bundle


show_by(_looks)


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
