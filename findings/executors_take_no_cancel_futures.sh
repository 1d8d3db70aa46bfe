#!/usr/bin/env bash
# distributed 2026.8.0 (Client.get_executor) and loky 3.7.0 (get_reusable_executor) give a concurrent.futures.Executor whose shutdown does
# not have the parameter cancel_futures, which the standard library's has had since Python 3.9: shutdown(cancel_futures=True) is a TypeError,
# and the executor stays open. In loky, shutdown(kill_workers=True) is the nearest; in distributed, cancel each future.
#
# One would guess that any Executor can be ended like the two of the standard library. Code that takes "any Executor" finds out when a
# run is interrupted, which is when shutdown(cancel_futures=True) is called.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check distributed==2026.8.0 loky==3.7.0
cd "$folder"
cat > ends.py <<'PYTHON'
from concurrent.futures import Executor
from importlib.metadata import version

import loky
from distributed import Client


def end(name, executor):
    assert isinstance(executor, Executor)
    assert executor.submit(abs, -1).result(120) == 1
    try:
        executor.shutdown(cancel_futures=True)
    except TypeError as error:
        print(f"{name} {version(name)}: {error}")
        assert "cancel_futures" in str(error)
    else:
        raise AssertionError(name)
    assert executor.submit(abs, -2).result(120) == 2  # Still open.


if __name__ == "__main__":
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        end("distributed", client.get_executor())
    executor = loky.get_reusable_executor(max_workers=1)
    end("loky", executor)
    executor.shutdown(kill_workers=True)
PYTHON
venv/bin/python ends.py
