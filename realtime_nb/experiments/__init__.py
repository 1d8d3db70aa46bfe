"""Datasets, scenarios, conditions, runs on any executor, measures, graders, results.

Floor 8: imports the floors below; the floors above import it.
"""

from .conditions import Babble, Clipping, Condition, Level, Noise, Reverberation, Speed, Telephone
from .dataset import Dataset
from .example import Example
from .forecast import Forecast, forecast
from .graders import Answer, Grade, Keywords, Pattern, ToolCall, Voice
from .judge import Judge
from .results import Results
from .run import rerun, run
from .scenario import Next, RuleUser, Said, Scenario, SimulatedUser, UserTurn
from .timelines import Windows
from .turn_detection import compare_turn_detection

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
    "Windows",
    "compare_turn_detection",
    "forecast",
    "rerun",
    "run",
]


def __dir__() -> list[str]:
    return sorted([*__all__, "__all__", "__doc__"])
