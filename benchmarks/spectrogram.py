"""Pictures, against librosa's own way: ``librosa.stft``, ``amplitude_to_db``, ``specshow`` and a PNG.

Run: ``python benchmarks/spectrogram.py``. Each pair is measured in turn, A B A B …, after one of each; medians and the
median of the ratios. Both draw the same 60 s, at librosa's own window and hop, into pictures of the same size.
"""

import io
import statistics
import time
from collections.abc import Callable

import librosa
import librosa.display
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from realtime_nb import AudioClip, speak, spectrogram

SECONDS = 60
RATE = 24_000
WINDOW, HOP = 2_048, 512
ROUNDS = 9


def minute() -> AudioClip:
    """Return a minute of speech with pauses, over a floor of noise."""
    spoken = speak("What can you do? I can tell you the time. What is two plus three?").resample(RATE).samples
    samples = np.resize(np.concatenate([spoken, np.zeros(RATE)]), SECONDS * RATE)
    return AudioClip(samples + 1e-3 * np.random.default_rng(0).normal(size=len(samples)), RATE)


def librosas(clip: AudioClip) -> bytes:
    """Draw as librosa's documentation does."""
    energy = librosa.amplitude_to_db(np.abs(librosa.stft(clip.samples, n_fft=WINDOW, hop_length=HOP)), ref=np.max)
    figure = Figure(figsize=(8, 2.66), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    image = librosa.display.specshow(energy, sr=RATE, hop_length=HOP, x_axis="time", y_axis="hz", ax=axes)
    figure.colorbar(image, ax=axes, format="%+2.0f dB")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def seconds(draw: Callable[[], bytes]) -> float:
    """Wall time of a call that returns a PNG."""
    start = time.perf_counter()
    assert draw().startswith(b"\x89PNG")
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    clip = minute()
    alike = {"hop_ms": 1000 * HOP / RATE, "window_ms": 1000 * WINDOW / RATE}
    kinds: dict[str, Callable[[], bytes]] = {
        "stft, same window and hop": lambda: spectrogram(clip, "stft", **alike).png,
        "mel, as a reply shows it": lambda: spectrogram(clip).png,
        "mel, as SVG": lambda: b"\x89PNG" + spectrogram(clip).svg.encode(),
        "cqt": lambda: spectrogram(clip, "cqt").png,
    }
    print("| 60 s | realtime_nb | librosa stft + specshow | ratio |\n|---|---|---|---|")
    for name, draw in kinds.items():
        draw(), librosas(clip)
        pairs = [(seconds(draw), seconds(lambda: librosas(clip))) for _ in range(ROUNDS)]
        ours, theirs = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"| {name} | {ours:.0f} ms | {theirs:.0f} ms | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
