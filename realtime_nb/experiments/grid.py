"""Which system is asked what, when, and under which condition."""

from __future__ import annotations

import hashlib
import itertools
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial

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


def check_can_be_sent(work: Work, systems: Mapping[str, Factory], executor: Executor) -> None:
    """Raise where work cannot be sent to other processes, or would take a key along."""
    if work.limiter is not None:
        raise SettingsError("limiter= bounds threads of this process: leave it out for another executor")
    for name, factory in systems.items():
        if isinstance(factory, partial) and factory.keywords.get("api_key"):
            raise SettingsError(f"systems[{name!r}] holds a key, which is not sent: set it in the workers' environment")
        if isinstance(executor, ProcessPoolExecutor):
            try:
                pickle.dumps((factory, work.graders, work.example, work.pipeline))
            except Exception as error:
                raise SettingsError(
                    f"systems[{name!r}], the graders or the speaker cannot be sent to another process ({error}): "
                    "define them at the top of a module, or use functools.partial"
                ) from None
