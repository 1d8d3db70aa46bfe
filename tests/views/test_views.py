import pytest
import record_samples

from realtime_nb.views import escape, mimebundle
from realtime_nb.views.conversation import conversation_outputs


def test_only_records_have_a_view():
    with pytest.raises(TypeError, match="there is no view of int"):
        mimebundle(42)


def test_escape_is_exported():
    assert escape("<b>") == "&lt;b&gt;"


def test_html_is_plain_str_for_front_ends():
    record = record_samples.conversation()
    for bundle in (mimebundle(record), mimebundle(record.replies[0]), conversation_outputs(record)[0]):
        assert type(bundle["text/html"]) is str
