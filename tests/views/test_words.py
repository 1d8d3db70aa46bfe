import pytest

from realtime_nb.conversation.records import Part, Reply, Stage, Turn
from realtime_nb.pricing.usage import Usage
from realtime_nb.protocol.items import ErrorDetail
from realtime_nb.views import words


def turn(text="Hello.", *, ms=0, **more):
    part = Part(kind="audio", text=text, text_done=True)
    part.add_audio(bytes(48 * ms))
    return Turn(item_id="A", **{"role": "assistant", "parts": {0: part}} | more)


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (turn(), "AI voice: Hello."),
        (turn(role="user"), "You: Hello."),
        (turn(role="system"), "System: Hello."),
        (turn("", role="user", ms=100), "You: (words not known)"),
        (
            turn("", role="user", transcription_error=ErrorDetail(message="Unclear.")),
            "You: (not transcribed: Unclear.)",
        ),
        (
            turn("", role="user", transcription_error=ErrorDetail(message=None)),
            "You: (not transcribed: no reason given)",
        ),
        (Turn(item_id="F", kind="function_call", name="get_time", arguments="{}"), "calls get_time: {}"),
        (Turn(item_id="O", kind="function_call_output", output="9:10"), "gets: 9:10"),
        (
            Turn(item_id="F", kind="function_call", name="pay", arguments="{}", tool_ms=12.4, approved=True),
            "calls pay: {} (agreed to; ran 12 ms)",
        ),
        (
            Turn(item_id="F", kind="function_call", name="pay", arguments="{}", tool_ms=0.4),
            "calls pay: {} (ran under 1 ms)",
        ),
        (
            Turn(item_id="F", kind="function_call", name="pay", arguments="{}", tool_error="no money", approved=False),
            "calls pay: {} (refused; failed: no money)",
        ),
        (
            Turn(item_id="M", kind="mcp_call", name="look", arguments="{}", server_label="docs", output="found"),
            "calls look of docs: {} → found",
        ),
        (
            Turn(item_id="M", kind="mcp_approval_request", name="look", arguments="{}", server_label="docs"),
            "asks to call look of docs: {}",
        ),
        (Turn(item_id="M", kind="mcp_approval_response", approved=False), "You: refused"),
        (Turn(item_id="M", kind="mcp_list_tools", server_label="docs"), "tools of docs:"),
        (turn("one two", ms=100, interrupted=True, played_ms=50), "AI voice: one two (interrupted; heard: “one”)"),
        (
            turn("one two", ms=100, interrupted=True, played_ms=0),
            "AI voice: one two (interrupted before a word was heard)",
        ),
        (turn("one two", ms=100, interrupted=True, played_ms=100), "AI voice: one two"),
    ],
)
def test_a_turn_is_a_line_of_dialogue(record, line):
    assert words.line(record) == line


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(response_id="R", status="completed"), "completed"),
        (Reply(response_id="R", status="cancelled", reason="turn_detected"), "cancelled (turn_detected)"),
        (Reply(response_id="R", status="failed", error={"message": "Sorry."}), "failed: Sorry."),
        (Reply(response_id="R", status="failed", error={"code": "quota"}), "failed: quota"),
        (Reply(response_id="R", status="failed", error={"type": None}), "failed: unknown error"),
    ],
)
def test_a_status_says_why(reply, status):
    assert words.status(reply) == status


def test_numbers_have_units_and_unknown_ones_a_dash():
    assert (words.milliseconds(1234.5), words.milliseconds(None)) == ("1,234 ms", "–")
    assert (words.seconds(1.25), words.seconds(None)) == ("1.2 s", "–")


def test_the_facts_of_a_reply():
    reply = Reply(response_id="R", status="completed", model="gpt-realtime-2.1")
    reply.outputs[0] = turn(ms=500)
    reply.usage = Usage(text_in=1_400, text_cached=400, audio_out=136)
    reply.timing.mark("first_audio", 210.0)
    assert words.facts_of(reply) == [
        ("length", "0.5 s"),
        ("first audio after", "210 ms"),
        ("tokens", "1,400 input (400 cached) · 136 output"),
        ("cost", "$0.0129"),
        ("model", "gpt-realtime-2.1"),
        ("status", "completed"),
    ]


def test_a_chain_tells_what_its_steps_are_billed_by():
    reply = Reply(response_id="R", usage=Usage(text_in=40, text_out=12))
    reply.stages = {
        "transcription": Stage(model="m", usage={"type": "duration", "seconds": 2.0}),
        "text": Stage(model="m", usage={"output_token_details": {"text_tokens": 12}}),
        "speech": Stage(model="m", usage={"type": "characters", "characters": 1_054}, remark="other words"),
    }
    facts = dict(words.facts_of(reply))
    assert facts["tokens"] == "40 input · 12 output · 2.0 s transcribed · 1,054 characters spoken"
    assert (facts["cost"], facts["remark"]) == ("unknown", "other words")


def test_facts_that_are_not_known_are_not_guessed():
    facts = dict(words.facts_of(Reply(response_id="R", usage=Usage(text_in=1), model="my-deployment")))
    assert (facts["cost"], facts["length"], facts["first audio after"]) == ("unknown", "–", "–")
    assert dict(words.facts_of(Reply(response_id="R")))["tokens"] == "–"
