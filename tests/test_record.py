import subprocess
import sys

import numpy as np
import pytest

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.records import Reply, Turn
from realtime_nb.display import Record
from realtime_nb.media.clip import AudioClip
from realtime_nb.views.spectrogram import Spectrogram


@pytest.mark.parametrize(
    "record", [AudioClip(np.zeros(240)), Conversation(), Reply(response_id="resp_1"), Turn(item_id="item_1")], ids=repr
)
def test_records_show_themselves_as_text_and_html(record):
    bundle = record._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"]
    assert bundle["text/html"].startswith("<")


def test_everything_that_has_a_view_is_a_record():
    for kind in (AudioClip, Conversation, Reply, Turn, Spectrogram):
        assert issubclass(kind, Record)


def test_views_are_loaded_by_the_first_record_that_is_shown():
    code = (
        "import sys, numpy; from realtime_nb.media.clip import AudioClip; clip = AudioClip(numpy.zeros(9));"
        "assert 'realtime_nb.views' not in sys.modules; clip._repr_mimebundle_();"
        "assert 'realtime_nb.views' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
