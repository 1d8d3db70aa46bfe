#!/usr/bin/env bash
# pipecat-ai 1.14.0: TwilioFrameSerializer does not send the end of a reply at pipecat's own rate of 24 kHz: it stays in
# its resampler, which drops it when the next reply comes after more than 0.2 s. That is 17 to 152 ms by the reply's
# length: of 400 ms, a "yes", 125.
#
# You would expect all of a reply to be sent, late at worst, as the transport before it flushes its own resampler; the
# documentation of resampler_clear_after_secs speaks of stale history and not of sound. Replies made at 8 kHz are whole.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pipecat-ai==1.14.0
cd "$folder"
venv/bin/python -W ignore::DeprecationWarning - <<'PYTHON'
import asyncio
import base64
import json
import math
import struct
from importlib.metadata import version

from loguru import logger

logger.remove()

from pipecat.frames.frames import BotStoppedSpeakingFrame, OutputAudioRawFrame, TTSStoppedFrame
from pipecat.serializers.twilio import TwilioFrameSerializer


async def sent_ms(rate):
    """Return how many ms of each of two replies of 400 ms are sent to Twilio."""
    params = TwilioFrameSerializer.InputParams(auto_hang_up=False)
    serializer = TwilioFrameSerializer(stream_sid="MZ0", params=params)
    found = []
    for _ in range(2):
        frames = []
        for start in range(0, 400 * rate // 1000, rate // 50):
            samples = [round(8_000 * math.sin(k * 2_000 / rate)) for k in range(start, start + rate // 50)]
            frames.append(OutputAudioRawFrame(struct.pack(f"<{len(samples)}h", *samples), rate, 1))
        media = [await serializer.serialize(each) for each in [*frames, TTSStoppedFrame(), BotStoppedSpeakingFrame()]]
        payloads = [base64.b64decode(json.loads(each)["media"]["payload"]) for each in media if each]
        found.append(sum(map(len, payloads)) / 8)  # One byte a sample at 8 kHz.
        await asyncio.sleep(0.5)  # The caller speaks.
    return found


found = {rate: asyncio.run(sent_ms(rate)) for rate in (8_000, 24_000)}
print(f"pipecat-ai {version('pipecat-ai')}, ms sent of two replies of 400 ms by their rate: {found}")
assert found[8_000] == [400, 400]
assert all(250 < each < 330 for each in found[24_000]), found
PYTHON
