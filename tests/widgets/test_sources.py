import pytest
from ipywebrtc import AudioStream, CameraStream
from ipywidgets import Audio, Widget

from realtime_nb.widgets.microphone import checked_stream


def test_no_stream_means_the_browsers_microphone():
    assert checked_stream(None) is None


def test_any_stream_of_ipywebrtc_is_taken():
    for stream in (CameraStream(constraints={"audio": True, "video": False}), AudioStream(audio=Audio())):
        assert checked_stream(stream) is stream


@pytest.mark.parametrize("other", ["microphone", Widget, 3])
def test_anything_else_is_refused_with_the_way_out(other):
    with pytest.raises(TypeError, match="CameraStream, AudioStream or VideoStream"):
        checked_stream(other)
