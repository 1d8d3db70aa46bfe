"""Usage as servers report it, against bounds and in comparisons: on real sockets, with odd reports among them."""

import json

import numpy as np
import pytest
import wire_samples as wire
from plain_http import plain
from scripted_server import scripted

import realtime_nb as rt
from realtime_nb.cli import main as cli
from realtime_nb.protocol.local_events import BudgetStopped
from realtime_nb.views import mimebundle

CLIP = rt.AudioClip(0.3 * np.sin(np.arange(12_000) * 2 * np.pi * 440 / 24_000), 24_000)
SSE = {"Content-Type": "text/event-stream"}
WAIT_S = 60
PARTIAL = {"input_tokens": 30_000, "input_token_details": {"cached_tokens": 0}, "output_tokens": 5}
WHOLE = {
    "input_tokens": 300,
    "output_tokens": 50,
    "input_token_details": {"text_tokens": 100, "audio_tokens": 200},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 40},
}


def get_time() -> str:
    """Tell the time."""
    return "nine"


@pytest.fixture(autouse=True)
def prices_of_the_servers_here():
    models = ("gpt-realtime-2.1", "gpt-realtime-whisper", "gpt-audio-1.5", "gpt-transcribe", "gpt-6-luna")
    rt.use_prices({"voice": {"per_million_characters": 15}} | {model: {"like": model} for model in models})
    yield
    rt.use_prices(None)


# --- a Realtime server -----------------------------------------------------------------------------------------------


def question(peer):
    """Return what ends the person's turn: an item, or the commit of what was said."""
    sound = ("input_audio_buffer.clear", "input_audio_buffer.append")
    while (asked := peer.receive("conversation.item.create", "input_audio_buffer.commit", *sound))["type"] in sound:
        pass
    return asked


def answers(*usages, rounds=0, transcribed=None):
    """Return a script that answers one question after the other, each after that many calls of a tool."""

    def script(peer):
        peer.open(wire.without(wire.SESSION, "audio", "input", turn_detection=None))
        numbers = iter(range(1_000))

        def respond(request, item, usage):
            done = wire.response_done(f"R{next(numbers)}", output=[item], usage=usage)
            created = wire.response_created(done["response"]["id"])
            for each in (created, done):
                each["response"]["metadata"] = request["response"]["metadata"]
            peer.send(created, wire.item_added(item), done)

        for usage in usages:
            number = next(numbers)
            asked = question(peer)
            if asked["type"] == "input_audio_buffer.commit":
                peer.send(*wire.committed_turn(f"U{number}"))
                *told, completed = wire.transcription(f"U{number}") if transcribed else [None]
                peer.send(*told, *([completed | {"usage": transcribed}] if transcribed else []))
            else:
                peer.send(wire.item_added(asked["item"] | {"id": f"U{number}", "status": "completed"}))
            request = peer.receive("response.create")
            for _ in range(rounds):
                call = f"C{next(numbers)}"
                item = {"id": call, "call_id": call, "type": "function_call", "status": "completed"}
                respond(request, item | {"name": "get_time", "arguments": "{}"}, usage)
                output = peer.receive("conversation.item.create")["item"]
                peer.send(wire.item_added({"id": f"O{number}", "status": "completed", **output}))
                request = peer.receive("response.create")
            respond(request, wire.text_item(f"A{next(numbers)}", "It is nine.", "completed"), usage)
        peer.wait_until_gone()

    return script


def realtime(address, **options):
    return rt.RealtimeSession(
        backend=address, model="gpt-realtime-2.1", turn_detection=None, **{"transcription": None} | options
    )


# --- HTTP servers ----------------------------------------------------------------------------------------------------


