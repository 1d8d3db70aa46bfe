import pytest

from realtime_nb.widgets.microphone import Microphone
from realtime_nb.widgets.scope import Scope
from realtime_nb.widgets.speaker import Speaker


@pytest.mark.parametrize(("kind", "sides"), [(Microphone, ["capture"]), (Speaker, ["player"])])
def test_it_shows_the_sides_that_its_source_has(kind, sides):
    source = kind()
    scope = Scope(source)
    assert scope.source is source and scope.get_state()["_sides"] == sides
    assert scope.get_state()["_source"] == f"IPY_MODEL_{source.model_id}"
    assert repr(scope) == f"Scope({kind.__name__}): a live picture of sound, run the cell to see it"
    scope.close()
    source.close()


def test_only_what_sounds_has_a_scope():
    with pytest.raises(TypeError, match="42 has no sound to show: give a Microphone, a Speaker or a VoicePanel"):
        Scope(42)
