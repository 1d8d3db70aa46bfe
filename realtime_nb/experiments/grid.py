"""Which system is asked what, when, and under which condition."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping

from ..errors import SettingsError
from .cells import Factory, Work
from .conditions import Pipeline
from .datasets import Dataset


def make_grid(
    dataset: Dataset,
    systems: Mapping[str, Factory],
    pipelines: Mapping[str, Pipeline],
    repeats: int,
    seed: int,
    make: Callable[..., Work],
) -> Iterator[Work]:
    """Yield all cells; the systems take turns in being first, so that what changes with time is the same for all."""
    names = list(systems)
    seen: set[str] = set()
    rows = itertools.product(range(1, repeats + 1), pipelines.items(), dataset)
    for turn, (repeat, (condition, pipeline), example) in enumerate(rows):
        for place in range(len(names)):
            system = names[(turn + place) % len(names)]
            cell_id = _file_name(f"{example.example_id}__{system}__{condition}__{repeat}")
            if cell_id.lower() in seen:
                raise SettingsError(f"names are too much alike for files: {cell_id!r} would be there twice")
            seen.add(cell_id.lower())
            yield make(
                cell_id=cell_id,
                system=system,
                factory=systems[system],
                example=example,
                condition=condition,
                pipeline=pipeline,
                repeat=repeat,
                seed=_seed(seed, example.example_id),
            )


def _file_name(name: str) -> str:
    plain = re.sub(r"[^\w.+-]+", "-", name)
    return plain if len(plain) <= 150 else f"{plain[:140]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _seed(seed: int, example_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}|{example_id}".encode()).digest()[:4])
