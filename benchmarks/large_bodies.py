"""Whether large HTTP bodies delay a live session.

Starts a server of its own. One session sends 20 ms of sound every 20 ms, each time with a request that the server
answers at once (``input_audio_buffer.clear``): the time from when a frame was due until that answer
arrives is the frame's lag, both ways through the server's loop and this machine's scheduler. Meanwhile bodies of 20 MB
are sent back to back, in a thread that spends its time in the operating system.

    python benchmarks/large_bodies.py --seconds 15

The limit is 50 ms for the 99th percentile: the jitter that a player's buffer of 100 ms takes without a gap.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import http.client
import json
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import numpy as np
from websockets.asyncio.client import connect

from realtime_nb.local.synthesis.synthesizer import Synthesizer
from realtime_nb.media.clip import AudioClip

FRAME_MS = 20
LIMIT_MS = 50.0
BODY_BYTES = 20_000_000
SENTENCE = "Could you tell me where the next train station is, please?"
JSON = "application/json"
EDGE = "edge-of-the-form"


async def recording(size: int) -> bytes:
    """Return a WAV file of that many bytes: stereo speech at 48 kHz with pauses, as recorders write it."""
    async with Synthesizer() as synthesizer:
        pcm = await synthesizer.synthesize(SENTENCE, "echo")
    clip = AudioClip.from_pcm16(pcm + bytes(48_000)).resample(48_000)
    stereo = np.repeat(np.frombuffer(clip.to_pcm16(), "<i2"), 2)
    samples = np.resize(stereo, (size - 44) // 2 // 2 * 2)
    head = np.array([samples.nbytes + 36, 16, 0x0002_0001, 48_000, 192_000, 0x0010_0004, samples.nbytes], "<u4")
    number = [value.tobytes() for value in head]
    return b"RIFF" + number[0] + b"WAVEfmt " + b"".join(number[1:6]) + b"data" + number[6] + samples.tobytes()


def bodies(wav: bytes) -> dict[str, tuple[str, str, bytes]]:
    """Return the requests by name: path, content type, body."""
    sound = {"data": base64.b64encode(wav[: BODY_BYTES * 3 // 4 // 4 * 4]).decode(), "format": "wav"}
    content = [{"type": "input_audio", "input_audio": sound}]
    chat = {"model": "local-rules", "messages": [{"role": "user", "content": content}]}
    text = {"model": "local-rules", "messages": [{"role": "user", "content": "word " * (BODY_BYTES // 5)}]}
    small = {"model": "local-rules", "messages": [{"role": "user", "content": "Hi."}] * (BODY_BYTES // 34)}
    form = f'--{EDGE}\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--{EDGE}\r\n'
    form += 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return {
        "chat, a recording in JSON": ("/chat/completions", JSON, json.dumps(chat).encode()),
        "chat, one long text (refused)": ("/chat/completions", JSON, json.dumps(text).encode()),
        "chat, 600,000 messages (refused)": ("/chat/completions", JSON, json.dumps(small).encode()),
        "transcription, a form": (
            "/audio/transcriptions",
            f"multipart/form-data; boundary={EDGE}",
            form.encode() + wav + f"\r\n--{EDGE}--\r\n".encode(),
        ),
    }


class Sender:
    """Sends one request again and again."""

    def __init__(self, url: str, key: str, request: tuple[str, str, bytes]):
        self.answers: list[int] = []
        self._url, self._key, self._request = urlsplit(url), key, request
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _send(self) -> None:
        path, content_type, body = self._request
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": content_type}
        connection = http.client.HTTPConnection(self._url.hostname, self._url.port)
        while not self._ended.is_set():
            connection.request("POST", self._url.path + path, body, headers)
            answer = connection.getresponse()
            answer.read()
            self.answers.append(answer.status)
        connection.close()


async def lags_ms(url: str, key: str, seconds: float) -> list[float]:
    """Return the lag of each frame of a session of that length."""
    address = f"{url.replace('http', 'ws')}/realtime?model=local-rules"
    manual = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    frame = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(FRAME_MS * 48)).decode()}
    append, clear = json.dumps(frame), json.dumps({"type": "input_audio_buffer.clear"})
    due: list[float] = []
    lags: list[float] = []
    headers = {"Authorization": f"Bearer {key}"}
    frames = round(seconds * 1000 / FRAME_MS)
    async with connect(address, additional_headers=headers, compression=None, max_size=None) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": manual}))
        while "session.updated" not in str(await socket.recv())[:60]:
            pass

        async def listen() -> None:
            async for message in socket:
                if "input_audio_buffer.cleared" in str(message)[:80]:
                    lags.append(1000 * (time.perf_counter() - due[len(lags)]))
                if len(lags) == frames:
                    return

        listening = asyncio.create_task(listen())
        start = time.perf_counter()
        for number in range(frames):
            due.append(start + number * FRAME_MS / 1000)
            await asyncio.sleep(max(0.0, due[-1] - time.perf_counter()))
            await socket.send(append)
            await socket.send(clear)
        await listening
    return lags


def row(name: str, lags: list[float], answers: list[int]) -> str:
    p50, p95, p99 = np.percentile(lags, [50, 95, 99])
    statuses = ", ".join(f"{answers.count(status)} x {status}" for status in sorted(set(answers)))
    verdict = "" if not answers else "ok" if p99 <= LIMIT_MS else "TOO SLOW"
    return f"{name:34} {p50:7.1f} {p95:7.1f} {p99:7.1f} {max(lags):7.1f}   {statuses:14} {verdict}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    requests = bodies(await recording(BODY_BYTES))
    command = [sys.executable, "-m", "realtime_nb.local", "--no-open-vocabulary"]
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        said = json.loads(await server.stdout.readline())
        url, key = said["url"], said["api_key"]
        await asyncio.sleep(4)  # warming up
        print(f"{'lag of a frame in ms':34} {'p50':>7} {'p95':>7} {'p99':>7} {'max':>7}   answers")
        print(row("no other requests", await lags_ms(url, key, options.seconds), []))
        for name, request in requests.items():
            with Sender(url, key, request) as sender:
                lags = await lags_ms(url, key, options.seconds)
            print(row(name, lags, sender.answers), flush=True)
    finally:
        server.terminate()
        await server.wait()


if __name__ == "__main__":
    asyncio.run(main())
