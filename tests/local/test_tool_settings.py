import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.realtime.session_settings import check_tool_choice, check_tools

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "examples": ["Paris"]}, "unit": {"enum": ["c", "f"]}},
    "required": ["city"],
}


def test_functions_are_taken():
    check_tools([{"type": "function", "name": "get_weather", "description": "x", "parameters": SCHEMA}], "tools")
    check_tools([{"type": "function", "name": "now"}], "tools")
    for choice in ("auto", "none", "required", {"type": "function", "name": "now"}):
        check_tool_choice(choice, "tool_choice")


def test_an_error_is_named_by_its_place():
    with pytest.raises(ApiError) as refused:
        check_tools([{"type": "function", "name": "now"}, {"type": "function", "name": "a b"}], "response.tools")
    assert refused.value.param == "response.tools[1].name"
    with pytest.raises(ApiError) as refused:
        check_tool_choice({"type": "mcp"}, "response.tool_choice")
    assert refused.value.param == "response.tool_choice.type"
