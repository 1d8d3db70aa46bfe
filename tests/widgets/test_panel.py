import threading

import pytest
from browser.scripted import ScriptedSession

import realtime_nb as rt
from realtime_nb.errors import SettingsError
from realtime_nb.loop import submit
from realtime_nb.protocol.local_events import StateChanged
from realtime_nb.widgets.camera import Camera
from realtime_nb.widgets.panel import VoicePanel


@pytest.fixture
def session():
    return ScriptedSession()


@pytest.fixture
def panel(session):
    panel = VoicePanel(session)
    yield panel
    panel.close()


def arrive(panel, message):
    async def take():
        panel._on_message(message)

    submit(take()).result(30)


def test_it_says_who_speaks_before_anything_is_connected(panel):
    assert panel._about == {"backend": "scripted", "model": "model-1", "voice": "marin"}
    assert "scripted" in repr(panel) and "model-1" in repr(panel)
    assert panel.state == "closed"


def test_it_starts_as_the_session_takes_turns():
    assert VoicePanel(ScriptedSession()).hands_free
    assert not VoicePanel(ScriptedSession(turn_detection=None)).hands_free


def test_the_way_to_take_turns_can_be_chosen(session):
    panel = VoicePanel(session, hands_free=False)
    assert session.turn_detection is None
    panel.close()


def test_python_and_page_both_set_the_way_to_take_turns(panel, session):
    panel.hands_free = False
    submit(_nothing()).result(30)
    assert session.turn_detection is None
    arrive(panel, {"kind": "shared", "name": "hands_free", "value": True})
    assert panel.hands_free
    assert session.turn_detection == {"type": "server_vad"}


def test_its_state_is_the_sessions(panel, session):
    session.say(StateChanged(state="connecting"))
    assert panel.state == "connecting"


@pytest.mark.parametrize("heard_late", [False, True])
def test_the_record_is_up_to_date_once_the_session_has_closed(panel, session, monkeypatch, heard_late):
    drawn = threading.Event()
    monkeypatch.setattr("realtime_nb.widgets.base._BYTES_PER_S", 0.01)
    monkeypatch.setattr("IPython.display.display", lambda *args, **kwargs: None)
    monkeypatch.setattr("IPython.display.update_display", lambda *args, **kwargs: drawn.set())
    panel._outputs.show({}, {})

    def answer(number):
        session.end_answer(session.begin_answer(f"item-{number}", "Hello.", seconds=0.1), f"item-{number}", "Hello.")

    answer(1)
    assert drawn.wait(30)
    drawn.clear()
    if not heard_late:
        answer(2)  # To be drawn in hours.
    session.say(StateChanged(state="closed"))
    if heard_late:
        answer(2)
    assert drawn.wait(30)


def test_disconnect_closes_the_session(panel, session):
    arrive(panel, {"kind": "disconnect"})
    submit(_nothing()).result(30)
    assert session.names() == ["close"]


def test_the_end_closes_the_session_and_leaves_the_record(panel, session):
    arrive(panel, {"kind": "end"})
    submit(_nothing()).result(30)
    assert session.names() == ["close"]


def test_unknown_options_are_refused(session):
    with pytest.raises(TypeError, match="no option 'theme'"):
        VoicePanel(session, theme="dark")


def test_a_closed_panel_follows_the_session_no_longer(panel, session):
    panel.close()
    session.say(StateChanged(state="open"))
    assert panel.state == "closed"


async def _nothing():
    pass


def test_a_closed_panel_leaves_a_note_in_its_output(panel, monkeypatch):
    import IPython.display

    shown = {}
    left = threading.Event()

    def put(bundle, *, display_id, **_):
        shown[display_id] = bundle
        if bundle.get("text/plain", "").startswith("This conversation has ended"):
            left.set()

    monkeypatch.setattr(IPython.display, "display", put)
    monkeypatch.setattr(IPython.display, "update_display", put)
    panel._ipython_display_()
    live, *_ = shown.values()
    assert "application/vnd.jupyter.widget-view+json" in live
    assert live["text/html"] == f"<p>{panel!r}</p>"
    panel.close()
    assert left.wait(30)
    note, *_ = shown.values()
    assert note.keys() == {"text/plain", "text/html"} and "Run this cell again" in note["text/plain"]


def test_it_takes_a_camera_or_a_stream_to_make_one_of(session):
    from ipywebrtc import VideoStream
    from ipywidgets import Video

    camera, stream = Camera(), VideoStream(video=Video())
    assert VoicePanel(session, camera=camera).camera is camera
    assert VoicePanel(session, camera=stream).camera.stream is stream
    assert VoicePanel(session).camera is None


def test_an_invalid_camera_is_refused_and_leaves_the_panel_that_is_there(panel, session):
    with pytest.raises(TypeError, match="is not an ipywebrtc media stream"):
        VoicePanel(session, camera="webcam")
    with pytest.raises(SettingsError, match="watch_every_s=0 must be a positive number"):
        VoicePanel(session, watch_every_s=0)
    assert panel.comm is not None


@pytest.mark.filterwarnings("ignore:the recording in:RuntimeWarning")
def test_a_disk_that_takes_no_more_of_a_recording_is_told_in_the_panel(tmp_path):
    session = rt.RealtimeSession(backend="local", recording=tmp_path / "r")
    panel = VoicePanel(session)
    told = threading.Event()
    panel.observe(lambda change: told.set(), "error")
    (tmp_path / "r" / "events.jsonl").unlink()
    (tmp_path / "r" / "events.jsonl").symlink_to("/dev/full")
    session.connect().result(60)
    assert told.wait(60) and "No space left on device. The session goes on and keeps everything" in panel.error
    assert panel.error.removeprefix("RecordingError: ") in session.conversation.remarks
    assert session.ask("Hello!").result(60).status == "completed"
    session.record_to(tmp_path / "other")  # From the beginning on, elsewhere.
    session.close().result(60)
    panel.close()
    assert rt.Recording.load(tmp_path / "other").conversation.replies[0].transcript.startswith("Hello!")
