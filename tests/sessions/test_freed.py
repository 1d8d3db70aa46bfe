"""Closed sessions, panels and widgets, and finished rounds of tools, are freed."""

import asyncio
import gc
import time
import weakref

import pytest

import realtime_nb as rt
from realtime_nb.loop import submit
from realtime_nb.sessions.tool_calls import _Round
from realtime_nb.widgets import base as outputs

WAIT_S = 60
MANY = 12


def get_time() -> str:
    """Tell the time."""
    return "nine"


def alive(references):
    """Return how many are still there once all threads have let go, which takes them a moment."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        outputs._painter.submit(lambda: None).result(WAIT_S)
        submit(asyncio.sleep(0)).result(WAIT_S)
        gc.collect()
        if not any(reference() for reference in references):
            break
    return sum(reference() is not None for reference in references)


def new_panel(**options):
    session = rt.RealtimeSession(backend="local", tools=[get_time], approve=lambda call: True)
    return session, rt.VoicePanel(session, **options)


def closed_panel():
    session, panel = new_panel()
    kept = session, panel, panel.line, session.conversation
    panel.close()
    session.close().result(WAIT_S)
    return kept


def displayed_panel_that_talked():
    session, panel = new_panel()
    panel._ipython_display_()
    kept = session, panel, session.ask("What time is it?").result(WAIT_S)
    panel.close()
    session.close().result(WAIT_S)
    return kept


def two_panels():
    session, first = new_panel()
    second = rt.VoicePanel(session)
    second.close()
    session.close().result(WAIT_S)
    return session, first, second


def panel_with_camera():
    camera = rt.Camera()
    session, panel = new_panel(camera=camera)
    panel.close()
    camera.close()
    return session, panel, camera


def panel_that_never_closed_its_session():
    session, panel = new_panel()
    panel.close()
    return session, panel


def widgets():
    made = rt.Microphone(), rt.Speaker(), rt.Camera()
    made = (*made, rt.Scope(made[0]))
    for each in made:
        each.close()
    return made


@pytest.mark.parametrize(
    "make",
    [
        closed_panel,
        displayed_panel_that_talked,
        two_panels,
        panel_with_camera,
        panel_that_never_closed_its_session,
        widgets,
    ],
)
def test_closed_objects_are_freed(make, capsys):
    references = [
        weakref.ref(each) for _ in range(MANY if make is not displayed_panel_that_talked else 3) for each in make()
    ]
    assert alive(references) == 0, f"of {len(references)}"


@pytest.mark.parametrize("kind", [rt.RealtimeSession, rt.ChatSession, rt.CascadeSession])
def test_a_closed_session_is_freed(kind):
    def talk():
        session = kind(backend="local", tools=[get_time])
        kept = session, session.conversation, session.ask("What time is it?").result(WAIT_S)
        session.close().result(WAIT_S)
        return kept

    assert alive([weakref.ref(each) for _ in range(2) for each in talk()]) == 0


def test_rounds_of_tools_that_are_over_are_freed():
    with rt.RealtimeSession(backend="local", tools=[get_time]) as session:
        for _ in range(3):
            session.ask("What time is it?").result(WAIT_S)
        assert sum(len(each.function_calls) for each in session.conversation.replies) == 3
        assert alive([weakref.ref(each) for each in gc.get_objects() if type(each) is _Round]) == 0
