from dataclasses import replace

import pytest
from healthy import HEALTHY, broken, check_line, line

from realtime_nb.diagnosis.diagnose import diagnose, version
from realtime_nb.diagnosis.probes import Comm, RunningKernel, UnmetRequirement


@pytest.mark.parametrize(
    ("facts", "name", "state", "said", "fix"),
    [
        (broken("machine", python="3.14.0"), "Python", "warning", "3.14.0 on Linux", "3.11 to 3.13"),
        (
            broken("machine", unmet=[UnmetRequirement("anywidget>=0.11,<0.12", "0.9.13")]),
            *("packages", "broken", "anywidget 0.9.13 is installed; anywidget>=0.11,<0.12 is needed"),
            "pip install -U 'anywidget>=0.11,<0.12'",
        ),
        (
            broken("machine", unmet=[UnmetRequirement("soxr>=0.5")]),
            "packages",
            "broken",
            "soxr is not installed",
            "pip install",
        ),
        (
            broken("machine", kernel=RunningKernel("6.30.1")),
            *("kernel", "warning", "ipykernel 6.30.1 handles no widget messages while a cell runs", "ipykernel>=7.4"),
        ),
        (
            broken("machine", kernel=RunningKernel("7.3.0", subshells=True)),
            *("kernel", "warning", "ipykernel 7.3.0 loses what callbacks print", "ipykernel>=7.4"),
        ),
        (broken("machine", kernel=RunningKernel("7.4.0", loop="uvloop")), "event loop", "warning", "uvloop", "await"),
        (
            broken("machine", kernel=RunningKernel("7.4.0", ui_poll=True)),
            *("event loop", "broken", "jupyter_ui_poll is loaded", "restart the kernel"),
        ),
        (broken("page", app_version="4.2.5"), "JupyterLab", "warning", "JupyterLab 4.2.5", "jupyterlab>=4.4"),
        (broken("page", ipywebrtc=False), "ipywebrtc", "warning", "the page has no ipywebrtc", "environment that runs"),
        (
            replace(broken("page", road="comm"), comm=Comm(8, 0)),
            *("widget messages", "warning", "0 of 8 widget messages", "ipykernel>=7.4"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_a_fault_has_a_line_with_its_cure(facts, name, state, said, fix):
    check_line(facts, name, state, said, fix)


def test_an_old_kernel_is_no_harm_where_sound_has_a_socket():
    facts = replace(broken("machine", kernel=RunningKernel("6.30.1")), comm=Comm(8, 0))
    assert diagnose(facts).ok
    assert line(facts, "widget messages").state == "ok"


def test_without_jupyter_ui_poll_and_uvloop_there_is_no_line_on_the_loop():
    assert "event loop" not in [check.name for check in diagnose(HEALTHY).checks]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("7.4.0", (7, 4, 0)), ("4.6.0rc1", (4, 6, 0)), ("3.14.0a3", (3, 14, 0)), ("7", (7,)), ("", ()), ("dev", ())],
)
def test_versions_are_compared_by_their_numbers(text, numbers):
    assert version(text) == numbers
