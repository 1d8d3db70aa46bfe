"""Records are read from any thread while events arrive."""

import gc
import sys
import threading

import pytest
import wire_samples as wire

from realtime_nb.conversation import Conversation
from realtime_nb.latency import timeline
from realtime_nb.recording.frames import latency_frame, turns_frame, usage_frame
from realtime_nb.views.words import remarks
from realtime_nb.wire.events import decode_server
from realtime_nb.wire.local import StageDone, StageStarted

PARTS = 1_000


@pytest.fixture(autouse=True)
def _threads_take_turns_often():
    """Between any two steps of the interpreter, and wherever the collector calls back into Python."""
    before = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    gc.callbacks.append(_take_a_moment)
    yield
    gc.callbacks.remove(_take_a_moment)
    sys.setswitchinterval(before[0])
    gc.set_threshold(*before[1])


def _take_a_moment(phase, info):
    sum(range(20))


def read_while(feed, read):
    """Feed a conversation on this thread while another one reads; raise what reading raises."""
    conversation = Conversation()
    failures, over, reads = [], threading.Event(), []

    def go_on():
        try:
            while not over.is_set():
                read(conversation)
                reads.append(1)
        except Exception as error:
            failures.append(error)

    reader = threading.Thread(target=go_on)
    reader.start()
    try:
        for elapsed_ms, event in enumerate(feed(conversation)):
            conversation.apply(event, float(elapsed_ms))
            if failures:
                break
    finally:
        over.set()
        reader.join(60)
    if failures:
        raise failures[0]
    assert reads


def decoded(*events):
    return [decode_server(text) for text in wire.texts(events)]


def many_parts(conversation):
    """A turn, and a reply, that grow by thousands of parts and items; a chain with as many steps."""
    created = wire.event("response.created", response=wire.response())
    yield from decoded(wire.session_created(), *wire.text_turn(), created)
    yield from decoded(wire.output_added(wire.spoken_item("A")), wire.item_added(wire.spoken_item("A"), "U"))
    place = {"response_id": "R", "output_index": 0, "item_id": "A"}
    for index in range(PARTS):
        part = {"type": "audio", "transcript": "word"}
        yield from decoded(wire.event("response.content_part.added", **place, content_index=index, part=part))
        call = {"type": "function_call", "name": "look", "call_id": f"c{index}", "arguments": "{}"}
        yield from decoded(
            wire.event(
                "response.output_item.added",
                response_id="R",
                output_index=index + 1,
                item=call | {"id": f"call_{index}"},
            )
        )
        yield StageStarted(response_id="R", stage=f"stage {index}", model="gpt-5-mini")
        yield StageDone(response_id="R", stage=f"stage {index}", usage=None)


@pytest.mark.parametrize(
    "read",
    [
        lambda it: [turn.is_final for turn in it if turn.role == "user"],
        lambda it: [(turn.text, turn.heard_text, turn.words, turn.pictures, turn.audio) for turn in it],
        lambda it: [turn.is_written_down for turn in it],
        lambda it: [(reply.is_removed, reply.transcript, reply.turns, repr(reply)) for reply in it.replies],
        lambda it: [reply.cost for reply in it.replies],
        lambda it: [(reply.timing.steps, reply.timing.stages, repr(reply.timing)) for reply in it.replies],
        lambda it: it.costs().total_usd,
        lambda it: usage_frame(it),
        lambda it: latency_frame(it),
        lambda it: turns_frame(it, {}, {}),
        lambda it: timeline(it).waterfalls,
        lambda it: [remarks(reply) for reply in it.replies],
    ],
)
def test_a_record_that_grows_can_be_read(read):
    read_while(many_parts, read)


def test_a_conversation_can_be_drawn_while_it_grows():
    read_while(many_parts, lambda it: it._repr_mimebundle_())


def answers(conversation):
    yield from decoded(wire.session_created())
    for number in range(400):
        yield from decoded(*wire.text_turn(f"U{number}", previous=f"A{number - 1}" if number else None))
        yield from decoded(*wire.audio_answer(f"A{number}", response_id=f"R{number}", previous=f"U{number}"))


def test_an_answer_that_is_done_is_whole():
    def read(conversation):
        for reply in conversation.replies[-3:]:
            if reply.done:
                assert reply.status == "completed" and reply.usage and reply.turns and reply.turns[-1].done
                assert reply.timing.done_ms is not None and reply.transcript

    read_while(answers, read)


def test_no_item_is_missing_while_another_finds_its_place():
    def shuffled(conversation):
        items = [f"I{number}" for number in range(300)]
        for name in items:
            yield from decoded(wire.item_added(wire.user_item(name), "unknown"))
        for name, before in zip(items[1:], items, strict=False):
            yield from decoded(wire.item_done(wire.user_item(name), before))

    seen = set()

    def read(conversation):
        now = {turn.item_id for turn in conversation}
        assert seen <= now, seen - now
        seen.update(now)

    read_while(shuffled, read)
