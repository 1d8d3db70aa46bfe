"""Refusals by a newcomer's browser: one sentence says what happened, another what to do."""

import re

import pytest
from bare import until
from conftest import chromium_with
from playwright.sync_api import expect

from realtime_nb.widgets.microphone import Microphone

DEVICE = "--use-fake-device-for-media-stream"


@pytest.mark.parametrize(
    ("flags", "host", "permissions", "cause", "cure"),
    [
        (
            ["--host-resolver-rules=MAP lan.example 127.0.0.1"],
            *("lan.example", []),
            r"This page \(http://lan\.example:\d+\) is not secure, so the browser gives it no audio\.",
            r"Open the notebook at http://localhost or over https\.",
        ),
        (
            [DEVICE],
            *("127.0.0.1", []),
            r"The browser does not allow the microphone here\.",
            r"Allow it beside the address bar, then try again\.",
        ),
        (
            [],
            *("127.0.0.1", ["microphone"]),
            r"No microphone was found\.",
            r"Plug one in and try again, or type your message\.",
        ),
    ],
    ids=["insecure page", "microphone denied", "no microphone"],
)
def test_a_refusal_is_told_as_one_cause_and_one_cure(bare, playwright, flags, host, permissions, cause, cure):
    microphone = Microphone()
    browser = chromium_with(playwright, None, *flags)
    try:
        page = browser.new_context(permissions=permissions).new_page()
        page.goto(bare.url.replace("127.0.0.1", host))
        assert bare.started.wait(30)
        page.get_by_text("● Record").click()
        expect(page.get_by_role("alert")).to_have_text(re.compile(rf"^{cause} {cure}$"))
        until(lambda: microphone.error)
        assert re.fullmatch(rf"{cause} {cure}", microphone.error)
    finally:
        browser.close()
