"""Typed events and settings of the Realtime protocol and of Chat Completions; the client's state machine, without I/O.

Floor 1: imports the floors below; the floors above import it.
"""

__all__ = ["events", "items", "settings"]


def __dir__() -> list[str]:
    return sorted([*__all__, "__all__", "__doc__"])
