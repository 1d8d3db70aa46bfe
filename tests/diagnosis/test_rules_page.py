from dataclasses import replace

import pytest
from healthy import HEALTHY, broken, check_line

from realtime_nb.diagnosis.diagnose import diagnose
from realtime_nb.diagnosis.probes import Played, ProbedMicrophone

INSECURE = broken("page", secure=False, origin="http://lab.example:8888", loopback=False)
VSCODE = broken("page", app="vscode", allowed=False, road="comm", app_version="")
COLAB = broken("page", app="colab", allowed=False, road="comm", app_version="")
REFUSED = "The browser does not allow the microphone here. Allow it beside the address bar, then try again."


@pytest.mark.parametrize(
    ("facts", "name", "state", "said", "fix"),
    [
        (INSECURE, "secure page", "broken", "http://lab.example:8888 is not secure", "http://localhost"),
        (broken("page", allowed=False), "permission", "broken", "the frame around", "browser tab of its own"),
        (broken("page", permission="denied"), "permission", "broken", "the browser refuses", "address bar"),
        (broken("page", microphones=0), "devices", "broken", "finds no microphone", "plug one in"),
        (
            broken("page", road="comm", loopback=False),
            "sound's way",
            "warning",
            "widget messages",
            "jupyter-server-proxy",
        ),
        (VSCODE, "front end", "warning", "VS Code", "realtime-nb talk FILE.wav"),
        (VSCODE, "permission", "broken", "the frame around", "AudioClip.from_file"),
        (COLAB, "front end", "warning", "Colab", "in a browser tab with Jupyter or Binder"),
        (
            replace(HEALTHY, heard=ProbedMicrophone(error=REFUSED)),
            "microphone",
            "broken",
            "not allow the microphone here",
            "allow it",
        ),
        (broken("heard", level=0.0), "microphone", "broken", "Headset gives only silence", "unmute"),
        (broken("heard", level=0.0005), "microphone", "warning", "very quiet", "speak during the check"),
        (broken("heard", clipped=0.2), "microphone", "warning", "20% of the samples", "turn its level down"),
        (broken("heard", duration_s=0.4), "microphone", "broken", "only 0.4 of 2 s", "reload"),
        (replace(HEALTHY, played=Played(error="It is blocked. Click.")), "speaker", "broken", "It is blocked", "click"),
        (broken("played", heard=False), "speaker", "broken", "you did not hear them", "turn the volume up"),
        (broken("played", rendered=400, audible=300), "speaker", "broken", "only 400 of 14400", "reload"),
        (broken("played", underruns=2), "speaker", "warning", "with 2 gaps", "busy"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_a_fault_has_a_line_with_its_cure(facts, name, state, said, fix):
    check_line(facts, name, state, said, fix)


def test_nothing_is_said_of_the_microphone_of_an_insecure_page():
    facts = replace(INSECURE, heard=None, played=None)
    names = [check.name for check in diagnose(facts).checks]
    assert "permission" not in names and "devices" not in names and "secure page" in names


@pytest.mark.parametrize("place", ["vscode", "colab"])
def test_a_front_end_with_limits_is_named_before_its_page_answers(place):
    facts = replace(broken("machine", place=place), page=None)
    (front_end,) = [check for check in diagnose(facts).checks if check.name == "front end"]
    assert front_end.state == "warning" and "realtime-nb talk" in front_end.fix


def test_a_report_says_when_it_comes_from_binder():
    check_line(broken("machine", place="binder"), "front end", "ok", "JupyterLab 4.6.6 in Chrome 156, on Binder", "")


def test_a_page_that_says_what_it_is_is_believed_before_the_environment():
    """JupyterLab may run beside VS Code, with the same environment."""
    check_line(broken("machine", place="vscode"), "front end", "ok", "JupyterLab 4.6.6 in Chrome 156", "")


def test_a_browser_that_tells_nothing_of_permissions_and_speakers_is_not_blamed():
    facts = broken("page", permission="", speakers=None)
    checkup = diagnose(facts)
    assert checkup.ok and "permission" not in [check.name for check in checkup.checks]
