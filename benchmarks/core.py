"""Reading events and importing the package, against the official SDK.

Run: ``python benchmarks/core.py``. Each pair is measured in turn, A B A B …; medians and the median of the ratios.
"""

import base64
import json
import os
import statistics
import subprocess
import sys
import time

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.protocol.realtime import RealtimeProtocol

EVENTS = 2_000
ROUNDS = 15


def audio_deltas() -> list[bytes]:
    """Make messages as a server sends them: 100 ms of audio each, ids of the usual length."""
    ids = {"response_id": "resp_" + "a" * 21, "item_id": "item_" + "b" * 21, "output_index": 0, "content_index": 0}
    return [
        json.dumps(
            {
                "type": "response.output_audio.delta",
                "event_id": f"event_{number:021}",
                **ids,
                "delta": base64.b64encode(os.urandom(4_800)).decode(),
            }
        ).encode()
        for number in range(EVENTS)
    ]


def ours(messages: list[bytes], conversations: int) -> float:
    """Bytes to folded record: decode, update the state machine, fold. CPU seconds per event."""
    size = len(messages) // conversations
    start = time.process_time()
    for first in range(0, len(messages), size):
        protocol, conversation = RealtimeProtocol(), Conversation()
        for message in messages[first : first + size]:
            conversation.apply(protocol.receive(message), 0.0)
    elapsed = time.process_time() - start
    assert conversation.received_ms("item_" + "b" * 21) == 100 * size
    return elapsed / len(messages)


def official(messages: list[bytes], conversations: int) -> float:
    """Parse with the SDK's connection: message to typed event, its audio still base64. CPU seconds per event."""
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

    parse = AsyncRealtimeConnection.__new__(AsyncRealtimeConnection).parse_event
    size = len(messages) // conversations
    start = time.process_time()
    for first in range(0, len(messages), size):
        kept = [parse(message) for message in messages[first : first + size]]
    elapsed = time.process_time() - start
    assert len(kept) == size
    return elapsed / len(messages)


def fresh_s(code: str) -> float:
    """Return the CPU seconds of code in a fresh interpreter with bytecode, without the interpreter's own start."""
    code = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


def compare(name: str, unit: float, sign: str, a, b) -> None:
    """Measure two things in turn and print a row."""
    pairs = [(a(), b()) for _ in range(ROUNDS)]
    first, second = (statistics.median(column) * unit for column in zip(*pairs, strict=True))
    ratio = statistics.median(y / x for x, y in pairs)
    print(f"| {name} | {first:.1f} {sign} | {second:.1f} {sign} | {ratio:.1f} × |")


def main() -> None:
    """Print the table."""
    messages = audio_deltas()
    print("| | realtime_nb | openai | ratio |\n|---|---|---|---|")
    for name, conversations in (("a reply of 10 s", EVENTS // 100), ("a conversation of 200 s", 1)):
        compare(
            f"audio delta, bytes → folded record, {name}",
            1e6,
            "µs",
            lambda count=conversations: ours(messages, count),
            lambda count=conversations: official(messages, count),
        )
    official_s = lambda: fresh_s("import openai")  # noqa: E731
    compare("import", 1e3, "ms", lambda: fresh_s("import realtime_nb"), official_s)
    use = "import realtime_nb as rt; rt.VoicePanel(rt.RealtimeSession(backend='openai', api_key='none'))"
    compare("import and first use of session and panel", 1e3, "ms", lambda: fresh_s(use), official_s)


if __name__ == "__main__":
    main()
