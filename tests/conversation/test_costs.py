import json
import math

import pytest
import wire_samples as wire
from record_samples import HOSTILE, hostile_conversation

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.costs import Tally
from realtime_nb.pricing.cost import cost_of
from realtime_nb.pricing.prices import use_prices
from realtime_nb.pricing.usage import BILLED
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import Heard, StageDone, StageStarted
from realtime_nb.views import escape, mimebundle

MINUTE = {"type": "duration", "seconds": 60}


def usage(text_in, audio_in, text_out, audio_out, *, text_cached=0, audio_cached=0, image_in=0):
    cached = {"text_tokens": text_cached, "audio_tokens": audio_cached}
    into = {"text_tokens": text_in, "audio_tokens": audio_in, "image_tokens": image_in}
    return {
        "input_token_details": into | {"cached_tokens": text_cached + audio_cached, "cached_tokens_details": cached},
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


def written_down(item_id, words, took=MINUTE):
    *deltas, completed = wire.transcription(item_id, words)
    return [*deltas, completed | {"usage": took}]


def fold(*events, model="gpt-realtime-2.1", into=None):
    conversation = Conversation() if into is None else into
    created = [] if into is not None else [wire.session_created(model=model)]
    for each in [*created, *events]:
        event = ev.decode_server(json.dumps(each)) if isinstance(each, dict) else each
        conversation.apply(event, 100.0)
    return conversation


def spoken(number, took, *, words=("What ", "time?"), status="completed", transcribed=MINUTE):
    """Return a question that is written down and its answer of 96 ms."""
    item, previous = f"U{number}", f"A{number - 1}" if number > 1 else None
    answer = wire.audio_answer(
        f"A{number}", response_id=f"R{number}", previous=item, status=status, end={"usage": took}
    )
    return [*wire.spoken_turn(item, previous), *written_down(item, words, transcribed), *answer]


def three_turns(model="gpt-realtime-2.1"):
    """Return a conversation whose second answer is cut off after a quarter of its 96 ms."""
    conversation = fold(
        *spoken(1, usage(20, 100, 10, 200)),
        *spoken(2, usage(30, 1_300, 20, 400, text_cached=20, audio_cached=1_200)),
        model=model,
    )
    conversation.apply(Heard(item_id="A1", played_ms=96), 100.0)
    conversation.apply(Heard(item_id="A2", played_ms=24, stopped=True), 100.0)
    return fold(*spoken(3, usage(40, 1_500, 5, 100)), into=conversation)


def test_there_is_a_row_for_each_reply_and_it_holds_every_token_and_dollar_once():
    conversation = three_turns()
    costs = conversation.costs()
    assert list(costs["response_id"]) == ["R1", "R2", "R3"] and list(costs.frame.index) == [1, 2, 3]
    second = costs.frame.loc[2]
    assert (second["asked"], second["model"], second["status"]) == ("What time?", "gpt-realtime-2.1", "completed")
    assert [second[f"{name}_tokens"] for name in BILLED] == [10, 20, 20, 100, 1_200, 400, 0, 0]
    assert second["audio_cached_input_usd"] == pytest.approx(1_200 * 0.4 / 1e6)
    assert second["cached_share"] == pytest.approx(1_220 / 1_330)
    own = costs[[f"{name}_usd" for name in BILLED]].sum(axis=1)
    assert list(own) == pytest.approx([reply.cost.total_usd for reply in conversation.replies])
    assert list(own + 0.017) == pytest.approx(list(costs["cost_usd"]))
    assert list(costs["cumulative_usd"]) == pytest.approx(list(costs["cost_usd"].cumsum()))
    assert costs.total_usd == pytest.approx(costs["cost_usd"].sum())
    assert costs.cached_share == pytest.approx(1_220 / (120 + 1_330 + 1_540))


def test_transcription_is_billed_separately_and_once():
    costs = three_turns().costs()
    assert list(costs["transcription_usd"]) == pytest.approx([0.017] * 3)
    assert costs.separate_usd == {"transcription": pytest.approx(3 * 0.017)}
    # The same turn is answered a second time, e.g. after a function call.
    again = fold(*wire.audio_answer("B", response_id="R4", previous="U3"), into=three_turns()).costs()
    assert list(again["transcription_usd"]) == pytest.approx([0.017] * 3 + [0])


def test_a_turn_that_got_no_reply_has_a_row_of_its_own():
    lonely = fold(*spoken(1, usage(1, 1, 1, 1)), *wire.spoken_turn("U2", "A1"), *written_down("U2", ("Hm.",)))
    costs = lonely.costs()
    assert list(costs["status"]) == ["completed", "no reply"] and costs["asked"][2] == "Hm."
    assert costs["cost_usd"][2] == pytest.approx(0.017) and costs.total_usd == pytest.approx(costs["cost_usd"].sum())
    fold(wire.event("conversation.item.deleted", item_id="U2"), into=lonely)
    assert lonely.costs().total_usd == pytest.approx(costs.total_usd)  # It was written down all the same.


def test_a_reply_that_calls_a_function_names_it():
    costs = fold(*wire.text_turn(), *wire.call_answer()).costs()
    assert list(costs["calls"]) == ["get_time"]
    assert "What time is it? → get_time" in mimebundle(costs)["text/plain"]


def test_generated_sound_that_was_not_heard_is_wasted():
    costs = three_turns().costs()
    assert list(costs["unheard_ms"])[:2] == [0, 72]
    assert costs["wasted_usd"][2] == pytest.approx(400 * 64 / 1e6 * 72 / 96)
    # No report says how much of the third was played.
    assert math.isnan(costs["unheard_ms"][3]) and math.isnan(costs["wasted_usd"][3])
    assert costs.wasted_usd == pytest.approx(costs["wasted_usd"][2])


def test_where_the_server_cut_counts_before_what_a_speaker_told():
    cut = wire.event("conversation.item.truncated", item_id="A2", content_index=0, audio_end_ms=48)
    assert fold(cut, into=three_turns()).costs()["unheard_ms"][2] == 48


def test_an_answer_without_audio_wastes_nothing():
    costs = fold(*wire.text_turn(), *wire.text_answer()).costs()
    assert (costs["unheard_ms"][1], costs.wasted_usd) == (0, 0)


def test_an_unknown_price_shows_tokens_and_no_dollars():
    costs = three_turns(model="my-deployment").costs()
    assert costs.total_usd is None and costs.wasted_usd is None and costs.usage.input_tokens == 120 + 1_330 + 1_540
    assert costs["cost_usd"].isna().all() and costs["cumulative_usd"].isna().all()
    assert costs["image_uncached_input_usd"].tolist() == [0, 0, 0] and costs["audio_output_usd"].isna().all()
    assert costs.remarks == ["the price of my-deployment is not known: see realtime_nb.use_prices"]
    text = mimebundle(costs)["text/plain"]
    assert "input 20 text, 100 audio, output 10 text, 200 audio, transcription $0.0170, per turn unknown" in text
    assert "total unknown, of which transcription $0.0510" in text and "my-deployment is not known" in text
    assert costs.on("gpt-realtime-2.1")["gpt-realtime-2.1"] == pytest.approx(three_turns().costs().total_usd)


def test_totals_are_unknown_after_the_first_unknown_price():
    conversation = fold(*spoken(1, usage(1, 1, 1, 1)), *spoken(2, usage(1, 1, 1, 1, image_in=9)))
    conversation.replies[0].model = "gpt-4o-realtime-preview"
    conversation.replies[1].model = "gpt-4o-realtime-preview"  # It has no price for images.
    costs = fold(*spoken(3, usage(1, 1, 1, 1)), into=conversation).costs()
    assert costs["cumulative_usd"].isna().tolist() == [False, True, True]
    assert costs["cost_usd"].isna().tolist() == [False, True, False]


def test_usage_that_the_server_left_out_is_in_no_total_and_is_remarked():
    conversation = fold(*spoken(1, usage(20, 100, 10, 200)), *spoken(2, None, status="failed", transcribed=None))
    fold(wire.response_created("R3"), into=conversation)  # It is still being made.
    costs = conversation.costs()
    assert (
        costs.total_usd == pytest.approx(costs["cost_usd"][1]) and costs["cost_usd"].isna().tolist()[1:] == [True] * 2
    )
    assert costs.remarks == ["the server did not report the usage of 3 of 5 charges: not counted"]
    assert "per turn not reported" in mimebundle(costs)["text/plain"]


def test_a_chain_is_billed_step_by_step():
    conversation = fold(*wire.text_turn("U1"), *wire.audio_answer("A1", response_id="R1", previous="U1"), model="chain")
    conversation.replies[0].usage = None
    steps = {
        "transcription": ("gpt-transcribe", MINUTE),
        "text": ("gpt-6-luna", usage(1_000, 0, 100, 0)),
        "speech": ("tts-1", {"type": "characters", "characters": 1_000}),
    }
    for stage, (model, took) in steps.items():
        conversation.apply(StageStarted(response_id="R1", stage=stage, model=model), 1.0)
        conversation.apply(StageDone(response_id="R1", stage=stage, usage=took), 2.0)
    conversation.apply(Heard(item_id="A1", played_ms=48, stopped=True), 3.0)
    costs = conversation.costs()
    row = costs.frame.loc[1]
    assert (row["transcription_usd"], row["speech_usd"]) == pytest.approx((0.0045, 0.015))
    assert row["text_uncached_input_usd"] + row["text_output_usd"] == pytest.approx(1_000 * 0.1 / 1e6 + 100 * 0.5 / 1e6)
    assert row["cost_usd"] == pytest.approx(conversation.replies[0].cost.total_usd)
    assert row["wasted_usd"] == pytest.approx(0.015 / 2)
    assert costs.on("gpt-realtime-2.1")["gpt-realtime-2.1"] is None
    assert "a chain's tokens belong to three models" in mimebundle(costs.on("gpt-realtime-2.1"))["text/plain"]


def test_a_session_can_be_priced_elsewhere():
    costs = three_turns().costs()
    elsewhere = costs.on("gpt-realtime-2.1", "gpt-realtime-mini", "gpt-9", "azure/eu/gpt-realtime-2.1", "gpt-live-1")
    assert elsewhere["gpt-realtime-2.1"] == pytest.approx(costs.total_usd)
    mini = sum(cost_of(row.usage, "gpt-realtime-mini").total_usd for row in costs) + costs.separate_usd["transcription"]
    assert elsewhere["gpt-realtime-mini"] == pytest.approx(mini)
    assert elsewhere["azure/eu/gpt-realtime-2.1"] == pytest.approx(1.1 * (costs.total_usd - 0.051) + 0.051)
    assert elsewhere["gpt-9"] is None and elsewhere["gpt-live-1"] is None
    assert elsewhere.frame.loc["gpt-realtime-mini", "times_this_session"] == pytest.approx(mini / costs.total_usd)
    assert elsewhere.frame["total_usd"].isna().tolist() == [False, False, True, False, True]
    text = mimebundle(elsewhere)["text/plain"]
    assert "this session on gpt-9 would cost unknown (no price is known)" in text
    assert "gpt-live-1 would cost unknown (it has no price for what was used)" in text


def test_a_free_session_can_be_priced_elsewhere():
    costs = three_turns(model="local-rules").costs()
    assert costs.on("gpt-realtime-2.1")["gpt-realtime-2.1"] > 0.01
    assert costs.on("local-rules").times("local-rules") == pytest.approx(1)  # The transcription was not free.


def test_nothing_has_been_billed_before_the_first_reply():
    costs = Conversation().costs()
    assert len(costs) == 0 and costs.total_usd == 0 and costs.cached_share is None and costs.wasted_usd is None
    assert list(costs.frame.columns) == list(three_turns().costs().frame.columns)
    assert "nothing has been billed" in mimebundle(costs)["text/plain"]


def test_the_view_has_every_reply_the_totals_and_other_models():
    bundle = mimebundle(three_turns().costs())
    markup = bundle["text/html"]
    assert set(bundle) == {"text/plain", "text/html", "image/png"} and bundle["image/png"] in markup
    assert markup.count("<tr") == 1 + 2 * (1 + 3) + (1 + 3)  # totals, replies twice, other models
    text = bundle["text/plain"]
    assert (
        "2. What time?: input 30 text, 1,300 audio, cached input 1,220 (92%), output 20 text, 400 audio, "
        "transcription $0.0170, per turn $0.0468, cumulative" in text
    )
    assert "of which transcription $0.0510" in text and "speech" not in text
    assert "not heard 0.1 s, $0.0192" in text and "cached input 41%" in text and "Prices of 2026-11-22." in text
    assert "this session on gpt-4o-realtime-preview-2024-10-01 would cost $0.3861 (prices of 2024-10-01" in text


def test_nothing_in_the_costs_is_markup():
    costs = hostile_conversation().costs()
    for record in (costs, costs.on(HOSTILE)):
        markup = mimebundle(record)["text/html"]
        assert "<script" not in markup and "onerror=alert" not in markup.replace(escape(HOSTILE), "")
    assert markup.count("&lt;script&gt;") == 1


def test_a_long_session_shows_its_last_replies():
    conversation = fold()
    for number in range(1, 41):
        fold(*spoken(number, usage(1, number, 1, 1)), into=conversation)
    bundle = mimebundle(conversation.costs())
    assert (
        bundle["text/html"].count("<tr") == 1 + 2 * (1 + 30) + (1 + 3)
        and "The first 10 of 40 rows" in bundle["text/html"]
    )
    assert bundle["text/plain"].startswith("(10 earlier rows are left out)\n11. ")


def test_a_running_sum_is_the_total_whatever_was_told_twice_or_has_another_price_since():
    conversation = fold(
        *wire.spoken_turn("U"),
        *written_down("U", ("Hi",)),
        *wire.text_answer(),
        *wire.spoken_turn("U2", "A"),
        *written_down("U2", ("And",)),
    )
    tally = Tally()
    counted = [conversation.reply("R"), conversation.turn("U"), conversation.turn("U2"), conversation.turn("U")]
    for record in counted:
        tally.count(record)
    assert tally.usd == pytest.approx(conversation.costs().total_usd) and tally.usd > 0
    conversation.apply(StageStarted(response_id="Q", stage="text", model="unheard-of"), 0.0)
    conversation.apply(StageDone(response_id="Q", stage="text", usage=usage(1_000_000, 0, 0, 0)), 0.0)
    before = tally.usd
    tally.count(conversation.reply("Q"))
    assert tally.usd is None and conversation.costs().total_usd is None
    use_prices({"unheard-of": {"text_in": 3, "text_out": 3}})
    try:
        tally.recount()
        assert tally.usd == pytest.approx(conversation.costs().total_usd) == pytest.approx(before + 3)
    finally:
        use_prices(None)


def test_what_was_cut_off_and_not_told_is_estimated_for_bounds_alone():
    told = usage(20, 100, 10, 200)
    conversation = fold(*spoken(1, told), *spoken(2, None, status="cancelled"))
    costs = conversation.costs()
    _, second = costs.rows
    assert second.cost_usd == pytest.approx(0.017)  # Writing down was told.
    words = math.ceil(len(conversation.replies[1].transcript) / 4)
    made = (words * 24 + 2 * 64) / 1e6  # 96 ms of sound are two tokens.
    assert costs.at_most_usd == pytest.approx(costs.total_usd + made + (20 * 4 + 100 * 32) / 1e6)
    assert "the server did not report the usage of 1 of 4 charges: not counted" in costs.remarks
    assert "at least" in mimebundle(costs)["text/plain"]
    tally = Tally()
    for record in (conversation.turn("U1"), *conversation.replies, conversation.turn("U2")):
        tally.count(record)
    assert tally.usd == pytest.approx(costs.at_most_usd)
    nothing = fold(wire.response_created("R"), wire.response_done("R", "failed", usage=None))
    assert nothing.costs().at_most_usd == 0.0  # What the server refuses is not billed.


def test_the_first_answer_that_was_cut_off_has_read_its_question_at_least():
    conversation = fold(*spoken(1, None, status="cancelled"))
    costs, words = conversation.costs(), math.ceil(len(conversation.replies[0].transcript) / 4)
    read = math.ceil(len("What time?") / 4)
    assert costs.at_most_usd == pytest.approx(costs.total_usd + (read * 4 + words * 24 + 2 * 64) / 1e6)


def test_a_whole_answer_that_was_not_told_makes_the_sum_unknown():
    costs = fold(*spoken(1, usage(20, 100, 10, 200)), *spoken(2, None)).costs()
    assert costs.total_usd is None and costs.at_most_usd is None
    assert costs["cost_usd"].isna().tolist() == [False, True]
    assert costs.remarks == ["the server did not report the usage of 1 of 4 charges: the sum is not known"]
    assert costs.on("gpt-realtime-2.1")["gpt-realtime-2.1"] is None
    free = fold(*spoken(1, None, transcribed=None), model="local-rules").costs()
    assert free.rows[0].cost_usd == 0.0 and free.rows[0].charges[0].at_most_usd == 0.0


def test_a_transcription_that_was_not_told_is_in_no_total_and_counts_for_bounds_by_its_sound():
    conversation = fold(*spoken(1, usage(20, 100, 10, 200), transcribed=None))
    costs = conversation.costs()
    [_, charge] = costs.rows[0].charges
    turn = conversation.turn("U1")
    audio_s = (turn.audio_end_ms - turn.audio_start_ms) / 1000
    assert audio_s > 0 and charge.untold_usd == pytest.approx(0.017 * audio_s / 60)
    assert costs.total_usd == pytest.approx(conversation.replies[0].cost.total_usd)
    assert costs.at_most_usd == pytest.approx(costs.total_usd + charge.untold_usd)


@pytest.mark.parametrize("told", [{}, {"type": "duration"}, {"type": "duration", "seconds": 0}, {"input_tokens": 0}])
def test_a_transcription_that_took_nothing_is_one_that_was_not_told(told):
    costs = fold(*spoken(1, usage(20, 100, 10, 200), transcribed=told)).costs()
    untold = fold(*spoken(1, usage(20, 100, 10, 200), transcribed=None)).costs()
    assert costs.at_most_usd == untold.at_most_usd > costs.total_usd == untold.total_usd
    assert costs.remarks == untold.remarks


def test_partial_usage_is_marked_wherever_it_is_shown():
    took = {"input_tokens": 30_000, "input_token_details": {"cached_tokens": 0}, "output_tokens": 9}
    costs = fold(*spoken(1, took)).costs()
    assert costs.total_usd == pytest.approx(0.017 + (30_000 * 4 + 9 * 24) / 1e6)
    for shown in (costs, fold(*spoken(1, took)).replies[0]):
        text = mimebundle(shown)["text/plain"]
        assert "at least $0.1" in text and "count as text" in text
    many = fold(*(each for number in range(1, 10) for each in spoken(number, took | {"input_tokens": 100 * number})))
    assert many.costs().remarks[-1] == "4 more remarks are in Reply.cost"
