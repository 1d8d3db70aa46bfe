"""Text from a model, a server or a file cannot control the terminal that it is printed to."""

import contextlib
import json
import re

import pytest
import wire_samples as wire
from scripted_server import refusal, scripted

import realtime_nb as rt
from realtime_nb.cli import main as cli
from realtime_nb.display import Progress, printable
from realtime_nb.experiments.executor import RunProgress
from realtime_nb.protocol import events as ev
from realtime_nb.sessions.event_log import SessionEvents
from realtime_nb.speech.comparison import ComparisonCell

WAIT_S = 60
NASTY = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "c1": "\x9b2J\x90q\x9c",
    "bell": "\x07\x00\x7f\x08",
    "over": "good\rbad",
    "bidi": "abc\u202efed\u2066x\u2069\u206a",
    "lines": "a\u2028b\u2029c",
}
ALL = " ".join(NASTY.values())
FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u206f\ud800-\udfff]")


def assert_tame(text):
    found = FORBIDDEN.search(text)
    assert not found, f"{found[0]!r} in …{text[max(0, found.start() - 60) : found.end() + 20]!r}…"


@pytest.mark.parametrize("text", [*NASTY.values(), "half \ud83d of a pair"], ids=[*NASTY, "half"])
def test_what_would_command_a_terminal_is_spelled_out(text):
    shown = printable(text)
    assert_tame(shown)
    assert re.search(r"\\u[0-9a-f]{4}", shown)
    shown.encode()
    assert json.loads(f'"{shown}"') == text if "\\" not in text else True


@pytest.mark.parametrize(
    "text", ["Guten Tag!", "a\tb\nc", "naïve\u00a0: 你好　world", "👩\u200d🚀 می\u200cخواهم", "שלום"]
)
def test_all_other_writing_stays_as_it_is(text):
    assert printable(text) == text
    assert printable("a\r\nb") == "a\nb"


def answering(text, error=None):
    """A server that answers a question with a text, or with an error."""

    def script(peer):
        peer.open()
        request = peer.read_text_question()
        if error:
            peer.send(wire.event("error", error=error | {"event_id": request["event_id"]}))
        else:
            done = wire.response_done("R1", "completed", output=[wire.text_item("A1", text, "completed")])
            created = wire.response_created("R1")
            for each in (created, done):
                each["response"]["metadata"] = request["response"]["metadata"]
            peer.send(created, wire.item_added(done["response"]["output"][0]), done)
        peer.wait_until_gone()

    return scripted(script)


def test_what_a_model_says_is_data_as_it_is_and_is_shown_without_commands():
    with answering(ALL) as address, rt.RealtimeSession(backend=address) as session:
        reply = session.ask(f"Say {ALL}").result(WAIT_S)
        conversation = session.conversation
        assert NASTY["colour"] in reply.transcript and NASTY["bidi"] in reply.transcript
        for each in (reply, conversation, *conversation.turns, conversation.costs(), session, session.log):
            assert_tame(f"{each!r} {each}")
            if hasattr(each, "_repr_mimebundle_"):
                assert_tame(each._repr_mimebundle_()["text/plain"])


def test_what_a_server_says_of_an_error_is_shown_without_commands(tmp_path):
    said = {"type": "invalid_request_error", "code": f"c{ALL}", "message": ALL, "param": ALL}
    with answering("", said) as address, rt.RealtimeSession(backend=address) as session:
        with pytest.raises(rt.ServerError) as caught:
            session.ask("Hello!").result(WAIT_S)
        assert_tame(str(caught.value))
        assert caught.value.message == ALL
    with scripted(process_request=refusal(400, json.dumps({"error": said}))) as address:
        with pytest.raises(rt.ServerError) as caught:
            rt.RealtimeSession(backend=address).connect().result(WAIT_S)
        assert_tame(str(caught.value))


def test_the_type_of_an_event_that_a_listener_fails_on_commands_nothing():
    def fail(event, elapsed_ms):
        raise ValueError(ALL)

    session_events = SessionEvents()
    session_events.listen(fail)
    with pytest.warns(RuntimeWarning, match="a listener failed on .*red") as told:
        session_events.tell(ev.Unknown(type=ALL, data={}))
    assert_tame(str(told[0].message))


@pytest.mark.parametrize(
    "make",
    [
        lambda text: rt.ConnectionLost(text),
        lambda text: rt.RemoteProtocolError(text),
        lambda text: rt.AudioError(text),
        lambda text: rt.RecordingError(text),
        lambda text: rt.MissingExtra(text, "local", text),
        lambda text: rt.InputFlagged(text),
        lambda text: rt.BudgetReached("max_usd", text),
        lambda text: rt.RealtimeError(text),
    ],
)
def test_errors_are_shown_without_commands(make):
    assert_tame(str(make(ALL)))


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_line_prints_no_commands(as_json, tmp_path, capfd):
    file = tmp_path / "a\x1b[31m\u202e.wav"
    rt.speak("What time is it?").save(file)
    arguments = ["talk", str(file), "--backend", "local", "--out", str(tmp_path / "out\x9b")]
    assert cli.main([*arguments, *(["--json"] if as_json else [])]) == 0
    assert cli.main(["talk", str(tmp_path / "no\x1b[31m\u202e.wav")]) == 2
    out, err = capfd.readouterr()
    assert out and err
    assert_tame(out)
    assert_tame(err)
    if as_json:
        assert json.loads(out)["file"] == str(file)


def test_a_bar_says_no_commands():
    with contextlib.suppress(AttributeError), Progress(ALL) as bar:
        assert_tame(bar._what)


def test_names_of_models_systems_and_measures_command_nothing(capfd):
    costs = rt.Conversation().costs()
    records = [costs.on(ALL), rt.Comparison([], {}), rt.VoicePanel(rt.RealtimeSession(backend="local", voice=ALL))]
    records[1].cells.append(ComparisonCell(system=ALL, clip="c", repeat=1))
    for each in records:
        assert_tame(f"{each!r} {each}")
    records[-1].close()
    bar = RunProgress(1, 0, ALL, shown=True)
    bar.say(ALL)
    with bar:
        said = capfd.readouterr()
    assert "owned" in said.out + said.err
    for line in (said.out, said.err):
        assert_tame(line.replace("\r", ""))  # The bar's own.
