"""How fast experiments are: many questions at once, many live sessions in one process, many Dask workers.

    python benchmarks/experiments.py clips            64 clips on one local server, one by one and all at once
    python benchmarks/experiments.py clips --live     the same as fast as they sound (seven minutes)
    python benchmarks/experiments.py sessions         100 live sessions from one process, and one
    python benchmarks/experiments.py workers          a CPU-bound pipeline of conditions on one and two Dask workers
    python benchmarks/experiments.py rows             what a row takes: bytes, milliseconds, memory
    python benchmarks/experiments.py rows --against PATH    the same with another build's source, and the ratios
    python benchmarks/experiments.py memory --rows 10000    the most memory of a run, and of one of a tenth of the rows

Live sessions, and rows, talk to a server of the benchmark's own, in another process, that answers on cue and hears
nothing: a recogniser for 100 people would take two cores, and this measures the client.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import multiprocessing
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import realtime_nb as rt
from realtime_nb.experiments import Dataset, Example, Noise, Reverberation, Speed, Telephone, run

TICKS = os.sysconf("SC_CLK_TCK")
#: What a person says, and what is answered, in the sessions.
QUESTION_S, ANSWER_S, PAUSE_S = 2.0, 3.0, 0.5
DELTA_S = 0.2


# --- a server that answers on cue ---


def cue_server(port) -> None:
    """Serve sessions in which a person speaks for two seconds and is answered for three; report the port."""
    from websockets.asyncio.server import serve

    async def main() -> None:
        async with serve(hold, "127.0.0.1", 0, compression=None, max_size=None) as server:
            port.send(server.sockets[0].getsockname()[1])
            await asyncio.get_running_loop().create_future()

    asyncio.run(main())


SESSION = {
    "type": "realtime",
    "id": "sess_1",
    "model": "cue",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "marin"},
    },
}
_SOUND = (0.1 * np.sin(np.arange(24_000 * DELTA_S) / 10) * 32_767).astype("<i2").tobytes()
_DELTA = base64.b64encode(_SOUND).decode()


async def hold(socket) -> None:
    """Serve one session: a turn begins with its first frame, and again when an answer was played."""
    event_ids = itertools.count()

    async def send(kind: str, **fields) -> None:
        await socket.send(json.dumps({"type": kind, "event_id": f"event_{next(event_ids)}", **fields}))

    await send("session.created", session=SESSION)
    heard_ms, turn, turn_ms, answering = 0.0, 0, 0.0, None
    if "model=asked" in socket.request.path:
        await hold_asked(socket, send)
        return
    async for message in socket:
        if '"session.update"' in message[:80]:
            await send("session.updated", session=SESSION)
            continue
        if '"input_audio_buffer.append"' not in message[:80]:
            continue
        heard_ms += (len(message) - 60) * 3 / 4 / 48
        if heard_ms - turn_ms >= 1000 * (QUESTION_S + PAUSE_S + ANSWER_S + 0.3):
            turn_ms = heard_ms
        at_ms = heard_ms - turn_ms
        if answering is None and at_ms < 100:
            turn += 1
            answering = asyncio.Event()
            await send("input_audio_buffer.speech_started", audio_start_ms=int(turn_ms), item_id=f"item_{turn}")
        elif answering is not None and at_ms > 1000 * (QUESTION_S + PAUSE_S):
            answering = None
            asyncio.get_running_loop().create_task(answer(send, turn, int(turn_ms + 1000 * QUESTION_S)))


async def hold_asked(socket, send) -> None:
    """Serve a session that ends its turns by itself; answers come at once."""
    turn = 0
    async for message in socket:
        kind = message[:80]
        if '"session.update"' in kind:
            await send("session.updated", session=SESSION)
        elif '"input_audio_buffer.commit"' in kind:
            turn += 1
        elif '"response.create"' in kind:
            await answer(send, turn, None)


async def answer(send, turn: int, end_ms: int | None) -> None:
    """Report the end of the turn, and answer three times as fast as it sounds, or at once if asked."""
    item = {"id": f"item_{turn}", "type": "message", "role": "user", "status": "completed"}
    item["content"] = [{"type": "input_audio", "transcript": None}]
    ids = {"response_id": f"resp_{turn}", "item_id": f"answer_{turn}", "output_index": 0}
    reply = {"id": ids["response_id"], "object": "realtime.response", "conversation_id": "conv_1"}
    spoken = {"id": ids["item_id"], "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    with contextlib.suppress(Exception):  # Whoever has gone hears nothing.
        if end_ms is not None:
            await send("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=item["id"])
        await send("input_audio_buffer.committed", item_id=item["id"], previous_item_id=None)
        await send("conversation.item.added", item=item, previous_item_id=None)
        await send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item["id"], content_index=0, transcript="What is two plus three?",
        )  # fmt: skip
        await send("conversation.item.done", item=item, previous_item_id=None)
        await send("response.created", response=reply | {"status": "in_progress", "output": []})
        await send("response.output_item.added", item=spoken, output_index=0, response_id=ids["response_id"])
        await send("conversation.item.added", item=spoken, previous_item_id=item["id"])
        for word in range(round(ANSWER_S / DELTA_S)):
            await send("response.output_audio_transcript.delta", content_index=0, delta=f"word{word} ", **ids)
            await send("response.output_audio.delta", content_index=0, delta=_DELTA, **ids)
            await asyncio.sleep(DELTA_S / 3 if end_ms is not None else 0)
        said = spoken | {"status": "completed", "content": [{"type": "output_audio", "transcript": "All of it."}]}
        await send("response.output_audio.done", content_index=0, **ids)
        await send("response.output_item.done", item=said, output_index=0, response_id=ids["response_id"])
        await send("response.done", response=reply | {"status": "completed", "output": [said]})


@contextlib.contextmanager
def cues():
    """Run the server in a process of its own; yields its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=cue_server, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.terminate()
        process.join()


