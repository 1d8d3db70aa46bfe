"""Accessibility: axe-core on each state of each widget, in each theme; narrow pages; keys; no motion."""

import json

import axe
import pytest
import wire_samples as wire
from bare import until
from conftest import TRACKS
from playwright.sync_api import expect
from scripted import ScriptedSession

from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Content, Item
from realtime_nb.protocol.local_events import (
    EchoHeard,
    Flagged,
    Heard,
    SessionRenewed,
    ToolStarted,
    TurnEdited,
    Waiting,
)
from realtime_nb.widgets.camera import Camera
from realtime_nb.widgets.microphone import Microphone
from realtime_nb.widgets.panel import VoicePanel
from realtime_nb.widgets.scope import Scope
from realtime_nb.widgets.speaker import Speaker


class Talk:
    """A panel in which all has happened that can."""

    def __init__(self, page, panel, session):
        self.page, self.panel, self.session = page, panel, session

    def connect(self):
        self.page.get_by_role("button", name="Connect", exact=True).click()
        until(lambda: self.session.audio)

    def have_talked(self):
        session = self.session
        session.hear("item-1", "Is my order on its way? It has the number 1234.")
        call = wire.call_item(arguments='{"number": 1234}', status="completed") | {
            "id": "item-2",
            "name": "order_status",
        }
        output = {
            "id": "item-3",
            "type": "function_call_output",
            "call_id": "call_1",
            "output": '{"status": "on its way"}',
        }
        for before, item in (("item-1", call), ("item-2", output)):
            session.say(*[ev.decode_server(json.dumps(each)) for each in (wire.item_added(item, before),)])
        words = "Your order is on its way, and will be with you tomorrow in the afternoon."
        response = session.begin_answer("item-4", words, seconds=0.2, previous="item-3")
        session.end_answer(response, "item-4", words)
        session.say(
            Heard(item_id="item-4", played_ms=90, stopped=True), EchoHeard(item_id="item-4", likeness=0.9, delay_ms=80)
        )
        session.hear("item-old", "And my re fund?", previous="item-4")
        edited = Item(
            id="item-5", type="message", role="user", content=[Content(type="input_text", text="And my refund?")]
        )
        session.say(ev.ConversationItemAdded(item=edited, previous_item_id="item-old"))
        session.say(ev.ConversationItemDone(item=edited))
        session.say(TurnEdited(item_id="item-5", replaced_id="item-old"))
        session.say(ev.ConversationItemDeleted(item_id="item-old"))
        response = session.begin_answer("item-6", "Somebody's address", seconds=0.2, previous="item-5")
        session.end_answer(response, "item-6", "Somebody's address", status="cancelled")
        session.say(Flagged(side="assistant", item_id="item-6", response_id=response, reason="personal data"))
        session.say(SessionRenewed(reason="rotated", age_ms=3_300_000.0, carried=6))
        expect(self.page.locator(".rtnb-turn")).to_have_count(6)


@pytest.fixture
def talk(bare, visit):
    session = ScriptedSession()
    panel = VoicePanel(session)
    page = visit(TRACKS)
    until(lambda: panel.road == "direct")
    return Talk(page, panel, session)


def closed(talk):
    pass


def listening(talk):
    talk.connect()
    talk.have_talked()


def speaking(talk):
    listening(talk)
    talk.session.begin_answer("item-7", "I am still", seconds=20, previous="item-6")
    expect(talk.page.locator("[data-role=status]")).to_have_text("The AI is speaking")


def running_a_tool(talk):
    listening(talk)
    talk.session.say(ToolStarted(call_id="call_9", name="order_status"))


def asking_for_approval(talk):
    listening(talk)
    talk.session.ask_for_approval("call_1", "refund", '{"order": 7, "usd": 12.5}', server_label="shop")
    expect(talk.page.locator(".rtnb-ask")).to_be_visible()


def with_an_error_a_notice_and_an_aside(talk):
    listening(talk)
    talk.panel.error = "ServerError: the server says no (invalid_value)"
    notice = {"kind": "notice", "text": "The AI interrupted itself: use headphones.", "fix": "half_duplex"}
    talk.panel._road.send(notice, urgent=True)
    aside = {
        "asked": "Give this a title.",
        "answer": "Order 1234",
        "cost": "Not part of the conversation; cost $0.0012",
    }
    talk.panel._road.send({"kind": "aside", **aside}, urgent=True)
    expect(talk.page.locator(".rtnb-error")).to_be_visible()


def by_hand_and_muted(talk):
    listening(talk)
    talk.panel.hands_free, talk.panel.muted = False, True
    expect(talk.page.locator("[data-role=hold]")).to_be_visible()


