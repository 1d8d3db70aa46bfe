"""Talk with a voice model in one notebook cell, and keep what happened."""

__version__ = "0.1.0"
