"""The end of turns in a server of its own, on loopback, with its own ears: nothing here is scripted but the speech."""

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.local.weights import SMART_TURN
from realtime_nb.media.clip import AudioClip, concatenate


def said(text, quiet_s):
    """Return a sentence with quiet around it, and where it ends in ms."""
    clip = rt.speak(text, voice="echo").resample(24_000)
    loud = np.flatnonzero(np.abs(clip.samples) > 0.01)
    words = clip.cut(loud[0] / 24_000, loud[-1] / 24_000)
    quiet = [AudioClip(np.zeros(round(24_000 * seconds), np.float32)) for seconds in (0.5, quiet_s)]
    return concatenate([quiet[0], words, quiet[1]]), 500 + words.duration_s * 1000


@pytest.mark.parametrize(
    ("text", "waits_ms"),
    [
        # Our own speech does not sound like a person's to the network: it may well object.
        ("What time is it?", (800, 3_200)),
        ("I would like to go to the", (3_200, 6_632)),
    ],
)
def test_a_turn_ends_by_what_was_said(text, waits_ms):
    clip, end_ms = said(text, quiet_s=1)
    detection = {"type": "semantic_vad", "eagerness": "low", "create_response": False}
    with rt.RealtimeSession(backend="local", turn_detection=detection) as session:
        session.listen_to(clip, speed=1).result(60)
        (turn,) = [turn for turn in session.conversation.turns if turn.role == "user"]
    waited_ms = turn.audio_end_ms - end_ms
    assert any(wait_ms - 100 <= waited_ms <= wait_ms + 100 for wait_ms in waits_ms), waited_ms


def test_the_server_says_what_semantic_turns_go_by():
    name = rt.Backend.local().parts.end_of_turn.name
    assert name.endswith(f"{SMART_TURN.name} + words" if SMART_TURN.is_installed else "VAD + words")