# --- live sessions ---


async def lags(found: list[float]) -> None:
    """Note how late the I/O loop gets to its timers, every 5 ms."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.005
        await asyncio.sleep(0.005)
        found.append(1000 * (loop.time() - due))


def memory_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def sessions(count: int, seconds: float) -> None:
    """Print what that many sessions cost that talk and listen all the time."""
    from realtime_nb.loop import submit

    clip = rt.AudioClip(0.1 * np.sin(np.arange(24_000 * seconds) / 10))
    found: list[float] = []
    with cues() as url:
        make = partial(rt.RealtimeSession, backend=rt.Backend.at(url), model="cue", transcription=None)
        with make() as first:
            first.listen_to(rt.AudioClip(clip.samples[:24_000])).result()  # What is loaded once.
        before_mb = memory_mb()
        held = [make() for _ in range(count)]
        for each in held:
            each.connect().result()
        idle_mb = memory_mb()
        lag = submit(lags(found))
        start, cpu = time.perf_counter(), time.process_time()
        talks = []
        for each in held:  # They do not all breathe at once.
            talks.append(each.listen_to(clip))
            time.sleep(1.0 / count)
        time.sleep(max(0.0, seconds - (time.perf_counter() - start)))
        took, used = time.perf_counter() - start, time.process_time() - cpu
        lag.cancel()
        full_mb = memory_mb()
        sent = sum(entry.audio_bytes for each in held for entry in each.log if entry.direction == "sent")
        replies = sum(len(each.conversation.replies) for each in held)
        for talk in talks:
            talk.cancel()
        for each in held:
            each.close().result()
    p50, p99 = np.percentile(found, (50, 99))
    each_mb = [(mb - before_mb) / count for mb in (idle_mb, full_mb)]
    print(
        f"| {count} | {replies} | {100 * sent / 48_000 / count / took:.0f} % | {used / took:.2f} | "
        f"{p50:.1f} / {p99:.1f} / {max(found):.1f} | {each_mb[0]:.2f} | {each_mb[1]:.2f} |",
        flush=True,
    )


def live_run(count: int, rounds: int) -> None:
    """Print the cost of a run with that many live questions at once: asked, measured, saved."""
    from realtime_nb.loop import submit

    clip = rt.AudioClip(0.1 * np.sin(np.arange(24_000 * QUESTION_S) / 10))
    dataset = Dataset(Example(example_id=f"q{n}", text="What is two plus three?", source=clip) for n in range(count))
    found: list[float] = []
    with cues() as url, tempfile.TemporaryDirectory() as folder:
        make = partial(rt.RealtimeSession, backend=rt.Backend.at(url), model="cue", transcription=None)
        options = {"live": True, "concurrency": count, "progress": False}
        run(dataset[:1], {"cue": make}, out=Path(folder) / "first", **options)  # What is loaded once.
        lag = submit(lags(found))
        start, cpu = time.perf_counter(), time.process_time()
        results = run(dataset, {"cue": make}, repeats=rounds, out=Path(folder) / "out", **options)
        took, used = time.perf_counter() - start, time.process_time() - cpu
        lag.cancel()
    assert not results.failed, results.failed[0]
    p50, p99 = np.percentile(found, (50, 99))
    print(
        f"{len(results)} live questions, {count} at once: {took:.1f} s, {used / took:.2f} of a core, "
        f"loop late {p50:.1f} / {p99:.1f} / {max(found):.1f} ms (p50 / p99 / max)"
    )


# --- clips: one by one, and all at once ---

NUMBERS = "one two three four five six seven eight".split()


def server_cpu_s() -> float:
    """Return the processor time of the local voice so far, its children's included."""
    from realtime_nb.local.process import local_voice

    pid = local_voice.process_id
    pids = [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    stats = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICKS


def clips(live: bool, count: int, under_way: list[int]) -> None:
    """Print how long clips take at one local server, one by one and all at once."""
    texts = [f"What is {one} plus {other}?" for one in NUMBERS for other in NUMBERS][:count]
    said = Dataset(Example(example_id=f"q{n}", text=text, source=rt.speak(text)) for n, text in enumerate(texts))
    local = partial(rt.RealtimeSession, backend="local")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run(said[:2], {"local": local}, out=Path(folder) / "warm", progress=False)
        for at_once in under_way:
            options = {"concurrency": at_once, "live": live, "progress": False}
            start, client, server = time.perf_counter(), time.process_time(), server_cpu_s()
            results = run(said, {"local": local}, out=Path(folder) / f"at_once_{at_once}", **options)
            assert not results.failed, results.failed[0]
            took = time.perf_counter() - start
            cpu = [(time.process_time() - client) / count, (server_cpu_s() - server) / count]
            first_ms = results.frame.latency_first_audio_ms.median()
            rows.append((took, at_once, 1000 * cpu[0], 1000 * cpu[1], first_ms, results.frame.wer.mean()))
    for took, at_once, client, server, first_ms, wer in rows:
        print(
            f"| {'live' if live else 'at once'} | {at_once} | {took:.1f} s | {client:.0f} ms | {server:.0f} ms | "
            f"{first_ms:.0f} ms | {wer:.3f} |"
        )
        print(f"  {rows[0][0] / took:.1f} times as fast as the first", flush=True)


# --- workers ---


def workers(cells: int, clip_s: float) -> None:
    """Print how long a run takes on one and on two Dask workers that compute its conditions."""
    from distributed import Client, LocalCluster

    rng = np.random.default_rng(7)
    said = rt.AudioClip(0.05 * rng.standard_normal(round(24_000 * clip_s)))
    pipeline = {"room": (Reverberation(2.0), Noise(10, "pink"), Speed(1.1), Telephone())}
    took: dict[int, float] = {}
    with cues() as url, tempfile.TemporaryDirectory() as folder:
        said.save(Path(folder) / "said.wav")
        dataset = Dataset(Example(example_id=f"q{n}", source=Path(folder) / "said.wav") for n in range(cells))
        make = partial(rt.RealtimeSession, backend=rt.Backend.at(url), model="asked", transcription=None)
        for count in (1, 2):
            cluster = LocalCluster(
                n_workers=count, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", processes=True
            )
            with cluster, Client(cluster) as client:
                options = {"executor": client.get_executor(), "concurrency": 2 * count, "progress": False}
                # What is loaded once, on each worker.
                run(
                    dataset[: 4 * count],
                    {"asked": make},
                    conditions=pipeline,
                    out=Path(folder) / f"w{count}",
                    **options,
                )
                start, own = time.perf_counter(), time.process_time()
                results = run(dataset, {"asked": make}, conditions=pipeline, out=Path(folder) / f"r{count}", **options)
                took[count] = time.perf_counter() - start
                own = time.process_time() - own
            assert not results.failed, results.failed[0]
            print(
                f"| {count} | {took[count]:.1f} s | {1000 * took[count] / cells:.0f} ms | {1000 * own / cells:.0f} ms |"
            )
    print(f"{took[1] / took[2]:.2f} times as fast", flush=True)


# --- rows: what each takes on the disk, of the processor, and of the memory ---


def row_costs(count: int, sound: str) -> dict[str, float]:
    """Run that many questions in this process, and return the cost of a row; a server answers each at once."""
    import inspect

    texts = {
        f"q{n}": f"What is {one} plus {other}?" for n, (one, other) in enumerate(itertools.product(NUMBERS, NUMBERS))
    }
    named = list(texts.items())[: min(count, len(texts))]
    said = Dataset(Example(example_id=name, text=text, source=rt.speak(text, voice="echo")) for name, text in named)
    options = {"progress": False, "concurrency": 4}
    if "sound" in inspect.signature(run).parameters:
        options["sound"] = sound
    with cues() as url, tempfile.TemporaryDirectory() as folder:
        systems = {"asked": partial(rt.RealtimeSession, backend=rt.Backend.at(url), model="asked", transcription=None)}
        run(said[:2], systems, out=Path(folder) / "warm", **options)
        start, cpu = time.perf_counter(), time.process_time()
        repeats = -(-count // len(said))
        results = run(said, systems, repeats=repeats, out=Path(folder) / "out", **options)
        took, used = time.perf_counter() - start, time.process_time() - cpu
        assert not results.failed, results.failed[0]
        rows = len(results)
        size = sum(each.stat().st_size for each in (Path(folder) / "out").rglob("*") if each.is_file())
        start = time.process_time()
        results = rt.Results.load(Path(folder) / "out")
        results.summary()
        results.report(Path(folder) / "report.html")
        read = time.process_time() - start
    return {
        "rows": rows,
        "kB a row": size / rows / 1000,
        "ms of the processor a row": 1000 * used / rows,
        "ms a row, the server's included": 1000 * took / rows,
        "load, summary and report, s of the processor": read,
        "peak memory, MB": peak_mb(),
    }


def peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Instant:
    """A system that answers at once, in this process."""

    async def answer(self, clip: rt.AudioClip) -> rt.SystemAnswer:
        """Return the same answer as ever."""
        return rt.SystemAnswer(text="Five.", cost_usd=0.001)


def tone(text: str) -> rt.AudioClip:
    """Say a question: each has another pitch."""
    return rt.AudioClip(0.1 * np.sin(np.arange(2_400) * (0.1 + 1e-5 * int(text.split()[-1]))))


def memory_of(count: int) -> float:
    """Run that many questions, and return the most memory that took, in MB."""
    dataset = Dataset(Example(example_id=f"q{n}", text=f"Question {n}", speaker=tone) for n in range(count))
    with tempfile.TemporaryDirectory() as folder:
        results = run(dataset, {"instant": Instant}, out=Path(folder) / "out", keep=(), concurrency=2, progress=False)
        told = json.loads((results.path / "summary.json").read_text())  # Its rows would take memory themselves.
        assert (told["total_examples"], told["failed_examples"]) == (count, 0)
    return peak_mb()


def memory(count: int) -> None:
    """Print the most memory that a run takes, and one of a tenth of the rows, each in its own interpreter."""
    found = [here(rt_path(), "memory-here", "--rows", str(rows)) for rows in (count // 10, count)]
    few, many = found
    print(f"| {count // 10:,} rows | {count:,} rows | ratio |")
    print(f"| {few:.0f} MB | {many:.0f} MB | {many / few:.2f} |")


def rt_path() -> str:
    return str(Path(rt.__file__).parents[1])


def here(path: str, *arguments: str) -> Any:
    """Run this file with a build's source in an interpreter of its own, and return what it found."""
    import subprocess
    import sys

    command, environment = [sys.executable, __file__, *arguments], os.environ | {"PYTHONPATH": path}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(told.stdout.splitlines()[-1])


def rows(count: int, sound: str, against: str | None) -> None:
    """Print what a row takes, beside another build if there is one, each in its own interpreter."""
    arguments = ("rows-here", "--rows", str(count), "--sound", sound)
    found = {"now": here(rt_path(), *arguments)} | ({"then": here(against, *arguments)} if against else {})
    for name, value in found["now"].items():
        then = found.get("then", {}).get(name)
        print(f"| {name} | {value:,.1f} | " + (f"{then:,.1f} | {value / then:.2f} |" if then else "|"), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["clips", "sessions", "workers", "rows", "rows-here", "memory", "memory-here"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--live", action="store_true", help="clips: said, and heard out, as fast as they sound")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--cells", type=int, default=32)
    parser.add_argument("--clip-seconds", type=float, default=60.0)
    parser.add_argument("--under-way", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--sound", default="opus", help="rows: the codec of answers")
    parser.add_argument("--against", help="rows: the folder of another build's source")
    options = parser.parse_args()
    if options.what == "rows-here":
        print(json.dumps(row_costs(options.rows, options.sound)))
    if options.what == "memory-here":
        print(json.dumps(memory_of(options.rows)))
    if options.what == "memory":
        memory(options.rows)
    if options.what == "rows":
        print("| what | now | then | ratio |")
        rows(options.rows, options.sound, options.against)
    if options.what == "clips":
        print("| sent | under way | took | client's CPU a clip | server's CPU a clip | first audio, p50 | WER |")
        clips(options.live, options.clips, options.under_way)
    if options.what == "workers":
        print("| workers | took | a cell | of the client, CPU a cell |")
        workers(options.cells, options.clip_seconds)
    if options.what == "sessions":
        print(
            "| sessions | answers | sent, of real time | client, of a core | loop late, ms | MB open | MB at the end |"
        )
        for count in options.sessions:
            sessions(count, options.seconds)
        live_run(max(options.sessions), 4)


if __name__ == "__main__":
    main()
