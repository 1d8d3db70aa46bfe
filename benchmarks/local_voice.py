"""How fast the local voice answers, alone and to many at once.

Starts a server of its own, connects N sessions from this one process, and has each of them talk like a person with an
open microphone: 100 ms appends all the time, faint noise between sentences, a sentence of about 2 s every 7 s.

    python benchmarks/local_voice.py --sessions 1 50 --seconds 60

Two delays are measured for each turn, on this process's clock. "after speech": from the moment at which the last
audible sample of the sentence was recorded (its append goes out up to 100 ms later) to the first audio of the answer;
it holds the 500 ms of silence that end a turn. "after turn": from the arrival of ``speech_stopped`` to the first audio.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime_nb.local.synthesis.synthesizer import Synthesizer

SENTENCES = (
    "What can you do for me today?",
    "How is the weather where you are?",
    "I would like a cup of coffee, please.",
    "Can you tell me what time it is?",
    "What is three plus four?",
    "Where is the next train station?",
    "I want to learn something about music.",
    "How are you doing this morning?",
)
CHUNK_MS = 100
PERIOD_MS = 7_000
CHUNK_BYTES = CHUNK_MS * 48
AUDIBLE = 330  # 1 % of full scale
WARM_UP_S = 8.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Loop:
    """One period of a microphone: a sentence and faint noise, as the messages that carry it."""

    messages: list[str]
    speech_end_s: float


@dataclass
class Delays:
    """What was measured, in ms."""

    after_speech: list[float] = field(default_factory=list)
    after_turn: list[float] = field(default_factory=list)
    refused: int = 0


async def make_loops() -> list[Loop]:
    rng = np.random.default_rng(7)
    loops = []
    async with Synthesizer() as synthesizer:
        for sentence in SENTENCES:
            speech = np.frombuffer(await synthesizer.synthesize(sentence, "echo"), "<i2")
            samples = rng.normal(0, 20, PERIOD_MS * 24).round().astype("<i2")
            samples[: len(speech)] += speech
            pcm = samples.tobytes()
            pieces = [pcm[start : start + CHUNK_BYTES] for start in range(0, len(pcm), CHUNK_BYTES)]
            messages = [
                json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(piece).decode()})
                for piece in pieces
            ]
            loops.append(Loop(messages, np.flatnonzero(np.abs(speech) > AUDIBLE)[-1] / 24_000))
    return loops


async def hold(url: str, key: str, said: Iterator[Loop], delays: Delays, until: float, measure_from: float) -> None:
    """Hold one session until a time."""
    headers = {"Authorization": f"Bearer {key}"}
    address = f"{url.replace('http', 'ws')}/realtime?model=local-rules"
    async with connect(address, additional_headers=headers, compression=None, max_size=None) as socket:
        await socket.recv()
        speech_ends: list[float] = []
        reading = asyncio.create_task(read(socket, delays, speech_ends, measure_from))
        start = time.perf_counter()
        turn = 0
        for loop in said:
            for index, message in enumerate(loop.messages):
                recorded = start + (turn * PERIOD_MS + (index + 1) * CHUNK_MS) / 1000
                await asyncio.sleep(max(0.0, recorded - time.perf_counter()))
                if recorded - CHUNK_MS / 1000 <= start + turn * PERIOD_MS / 1000 + loop.speech_end_s < recorded:
                    speech_ends.append(start + turn * PERIOD_MS / 1000 + loop.speech_end_s)
                await socket.send(message)
            turn += 1
            if time.perf_counter() > until:
                break
        reading.cancel()


async def read(socket, delays: Delays, speech_ends: list[float], measure_from: float) -> None:
    stopped = 0.0
    waiting = False
    async for message in socket:
        kind = message[:60]
        if "speech_stopped" in kind:
            stopped, waiting = time.perf_counter(), True
        elif waiting and "response.output_audio.delta" in kind:
            now, waiting = time.perf_counter(), False
            if speech_ends and speech_ends[0] > measure_from:
                delays.after_turn.append(1000 * (now - stopped))
                delays.after_speech.append(1000 * (now - speech_ends[0]))
            speech_ends.clear()


def processes(pid: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def cpu_s(pids: list[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in fields) / TICKS


def own_memory_mb(pids: list[int]) -> float:
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


async def measure(sessions: int, seconds: float, loops: list[Loop]) -> str:
    command = [sys.executable, "-m", "realtime_nb.local", "--max-sessions", str(sessions)]
    if sessions > 1:
        command.append("--no-open-vocabulary")
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        said = json.loads(await server.stdout.readline())
        await asyncio.sleep(4)  # warming up: the first person has not spoken yet
        delays = Delays()
        begin = time.perf_counter()
        measure_from, until = begin + WARM_UP_S, begin + WARM_UP_S + seconds
        rng = random.Random(7)

        async def later(number: int) -> None:
            await asyncio.sleep(rng.uniform(0, PERIOD_MS / 1000))
            try:
                # Each says all sentences: how long one of them takes depends on where it ends within an append.
                in_turn = itertools.islice(itertools.cycle(loops), number % len(loops), None)
                await hold(said["url"], said["api_key"], in_turn, delays, until, measure_from)
            except InvalidStatus:
                delays.refused += 1

        holding = [asyncio.create_task(later(number)) for number in range(sessions)]
        await asyncio.sleep(measure_from - time.perf_counter())
        pids = processes(server.pid)
        before, own_before = cpu_s(pids), time.process_time()
        await asyncio.sleep(until - time.perf_counter())
        cpu, own = cpu_s(pids) - before, time.process_time() - own_before
        memory = own_memory_mb(pids)
        await asyncio.gather(*holding)
    finally:
        server.terminate()
        await server.wait()
    return row(sessions, delays, 100 * cpu / seconds, 100 * own / seconds, memory)


def row(sessions: int, delays: Delays, cpu: float, own_cpu: float, memory: float) -> str:
    def quantiles(values: list[float]) -> str:
        p50, p95 = np.percentile(values, [50, 95])
        return f"{p50:7.1f} {p95:7.1f} {max(values):7.1f}"

    turns = len(delays.after_turn)
    return (
        f"{sessions:8d} {turns:6d} {delays.refused:7d}   {quantiles(delays.after_speech)}   "
        f"{quantiles(delays.after_turn)}   {cpu:6.0f} {own_cpu:6.0f} {memory:7.0f}"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    loops = await make_loops()
    talk = np.mean([loop.speech_end_s for loop in loops]) * 1000 / PERIOD_MS
    print(f"{talk:.0%} talk; delays in ms; CPU in % of one core")
    print(f"{'':24}   {'after speech':^23}   {'after turn':^23}   {'server':^6} {'driver':^6} {'server':>7}")
    print(
        f"{'sessions':8} {'turns':>6} {'refused':>7}   "
        + "   ".join(f"{'p50':>7} {'p95':>7} {'max':>7}" for _ in range(2))
        + f"   {'CPU':>6} {'CPU':>6} {'MB':>7}"
    )
    for sessions in options.sessions:
        print(await measure(sessions, options.seconds, loops), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