def chunks(*deltas, usage=None, finish="stop", done=True):
    """Return the pieces of a completion as a stream."""
    told = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    told.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    told += [{"choices": [], "usage": usage}] if usage is not None else []
    body = "".join(f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk'} | each)}\n\n" for each in told)
    return 200, body + ("data: [DONE]\n\n" if done else ""), SSE


def call(number=0):
    function = {"name": "get_time", "arguments": "{}"}
    return {"tool_calls": [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]}


def chain(usages, rounds=0):
    """Return the endpoints of a chain, and of `ChatSession`, that tell these usages one after the other."""
    completions = []
    for usage in usages:
        completions += [chunks(call(number), usage=usage, finish="tool_calls") for number in range(rounds)]
        completions.append(chunks({"content": "It is nine."}, usage=usage))
    written = {"type": "transcript.text.done", "text": "What time is it?", "usage": {"type": "duration", "seconds": 60}}
    delta = {"type": "transcript.text.delta", "delta": "What time is it?"}
    stream = "".join(f"data: {json.dumps(each)}\n\n" for each in (delta, written))
    return {
        "/v1/chat/completions": completions,
        "/v1/audio/transcriptions": (200, stream, SSE),
        "/v1/audio/speech": (200, CLIP.to_pcm16(), {"Content-Type": "audio/pcm"}),
    }


def cascade(address, **options):
    return rt.CascadeSession(
        backend=address, transcriber="gpt-transcribe", text_model="gpt-6-luna", speaker="voice", **options
    )


def chat(address, **options):
    return rt.ChatSession(backend=address, model="gpt-audio-1.5", output_modalities=["text"], **options)


CHAT_USAGE = {"prompt_tokens": 300, "completion_tokens": 50, "prompt_tokens_details": {"audio_tokens": 0}}


# --- bounds ----------------------------------------------------------------------------------------------------------


def ask_until_stopped(session, most=20):
    """Return how many questions were answered before a bound stopped the session, and why it did."""
    for number in range(most):
        try:
            session.ask("What time is it?").result(WAIT_S)
        except rt.BudgetReached as error:
            return number, error
        if session.state == "closed":
            with pytest.raises(rt.BudgetReached) as stopped:
                session.ask("And now?").result(WAIT_S)
            return number + 1, stopped.value
    return most, None


@pytest.mark.parametrize(
    ("usage", "answered", "why"),
    [
        (PARTIAL, 1, "are spent"),
        ({"input_tokens": 1_000, "output_tokens": 0}, 4, "are spent"),  # as if all of it were sound, the dearest
        ({"input_tokens": 30_000}, 1, "the server did not report the usage"),
        ({"total_tokens": 300}, 1, "the server did not report the usage"),
        ({"input_tokens": -5, "output_tokens": None}, 1, "the server did not report the usage"),
        ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}, 1, "the server did not report the usage"),
        ({}, 1, "the server did not report the usage"),
        (None, 1, "the server did not report the usage"),
    ],
)
def test_no_account_of_tokens_lets_a_session_go_on_for_nothing(usage, answered, why):
    with scripted(answers(*[usage] * 20)) as address:
        session = realtime(address, max_usd=0.10)
        number, error = ask_until_stopped(session)
        assert number == answered and why in str(error)
        (stopped,) = [entry.event for entry in session.log if isinstance(entry.event, BudgetStopped)]
        assert stopped.bound == "max_usd"
        costs = session.conversation.costs()
        assert costs.remarks and costs.total_usd != 0
        assert session.conversation.replies[0].transcript == "It is nine."


@pytest.mark.parametrize("kind", [chat, cascade])
@pytest.mark.parametrize("usage", [None, {}, "many", {"prompt_tokens": 0, "completion_tokens": 0}])
def test_a_completion_without_an_account_closes_a_session_that_is_bound(kind, usage):
    with plain(chain([usage])) as address:
        session = kind(address, max_usd=0.10)
        assert ask_until_stopped(session)[0] == 1
        costs = session.conversation.costs()
        assert costs.total_usd is None and "the sum is not known" in costs.remarks[0]
        assert session.conversation.replies[0].transcript == "It is nine."
        with kind(address) as free:  # Without a bound it goes on.
            assert free.ask("What time is it?").result(WAIT_S).status == "completed"
            assert free.ask("What time is it?").result(WAIT_S).cost is None


def test_a_chat_whose_details_are_zeros_is_billed_by_its_totals():
    zeros = {"text_tokens": 0, "audio_tokens": 0, "cached_tokens": 0}
    usage = {"prompt_tokens": 30_000, "completion_tokens": 10, "prompt_tokens_details": zeros}
    with plain(chain([usage])) as address, chat(address) as session:
        reply = session.ask("What time is it?").result(WAIT_S)
        assert reply.usage.text_in == 30_000 and reply.cost.total_usd == pytest.approx(0.0751)
        assert "they count as text" in reply.cost.remarks[0]
        assert str(reply.cost).startswith("at least $0.07") and "count as text" in str(mimebundle(reply))
        assert session.conversation.costs().at_most_usd == pytest.approx(30_000 * 32e-6 + 10 * 64e-6)


def test_what_is_told_by_kind_is_sure():
    with scripted(answers(WHOLE)) as address, realtime(address) as session:
        session.ask("What time is it?").result(WAIT_S)
        costs = session.conversation.costs()
        assert costs.remarks == [] and costs.at_most_usd == costs.total_usd == pytest.approx(0.0096)


