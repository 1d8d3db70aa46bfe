"""A session's bounds in the panel, on the local voice with simulated prices."""

import pytest
from bare import until
from playwright.sync_api import expect

import realtime_nb as rt
from realtime_nb.widgets.panel import VoicePanel


@pytest.fixture
def prices():
    rt.use_prices({"local-voice": {"audio_out": 200, "text_in": 0, "text_cached": 0, "text_out": 0, "audio_in": 0}})
    yield
    rt.use_prices(None)


def panel_of(visit, session):
    panel = VoicePanel(session)
    page = visit()
    until(lambda: panel.road == "direct")
    return page


def say(page, text):
    page.get_by_label("Type a message").fill(text)
    page.get_by_role("button", name="Send").click()


def test_the_bar_fills_and_the_session_says_why_it_stops_and_how_to_go_on(prices, bare, visit):
    with rt.RealtimeSession(backend="local", turn_detection=None, transcription=None, max_usd=0.01) as session:
        page = panel_of(visit, session)
        say(page, "What is two plus three?")
        bar = page.get_by_role("meter", name="Spent")
        expect(bar).to_be_visible()
        expect(bar).not_to_have_attribute("aria-valuenow", "0")
        # Each bar has its words beside it.
        expect(bar.locator("xpath=preceding-sibling::*")).to_contain_text("of $0.01")
        say(page, "Tell me a story.")
        expect(page.locator("[data-role=status]")).to_contain_text(
            "to go on, raise session.bounds.max_usd and connect again"
        )
        expect(bar).to_have_attribute("aria-valuenow", "100")


def test_a_flagged_answer_says_so_in_its_row_and_opens_on_a_click(bare, visit):
    def guard(text, side):
        return "no sums" if side == "assistant" else None

    with rt.RealtimeSession(backend="local", turn_detection=None, guard=guard) as session:
        page = panel_of(visit, session)
        say(page, "What is two plus three?")
        answer = page.locator(".rtnb-assistant")
        expect(answer.locator("em")).to_have_text("Cut by guard: no sums")
        words = answer.get_by_text("2 plus 3 is 5.")
        expect(words).to_be_hidden()
        expect(answer.get_by_role("toolbar")).to_have_accessible_name("Change AI: cut by guard")
        answer.get_by_text("Show what the guard cut").click()
        expect(words).to_be_visible()
