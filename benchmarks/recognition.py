"""Speech recognition: wrong words on clean clips, by telephone and in noise, and the CPU time.

Run: ``python benchmarks/recognition.py FOLDER [--ears MODEL]``. The folder holds clips and ``references.tsv``: a line
of titles, then a line for each clip with its file's name, a tab, and its words. Each recogniser hears each clip as it
is, as 8 kHz mu-law, by telephone (mu-law, 300 to 3,400 Hz), and with white noise at 10 dB. Words are
compared by Whisper's rules for English, so that "7" is "seven". Seconds are CPU time of all threads for
a second of speech. ``--ears`` adds a model, by folder or by name, as the local voice takes it.
"""

import argparse
import asyncio
import csv
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import numpy as np

from realtime_nb import AudioClip
from realtime_nb.experiments.conditions import Noise, Telephone
from realtime_nb.local.recognition.decoder import make_decoder
from realtime_nb.local.recognition.ears import open_ears
from realtime_nb.local.recognition.heard import SAMPLE_RATE
from realtime_nb.local.recognition.language_model import model_folder
from realtime_nb.media.g711 import decode_ulaw, encode_ulaw
from realtime_nb.speech.words import error_rates


class MuLaw:
    """8 bits a sample at 8 kHz, as in the API's ``audio/pcmu``."""

    def apply(self, clip: AudioClip, random: np.random.Generator) -> AudioClip:
        """Send the clip over it."""
        return AudioClip.from_pcm16(decode_ulaw(encode_ulaw(clip.to_pcm16(8_000))), 8_000)


CONDITIONS = {"clean": None, "mu-law": MuLaw(), "telephone": Telephone(), "white noise 10 dB": Noise(10)}
Listen = Callable[[bytes], Awaitable[str]]


def read(folder: Path) -> list[tuple[AudioClip, str]]:
    with (folder / "references.tsv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    return [(AudioClip.from_file(folder / row[0]), row[1]) for row in rows]


def under(condition: MuLaw | Telephone | Noise | None, clip: AudioClip) -> bytes:
    if condition is not None:
        clip = condition.apply(clip, np.random.default_rng(0))
    return clip.to_pcm16(SAMPLE_RATE)


async def from_ears(spec: str, pcm: bytes, kept: dict) -> str:
    if spec not in kept:
        kept[spec] = await open_ears(spec)
        await kept[spec].warm_up()
    return (await kept[spec].listen(pcm)).text


async def by_generic_model(pcm: bytes, kept: dict) -> str:
    if "generic" not in kept:
        folder = model_folder()
        kept["generic"] = make_decoder(folder / "en-us.lm.bin", folder / "cmudict-en-us.dict", language_weight=6.5)
    return " ".join(word.text for word in kept["generic"].decode(pcm).words)


async def measure(clips: list[tuple[AudioClip, str]], listen: Listen) -> list[str]:
    """Return a row's cells: words wrong under each condition, CPU seconds for a second of speech, and for a clip."""
    wrong, took, heard_s = [], [], []
    for condition in CONDITIONS.values():
        pairs = []
        for clip, words in clips:
            pcm = under(condition, clip)
            await listen(pcm) if not took else None  # Nothing is made or loaded while the clock runs.
            started = time.process_time()
            pairs.append((words, await listen(pcm), "en"))
            took.append(time.process_time() - started)
            heard_s.append(clip.duration_s)
        wrong.append(f"{100 * error_rates(pairs)[0]:.1f} %")
    return [*wrong, f"{sum(took) / sum(heard_s):.3f} s", f"{np.median(took):.2f} s"]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ears", action="append", default=[], metavar="MODEL")
    options = parser.parse_args()
    clips = read(options.folder)
    words = sum(len(words.split()) for _, words in clips)
    print(f"{len(clips)} clips, {sum(clip.duration_s for clip, _ in clips):.0f} s, {words} words\n")
    print(f"| | {' | '.join(CONDITIONS)} | CPU, a second of speech | CPU, a clip (median) | most memory so far |")
    print("|---" * (len(CONDITIONS) + 4) + "|")
    kept: dict = {}
    rows: dict[str, Listen] = {
        "Whisper tiny.en": partial(from_ears, "", kept=kept),
        **{f"Whisper {spec}": partial(from_ears, spec, kept=kept) for spec in options.ears},
        "PocketSphinx, as the local voice uses it": partial(from_ears, "pocketsphinx", kept=kept),
        "PocketSphinx, its generic model alone": partial(by_generic_model, kept=kept),
    }
    for name, listen in rows.items():
        cells = await measure(clips, listen)
        most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        print(f"| {name} | {' | '.join(cells)} | {most_mb:.0f} MB |", flush=True)
    for ears in kept.values():
        if hasattr(ears, "close"):
            ears.close()


asyncio.run(main())
