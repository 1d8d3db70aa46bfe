"""Errors in the API's own words.

Source of codes and texts: the Realtime API reference, ``error``, and reports from users of the live service.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from ..errors import RealtimeError
from ..protocol.items import ErrorDetail
from ..protocol.settings import SettingsProblem

log = logging.getLogger(__name__)


class ApiError(Exception):
    """An error for the client: an ``error`` event in a session, a JSON body over HTTP."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",
        status: int | None = None,
    ):
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.type = type
        # Over HTTP the status says whose fault it was; in an event the type does.
        self.status = status or (500 if type == "server_error" else 400)

    def detail(self, event_id: str | None = None) -> ErrorDetail:
        """Return the error as it stands in an event; `event_id` is that of the client event at fault."""
        return ErrorDetail(type=self.type, message=self.message, code=self.code, param=self.param, event_id=event_id)

    def body(self) -> dict[str, Any]:
        """Return the error as the body of an HTTP answer."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def of_failure(error: Exception, what: str) -> ApiError:
    """Return what to tell the client when `what` fails; anything but an `ApiError` is logged."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RealtimeError):
        log.warning("%s failed: %s", what, error)
        return ApiError(str(error), type="server_error")
    log.error("%s failed", what, exc_info=error)
    return ApiError("The server had an error while processing your request.", type="server_error")


def missing_parameter(path: str) -> ApiError:
    """Return the error for a required parameter that is missing."""
    return ApiError(f"Missing required parameter: '{path}'.", code="missing_required_parameter", param=path)


def unknown_parameter(path: str) -> ApiError:
    """Return the error for a parameter that does not exist."""
    return ApiError(f"Unknown parameter: '{path}'.", code="unknown_parameter", param=path)


def invalid_value(path: str, why: str) -> ApiError:
    """Return the error for a value that is not allowed."""
    return ApiError(f"Invalid value for '{path}': {why}.", code="invalid_value", param=path)


def overloaded(message: str) -> ApiError:
    """Return the error for a server that has too much to do."""
    return ApiError(message, code="rate_limit_exceeded", type="rate_limit_error", status=429)


def of_problem(problem: SettingsProblem, under: str) -> ApiError:
    """Return the error for a problem in the object at the parameter `under`."""
    path = f"{under}.{problem.param}" if problem.param else under
    if problem.code == "unknown_parameter":
        return unknown_parameter(path)
    if problem.code == "missing_required_parameter":
        return missing_parameter(path)
    return invalid_value(path, problem.message.rstrip("."))


def invalid_type(path: str, expected: str, value: Any) -> ApiError:
    """Return the error for a value of the wrong type; `expected` is the right one, e.g. ``"a string"``."""
    given = next(name for kind, name in _TYPE_NAMES if isinstance(value, kind))
    return ApiError(
        f"Invalid type for '{path}': expected {expected}, but got {given} instead.", code="invalid_type", param=path
    )


_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
    (object, "something else"),
)


def unsupported_value(path: str, value: Any, supported: Iterable[str]) -> ApiError:
    """Return the error for a value that is not one of `supported`."""
    known = ", ".join(f"'{name}'" for name in supported)
    return ApiError(f"Invalid value: '{value}'. Supported values are: {known}.", code="invalid_value", param=path)


def unsupported_language(path: str, language: str) -> ApiError:
    """Return the error for a language that the recogniser would write down in English words."""
    return ApiError(
        f"Unsupported value: '{path}' does not support '{language}' on this server, which hears English only. Start it "
        "with --ears and a Whisper model of many languages.",
        code="unsupported_value",
        param=path,
    )
