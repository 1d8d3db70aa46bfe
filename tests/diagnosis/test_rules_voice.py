from dataclasses import replace

import pytest
from healthy import HEALTHY, broken, check_line, line

from realtime_nb.diagnosis.diagnose import diagnose
from realtime_nb.diagnosis.probes import ProbeAnswer, ProbedPart, Server

LOCAL = replace(
    HEALTHY, server=Server("local", "local-rules", "127.0.0.1:1", http=ProbeAnswer(), realtime=ProbeAnswer(said="5"))
)
GONE = (
    ProbedPart("espeak-ng", error="no module espeakng_loader", missing=True),
    ProbedPart("webrtcvad", error="no x", missing=True),
)
REFUSED = ProbeAnswer("Incorrect API key", "invalid_api_key")
LOST = ProbeAnswer("api.openai.com cannot be reached: refused", "unreachable")


@pytest.mark.parametrize(
    ("facts", "name", "state", "said", "fix"),
    [
        (replace(LOCAL, parts=GONE), "local voice", "broken", "espeak-ng (no module", "'realtime-nb[local]'"),
        (replace(HEALTHY, parts=GONE), "local voice", "warning", "not chosen", "'realtime-nb[local]'"),
        (
            replace(LOCAL, parts=[ProbedPart("text model", error="Ollama on port 11434 has no model to chat with")]),
            "text model",
            "warning",
            "to chat with: rules answer, which are not a language model",
            "REALTIME_NB_BRAIN=rules",
        ),
        (
            replace(LOCAL, parts=[ProbedPart("silero", error="no wheel here", missing=True)]),
            *("silero", "warning", "webrtcvad alone finds turns", "'realtime-nb[local]'"),
        ),
        (
            replace(LOCAL, parts=[ProbedPart("pocketsphinx", error="it crashed")]),
            "pocketsphinx",
            "broken",
            "it crashed",
            "force",
        ),
        (
            replace(HEALTHY, parts=[ProbedPart("webrtcvad", error="deaf")]),
            "webrtcvad",
            "warning",
            "deaf",
            "force-reinstall",
        ),
        (
            replace(HEALTHY, server=Server("openai", error="the openai backend needs an API key: set OPENAI_API_KEY")),
            *("backend", "broken", "the openai backend needs an API key", "set OPENAI_API_KEY"),
        ),
        (broken("server", http=REFUSED, realtime=REFUSED), "API key", "broken", "refused the key", "OPENAI_API_KEY"),
        (broken("server", realtime=REFUSED), "API key", "broken", "api.openai.com refused the key", "OPENAI_API_KEY"),
        (
            broken("server", keyed=False, http=REFUSED, name="x.example"),
            "API key",
            "broken",
            "none is set",
            "REALTIME_NB",
        ),
        (broken("server", http=LOST, realtime=LOST), "backend", "broken", "cannot be reached", "HTTPS_PROXY"),
        (
            broken("server", realtime=LOST),
            "Realtime socket",
            "broken",
            "no session with gpt-realtime-2.1",
            "ChatSession",
        ),
        (
            broken("server", http=ProbeAnswer("no such model", "model_not_found")),
            *("backend", "broken", "no such model", "choose a model"),
        ),
        (
            broken("server", http=ProbeAnswer("Not Found", "refused")),
            "backend",
            "warning",
            "does not list",
            "as long as",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_a_fault_has_a_line_with_its_cure(facts, name, state, said, fix):
    check_line(facts, name, state, said, fix)


def test_one_cause_makes_one_line():
    names = [check.name for check in diagnose(broken("server", http=LOST, realtime=LOST)).checks]
    assert "Realtime socket" not in names
    names = [check.name for check in diagnose(broken("server", http=REFUSED, realtime=REFUSED)).checks]
    assert "backend" not in names and "Realtime socket" not in names
    names = [check.name for check in diagnose(replace(LOCAL, parts=GONE)).checks]
    assert "espeak-ng" not in names


def test_a_server_that_is_being_asked_has_no_line_yet():
    names = [check.name for check in diagnose(broken("server", http=None, realtime=None)).checks]
    assert "backend" not in names


def test_a_valid_key_is_said_to_be_valid():
    assert "the key is valid" in line(HEALTHY, "backend").said
    assert "the key" not in line(LOCAL, "backend").said
