import pytest
import record_samples

from realtime_nb.views import escape, mimebundle
from realtime_nb.views.conversation import conversation_outputs


def test_what_is_no_record_has_no_view():
    with pytest.raises(TypeError, match="there is no view of int"):
        mimebundle(42)


def test_the_one_place_for_escaping_is_at_hand():
    assert escape("<b>") == "&lt;b&gt;"


def test_html_is_a_plain_text_for_those_who_send_it():
    record = record_samples.conversation()
    for bundle in (mimebundle(record), mimebundle(record.replies[0]), conversation_outputs(record)[0]):
        assert type(bundle["text/html"]) is str
