import atexit
import subprocess
import sys
import threading

import pytest

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.protocol.events import ResponseCreated
from realtime_nb.protocol.items import Response
from realtime_nb.widgets.base import Outputs, _stand_in


class Notebook:
    """Takes the place of IPython's display functions."""

    def __init__(self):
        self.outputs = {}
        self.updated = threading.Condition()

    def display(self, bundle, *, metadata=None, raw, display_id):
        assert raw
        self.outputs[display_id] = bundle

    def update_display(self, bundle, *, metadata=None, raw, display_id):
        assert raw
        with self.updated:
            self.outputs[display_id] = bundle
            self.updated.notify_all()

    def until(self, condition):
        with self.updated:
            assert self.updated.wait_for(lambda: condition([*self.outputs.values()]), timeout=30)


@pytest.fixture
def notebook(monkeypatch):
    import IPython.display

    notebook = Notebook()
    monkeypatch.setattr(IPython.display, "display", notebook.display)
    monkeypatch.setattr(IPython.display, "update_display", notebook.update_display)
    return notebook


@pytest.fixture
def looks(monkeypatch):
    """What the record looks like; may be changed by the test, or raise."""
    looks = {"outputs": (WORDS, PICTURE)}

    def conversation_outputs(conversation, *, live):
        if isinstance(looks["outputs"], Exception):
            raise looks["outputs"]
        return (looks["outputs"][0], {}) if live else looks["outputs"]

    monkeypatch.setattr("realtime_nb.views.conversation.conversation_outputs", conversation_outputs)
    return looks


def answer(outputs):
    """Let there be a reply to show."""
    outputs._conversation.apply(ResponseCreated(response=Response(id="resp_1")), 0.0)


@pytest.fixture
def errors():
    return []


@pytest.fixture
def outputs(errors):
    conversation = Conversation()
    outputs = Outputs(conversation, note=OVER, on_error=errors.append)
    yield outputs
    atexit.unregister(outputs._at_exit)


LIVE = {"text/plain": "panel"}
OVER = {"text/plain": "over"}
EMPTY = {"text/plain": "", "text/html": ""}
STAND_IN = _stand_in()
WORDS = {"text/plain": "words", "text/html": "<p>words</p>"}
PICTURE = {"text/plain": "Spectrogram", "image/png": "cGl4ZWxz"}
MORE = {"text/plain": "more words"}


@pytest.fixture
def long_record(outputs, notebook, looks, monkeypatch):
    """A record that has more words to show, in minutes."""
    monkeypatch.setattr("realtime_nb.widgets.base._BYTES_PER_S", 0.01)
    outputs.show(LIVE, {})
    answer(outputs)
    outputs.update()
    notebook.until(lambda now: now == [LIVE, WORDS, STAND_IN])
    looks["outputs"] = (MORE, PICTURE)
    outputs.update()
    return outputs


def test_before_the_first_reply_the_places_are_empty(outputs, notebook):
    outputs.show(LIVE, {})
    live, record, picture = notebook.outputs.values()
    assert live == LIVE
    assert record == EMPTY and picture == STAND_IN


def test_while_the_widget_is_live_the_record_holds_the_picture(outputs, notebook, looks):
    outputs.show(LIVE, {})
    answer(outputs)
    outputs.update()
    notebook.until(lambda now: now == [LIVE, WORDS, STAND_IN])


def test_the_end_replaces_the_live_widget_and_adds_the_picture(outputs, notebook, looks):
    answer(outputs)
    outputs.show(LIVE, {})
    outputs.end()
    notebook.until(lambda now: now == [OVER, WORDS, PICTURE])


def test_what_was_never_shown_is_not_updated(outputs, notebook, looks):
    answer(outputs)
    outputs.update()
    outputs.end()
    assert notebook.outputs == {}


def test_a_record_that_cannot_be_drawn_is_an_error_that_is_seen(outputs, notebook, looks, errors):
    outputs.show(LIVE, {})
    answer(outputs)
    looks["outputs"] = ValueError("no font")
    outputs.update()
    outputs.end()
    notebook.until(lambda now: now[0] == OVER)
    assert [str(error) for error in errors][:1] == ["no font"]


def test_a_burst_of_replies_is_drawn_once_or_twice(outputs, notebook, looks, monkeypatch):
    outputs.show(LIVE, {})
    answer(outputs)
    drawn = []
    draw = outputs._draw
    monkeypatch.setattr(outputs, "_draw", lambda: drawn.append(1) or draw())
    for _ in range(50):
        outputs.update()
    outputs.end()
    notebook.until(lambda now: now == [OVER, WORDS, PICTURE])
    assert len(drawn) < 10


def test_a_long_record_is_drawn_less_often_but_its_end_at_once(long_record, notebook):
    long_record.end()
    notebook.until(lambda now: now == [OVER, MORE, PICTURE])


def test_a_long_record_catches_up_when_the_conversation_pauses(long_record, notebook):
    long_record.catch_up()
    notebook.until(lambda now: now == [LIVE, MORE, STAND_IN])


def test_what_has_not_changed_is_not_sent_again(outputs, notebook, looks):
    answer(outputs)
    outputs.show(LIVE, {})
    sent = []
    publish = outputs._publish
    outputs._publish = lambda bundle, display_id: sent.append(bundle) or publish(bundle, display_id)
    looks["outputs"] = ({"text/plain": "more words"}, PICTURE)
    outputs.end()
    notebook.until(lambda now: now == [OVER, {"text/plain": "more words"}, PICTURE])
    assert sent == [OVER, {"text/plain": "more words"}, PICTURE]


def test_a_kernel_that_ends_leaves_the_note_and_the_record():
    code = """
import IPython.display
from realtime_nb.conversation.conversation import Conversation
from realtime_nb.widgets.base import Outputs
from realtime_nb.protocol.events import ResponseCreated
from realtime_nb.protocol.items import Response

IPython.display.display = lambda bundle, **names: None
IPython.display.update_display = lambda bundle, **names: print(bundle["text/plain"])
conversation = Conversation()
outputs = Outputs(conversation, note={"text/plain": "over"}, on_error=print)
outputs.show({"text/plain": "panel"}, {})
conversation.apply(ResponseCreated(response=Response(id="resp_1")), 0.0)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("over\nConversation · AI-generated voice\nanswers 1")
