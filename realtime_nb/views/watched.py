"""What a session was shown from time to time: the last frames, and what they cost."""

from __future__ import annotations

from typing import Any

from ..pricing import format_usd
from ..watched import Watch
from .budget import AudioBudget
from .html import facts, note, section
from .picture import thumbnails

_SHOWN = 6


def watch_bundle(watch: Watch) -> dict[str, Any]:
    """Return a watch's looks as they are now."""
    frames = list(watch.frames)
    cost = format_usd(watch.cost.total_usd if watch.cost else None)
    told = [
        ("frames sent", f"{len(frames):,} of at most {watch.max_frames:,}"),
        ("skipped as unchanged", f"{watch.skipped:,}"),
        *([("taken back", f"{watch.taken_back:,}; {watch.keep:,} stay")] if watch.keep is not None else []),
        (
            "to read them once",
            f"about {watch.tokens:,} tokens, {cost}",
        ),
        ("model", watch.model),
        ("state", watch.ended or f"looks every {watch.every_s:g} s"),
    ]
    problem = f"The last look failed: {watch.problem}" if watch.problem else ""
    words = [*(f"{name} {value}" for name, value in told), *([problem] if problem else [])]
    return {
        "text/plain": f"{watch!r}\n{', '.join(words)}",
        "text/html": section(
            thumbnails(frames[-_SHOWN:], AudioBudget()),
            facts(told),
            note(problem) if problem else "",
            title="Shown to the model" + (f"; the last {_SHOWN} frames" if len(frames) > _SHOWN else ""),
        ),
    }
