"""Experiments: clips, conditions and systems; what came of each; and how sure one may be of the difference."""

from .conditions import Babble, Clipping, Condition, Level, Noise, Reverberation, Speed, Telephone
from .datasets import Dataset, Example
from .forecast import Forecast, forecast
from .graders import Answer, Keywords, Pattern, ToolCall
from .replayed_turns import compare_turn_detection
from .results import Results
from .running import run

__all__ = [
    "Answer",
    "Babble",
    "Clipping",
    "Condition",
    "Dataset",
    "Example",
    "Forecast",
    "Keywords",
    "Level",
    "Noise",
    "Pattern",
    "Results",
    "Reverberation",
    "Speed",
    "Telephone",
    "ToolCall",
    "compare_turn_detection",
    "forecast",
    "run",
]
