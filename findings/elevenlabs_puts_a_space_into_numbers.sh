#!/usr/bin/env bash
# elevenlabs 2.78.0: convert_realtime, which speaks a text while a language model still writes it, sends "$3.50" as "$3. " and "50 ",
# "10:30" as "10: " and "30 ", "1,000" as "1, " and "000 ", and "-5" as "- " and "5 ", if a token of the model ends at the mark. A text that
# comes in one piece is sent as it is, with a space behind it.
#
# You would expect the model's text, in whatever pieces it comes: a voice that reads "$3. 50" says another price. The function that cuts it
# says that it sets the last character to a space, and not that it adds one where there was none; models give points, commas and colons
# between digits as tokens of their own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check elevenlabs==2.78.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import json
from contextlib import contextmanager
from importlib.metadata import version

from elevenlabs import realtime_tts
from elevenlabs.client import ElevenLabs
from websockets.exceptions import ConnectionClosedOK
from websockets.frames import Close


class Socket:
    """A connection that keeps what is sent and brings no sound."""

    def __init__(self):
        self.sent = []

    def send(self, message):
        self.sent.append(json.loads(message)["text"])

    def recv(self, timeout=None):
        if timeout is not None:
            raise TimeoutError
        raise ConnectionClosedOK(Close(1000, ""), Close(1000, ""), rcvd_then_sent=True)


def sent(tokens):
    socket = Socket()

    @contextmanager
    def connect(*args, **kwargs):
        yield socket

    realtime_tts.connect = connect
    client = ElevenLabs(api_key="none")
    list(client.text_to_speech.convert_realtime("voice", text=iter(tokens), model_id="eleven_flash_v2_5"))
    return "".join(socket.sent).strip()


texts = {
    "It costs $3.50 today": ["It", " costs", " $", "3", ".", "50", " today"],
    "Meet at 10:30 sharp": ["Meet", " at", " ", "10", ":", "30", " sharp"],
    "We sold 1,000 of them": ["We", " sold", " ", "1", ",", "000", " of", " them"],
    "It is -5 degrees": ["It", " is", " -", "5", " degrees"],
}
heard = {}
for text, tokens in texts.items():
    assert "".join(tokens) == text
    heard[text] = sent(tokens)
    print(f"elevenlabs {version('elevenlabs')}: {text!r} is sent as {heard[text]!r}, in one piece as {sent([text])!r}")
    assert sent([text]) == text
assert [" ".join(text.split()) for text in heard.values()] == [
    "It costs $3. 50 today",
    "Meet at 10: 30 sharp",
    "We sold 1, 000 of them",
    "It is - 5 degrees",
]
PYTHON
