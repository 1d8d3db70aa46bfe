from realtime_nb.local import api_errors
from realtime_nb.local.api_errors import ApiError
from realtime_nb.protocol.settings import SettingsProblem


def test_an_error_as_an_event_and_over_http():
    error = ApiError("No.", code="nope", param="x")
    detail = error.detail("mine")
    assert (detail.type, detail.code, detail.message) == ("invalid_request_error", "nope", "No.")
    assert (detail.param, detail.event_id) == ("x", "mine")
    assert error.body() == {"error": {"message": "No.", "type": "invalid_request_error", "param": "x", "code": "nope"}}
    assert api_errors.overloaded("Later.").status == 429


def test_problems_of_settings_in_the_api_s_words():
    cases = {
        "Unknown parameter: 'session.a.b'.": SettingsProblem("unknown_parameter", "a.b", ""),
        "Missing required parameter: 'session.a'.": SettingsProblem("missing_required_parameter", "a", ""),
        "Invalid value for 'session.a': too large.": SettingsProblem("invalid_value", "a", "too large"),
        "Invalid value for 'session': no object.": SettingsProblem("invalid_value", "", "no object."),
    }
    for text, problem in cases.items():
        error = api_errors.of_problem(problem, "session")
        assert (error.message, error.code) == (text, problem.code)


def test_wrong_types_and_values_are_named():
    for value, name in ((None, "null"), (True, "a boolean"), (1, "an integer"), (1.5, "a decimal"), ([], "an array")):
        error = api_errors.invalid_type("speed", "a string", value)
        assert error.message == f"Invalid type for 'speed': expected a string, but got {name} instead."
    error = api_errors.unsupported_value("voice", "bob", ("ash", "echo"))
    assert error.message == "Invalid value: 'bob'. Supported values are: 'ash', 'echo'."
