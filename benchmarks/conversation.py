"""A conversation of 1,200 spoken turns, against another build of the package: its view, the panel's work, its memory.

Run: ``python benchmarks/conversation.py --against PATH``, PATH being a checkout of the other build, e.g. made by
``git worktree add PATH COMMIT``. Both are measured in turn, A B A B …, each time in a fresh interpreter that has
already shown a small conversation; seconds and microseconds are of the processor, medians and the median of the ratios.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).resolve().parents[1]
TURNS = 1_200
#: Turns of three seconds: 173 MB of sound.
SPOKEN_MS, DELTA_MS, EVERY_MS = 3_000, 200, 8_000
SETTINGS = {
    "model": "gpt-realtime-2.1",
    "audio": {
        "input": {"turn_detection": {"type": "server_vad"}, "transcription": {"model": "gpt-4o-mini-transcribe"}}
    },
}
WORDS = "and a word "


def voice() -> bytes:
    """Return ten seconds of sound that is as hard to encode as speech."""
    import numpy as np

    t = np.arange(240_000) / 24_000
    tones = (np.sin(2 * np.pi * 130 * k * t + 3 * np.sin(2 * np.pi * (1.5 + k / 7) * t)) / k for k in range(1, 12))
    samples = sum(tones) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) * 0.08
    samples = samples + np.random.default_rng(1).normal(0, 0.01, len(t))
    return (samples * 32_767).astype("<i2").tobytes()


def exchange(number: int, sound: bytes) -> Iterator[tuple[float, Any]]:
    """Yield the events of a spoken question and its answer, with the session's time."""
    from realtime_nb.protocol import events as ev

    def read(type: str, **fields: Any) -> Any:
        return ev.decode_server(json.dumps({"type": type, "event_id": f"event_{os.urandom(11).hex()}", **fields}))

    def piece(at_ms: int) -> bytes:
        start = (number * 977 + at_ms) * 48 % (len(sound) - 48 * 500)
        return sound[start:]

    user, item, response = (f"{kind}_{number:024}" for kind in ("item_u", "item_a", "resp"))
    before = f"item_a_{number - 1:024}" if number else None
    ms, start_ms = number * EVERY_MS, number * SPOKEN_MS
    for at_ms in range(0, SPOKEN_MS, 500):
        yield ms + at_ms, ev.InputAudioBufferAppend(audio=piece(at_ms)[: 48 * 500])
    ms += SPOKEN_MS
    yield ms, read("input_audio_buffer.speech_started", item_id=user, audio_start_ms=start_ms)
    yield ms, read("input_audio_buffer.speech_stopped", item_id=user, audio_end_ms=start_ms + SPOKEN_MS)
    yield ms, read("input_audio_buffer.committed", item_id=user, previous_item_id=before)
    heard = [{"type": "input_audio", "transcript": None}]
    asked = {"id": user, "type": "message", "role": "user", "status": "completed", "content": heard}
    yield ms, read("conversation.item.added", item=asked, previous_item_id=before)
    about = {"id": response, "object": "realtime.response", "conversation_id": "conv_1", "output": []}
    spoken = {"id": item, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    yield ms, read("response.created", response=about | {"status": "in_progress"})
    took = {"type": "tokens", "input_tokens": 30, "output_tokens": 9, "input_token_details": {"audio_tokens": 30}}
    kind = "conversation.item.input_audio_transcription.completed"
    yield ms, read(kind, item_id=user, content_index=0, transcript=f"What is {number} plus three?", usage=took)
    yield ms, read("response.output_item.added", response_id=response, output_index=0, item=spoken)
    yield ms, read("conversation.item.added", item=spoken, previous_item_id=user)
    ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    for at_ms in range(0, SPOKEN_MS, DELTA_MS):
        yield ms, read("response.output_audio_transcript.delta", **ids, delta=WORDS)
        yield (
            ms,
            ev.ResponseOutputAudioDelta(
                event_id=f"event_{os.urandom(11).hex()}", **ids, delta=piece(at_ms)[: 48 * DELTA_MS]
            ),
        )
    text = WORDS * (SPOKEN_MS // DELTA_MS)
    yield ms, read("response.output_audio.done", **ids)
    yield ms, read("response.output_audio_transcript.done", **ids, transcript=text)
    done = spoken | {"status": "completed", "content": [{"type": "output_audio", "transcript": text}]}
    yield ms, read("conversation.item.done", item=done, previous_item_id=user)
    usage = {
        "input_tokens": 200,
        "output_tokens": 100,
        "input_token_details": {"text_tokens": 50, "audio_tokens": 150, "cached_tokens": 100},
        "output_token_details": {"text_tokens": 30, "audio_tokens": 70},
    }
    yield ms, read("response.done", response=about | {"status": "completed", "usage": usage, "output": [done]})


def talk(turns: int, sound: bytes) -> Any:
    """Return a conversation of that many turns; two make an exchange."""
    from realtime_nb.conversation.conversation import Conversation
    from realtime_nb.protocol import events as ev

    conversation = Conversation()
    conversation.apply(ev.decode_server(json.dumps({"type": "session.created", "session": SETTINGS})), 0.0)
    for number in range(turns // 2):
        for elapsed_ms, event in exchange(number, sound):
            conversation.apply(event, elapsed_ms)
    return conversation


def rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


# --- what is measured, each in an interpreter of its own -------------------------------------------------------------


def measure_view() -> dict[str, float]:
    """Measure what a cell shows of the conversation: first, and again."""
    sound = voice()
    talk(4, sound)._repr_mimebundle_()
    conversation = talk(TURNS, sound)
    took = {}
    for name in ("view", "view again"):
        start, start_cpu = time.perf_counter(), time.process_time()
        bundle = conversation._repr_mimebundle_()
        took[name], took[f"{name}, CPU"] = time.perf_counter() - start, time.process_time() - start_cpu
    took["MB of HTML"] = len(bundle["text/html"]) / 1e6
    took["players"] = bundle["text/html"].count("<audio")
    return took


def measure_memory() -> dict[str, float]:
    """Measure what a conversation and its view leave behind."""
    sound = voice()
    talk(4, sound)._repr_mimebundle_()
    gc.collect()
    before_mb = rss_mb()
    conversation = talk(TURNS, sound)
    made_mb = rss_mb()
    shown = conversation._repr_mimebundle_()
    shown_mb = rss_mb()
    del conversation, shown
    gc.collect()
    return {"made": made_mb - before_mb, "shown": shown_mb - before_mb, "after": rss_mb() - before_mb}


def measure_panel() -> dict[str, float]:
    """Measure the work of a session and its panel for an event after that many turns; µs."""
    import asyncio

    from realtime_nb import loop
    from realtime_nb.protocol import events as ev
    from realtime_nb.sessions.budget import BudgetWatch, SessionBounds
    from realtime_nb.sessions.event_log import SessionEvents
    from realtime_nb.widgets.panel_link import PanelLink

    sound, took = voice(), {}

    async def measured(turns: int) -> float:
        session_events, own = SessionEvents(), SessionBounds()
        session = SimpleNamespace(
            conversation=session_events.conversation,
            listen=session_events.listen,
            bounds=own,
            turn_detection={"type": "server_vad"},
            attend=lambda is_there: lambda: None,
            open_approvals=[],
            is_held=lambda response_id: False,
            is_late=lambda response_id: False,
            state="open",
            model="gpt-realtime-2.1",
            voice="marin",
            backend=SimpleNamespace(name="benchmark"),
            instructions="",
            tool_names=[],
            note=lambda event: None,
            elapsed_ms=0.0,
        )
        sent: list[Any] = []
        road = SimpleNamespace(kind="direct", send=lambda message, urgent=False: sent.append(json.dumps(message)))
        BudgetWatch(session_events, own, lambda error: asyncio.sleep(0))
        # Builds differ in what a line asks for.
        hooks = [name for name in inspect.signature(PanelLink).parameters if name == "watch" or name.startswith("on_")]
        line = PanelLink(session, road, **dict.fromkeys(hooks, lambda *told: None))
        session_events.note("received", ev.decode_server(json.dumps({"type": "session.created", "session": SETTINGS})))
        for number in range(turns // 2):
            for _, event in exchange(number, sound):
                session_events.note("received", event)
                if not isinstance(event, ev.InputAudioBufferAppend):
                    session_events.tell(event)
        line.greet()
        sent.clear()
        times = []
        for number in range(turns // 2, turns // 2 + 20):
            events = [event for _, event in exchange(number, sound)]
            start = time.process_time()
            for event in events:
                session_events.note("received", event)
                session_events.tell(event)
                line._send_rows()  # The page is told ten times a second at most; here after each event.
            times.append((time.process_time() - start) / len(events) * 1e6)
        took[f"{turns} turns, bytes"] = sum(map(len, sent)) / 20 / len(events)
        line.hang_up()
        return statistics.median(times)

    for turns in (10, 100, TURNS):
        took[f"{turns} turns"] = loop.submit(measured(turns)).result()
    return took


def measure_fold() -> dict[str, float]:
    """Measure an audio delta, bytes to folded record; µs."""
    sys.path.insert(0, str(HERE / "benchmarks"))
    import core

    messages = core.audio_deltas()
    return {name: core.ours(messages, count) * 1e6 for name, count in (("replies of 10 s", 20), ("200 s", 1))}


MEASURES = {"view": measure_view, "panel": measure_panel, "memory": measure_memory, "fold": measure_fold}


def measured(measure: str, build: Path) -> dict[str, float]:
    """Measure a build in a fresh interpreter."""
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", measure]
    environment = os.environ | {"PYTHONPATH": str(build)}
    done = subprocess.run(command, env=environment, cwd=build, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, default=HERE, help="a checkout of the other build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=MEASURES, action="append")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURES[options.measure]()))
        return
    for measure in options.only or MEASURES:
        pairs = [(measured(measure, HERE), measured(measure, options.against)) for _ in range(options.rounds)]
        print(f"\n| {measure} | this build | the other | ratio |\n|---|---|---|---|")
        for name in pairs[0][0]:
            ours, other = (statistics.median(each[side][name] for each in pairs) for side in (0, 1))
            ratio = statistics.median(a[name] / b[name] if b[name] else float("nan") for a, b in pairs)
            print(f"| {name} | {ours:.4g} | {other:.4g} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
