"""Recordings for tests, and a comparison of two conversations."""

from dataclasses import fields, is_dataclass

import msgspec

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Reply, Timing, Turn
from realtime_nb.recording.files import About
from realtime_nb.recording.recording import Recording
from realtime_nb.recording.writer import Writer, claim


def snapshot(value, seen=()):
    """Return a record as plain data, audio included; a record inside itself is named by its id."""
    if isinstance(value, Conversation):
        return {
            "session": value.session,
            "errors": [msgspec.to_builtins(each) for each in value.errors],
            "turns": [snapshot(turn) for turn in value.turns],
            "all": sorted(value._index.turns),
            "replies": [snapshot(reply) for reply in value.replies],
        }
    if isinstance(value, Turn | Reply):
        name = getattr(value, "item_id", None) or value.response_id
        if seen:
            return name
        return {field.name: snapshot(getattr(value, field.name), (name,)) for field in fields(value)}
    if isinstance(value, Timing):
        return {name: snapshot(each, seen) for name, each in vars(value).items()}
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if is_dataclass(value):
        return {field.name: snapshot(getattr(value, field.name), seen) for field in fields(value)}
    if isinstance(value, dict):
        return {key: snapshot(each, seen) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [snapshot(each, seen) for each in value]
    return value


def write(folder, entries, about=None):
    """Write entries as a recording and load it."""
    writer = Writer(claim(folder), about or About(session="test"))
    for elapsed_ms, direction, event in entries:
        writer.add(elapsed_ms, direction, event)
    writer.finish()
    return Recording.load(folder)


def folded(entries):
    conversation = Conversation()
    for elapsed_ms, _, event in entries:
        conversation.apply(event, elapsed_ms)
    return conversation
