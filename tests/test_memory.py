import gc
import os
import sys
from pathlib import Path

import pytest

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Part, Reply, Turn


def rss_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def spoken(conversation, number, kept):
    """Add an exchange of 400 kB of sound, with something small behind each piece that lives on."""
    asked, answer = Turn(item_id=f"U{number}", role="user"), Turn(item_id=f"A{number}", role="assistant")
    asked.reply = Reply(f"R{number}", outputs={0: answer}, asked=asked)
    part = answer.parts[0] = Part(kind="audio")
    for _ in range(10):
        part.add_audio(os.urandom(40_000))
        kept.append(bytearray(600))
    conversation._index.turns |= {turn.item_id: turn for turn in (asked, answer)}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted as Linux does")
def test_the_sound_of_a_conversation_that_is_gone_leaves_the_process():
    gc.collect()
    before_mb = rss_mb()
    conversation, kept = Conversation(), []
    for number in range(250):
        spoken(conversation, number, kept)
    assert rss_mb() > before_mb + 80
    del conversation
    gc.collect()
    assert rss_mb() < before_mb + 20
