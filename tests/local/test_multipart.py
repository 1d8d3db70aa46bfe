from __future__ import annotations

import httpx
import pytest

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.endpoints.http_body import parse_form

TYPE = "multipart/form-data; boundary=edge"


def body(*parts: bytes) -> bytes:
    return b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"


def field(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'Content-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content


def test_what_a_real_client_sends():
    content = bytes(range(256)) * 100
    request = httpx.Request(
        "POST", "http://x", data={"model": "whisper-1", "k[]": ["a", "ü"]}, files={"file": ("ü.wav", content)}
    )
    form = parse_form(request.read(), request.headers["content-type"])
    assert form.file("file") == content
    assert form.fields.text("model") == "whisper-1"
    assert form.all("k") == ["a", "ü"]


def test_content_that_looks_like_a_boundary_is_content():
    content = b"--edge\r\n\r\n-- edge--\n--edge"
    form = parse_form(body(field("file", content[2:], "a"), field("x", b"\r\n\r\n")), TYPE)
    assert form.file("file") == content[2:]
    assert form.fields.text("x") == "\r\n\r\n"


def test_a_preamble_and_an_epilogue_are_passed_over():
    form = parse_form(b"Hello.\r\n" + body(field("x", b"1")) + b"Bye.", 'multipart/form-data; boundary="edge"')
    assert form.fields.text("x") == "1"


def test_empty_fields_count_as_missing_and_files_are_no_texts():
    form = parse_form(body(field("x", b""), field("y", b"1", "y.txt")), TYPE)
    assert not form.fields.has("x")
    assert not form.fields.has("y")
    with pytest.raises(ApiError, match="Missing required parameter: 'z'"):
        form.file("z")


@pytest.mark.parametrize(
    ("content", "content_type", "message"),
    [
        (body(), "multipart/form-data", "names no boundary"),
        (b"", TYPE, "nowhere in it"),
        (b"nothing", TYPE, "nowhere in it"),
        (b"--edge\r\n", TYPE, "ends in the middle of a field"),
        (body(field("x", b"1"))[:-12], TYPE, "ends in the middle of a field"),
        (b"--edge\r\n\r\n--edge--", TYPE, "has no name"),
        (body(b"Content-Disposition: form-data\r\n\r\n1"), TYPE, "has no name"),
        (body(b"\r\n\r\n1"), TYPE, "has no name"),
        (body(b"A" * 10_000 + b"\r\n\r\n1"), TYPE, "ends in the middle of a field"),
        (body(*[field("x", b"1")] * 1_001), TYPE, "more than 1000 fields"),
    ],
)
def test_what_is_no_form_is_told(content, content_type, message):
    with pytest.raises(ApiError, match=message) as refused:
        parse_form(content, content_type)
    assert refused.value.status == 400


def test_texts_are_utf_8():
    form = parse_form(body(field("x", b"\xff")), TYPE)
    with pytest.raises(ApiError, match="'x' is not UTF-8"):
        form.all("x")
