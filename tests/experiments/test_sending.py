"""Work on other processes: Dask's workers, and who may see a key."""

import asyncio
import json
import os
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import Environ
from distributed.security import Security

import realtime_nb as rt
from realtime_nb.experiments import Dataset, Noise, Results, run
from realtime_nb.local.process import local_voice

KEY_VARIABLE = "REALTIME_NB_API_KEY"
WAIT_S = 60


def quiet(*args, **options):
    return run(*args, progress=False, **options)


def workers(count, **options):
    return LocalCluster(
        n_workers=count,
        threads_per_worker=2,
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
        processes=True,
        **options,
    )


def there(**options):
    """A server at an address, with a key that is in the environment alone."""
    return partial(
        rt.RealtimeSession,
        backend=rt.Backend.at(local_voice.address()[0]),
        model="local-rules",
        transcription="local-transcribe",
        **options,
    )


@contextmanager
def tapped(address):
    """Listen in on what passes between a client and its cluster; yields the tapped address, and all bytes so far."""
    target = urlsplit(address)
    heard, loop = bytearray(), asyncio.new_event_loop()

    async def copy(reader, writer):
        try:
            while data := await reader.read(2**16):
                heard.extend(data)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def serve(reader, writer):
        up_reader, up_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer), return_exceptions=True)

    async def leave():
        server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1"))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"{target.scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
    finally:
        asyncio.run_coroutine_threadsafe(leave(), loop).result(WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))  # What was closed is gone after one more turn of the loop.
        loop.close()


def written(path):
    return b"".join(file.read_bytes() for file in path.rglob("*") if file.is_file())


def test_two_dask_workers_read_the_key_from_their_environment_and_nobody_sends_it(tmp_path, monkeypatch):
    key = local_voice.address()[1]
    monkeypatch.setenv(KEY_VARIABLE, key)
    with workers(2) as cluster, tapped(cluster.scheduler_address) as (address, heard), Client(address) as client:
        dataset = Dataset.from_texts({f"question_{n}": "What is two plus three?" for n in range(6)})
        results = quiet(dataset, {"there": there()}, executor=client.get_executor(), out=tmp_path / "out")
        assert results.failed == [] and len(results) == 6
        assert {row["model"] for row in results.rows} == {"local-rules"}
        # What was sent can be read, so that a key would be found.
        assert b"question_3" in heard and b"What is two plus three?" in heard
        assert key.encode() not in heard and key.encode() not in written(tmp_path)
        for holds_it in (there(api_key=key), lambda: there(api_key=key)()):
            before = len(heard)
            with pytest.raises(rt.SettingsError, match=r"systems\['x'\], .* hold a key, which is not sent"):
                quiet(dataset, {"x": holds_it}, executor=client.get_executor(), out=tmp_path / "refused")
            assert key.encode() not in heard[before:]
        lock = threading.Lock()
        with pytest.raises(rt.SettingsError, match="cannot be sent to Dask's workers"):
            quiet(
                dataset,
                {"x": lambda: lock and rt.ChatSession()},
                executor=client.get_executor(),
                out=tmp_path / "refused",
            )
        with pytest.raises(rt.SettingsError, match="on another executor, use concurrency="):
            quiet(
                dataset, {"x": there()}, executor=client.get_executor(), limiter=rt.Limiter(), out=tmp_path / "refused"
            )
        assert not (tmp_path / "refused").exists()


def test_a_clusters_own_tls_carries_a_key_unseen(tmp_path, monkeypatch):
    key = local_voice.address()[1]
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    security = Security.temporary()
    with (
        workers(1, security=security) as cluster,
        tapped(cluster.scheduler_address) as (address, heard),
        Client(address, security=security) as client,
    ):
        dataset = Dataset.from_texts({"question_1": "What is two plus three?"})
        options = {"executor": client.get_executor(), "retries": 0}
        [row] = quiet(dataset, {"there": there()}, out=tmp_path / "without", **options).rows
        assert (row["failure_stage"], row["error_type"]) == ("connect", "ServerError")
        client.register_plugin(Environ({KEY_VARIABLE: key}))
        [row] = quiet(dataset, {"there": there()}, out=tmp_path / "with", **options).rows
        assert row["error_message"] == "", row["failure_stage"]
        assert len(heard) > 10_000 and key.encode() not in heard and b"question_1" not in heard
    assert key.encode() not in written(tmp_path)


