import importlib

import pytest
import record_samples

from realtime_nb.conversation.timing import Timing
from realtime_nb.views import _VIEWS, escape, mimebundle
from realtime_nb.views.conversation import conversation_outputs


def test_only_records_have_a_view():
    with pytest.raises(TypeError, match="there is no view of int"):
        mimebundle(42)


@pytest.mark.parametrize("view", _VIEWS.values())
def test_a_view_is_found_where_the_table_says(view):
    module, function = view.split(".")
    assert callable(getattr(importlib.import_module(f"realtime_nb.views.{module}"), function))


def test_a_record_derived_from_ours_has_its_view_or_one_of_its_own():
    class Ours(Timing):
        pass

    class Own(Timing):
        pass

    mimebundle.register(Own, lambda record: {"text/plain": "my own"})
    assert mimebundle(Own())["text/plain"] == "my own"
    assert mimebundle(Ours()) == mimebundle(Timing())


def test_escape_is_exported():
    assert escape("<b>") == "&lt;b&gt;"


def test_html_is_plain_str_for_front_ends():
    record = record_samples.conversation()
    for bundle in (mimebundle(record), mimebundle(record.replies[0]), conversation_outputs(record)[0]):
        assert type(bundle["text/html"]) is str
