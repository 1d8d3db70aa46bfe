"""With what a run was made: each system as its first recording tells it, prices and libraries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RealtimeError
from ..pricing.prices import find_price
from ..recording.files import NAME as MANIFEST
from ..recording.recording import Recording
from .statistics import Row

_INSTRUCTIONS_LENGTH = 600
#: Of a session's settings, what is told elsewhere or is no setting.
_APART = ("type", "object", "model", "id", "expires_at", "notice")


class SystemDescription(NamedTuple):
    """What a system was."""

    session: str
    """Its class."""
    model: str
    backend: str
    settings: Mapping[str, str]
    """What it was set to, by name, in words."""
    prices: str
    """When and where its prices were read."""
    versions: Mapping[str, str]


def made_with(path: Path, rows: Sequence[Row], systems: Sequence[str]) -> dict[str, SystemDescription]:
    """Return what each system was, as far as one of its recordings tells."""
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
            prices=_prices(folder, str(manifest["model"])),
            versions=manifest["versions"],
        )
    except (OSError, RealtimeError, ValueError, KeyError, TypeError):
        return None


def _prices(folder: Path, model: str) -> str:
    """Return the date and the source of the prices: of a reply, whose model may be several, or of the model."""
    try:
        costs = [reply.cost for reply in Recording.load(folder).conversation.replies if reply.cost is not None]
    except (OSError, RealtimeError):
        costs = []
    if costs:
        return ", ".join(filter(None, (costs[-1].as_of, costs[-1].source)))
    row = find_price(model)
    return ", ".join(filter(None, (row["as_of"], row["source"]))) if row else "no price is known"


def _flat(settings: Any, name: str = "") -> dict[str, str]:
    """Return settings by their paths; tools by their names; nothing that is not set."""
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
