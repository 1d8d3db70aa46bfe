"""The doctor's checks in the page, with real faults of a browser."""

import axe
import pytest
from bare import until
from conftest import chromium_with
from playwright.sync_api import expect

from realtime_nb.diagnosis.doctor import Doctor


@pytest.fixture
def found(bare, monkeypatch):
    """A doctor whose panel appears on the page; what needs no page is not looked at."""

    async def nothing(*_):
        pass

    monkeypatch.setattr(Doctor, "_try_parts", nothing)
    monkeypatch.setattr(Doctor, "_ask", nothing)
    doctor = Doctor()
    doctor.finished.result(30)
    doctor.open_panel()
    return doctor


def line(found, name):
    """Return the line of this name, when it is there."""
    return until(lambda: next((check for check in found.checkup.checks if check.name == name), None))


def button(page, name):
    return page.get_by_role("button", name=name)


def test_two_seconds_are_heard_and_a_tone_is_counted_and_confirmed(found, visit):
    page = visit()
    assert line(found, "secure page").state == "ok"
    assert line(found, "sound's way").said == "a socket straight to the kernel"
    assert line(found, "front end").said.startswith("an unknown front end in Chrome ")

    button(page, "Check microphone").click()
    expect(page.get_by_role("status")).to_contain_text("Listening for two seconds")
    heard = line(found, "microphone")
    assert heard.state == "ok" and "Fake" in heard.said, heard
    facts = found._facts.heard
    assert 1.8 <= facts.duration_s <= 2.5 and 0.3 < facts.level < 0.8
    assert line(found, "permission").said == "the microphone is allowed"

    button(page, "Check speaker").click()
    expect(page.get_by_text("Did you hear the tone?")).to_be_visible()
    assert "\n".join(axe.faults_in_each_theme(page, "#main")) == ""
    assert "speaker" not in [check.name for check in found.checkup.checks]
    assert [text.split()[0] for text in found.checkup.unchecked] == ["speaker"]
    button(page, "No").click()
    played = line(found, "speaker")
    assert played.state == "broken" and "you did not hear them" in played.said
    assert found._facts.played.rendered == found._facts.played.sent == 14_400
    assert found._facts.played.audible > 13_000
    expect(page.get_by_role("status")).to_contain_text("Unmute the tab")

    button(page, "Check speaker").click()
    button(page, "Yes").click()
    until(lambda: line(found, "speaker").state == "ok")
    assert found._facts.played.audible < 14_400
    until(lambda: found._panel.comm is None)  # There is nothing left to click.
    assert found.ok and found.checkup.unchecked == ()


def test_a_refused_microphone_says_how_to_allow_it(found, bare, playwright):
    browser = chromium_with(playwright, None, "--use-fake-device-for-media-stream")
    try:
        page = browser.new_context().new_page()
        page.goto(bare.url)
        assert bare.started.wait(30)
        assert line(found, "permission").said == "the browser will ask for the microphone"
        button(page, "Check microphone").click()
        expect(page.get_by_role("alert")).to_contain_text("does not allow the microphone")
        refused = line(found, "microphone")
        assert refused.state == "broken" and "address bar" in refused.fix
        denied = until(lambda: next((c for c in found.checkup.checks if "refuses the microphone" in c.said), None))
        assert denied.name == "permission" and denied.state == "broken" and bare.url[:16] in denied.said
        assert not found.ok
    finally:
        browser.close()


def test_an_insecure_page_is_broken_and_says_where_to_open_it(found, bare, playwright):
    browser = chromium_with(playwright, None, "--host-resolver-rules=MAP lan.example 127.0.0.1")
    try:
        page = browser.new_page()
        page.goto(bare.url.replace("127.0.0.1", "lan.example"))
        assert bare.started.wait(30)
        insecure = line(found, "secure page")
        assert insecure.state == "broken" and "http://lan.example:" in insecure.said and "localhost" in insecure.fix
        assert line(found, "sound's way").state == "warning"
        button(page, "Check microphone").click()
        assert "is not secure" in line(found, "microphone").said
        button(page, "Check speaker").click()
        assert "is not secure" in line(found, "speaker").said
    finally:
        browser.close()


def test_a_machine_without_a_microphone_says_so(found, bare, playwright):
    browser = chromium_with(playwright, None)
    try:
        page = browser.new_context(permissions=["microphone"]).new_page()
        page.goto(bare.url)
        assert bare.started.wait(30)
        assert line(found, "devices").state == "broken"
        button(page, "Check microphone").click()
        missing = line(found, "microphone")
        assert missing.said == "No microphone was found" and missing.fix.startswith("plug one in")
    finally:
        browser.close()


def test_a_muted_microphone_is_told_from_a_quiet_room(found, visit):
    page = visit(
        """const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (constraints) => {
          const stream = await get(constraints);
          stream.getTracks().forEach((track) => (track.enabled = false));
          return stream;
        };"""
    )
    button(page, "Check microphone").click()
    silent = line(found, "microphone")
    assert silent.state == "broken" and "gives only silence" in silent.said and "unmute" in silent.fix


def test_a_frame_that_may_not_use_the_microphone_is_named(found, visit):
    visit(
        """Object.defineProperty(document, "permissionsPolicy", { value: { allowsFeature: () => false } });
        navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NotAllowedError"); };"""
    )
    framed = line(found, "permission")
    assert framed.state == "broken" and "the frame around this notebook" in framed.said
    assert "realtime-nb talk FILE.wav" in framed.fix


def test_the_jupyter_that_shows_the_page_is_named(found, visit):
    visit(
        """addEventListener("DOMContentLoaded", () => {
          const config = document.createElement("script");
          Object.assign(config, { id: "jupyter-config-data", type: "application/json" });
          config.textContent = JSON.stringify({ appName: "JupyterLab", appVersion: "4.2.5" });
          document.body.append(config);
        });"""
    )
    assert line(found, "front end").said.startswith("JupyterLab 4.2.5 in Chrome ")


def test_a_narrow_page_shows_the_whole_of_a_cure(found, visit, bare):
    page = visit(viewport={"width": 320, "height": 600})
    line(found, "secure page")
    table = found._repr_mimebundle_()["text/html"]
    page.evaluate("(html) => { document.body.innerHTML = html; }", table)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert (
        page.evaluate("Math.max(...[...document.querySelectorAll('td')].map((d) => d.getBoundingClientRect().right))")
        < 320
    )


def test_done_takes_the_buttons_away(found, visit):
    page = visit()
    button(page, "Done").click()
    until(lambda: found._panel.comm is None)


def test_a_page_whose_sound_stands_still_is_given_up(found, visit, monkeypatch):
    monkeypatch.setattr("realtime_nb.diagnosis.panel._TONE_WITHIN_S", 1.0)
    page = visit(
        """window.AudioContext = class extends AudioContext {
          constructor(options) { super(options); this.suspend(); }
          resume() { return new Promise(() => {}); }
        };"""
    )
    button(page, "Check speaker").click()
    silent = line(found, "speaker")
    assert silent.state == "broken" and silent.said == "The page played no tone within 1 s"
    assert silent.fix == "reload it, and try again"
    expect(button(page, "Check speaker")).to_be_enabled()
