"""The local server's voices: how good they sound, what they cost, and how exact the times of their words are.

Run: ``python benchmarks/voices.py``, with the extras ``local`` and ``mos``. The default voice is measured as it is, and
as espeak-ng speaks it where hibari is not installed, in turn, beside other voices of espeak-ng. DNSMOS
estimates listeners' ratings; nobody was asked. The times of words are compared with PocketSphinx's forced alignment,
which has errors of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import numpy as np
import pocketsphinx

from realtime_nb import AudioClip
from realtime_nb.local.synthesis.synthesizer import Speech, Synthesizer
from realtime_nb.speech.voice import measure_voice

# Harvard sentences, list 1 and 2 (IEEE, 1969).
SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "The hogs were fed chopped corn and garbage.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
    "A rod is used to catch pink salmon.",
    "The source of the huge river is the clear spring.",
    "Kick the ball straight and follow through.",
    "Help the woman get back to her feet.",
    "A pot of tea helps to pass the evening.",
    "Smoky fires lack flame and heat.",
    "The soft cushion broke the man's fall.",
    "The salt breeze came across from the sea.",
    "The girl at the booth sold fifty bonds.",
)
VOICES = (("marin", True), ("marin", False), ("echo", True), ("sage", True))
ROUNDS = 3


def cpu_s(pid: int | None) -> float:
    """Return the CPU time of this process and of the one with espeak-ng."""
    fields = Path(f"/proc/{pid}/schedstat").read_text().split() if pid else ["0"]
    return time.process_time() + int(fields[0]) / 1e9


def memory_mb() -> float:
    """Return the memory that only this process uses."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


async def spoken(voice: str, with_hibari: bool) -> tuple[list[list[Speech]], list[float], list[float]]:
    """Return the pieces of each sentence, and ms of CPU and until the first piece, by sentence."""
    pieces, cpu_ms, first_ms = [], [], []
    async with Synthesizer() as synthesizer:
        if with_hibari:
            await synthesizer.warm_up()
        else:
            synthesizer.without_neural = "left out by the benchmark"
        await synthesizer.synthesize("Hello.", voice)
        for sentence in SENTENCES:
            began, cpu_began = time.perf_counter(), cpu_s(synthesizer.pid)
            pieces.append([])
            async for piece in synthesizer.speak(sentence, voice=voice):
                if not pieces[-1]:
                    first_ms.append(1000 * (time.perf_counter() - began))
                pieces[-1].append(piece)
            cpu_ms.append(1000 * (cpu_s(synthesizer.pid) - cpu_began))
    return pieces, cpu_ms, first_ms


def word_errors(clip: AudioClip, sentence: str, pieces: list[Speech]) -> list[float]:
    """Return how far each word's time is from the aligner's, in ms; none if it finds no word."""
    aligner = pocketsphinx.Decoder(lm=None, bestpath=False, loglevel="FATAL")
    timed = [word for piece in pieces for word in piece.words]
    aligner.set_align_text(" ".join(sentence[index:].split()[0].strip(".").lower() for index, _ in timed))
    samples = np.pad(clip.resample(16_000).samples, 1_600)
    aligner.start_utt()
    aligner.process_raw(AudioClip(samples, 16_000).to_pcm16(), full_utt=True)
    aligner.end_utt()
    found = [10 * each.start_frame - 100 for each in aligner.seg() or () if each.word[0] not in "<["]
    return [ms - at for (_, ms), at in zip(timed, found, strict=True)] if len(found) == len(timed) else []


async def main() -> None:
    """Print the tables."""
    before_mb = memory_mb()
    async with Synthesizer() as synthesizer:
        began, cpu_began = time.perf_counter(), time.process_time()
        await synthesizer.warm_up()
        took_s, took_cpu_s, loaded_mb = time.perf_counter() - began, time.process_time() - cpu_began, memory_mb()
        for sentence in SENTENCES:
            await synthesizer.synthesize(sentence, "marin")
    print(
        f"hibari: loaded in {took_s:.2f} s ({took_cpu_s:.2f} s of the processor); {loaded_mb - before_mb:.0f} MB then, "
        f"{memory_mb() - before_mb:.0f} MB after {len(SENTENCES)} sentences\n"
    )
    rows: dict[tuple[str, bool], tuple[list[list[Speech]], list[float], list[float]]] = {}
    for _ in range(ROUNDS):
        for key in VOICES:
            pieces, cpu_ms, first_ms = await spoken(*key)
            _, cpu_before, first_before = rows.get(key, ([], [], []))
            rows[key] = (pieces, cpu_before + cpu_ms, first_before + first_ms)
    print("| voice | engine | DNSMOS, mean / lowest | CPU a sentence | first piece | words off by, bias / p50 / p95 |")
    print("|---|---|---|---|---|---|")
    for (voice, _), (pieces, cpu_ms, first_ms) in rows.items():
        clips = [AudioClip.from_pcm16(b"".join(piece.pcm for piece in each)) for each in pieces]
        moses = [measure_voice(clip, dnsmos=True).dnsmos_ovrl for clip in clips]
        together = zip(clips, SENTENCES, pieces, strict=True)
        errors = np.array([error for each in together for error in word_errors(*each)])
        first_p95 = np.percentile(first_ms, 95)
        print(
            f"| {voice} | {pieces[0][0].engine} | {statistics.mean(moses):.2f} / {min(moses):.2f} "
            f"| {statistics.median(cpu_ms):.1f} ms | {statistics.median(first_ms):.1f} / {first_p95:.1f} ms "
            f"| {np.median(errors):+.0f} / {np.median(abs(errors)):.0f} / {np.percentile(abs(errors), 95):.0f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    asyncio.run(main())
