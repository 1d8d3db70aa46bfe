"""Facts of a healthy set-up, for tests that break one thing in it."""

from dataclasses import replace

from realtime_nb.diagnosis.diagnose import diagnose
from realtime_nb.diagnosis.probes import (
    BrowserPage,
    Comm,
    DoctorFacts,
    Machine,
    Played,
    ProbeAnswer,
    ProbedMicrophone,
    ProbedPart,
    RunningKernel,
    Server,
)

HEALTHY = DoctorFacts(
    machine=Machine(
        python="3.12.4",
        system="Linux x86_64",
        packages={"realtime-nb": "0.1.0", "jupyterlab": "4.6.6", "ipywebrtc": "0.6.0"},
        kernel=RunningKernel("7.4.0", subshells=True),
    ),
    page=BrowserPage(
        app="JupyterLab",
        app_version="4.6.6",
        browser="Chrome 156",
        origin="http://localhost:8888",
        permission="granted",
        microphones=1,
        speakers=1,
        ipywebrtc=True,
        road="direct",
    ),
    comm=Comm(8, 8, "subshell-1"),
    heard=ProbedMicrophone(device="Headset", duration_s=2.0, level=0.2, sample_rate=24_000),
    played=Played(sent=14_400, rendered=14_400, audible=14_316, heard=True),
    parts=tuple(ProbedPart(name, said="did its work", took_ms=20) for name in ("espeak-ng", "webrtcvad", "silero")),
    server=Server(
        "openai",
        "gpt-realtime-2.1",
        "api.openai.com",
        keyed=True,
        http=ProbeAnswer(took_ms=120),
        realtime=ProbeAnswer(took_ms=300),
    ),
)


def broken(fact, **fields):
    """Return the healthy facts with some fields of one of them changed."""
    return replace(HEALTHY, **{fact: replace(getattr(HEALTHY, fact), **fields)})


def line(facts, name):
    """Return the one line of this name."""
    (found,) = [check for check in diagnose(facts).checks if check.name == name]
    return found


def check_line(facts, name, state, said, fix):
    """Assert a line's words, and that it says what to do unless it is ok."""
    found = line(facts, name)
    assert found.state == state, found
    assert said in found.said, found
    assert fix in found.fix, found
    assert bool(found.fix) or state == "ok"
