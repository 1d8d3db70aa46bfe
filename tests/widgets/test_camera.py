import numpy as np
import pytest

from realtime_nb.errors import PictureError
from realtime_nb.loop import submit
from realtime_nb.media.picture import Picture
from realtime_nb.widgets.camera import Camera
from realtime_nb.widgets.road import CameraShot

JPEG = Picture.of(np.random.default_rng(1).integers(0, 256, (400, 600, 3), np.uint8)).data


@pytest.fixture
def camera():
    camera = Camera()
    yield camera
    camera.close()


def arrive(camera, *messages):
    async def take():
        for message in messages:
            camera._on_message(message)

    submit(take()).result(30)


def wanted(camera):
    """The keys of the snapshots that wait."""

    async def keys():
        return list(camera._wanted)

    return submit(keys()).result(30)


def test_a_snapshot_is_the_picture_that_answers_it(camera):
    first, second = camera.snapshot(), camera.snapshot(detail="low")
    keys = wanted(camera)
    arrive(camera, CameraShot(JPEG, keys[1]))
    assert second.result(30).detail == "low" and not first.done()
    arrive(camera, CameraShot(JPEG, keys[0]))
    picture = first.result(30)
    assert (picture.width, picture.height, picture.data) == (600, 400, JPEG)
    assert camera.picture is picture and wanted(camera) == []


def test_the_browsers_words_are_the_error(camera):
    pending = camera.snapshot()
    [key] = wanted(camera)
    arrive(camera, {"kind": "no_picture", "key": key, "text": "No camera was found."})
    with pytest.raises(PictureError, match="No camera was found"):
        pending.result(30)


def test_a_picture_that_the_person_takes_is_kept(camera):
    arrive(camera, CameraShot(JPEG, 0))
    assert camera.picture.data == JPEG


def test_without_a_page_a_snapshot_ends_in_time(camera):
    with pytest.raises(PictureError, match=r"no picture within 0.05 s: show the camera in a cell first"):
        camera.snapshot(timeout_s=0.05).result(30)


def test_closing_ends_those_that_wait(camera):
    pending = camera.snapshot()
    wanted(camera)
    camera.close()
    with pytest.raises(PictureError, match="removed from the page"):
        pending.result(30)


def test_sizes_streams_and_sources_are_checked(camera):
    with pytest.raises(PictureError, match="max_side=5000 must be between 1 and 2048"):
        camera.snapshot(max_side=5000)
    with pytest.raises(TypeError, match="not an ipywebrtc media stream"):
        Camera("default")
    with pytest.raises(Exception, match="source"):
        Camera(source="sky")


def test_starting_and_stopping_is_shared(camera):
    camera.start()
    assert camera.active
    arrive(camera, {"kind": "shared", "name": "active", "value": False})
    assert not camera.active
