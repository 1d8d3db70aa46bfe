"""Loading an hour's recording: all its data frames, against pandas reading the bare events of the same file.

Run: ``python benchmarks/recording.py``. An hour by ear: microphone frames of 20 ms throughout, and a spoken answer of
5 s every 10 s, as the Realtime API sends it. Each pair is measured in turn, A B A B …, in a process that has pandas
loaded and, before each round, none of the recording; medians and the median of the ratios.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas

import realtime_nb as rt
from realtime_nb.protocol import events as ev
from realtime_nb.recording.files import About
from realtime_nb.recording.writer import Writer, claim

MINUTES = 60
ROUNDS = 5
FRAME_MS, ANSWER_EVERY_MS, ANSWER_MS, DELTA_MS = 20, 10_000, 5_000, 200
SETTINGS = {"model": "gpt-realtime-2.1", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}


def read(type: str, **fields: Any) -> tuple[str, Any]:
    return "received", ev.decode_server(
        json.dumps({"type": type, "event_id": f"event_{os.urandom(11).hex()}", **fields})
    )


def answer(number: int, voice: np.ndarray) -> Iterator[tuple[str, Any]]:
    """Yield the events of a spoken turn and its answer."""
    user, item, response = (f"{kind}_{number:024}" for kind in ("item_u", "item_a", "resp"))
    start_ms = number * ANSWER_EVERY_MS
    yield read("input_audio_buffer.speech_started", item_id=user, audio_start_ms=start_ms + 5_500)
    yield read("input_audio_buffer.speech_stopped", item_id=user, audio_end_ms=start_ms + 9_500)
    yield read("input_audio_buffer.committed", item_id=user, previous_item_id=None)
    shown = {"id": user, "type": "message", "role": "user", "status": "completed", "content": []}
    yield read("conversation.item.added", item=shown, previous_item_id=None)
    spoken = {"id": item, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    about = {"id": response, "object": "realtime.response", "conversation_id": "conv_1", "output": []}
    yield read("response.created", response=about | {"status": "in_progress"})
    yield read("response.output_item.added", response_id=response, output_index=0, item=spoken)
    yield read("conversation.item.added", item=spoken, previous_item_id=user)
    ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    samples = DELTA_MS * 24
    for piece in range(ANSWER_MS // DELTA_MS):
        yield read("response.output_audio_transcript.delta", **ids, delta="and another word ")
        pcm = np.resize(voice[piece * samples :], samples).tobytes()
        yield "received", ev.ResponseOutputAudioDelta(event_id=f"event_{os.urandom(11).hex()}", **ids, delta=pcm)
    usage = {"total_tokens": 200, "input_tokens": 100, "output_tokens": 100}
    yield read("response.done", response=about | {"status": "completed", "usage": usage})


def write_hour(folder: Path) -> rt.Recording:
    """Write a recording as a session would."""
    voice = np.frombuffer(rt.speak("What is two plus three? What time is it? What can you do?").to_pcm16(), "<i2")
    writer = Writer(claim(folder), About(session="RealtimeSession", model="gpt-realtime-2.1"))
    writer.add(0.0, *read("session.created", session=SETTINGS))
    for frame in range(MINUTES * 60_000 // FRAME_MS):
        elapsed_ms = (frame + 1) * FRAME_MS + 0.123
        start = frame * FRAME_MS * 24 % (len(voice) - FRAME_MS * 24)
        pcm = voice[start : start + FRAME_MS * 24].tobytes()
        writer.add(elapsed_ms, "sent", ev.InputAudioBufferAppend(audio=pcm))
        if elapsed_ms % ANSWER_EVERY_MS < FRAME_MS:
            for event in answer(frame * FRAME_MS // ANSWER_EVERY_MS, voice):
                writer.add(elapsed_ms, *event)
    writer.finish()
    return rt.Recording.load(folder)


def ours(folder: Path) -> float:
    """Load a recording and make all its frames."""
    start = time.perf_counter()
    recording = rt.Recording.load(folder)
    frames = recording.events, recording.turns, recording.usage, recording.latency
    elapsed = time.perf_counter() - start
    assert not any(frame.empty for frame in frames) and not recording.remarks
    return elapsed


def pandas_alone(folder: Path) -> float:
    """Read the lines of events, whose fields stay nested: one frame, no turns, no usage, no latency."""
    start = time.perf_counter()
    frame = pandas.read_json(folder / "events.jsonl", lines=True)
    elapsed = time.perf_counter() - start
    assert len(frame) > MINUTES * 3_000
    return elapsed


def whole(folder: Path) -> float:
    """Load the conversation with all its sound."""
    recording = rt.Recording.load(folder)
    start = time.perf_counter()
    assert recording.conversation.turns[0].audio is not None
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "hour"
        recording = write_hour(folder)
        size_mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(f"{len(recording):,} events, {size_mb:.0f} MB\n")
        pairs = [(ours(folder), pandas_alone(folder)) for _ in range(ROUNDS)]
        first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(y / x for x, y in pairs)
        print("| an hour's recording | realtime_nb | pandas.read_json(lines=True) | ratio |\n|---|---|---|---|")
        print(
            f"| events → data frames | {first:.2f} s, four frames | {second:.2f} s, one nested frame | {ratio:.1f} × |"
        )
        print(f"| the conversation with all its sound | {whole(folder):.1f} s | | |")


if __name__ == "__main__":
    main()
