import gc
import json
import sys
import threading
import weakref
from types import SimpleNamespace

import pytest
import traitlets
from websockets.asyncio.client import connect

from realtime_nb.loop import Pending, submit
from realtime_nb.widgets.base import BaseWidget, static_text
from realtime_nb.widgets.microphone import Microphone


class Lamp(BaseWidget):
    _esm = static_text("speaker.js")
    _shared = ("on",)
    on = traitlets.Bool(False)

    def __init__(self, **kwargs):
        self.switched = threading.Event()
        super().__init__(**kwargs)
        self._handlers["break"] = self._on_break

    def _on_break(self, message):
        raise RuntimeError("the bulb is broken")


@pytest.fixture
def lamp():
    lamp = Lamp()
    yield lamp
    lamp.close()


def visit(lamp, *sent, answers=0):
    """Be the page: say hello, send, and return what comes back before an answer to a last question."""

    async def talk():
        url = f"ws://127.0.0.1:{lamp._door['port']}/{lamp._door['token']}"
        async with connect(url, origin="http://127.0.0.1:1") as socket:
            await socket.send(json.dumps({"kind": "hello", "road": "direct"}))
            received = [json.loads(await socket.recv()) for _ in range(3)]
            for message in sent:
                await socket.send(json.dumps(message))
            return received + [json.loads(await socket.recv()) for _ in range(answers)]

    return submit(talk()).result(60)


def test_a_misspelt_option_is_an_error():
    with pytest.raises(TypeError, match="Lamp has no option 'colour', '_esm'"):
        Lamp(colour="red", _esm="")


def test_the_page_is_told_the_state_when_it_comes(lamp):
    lamp.on = True
    lamp.error = "dim"
    shared = {message["name"]: message["value"] for message in visit(lamp)[1:]}
    assert shared in ({"on": True, "error": "dim"}, {"on": True})


def test_what_the_page_sets_does_not_come_back_to_it(lamp):
    on, broken = {"kind": "shared", "name": "on", "value": True}, {"kind": "break"}
    *_, answer = visit(lamp, on, broken, answers=1)
    assert lamp.on
    assert answer["name"] == "error"


def test_the_page_cannot_set_what_is_not_shared(lamp):
    visit(lamp, {"kind": "shared", "name": "road", "value": "moon"}, {"kind": "break"}, answers=1)
    assert lamp.road != "moon"


def test_an_exception_in_a_handler_is_shown_to_the_person(lamp):
    *_, answer = visit(lamp, {"kind": "break"}, answers=1)
    assert answer == {"kind": "shared", "name": "error", "value": "RuntimeError: the bulb is broken"}
    assert lamp.error == "RuntimeError: the bulb is broken"


def test_the_failure_of_a_pending_that_nobody_awaits_is_shown(lamp):
    pending = Pending()
    lamp._watch(pending)
    pending.set_exception(ValueError("refused"))
    assert lamp.error == "ValueError: refused"


def test_a_cancelled_pending_is_no_error(lamp):
    pending = Pending()
    lamp._watch(pending)
    pending.cancel()
    assert lamp.error == ""


def test_bundles_from_the_comm_are_taken_and_answered_from_the_handler(lamp):
    sent = []
    lamp._uplink.send = lambda content, buffers=None: sent.append(content)
    bundle = {"kind": "road", "messages": [json.dumps({"kind": "hello", "road": "comm"})]}
    for _ in range(3):
        lamp._uplink.comm.handle_msg({"content": {"data": {"method": "custom", "content": bundle}}, "buffers": []})
    assert sent == [{"kind": "taken"}]  # Twice a second at most.
    submit(_nothing()).result(30)
    assert lamp.road == "comm"


async def _nothing():
    pass


def test_a_closed_widget_is_freed():
    lamp = Lamp()
    gone = weakref.ref(lamp)
    lamp.close()
    submit(_nothing()).result(30)  # The road is shut on the I/O thread.
    del lamp
    gc.collect()
    assert gone() is None


def test_closing_shuts_the_road(lamp):
    lamp.close()
    with pytest.raises(Exception, match="403"):
        visit(lamp)


def test_a_widget_that_no_kernel_makes_live_says_what_it_was():
    widget = Microphone()
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/plain"] == "Microphone: run the cell to use it"
    assert bundle["text/html"] == "<p>Microphone: run the cell to use it</p>"
    widget.close()


def test_in_colab_what_is_shown_brings_the_code_of_widgets(monkeypatch, lamp):
    asked = []
    manager = SimpleNamespace(_installed_url="https://ssl.gstatic.com/manager.js")
    output = SimpleNamespace(enable_custom_widget_manager=lambda: asked.append("manager"), _widgets=manager)
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    _, metadata = lamp._repr_mimebundle_()
    assert asked == ["manager"]
    assert "https://ssl.gstatic.com/manager.js" in json.dumps(metadata)
