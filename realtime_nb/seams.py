"""Where a conversation goes on under other conditions: in another session of the server's, or with other settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .wire.local import SessionRenewed

if TYPE_CHECKING:
    from .conversation import Conversation


@dataclass(frozen=True)
class Seam:
    """A place between two turns, and what happened there."""

    elapsed_ms: float
    """Session time."""
    item_id: str | None
    """The item behind which it lies; `None` before the first."""
    text: str
    """What happened, for people."""


def renewal_text(event: SessionRenewed, lost: int) -> str:
    """Return what happened when a new session took over; `lost` counts what was being said and is lost."""
    what = {"rotated": "session renewed", "restored": "session restored", "reopened": "session opened again"}
    after = f" after {_span(event.age_ms)}" if event.age_ms is not None and event.reason != "reopened" else ""
    history = "history carried" if event.carried else "nothing carried"
    if event.carried and event.left_out:
        history += f", but for {len(event.left_out)} of its {event.carried + len(event.left_out)} items"
    cut = ", what was being said then is lost" if lost else ""
    return f"{what.get(event.reason, event.reason)}{after}, {history}{cut}"


def settings_text(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return which of a session's settings that the model reads have changed; empty if none."""
    changed = ["instructions changed"] if before.get("instructions") != after.get("instructions") else []
    if (tools := _names(after)) != _names(before):
        changed.append(f"tools now: {', '.join(tools) or 'none'}")
    return ", ".join(changed)


def _names(session: dict[str, Any]) -> list[str]:
    tools = session.get("tools")
    given = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [str(tool.get("name") or tool.get("server_label") or tool.get("type")) for tool in given]


def _span(ms: float) -> str:
    return f"{ms / 60_000:.0f} min" if ms >= 60_000 else f"{ms / 1000:.0f} s"


def seams_by_place(conversation: Conversation) -> dict[str | None, list[Seam]]:
    """Return the seams by the item behind which they lie; `None` is before the first.

    A seam whose item was taken out lies behind the last one.
    """
    found: dict[str | None, list[Seam]] = {}
    if seams := conversation.seams:
        order = conversation.item_ids
        there = {None, *order}
        for seam in seams:
            at = seam.item_id if seam.item_id in there else next(reversed(order), None)
            found.setdefault(at, []).append(seam)
    return found
