"""Talk with a voice model in one notebook cell, and keep what happened.

>>> import realtime_nb as rt
>>> session = rt.RealtimeSession(backend="local")
>>> reply = session.ask("Hello!").result()
>>> session.close().result()

Names load when first used, so that importing the package is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .audio import AudioClip
    from .backends import Backend
    from .comparison import Comparison
    from .conversation import Conversation
    from .costs import Costs
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
    from .estimates import Estimate, estimate
    from .experiments.datasets import Dataset
    from .experiments.replayed_turns import compare_turn_detection
    from .experiments.results import Results
    from .experiments.running import run
    from .intonation import Prosody, prosody
    from .latency import Timeline, timeline
    from .limiter import Limiter
    from .local_voice import speak
    from .loop import Pending, run_sync
    from .pictures import Picture
    from .prices import use_prices
    from .pricing import Cost
    from .recording.difference import diff
    from .recording.recording import Recording
    from .sessions.bounds import bounds
    from .sessions.cascade import CascadeSession
    from .sessions.chat import ChatSession
    from .sessions.compare import compare
    from .sessions.realtime import RealtimeSession
    from .timing import Timing
    from .tokens import Usage
    from .tools import Tool, tool
    from .turn_comparison import TurnDetectionComparison
    from .turns import Reply, Turn
    from .views.budget import display_options
    from .views.practice import Practice, practice
    from .views.spectrogram import spectrogram
    from .voice_measures import VoiceMeasures, measure_voice, measure_voices
    from .watched import Watch
    from .widgets.camera import Camera
    from .widgets.microphone import Microphone
    from .widgets.panel import VoicePanel
    from .widgets.scope import Scope
    from .widgets.speaker import Speaker

_HOMES = {
    "AudioClip": "audio",
    "Backend": "backends",
    "Comparison": "comparison",
    "compare": "sessions.compare",
    "Conversation": "conversation",
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
    "Limiter": "limiter",
    "Timeline": "latency",
    "timeline": "latency",
    "speak": "local_voice",
    "Picture": "pictures",
    "Pending": "loop",
    "run_sync": "loop",
    "use_prices": "prices",
    "Cost": "pricing",
    "Costs": "costs",
    "doctor": "diagnosis.doctor",
    "Estimate": "estimates",
    "estimate": "estimates",
    "Dataset": "experiments.datasets",
    "compare_turn_detection": "experiments.replayed_turns",
    "Results": "experiments.results",
    "run": "experiments.running",
    "Usage": "tokens",
    "diff": "recording.difference",
    "Recording": "recording.recording",
    "bounds": "sessions.bounds",
    "CascadeSession": "sessions.cascade",
    "ChatSession": "sessions.chat",
    "RealtimeSession": "sessions.realtime",
    "Tool": "tools",
    "tool": "tools",
    "TurnDetectionComparison": "turn_comparison",
    "Reply": "turns",
    "Timing": "timing",
    "Turn": "turns",
    "display_options": "views.budget",
    "Practice": "views.practice",
    "practice": "views.practice",
    "Prosody": "intonation",
    "prosody": "intonation",
    "spectrogram": "views.spectrogram",
    "measure_voice": "voice_measures",
    "measure_voices": "voice_measures",
    "VoiceMeasures": "voice_measures",
    "Watch": "watched",
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
