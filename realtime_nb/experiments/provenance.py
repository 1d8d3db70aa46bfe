"""What answered in a run: the settings of its systems, their prices, and the parts of the local voice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RealtimeError
from ..pricing.prices import find_price, price_holds
from ..recording.files import NAME as MANIFEST
from ..recording.recording import Recording
from ..sessions.session import Session
from .statistics import Row

# --- The systems, as their first recordings describe them -------------------------------------------------------------

_INSTRUCTIONS_LENGTH = 600
#: Entries of a session's settings that are shown elsewhere, or are not settings.
_APART = ("type", "object", "model", "id", "expires_at", "notice")


class SystemDescription(NamedTuple):
    """The description of a system."""

    session: str
    """Its class."""
    model: str
    backend: str
    settings: Mapping[str, str]
    """Its settings by name, in words."""
    prices: str
    """The date and the source of its prices."""
    versions: Mapping[str, str]


def settings_of(session: Session) -> dict[str, Any]:
    """Return what a session says of itself before it asks anything: its kind, model, server, prompt and settings."""
    told = dict(session._settings)
    return {"session": type(session).__name__, "model": session.model, "backend": session.backend.name} | told


def made_with(path: Path, rows: Sequence[Row], systems: Sequence[str]) -> dict[str, SystemDescription]:
    """Return the description of each system, read from one of its recordings."""
    found: dict[str, SystemDescription] = {}
    for system in systems:
        folders = (path / "recordings" / row["cell_id"] for row in rows if row["system"] == system)
        made = next(filter(None, map(_read, (each for each in folders if (each / MANIFEST).is_file()))), None)
        if made is not None:
            found[system] = made
    return found


def _read(folder: Path) -> SystemDescription | None:
    try:
        manifest = Recording.load(folder).manifest
        settings = _flat(manifest.get("settings") or {})
        return SystemDescription(
            session=str(manifest["session"]),
            model=str(manifest["model"]),
            backend=" ".join(filter(None, (manifest["backend"]["name"], manifest["backend"]["url"]))),
            settings=settings,
            prices=_prices(folder, str(manifest["model"]), manifest["backend"]),
            versions=manifest["versions"],
        )
    except (OSError, RealtimeError, ValueError, KeyError, TypeError):
        return None  # The system's next recording may be whole.


def _prices(folder: Path, model: str, backend: Mapping[str, str]) -> str:
    """Return the date and the source of the prices: of a reply, which may have several models, or of the model."""
    if backend["name"] != "local" and not price_holds(model, backend["url"]):
        return "no price is known"
    try:
        costs = [reply.cost for reply in Recording.load(folder).conversation.replies if reply.cost is not None]
    except (OSError, RealtimeError):
        costs = []
    if costs:
        return ", ".join(filter(None, (costs[-1].as_of, costs[-1].source)))
    row = find_price(model)
    return ", ".join(filter(None, (row["as_of"], row["source"]))) if row else "no price is known"


def _flat(settings: Any, name: str = "") -> dict[str, str]:
    """Return the settings that are set, by their paths, and tools by their names."""
    if isinstance(settings, Mapping):
        found: dict[str, str] = {}
        for key, value in settings.items():
            found |= _flat(value, f"{name}.{key}" if name else str(key))
        return found
    if name in _APART or settings in (None, "", []):
        return {}
    if name == "tools" and isinstance(settings, list):
        return {
            name: ", ".join(str(tool.get("name") or tool.get("type")) for tool in settings if isinstance(tool, dict))
        }
    text = settings if isinstance(settings, str) else json.dumps(settings, ensure_ascii=False)
    return {name: text if len(text) <= _INSTRUCTIONS_LENGTH else f"{text[:_INSTRUCTIONS_LENGTH]}…"}


def changes(ours: SystemDescription, theirs: SystemDescription) -> Iterator[str]:
    """Yield the differences between two systems of the same name."""
    pairs = [(name, getattr(ours, name), getattr(theirs, name)) for name in ("session", "model", "backend", "prices")]
    for group in ("settings", "versions"):
        before, after = getattr(ours, group), getattr(theirs, group)
        pairs += [(name, before.get(name, "not set"), after.get(name, "not set")) for name in {**before, **after}]
    for name, before, after in pairs:
        if before != after:
            yield f"{name}: {before} → {after}"


# --- The parts of the local voice, which may depend on load -----------------------------------------------------------

#: What the columns of the local voice's parts are called.
_JOBS = {"local_ears": "recognisers", "local_voice": "voices", "local_end_of_turn": "ways to find the end of a turn"}


def _parts(rows: Sequence[Row]) -> dict[tuple[str, str], Counter[str]]:
    """Return how many answers each part gave, by system and column."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for system in dict.fromkeys(row["system"] for row in rows):
        for column in _JOBS:
            named = Counter(row[column] for row in rows if row["system"] == system and row.get(column))
            if named:
                found[system, column] = named
    return found


def mixed_parts(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a caveat for each system whose answers do not all come from the same parts of the local voice."""
    for (system, column), named in _parts(rows).items():
        if len(named) > 1:
            yield (
                f"{system}: {_JOBS[column]} are mixed ({_told(named)} answers). Which one it is may depend on load and "
                f"on concurrency: compare rows with the same {column}."
            )


def other_parts(rows: Sequence[Row], others: Sequence[Row]) -> Iterator[str]:
    """Yield a remark for each system whose answers come from other parts of the local voice in another run."""
    ours, theirs = _parts(rows), _parts(others)
    for (system, column), named in ours.items():
        there = theirs.get((system, column))
        if there is not None and (len(named) > 1 or named.keys() != there.keys()):
            yield (
                f"{system}: {_JOBS[column]} {_told(named)} → {_told(there)}: the runs differ by them, too; compare "
                f"rows with the same {column}"
            )


def _told(named: Counter[str]) -> str:
    return "; ".join(f"{name}: {count}" for name, count in named.most_common()) if len(named) > 1 else next(iter(named))
