"""Experiments: clips, conditions and systems; what came of each; and how sure one may be of the difference."""

from .conditions import Babble, Clipping, Level, Noise, Reverberation, Speed, Telephone
from .datasets import Dataset, Example

__all__ = [
    "Babble",
    "Clipping",
    "Dataset",
    "Example",
    "Level",
    "Noise",
    "Reverberation",
    "Speed",
    "Telephone",
]