def changing_its_instructions(talk):
    listening(talk)
    talk.page.get_by_text("Details", exact=True).click()
    talk.page.get_by_text("Instructions and tools").click()
    expect(talk.page.get_by_label("Instructions", exact=True)).to_have_value("Be brief.")


def choosing(talk):
    talk.session.turn_detection = {"type": "semantic_vad"}
    listening(talk)
    talk.page.get_by_text("Settings", exact=True).click()
    notice = {"kind": "notice", "text": "cedar answers after the next Connect.", "fix": "reconnect"}
    talk.panel._road.send(notice, urgent=True)
    expect(talk.page.get_by_label("Eagerness")).to_be_visible()
    expect(talk.page.get_by_role("button", name="Reconnect now")).to_be_visible()


def editing(talk):
    listening(talk)
    talk.page.locator("[data-choice=edit]").first.click()
    expect(talk.page.get_by_label("What you said")).to_be_focused()


def waiting_with_bounds(talk):
    talk.session.bounds.max_usd, talk.session.bounds.max_minutes = 0.01, 5
    listening(talk)
    talk.session.say(Waiting(message="Waiting for 2 other sessions…"))


def ended(talk):
    listening(talk)
    talk.page.get_by_role("button", name="Disconnect").click()
    talk.page.get_by_role("button", name="End and keep the record").click()
    expect(talk.page.get_by_role("button", name="End and keep the record")).to_be_hidden()


def left(talk):
    listening(talk)
    talk.page.get_by_role("button", name="Disconnect").click()
    expect(talk.page.get_by_role("button", name="Reconnect")).to_be_visible()