class Noted:
    """Makes sessions, and notes in a file which process was asked for one."""

    def __init__(self, path, make):
        self.path, self.make = path, make

    def __call__(self):
        with self.path.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return self.make()

    def pids(self):
        return [int(line) for line in self.path.read_text().split()] if self.path.exists() else []


def wait_until(is_so):
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def test_with_one_of_two_dask_workers_killed_every_row_is_there_once(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, local_voice.address()[1])
    noted = Noted(tmp_path / "asked", there())
    dataset = Dataset.from_texts({f"q{n}": "What is two plus three?" for n in range(12)})
    lines = tmp_path / "out" / "rows.jsonl"
    found = []

    def go_on(executor):
        found.append(quiet(dataset, {"one": noted}, executor=executor, concurrency=6, out=tmp_path / "out"))

    with workers(2) as cluster, Client(cluster) as client:
        thread = threading.Thread(target=go_on, args=(client.get_executor(),))
        thread.start()
        pids = set(client.run(os.getpid).values())
        wait_until(lambda: lines.exists() and lines.read_bytes().count(b"\n") >= 2)
        asked = len(noted.pids())
        wait_until(lambda: len(noted.pids()) > asked)  # It has just begun with one, which is paid for.
        delivered, killed = lines.read_bytes().count(b"\n"), noted.pids()[-1]
        assert killed in pids and delivered < 12
        os.kill(killed, signal.SIGKILL)
        asked = len(noted.pids()) - 2  # Two were made here, before the run began.
        thread.join(WAIT_S)
    [results] = found
    assert results.failed == [] and results.missing == 0
    ids = [json.loads(line)["cell_id"] for line in lines.read_text().splitlines()]
    assert sorted(ids) == sorted(f"q{n}__one__clean__1" for n in range(12))
    by_pid = Counter(noted.pids())
    assert by_pid[killed] and by_pid.keys() - {os.getpid(), killed}
    # What was written down is not asked again; what the dead one had not delivered is. (Of a slow worker that Dask
    # itself gives up, and starts a fourth for, nobody here knows what it had delivered.)
    anew = sum(by_pid.values()) - by_pid[os.getpid()] - 12
    assert 0 < anew and (len(by_pid.keys() - {os.getpid()}) > 3 or anew <= asked - delivered)


def exit_now(answer):
    os._exit(1)


def test_work_that_kills_its_workers_is_a_row_and_does_not_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, local_voice.address()[1])
    with workers(1) as cluster, Client(cluster) as client:
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
        dataset = Dataset.from_texts(["What is two plus three?"])
        results = quiet(
            dataset, {"one": there()}, graders={"x": exit_now}, executor=client.get_executor(), out=tmp_path
        )
    [row] = results.rows
    assert (row["status"], row["failure_stage"], row["error_type"]) == ("failed", "worker", "KilledWorker")
    assert "x" not in row and Results.load(tmp_path).failed


def test_noise_on_dask_is_the_noise_of_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, local_voice.address()[1])
    options = {"conditions": [Noise(15)], "seed": 3}
    dataset = Dataset.from_texts(["What is two plus three?"])
    with workers(1) as cluster, Client(cluster) as client:
        quiet(dataset, {"one": there()}, executor=client.get_executor(), out=tmp_path / "dask", **options)
    quiet(dataset, {"one": there()}, out=tmp_path / "here", **options)
    [[one], [other]] = [Results.load(tmp_path / name).rows for name in ("dask", "here")]
    sounds = [(tmp_path / name / one["input_audio_path"]).read_bytes() for name in ("dask", "here")]
    assert sounds[0] == sounds[1] and one["heard"] == other["heard"]
