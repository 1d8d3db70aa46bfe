"""Tools in the panel with the local voice: asked about by buttons, run here, and spoken of."""

import pytest
from bare import until
from playwright.sync_api import expect

import realtime_nb as rt
from realtime_nb.widgets.panel import VoicePanel


def order_status(number: int) -> dict:
    """Look up where an order is."""
    return {"status": "on its way", "order": number}


@rt.tool(approve=True)
def refund_money(number: int) -> dict:
    """Refund the money for a purchase."""
    return {"refund": "granted", "purchase": number}


@pytest.fixture
def session():
    # Hold-to-talk: the fake microphone's tone must not take turns.
    with rt.RealtimeSession(backend="local", turn_detection=None, tools=[order_status, refund_money]) as session:
        yield session


@pytest.fixture
def page(session, bare, visit):
    panel = VoicePanel(session)
    page = visit()
    until(lambda: panel.road == "direct")
    return page


def say(page, text):
    page.get_by_label("Type a message").fill(text)
    page.get_by_role("button", name="Send").click()


def test_a_function_is_called_and_spoken_of(page, session):
    say(page, "What is the status of order seven?")
    rows = page.locator(".rtnb-turn")
    shown = ["order_status", "number", "7", "Result", "status", "on its way", "order", "7"]
    expect(rows.nth(1).locator("b, dt, dd, summary")).to_have_text(shown)
    expect(rows.nth(2)).to_have_text("AIThe status is on its way, the order is 7.")


@pytest.mark.parametrize(
    ("button", "answer"),
    [
        ("Allow", "AIThe refund is granted, the purchase is 9."),
        ("Refuse", "AIThat did not work: not run: the person refused."),
    ],
)
def test_a_call_that_needs_approval_waits_for_the_button(page, session, button, answer):
    say(page, "Please refund my money for purchase nine.")
    card = page.locator(".rtnb-ask")
    expect(card.locator("code")).to_have_text("refund_money")
    expect(card.locator("dl")).to_have_text("number9")
    assert "tool.started" not in session.log.types("local")
    card.get_by_role("button", name=button).click()
    expect(page.locator(".rtnb-turn").nth(2)).to_have_text(answer)
    expect(card).to_have_count(0)