STATES = [
    closed,
    left,
    listening,
    speaking,
    running_a_tool,
    asking_for_approval,
    with_an_error_a_notice_and_an_aside,
    by_hand_and_muted,
    changing_its_instructions,
    choosing,
    editing,
    waiting_with_bounds,
    ended,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_axe_finds_nothing_in_the_panel_and_it_fits_320_pixels(talk, state):
    state(talk)
    assert "\n".join(axe.faults_in_each_theme(talk.page, "#main")) == ""
    assert what_does_not_fit(talk.page, 320) == []
    assert what_is_too_small(talk.page) == []


def what_is_too_small(page):
    """Return what a shaking hand cannot hit: targets under 24 pixels (WCAG 2.2, 2.5.8)."""
    return page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, summary")]
          .map((node) => node.closest("label") ?? node)
          .filter((node) => node.checkVisibility() && !node.closest(".rtnb-events"))
          .filter((node) => {
            const { width, height } = node.getBoundingClientRect();
            return Math.min(width, height) < 24;
          }).map((node) => node.outerHTML.slice(0, 80))"""
    )


#: What an element looks like, as far as a person can tell two states apart.
LOOK = """(node) => {
  const { backgroundColor, borderColor, color, outlineStyle, outlineColor } = getComputedStyle(node);
  return { backgroundColor, borderColor, color, outline: outlineStyle === "none" ? "" : outlineColor };
}"""


def test_states_can_be_told_apart_with_forced_colours(talk):
    speaking(talk)
    talk.page.emulate_media(forced_colors="active", color_scheme="dark")
    look = lambda selector: talk.page.locator(selector).first.evaluate(LOOK)  # noqa: E731
    page_colour = look("body")["backgroundColor"]
    assert look(".rtnb-dot")["backgroundColor"] != page_colour
    full, empty = look(".rtnb-voice .rtnb-meter > span"), look(".rtnb-voice .rtnb-meter")
    assert full["backgroundColor"] != empty["backgroundColor"] and empty["borderColor"] != page_colour
    chosen, other = ".rtnb-modes input:checked + span", ".rtnb-modes input:not(:checked) + span"
    assert look(chosen)["backgroundColor"] != look(other)["backgroundColor"]
    talk.page.locator("input[type=radio]:checked").press("Space")
    assert look(chosen)["outline"] not in ("", page_colour, look(chosen)["backgroundColor"])


def test_on_a_phone_you_hold_the_button_and_no_keys_are_mentioned(bare, visit):
    session = ScriptedSession(turn_detection=None)
    panel = VoicePanel(session)
    page = visit(TRACKS, has_touch=True, is_mobile=True, viewport={"width": 412, "height": 915})
    until(lambda: panel.road == "direct")
    page.get_by_role("button", name="Connect", exact=True).tap()
    hold = page.locator("[data-role=hold]")
    expect(hold).to_be_visible()
    expect(page.locator("kbd")).to_be_hidden()
    expect(page.locator("[data-role=status]")).to_have_text("Hold the button to talk")
    box = hold.bounding_box()
    finger = page.context.new_cdp_session(page)
    touch = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [touch]})
    until(lambda: len(session.audio) > 24_000)
    finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [touch | {"y": touch["y"] - 90}]})
    expect(page.locator("[data-role=status]")).to_have_text("Listening to you")
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until(lambda: "respond" in session.names())
    assert session.names() == ["connect", "clear", "audio", "commit", "respond"]
    assert what_does_not_fit(page, 412) == []


def what_does_not_fit(page, width):
    """Make a page narrow, and return the elements that are cut off."""
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    return page.evaluate(
        """(width) => [...document.querySelectorAll("button, input, textarea, summary, label, [class*=rtnb-]")]
          .filter((node) => node.checkVisibility() && !node.closest(".rtnb-hidden"))
          .filter((node) => {
            const { left, right } = node.getBoundingClientRect();
            return left < 0 || right > width || (node.tagName === "BUTTON" && node.scrollWidth > node.clientWidth + 1);
          }).map((node) => node.outerHTML.slice(0, 80))""",
        width,
    )


def open_microphone(page):
    page.get_by_role("button", name="Record").click()


def open_camera(page):
    page.get_by_role("button", name="Camera on").click()
    page.wait_for_function("document.querySelector('video').videoWidth > 0")


@pytest.mark.parametrize(
    ("make", "act"),
    [
        (Microphone, None),
        (Microphone, open_microphone),
        (Speaker, None),
        (lambda: Scope(Speaker()), None),
        (Camera, None),
        (Camera, open_camera),
    ],
    ids=["microphone", "microphone-open", "speaker", "scope", "camera", "camera-open"],
)
def test_axe_finds_nothing_in_the_other_widgets(bare, visit, make, act):
    widget = make()
    page = visit(TRACKS)
    until(lambda: getattr(widget, "road", "none"))
    if act:
        act(page)
    if hasattr(widget, "error"):
        widget.error = "It broke."
        expect(page.get_by_role("alert")).to_be_visible()
    assert "\n".join(axe.faults_in_each_theme(page, "#main")) == ""
    assert what_does_not_fit(page, 320) == []


def test_enter_starts_and_stops_for_people_who_cannot_hold_a_key(talk):
    talk.connect()
    talk.panel.hands_free = False
    until(lambda: talk.session.turn_detection is None)
    expect(talk.page.locator("[data-role=status]")).to_have_text("Hold the button to talk")
    hold = talk.page.locator("[data-role=hold]")
    hold.focus()
    talk.session.calls.clear()
    talk.session.audio.clear()
    talk.page.keyboard.press("Enter")
    expect(hold).to_have_attribute("aria-pressed", "true")
    until(lambda: len(talk.session.audio) > 24_000)
    talk.page.keyboard.press("Enter")
    until(lambda: "respond" in talk.session.names())
    assert talk.session.names() == ["clear", "audio", "commit", "respond"]


NAME = """(({ ariaLabel, labels, innerText }) => (ariaLabel ?? labels?.[0]?.innerText ?? innerText).trim())(
  document.activeElement)"""


def test_every_control_of_the_panel_is_reached_by_the_tab_key_and_has_a_name(talk):
    speaking(talk)
    talk.page.get_by_text("Details", exact=True).click()
    talk.page.get_by_text("Settings", exact=True).click()
    talk.page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(60):
        talk.page.keyboard.press("Tab")
        reached.append(talk.page.evaluate(NAME))
    for name in [
        *["Disconnect", "Mute", "Interrupt", "Hands-free", "Conversation", "Details"],
        *["Settings", "Microphone", "Volume", "Voice", "Turns end", "Mute me while the AI speaks"],
        *["Sound", "Instructions and tools"],
        *["Edit these words", "Type a message", "Send"],
    ]:
        assert name in reached, "|".join(reached)


def test_nothing_moves_with_reduced_motion(bare, visit):
    session = ScriptedSession()
    panel = VoicePanel(session)
    page = visit(TRACKS, reduced_motion="reduce")
    until(lambda: panel.road == "direct")
    talk = Talk(page, panel, session)
    speaking(talk)
    moving = """() => [...document.querySelectorAll(".rtnb, .rtnb *")].filter((node) => {
      const { animationName, transitionDuration } = getComputedStyle(node);
      return animationName !== "none" || transitionDuration !== "0s";
    }).map((node) => node.className)"""
    assert page.evaluate(moving) == []
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving)
