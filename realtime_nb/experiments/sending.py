"""Whether work can be sent to other processes, and takes no key along."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from ..errors import SettingsError
from ..secrecy import Secrets
from .cells import Factory, Work
from .interrupts import is_dask

#: How else a key gets there.
_BY_ENVIRONMENT = "set it in the workers' environment"
_BY_TLS = "or, on a cluster with TLS, send it by client.register_plugin(Environ({'OPENAI_API_KEY': key}))"


def check_can_be_sent(work: Work, executor: Executor) -> None:
    """Raise where work cannot be sent to an executor's workers, or would take a key along.

    Parameters
    ----------
    work : Work
        One of each system is enough.
    executor : concurrent.futures.Executor
        Not one of threads.

    Raises
    ------
    SettingsError
        If it has a limiter, which no other process can share; cannot be pickled in the executor's way; or holds a key
        of the environment, or the one that its session uses.
    """
    if work.limiter is not None:
        raise SettingsError("limiter= bounds threads of this process; on another executor concurrency= does")
    dumps, whose = _pickler(executor)
    try:
        data = dumps(work)
    except Exception as error:
        raise SettingsError(
            f"systems[{work.system!r}], the graders or the speaker cannot be sent to {whose} ({error}): define them "
            "at the top of a module that can be imported there, or use functools.partial"
        ) from None
    if Secrets(_keys_of(work.factory)).are_in(data):
        advice = f"{_BY_ENVIRONMENT}, {_BY_TLS}" if is_dask(executor) else _BY_ENVIRONMENT
        raise SettingsError(
            f"systems[{work.system!r}], the graders or the speaker hold a key, which is not sent: {advice}"
        )


def _pickler(executor: Executor) -> tuple[Callable[[Any], bytes], str]:
    """Return how an executor pickles what it sends, and where that goes."""
    if is_dask(executor):
        from distributed.protocol import pickle as dasks

        return dasks.dumps, "Dask's workers"
    if isinstance(executor, ProcessPoolExecutor):
        return pickle.dumps, "another process"
    try:
        import cloudpickle  # What most others use, and what takes the most.
    except ModuleNotFoundError:
        return pickle.dumps, "other workers"
    return cloudpickle.dumps, "other workers"


def _keys_of(factory: Factory) -> tuple[str, ...]:
    """Return the keys that a factory's session uses, as far as it can be made here."""
    try:
        return factory()._secrets()
    except Exception:  # Workers may have what is not here.
        return ()
