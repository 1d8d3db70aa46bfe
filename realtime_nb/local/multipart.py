"""Forms with files in them, as ``multipart/form-data`` carries them (RFC 7578).

A body is at most 25 MB and all there, so this looks for the boundaries in it and needs no parser that takes pieces.
"""

from __future__ import annotations

import email
import email.message
from dataclasses import dataclass
from typing import Any

from .api_errors import ApiError, missing_parameter
from .json_fields import Fields

_MOST_FIELDS = 1_000
_LONGEST_HEAD = 8_192


@dataclass(frozen=True)
class FormField:
    """One field."""

    name: str
    content: bytes
    filename: str | None = None
    """`None` unless it is a file."""


class Form:
    """A form that was sent.

    Parameters
    ----------
    fields : list of FormField
        In the order in which they came.
    """

    def __init__(self, fields: list[FormField]):
        self._fields = fields

    def file(self, name: str) -> bytes:
        """Return what is in a file; raises `ApiError` if it is not there."""
        for field in self._fields:
            if field.name == name and field.filename is not None:
                return field.content
        raise missing_parameter(name)

    def all(self, name: str) -> list[str]:
        """Return the texts of an array, whose items come as fields called ``name[]`` or ``name``."""
        return [_text(field) for field in self._fields if field.name in (name, f"{name}[]")]

    @property
    def fields(self) -> Fields:
        """All texts by name, the last of each; empty ones count as missing."""
        texts: dict[str, Any] = {field.name: _text(field) or None for field in self._fields if field.filename is None}
        return Fields(texts)


def _text(field: FormField) -> str:
    try:
        return field.content.decode()
    except UnicodeDecodeError as error:
        raise ApiError(f"The field '{field.name}' is not UTF-8.", code="invalid_value", param=field.name) from error


def parse_form(body: bytes | bytearray, content_type: str) -> Form:
    """Return the form that a body holds.

    Parameters
    ----------
    body : bytes-like
        All of it.
    content_type : str
        The request's header, with the boundary.

    Raises
    ------
    ApiError
        If it is no form.
    """
    header = email.message.Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise _broken("the Content-Type header names no boundary")
    mark = b"--" + boundary.encode("latin-1", "replace")
    at = 0 if body.startswith(mark) else body.find(b"\r\n" + mark) + 2
    if at == 1:
        raise _broken("its boundary is nowhere in it")
    fields: list[FormField] = []
    while True:
        at += len(mark)
        if body[at : at + 2] == b"--":
            return Form(fields)
        head_end = body.find(b"\r\n\r\n", at, at + _LONGEST_HEAD)
        end = body.find(b"\r\n" + mark, head_end + 2)
        if head_end < 0 or end < 0:
            raise _broken("it ends in the middle of a field")
        if len(fields) == _MOST_FIELDS:
            raise _broken(f"it has more than {_MOST_FIELDS} fields")
        fields.append(_field(bytes(body[at:head_end]), bytes(memoryview(body)[head_end + 4 : end])))
        at = end + 2


def _field(head: bytes, content: bytes) -> FormField:
    headers = email.message_from_bytes(head.partition(b"\r\n")[2] + b"\r\n\r\n")
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise _broken("a field has no name")
    return FormField(name, content, headers.get_filename())


def _broken(why: str) -> ApiError:
    return ApiError(f"We could not parse the form in the body of your request: {why}.")