@pytest.mark.parametrize("kind", [realtime, chat, cascade])
def test_another_server_is_bound_by_prices_that_may_not_be_its_own_and_the_record_says_so_once(kind):
    rt.use_prices({"voice": {"per_million_characters": 15}})
    server = scripted(answers(*[WHOLE] * 3)) if kind is realtime else plain(chain([CHAT_USAGE]))
    with server as address, kind(address, max_usd=100) as session:
        assert session.conversation.remarks == []
        for _ in range(2):
            session.ask("What time is it?").result(WAIT_S)
        (remark,) = session.conversation.remarks
        assert "what 127.0.0.1 bills for gpt-" in remark and "realtime_nb.use_prices" in remark
        assert session.bounds.spent_usd > 0


def test_the_command_line_says_that_a_cost_is_by_prices_that_may_not_be_the_servers(tmp_path, capfd):
    rt.use_prices(None)
    CLIP.save(tmp_path / "a.wav")
    with scripted(answers(WHOLE)) as address:
        assert cli.main(["talk", str(tmp_path / "a.wav"), "--backend", address, "--out", str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    assert "cost    $0.00960" in out and "remark: what 127.0.0.1 bills for gpt-realtime-2.1 is not known" in err


def test_what_another_server_bills_for_a_comparison_is_not_known_as_in_a_run():
    with plain(chain([CHAT_USAGE])) as address, chat(address) as session:
        [known] = rt.compare([session], [CLIP]).result(WAIT_S).cells
        rt.use_prices(None)
        [cell] = rt.compare([session], [CLIP]).result(WAIT_S).cells
    assert known.cost_usd > 0
    assert cell.cost_usd is None and "what 127.0.0.1 bills for gpt-audio-1.5 is not known" in cell.cost_remarks


# --- comparisons -----------------------------------------------------------------------------------------------------


def kinds_of(rounds, questions, took):
    """Yield, for each kind of session, how it is made and what serves it."""
    usages = [CHAT_USAGE] * questions
    yield (
        realtime,
        scripted(answers(*[WHOLE] * questions, rounds=rounds, transcribed=took)),
    )
    yield chat, plain(chain(usages, rounds))
    yield cascade, plain(chain(usages, rounds))


@pytest.mark.parametrize("written_down", [False, True])
@pytest.mark.parametrize("rounds", [0, 1, 3])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_comparison_counts_what_the_conversation_counts(place, rounds, written_down):
    kind, server = list(kinds_of(rounds, 2, {"type": "duration", "seconds": 60} if written_down else None))[place]
    options = {}
    if written_down:
        options = {realtime: {"transcription": "gpt-realtime-whisper"}, chat: {"guard": lambda text, side: None}}.get(
            kind, {}
        )
    with server as address, kind(address, tools=[get_time], **options) as session:
        comparison = rt.compare({"one": session}, {"first": CLIP, "second": CLIP}).result(WAIT_S)
        assert [cell.error for cell in comparison.cells] == ["", ""]
        costs = session.conversation.costs()
        total = sum(cell.cost_usd for cell in comparison.cells)
        assert total == pytest.approx(costs.total_usd) and comparison.cells[0].cost_usd == pytest.approx(total / 2)
        replies = session.conversation.replies
        assert len(replies) == 2 * (rounds + 1)
        apart = [charge for row in costs for charge in row.charges if charge.what == "transcription"]
        assert len(apart) == (2 if written_down or kind is cascade else 0)
        own = sum(reply.cost.total_usd for reply in replies)
        apart_usd = 0.0 if kind is cascade else sum(charge.cost.total_usd for charge in apart)
        assert total == pytest.approx(own + apart_usd) and own > 0
        assert comparison.cells[0].tokens_out >= 50 * (rounds + 1)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_others_ask_during_a_comparison_is_not_in_its_cost(place):
    kind, server = list(kinds_of(0, 5, {"type": "duration", "seconds": 60}))[place]
    with server as address, kind(address) as session:
        others = [session.ask("Before?")]
        session.on("response.done", lambda event: len(others) < 3 and others.append(session.ask("Between?")))
        comparison = rt.compare([session], [CLIP, CLIP]).result(WAIT_S)
        assert [other.result(WAIT_S).status for other in others] == ["completed"] * 3
        spoken = [reply for reply in session.conversation.replies if reply.asked.text not in ("Before?", "Between?")]
        for cell, reply in zip(comparison.cells, spoken, strict=True):
            assert cell.tokens_in == 300 and cell.tokens_out == 50
            apart = reply.asked.cost if kind is realtime else None
            assert cell.cost_usd == pytest.approx(reply.cost.total_usd + (apart.total_usd if apart else 0.0))


@pytest.mark.parametrize("others", [0, 1])
def test_the_cost_of_a_failed_question_is_known_if_nothing_else_was_said_meanwhile(others):
    def script(peer):
        peer.open(wire.without(wire.SESSION, "audio", "input", turn_detection=None))
        question(peer)
        for number in range(1 + others):
            *told, completed = wire.transcription(f"U{number}")
            usage = {"type": "duration", "seconds": 60}
            peer.send(*wire.committed_turn(f"U{number}"), *told, completed | {"usage": usage})
        error = {"type": "invalid_request_error", "code": "no", "message": "no"}
        peer.send(wire.event("error", error=error | {"event_id": peer.receive("response.create")["event_id"]}))
        peer.wait_until_gone()

    with scripted(script) as address, realtime(address, transcription="gpt-realtime-whisper") as session:
        [cell] = rt.compare([session], [CLIP]).result(WAIT_S).cells
    assert cell.error == "no [no]"
    if others:
        assert cell.cost_usd is None and "something else meanwhile" in cell.cost_remarks
    else:
        assert cell.cost_usd > 0 and cell.cost_remarks == ""


def test_what_failed_in_a_comparison_costs_what_it_was_billed():
    broken = {
        "/v1/chat/completions": [chunks({"content": "It "}, usage=CHAT_USAGE), (500, '{"error": {"message": "no"}}')]
    }
    with plain(broken) as address, chat(address) as session:
        comparison = rt.compare([session], [CLIP, CLIP]).result(WAIT_S)
        first, second = comparison.cells
        assert first.cost_usd > 0 and not first.error and second.error
        assert second.cost_usd == 0.0 and "did not report the usage of" in second.cost_remarks
        assert comparison.values("chat", "cost_usd") == [first.cost_usd]


def test_a_question_of_two_clips_is_written_down_twice_and_both_are_billed():
    with plain(chain([CHAT_USAGE] * 2)) as address:
        with cascade(address) as session:
            reply = session.ask(CLIP, "and", CLIP).result(WAIT_S)
            assert reply.stages["transcription"].usage["seconds"] == 120
            assert reply.cost.total_usd == pytest.approx(session.conversation.costs().total_usd)
        with chat(address, guard=lambda text, side: None) as session:
            turn = session.ask(CLIP, CLIP).result(WAIT_S).asked
            assert turn.transcription_usage["seconds"] == 120


# --- experiments -----------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset():
    # The table's prices do not hold at a server of the test's own.
    rt.use_prices({"gpt-audio-1.5": {"like": "gpt-audio-1.5"}})
    yield rt.Dataset.from_texts(["What time is it?", "What time is it now?"])
    rt.use_prices(None)


def run(dataset, address, folder, **options):
    return rt.run(
        dataset,
        {"one": lambda: chat(address)},
        out=folder,
        progress=False,
        concurrency=1,
        **{"retries": 0} | options,
    )


def test_a_row_says_what_may_be_wrong_in_its_cost(dataset, tmp_path):
    usage = {"prompt_tokens": 30_000, "completion_tokens": 5}
    with plain(chain([usage])) as address:
        results = run(dataset, address, tmp_path)
    for row in results.rows:
        assert row["cost_usd"] == pytest.approx((30_000 * 2.5 + 5 * 10) / 1e6)
        assert row["cost_at_most_usd"] == pytest.approx((30_000 * 32 + 5 * 64) / 1e6)
        assert "count as text" in row["cost_remarks"]


@pytest.mark.parametrize("usage", [None, {"total_tokens": 9}])
def test_a_run_within_a_budget_ends_where_nobody_knows_what_an_answer_took(dataset, tmp_path, usage):
    with plain(chain([usage])) as address:
        results = run(dataset, address, tmp_path / "bound", max_usd=100)
        assert len(results) == 1 and results.missing == 1
        row = results.rows[0]
        assert row.get("cost_at_most_usd") is None and row["cost_remarks"] and row["status"] == "completed"
        summary = json.loads((tmp_path / "bound" / "summary.json").read_text())
        assert usage or (row["cost_usd"] is None and summary["cost_usd"] is None)
        assert "did not report the usage of an answer" in results.stopped
        assert len(run(dataset, address, tmp_path / "free")) == 2


def test_what_is_told_whole_needs_no_remark_in_a_row(dataset, tmp_path):
    with plain(chain([CHAT_USAGE | {"completion_tokens_details": {"audio_tokens": 0}}])) as address:
        results = run(dataset, address, tmp_path)
    assert results.cost_usd == pytest.approx(2 * (300 * 2.5 + 50 * 10) / 1e6)
    assert "cost_remarks" not in results.rows[0] and "cost_at_most_usd" not in results.rows[0]
