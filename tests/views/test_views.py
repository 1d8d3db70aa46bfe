import pytest

from realtime_nb.views import escape, mimebundle


def test_what_is_no_record_has_no_view():
    with pytest.raises(TypeError, match="there is no view of int"):
        mimebundle(42)


def test_the_one_place_for_escaping_is_at_hand():
    assert escape("<b>") == "&lt;b&gt;"
