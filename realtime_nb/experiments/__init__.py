"""Experiments: clips, conditions and systems; what came of each; and how sure one may be of the difference."""

from .conditions import Babble, Clipping, Condition, Level, Noise, Reverberation, Speed, Telephone
from .datasets import Dataset, Example
from .forecast import Forecast, forecast
from .graders import Answer, Grade, Keywords, Pattern, ToolCall
from .judge import Judge
from .replayed_turns import compare_turn_detection
from .results import Results
from .running import run
from .scenarios import Next, RuleUser, Said, Scenario, UserTurn
from .simulated_user import SimulatedUser
from .voice import Voice

__all__ = [
    "Answer",
    "Babble",
    "Clipping",
    "Condition",
    "Dataset",
    "Example",
    "Forecast",
    "Grade",
    "Judge",
    "Keywords",
    "Level",
    "Next",
    "Noise",
    "Pattern",
    "Results",
    "Reverberation",
    "RuleUser",
    "Said",
    "Scenario",
    "SimulatedUser",
    "Speed",
    "Telephone",
    "ToolCall",
    "UserTurn",
    "Voice",
    "compare_turn_detection",
    "forecast",
    "run",
]
