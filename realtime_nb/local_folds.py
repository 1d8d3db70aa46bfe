"""The fold of local events: what only this side knows becomes part of the records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .seams import renewal_text
from .tokens import Usage, add_usages
from .turn_index import TurnIndex
from .turns import Reply, Stage, Turn
from .wire.items import ErrorDetail
from .wire.local import (
    AnswerFile,
    ApprovalGiven,
    ClockAligned,
    EchoHeard,
    Flagged,
    FramePassed,
    Heard,
    SessionRenewed,
    SoundBegan,
    StageDone,
    StageStarted,
    StateChanged,
    ToolDone,
    TurnEdited,
    WordsTimed,
)

#: Why a reply is incomplete that a session's end has cut.
CONNECTION_LOST = "connection_lost"


def _state_changed(index: TurnIndex, event: StateChanged, elapsed_ms: float) -> None:
    """End what hangs: nothing more will come of it."""
    if event.state == "open":
        return
    for turn in index.turns.values():
        if turn.is_speaking:
            index.touch(turn)
            turn.ended_at_ms = elapsed_ms
            turn.transcription_error = ErrorDetail(message="the session ended before it was said to the end")
            index.lost += 1
    for reply in index.unfinished:
        index.lost += 1
        for turn in map(index.touch, reply.turns):
            turn.status = turn.status if turn.status == "completed" else "incomplete"
            turn.done = True
        reply.reason, reply.status = CONNECTION_LOST, "incomplete"
        index.finish(reply)


def _renewed(index: TurnIndex, event: SessionRenewed, elapsed_ms: float) -> None:
    index.order.forget(event.left_out)
    index.seam(elapsed_ms, renewal_text(event, index.lost))
    index.lost = 0


def _edited(index: TurnIndex, event: TurnEdited, elapsed_ms: float) -> None:
    old = index.turns.get(event.replaced_id)
    if old is not None:
        index.item(event.item_id, role=old.role).edited_from = old


def _heard(index: TurnIndex, event: Heard, elapsed_ms: float) -> None:
    turn = index.known(event.item_id)
    if turn:
        _began(turn, elapsed_ms - event.played_ms)
        turn.played_ms = max(turn.played_ms or 0, event.played_ms)
        turn.interrupted = turn.interrupted or event.stopped


def _began(turn: Turn, at_ms: float) -> None:
    turn.began_at_ms = at_ms if turn.began_at_ms is None else min(turn.began_at_ms, at_ms)


def _echo_heard(index: TurnIndex, event: EchoHeard, elapsed_ms: float) -> None:
    if turn := index.known(event.item_id):
        turn.echoed = True


def _answer_file(index: TurnIndex, event: AnswerFile, elapsed_ms: float) -> None:
    reply = index.reply(event.response_id)
    reply.audio_file, reply.remark = event.data, event.remark


def _words_timed(index: TurnIndex, event: WordsTimed, elapsed_ms: float) -> None:
    turn = index.item(event.item_id, role="user")
    index.part(turn, event.content_index, "audio").words = event.words


def _approved(index: TurnIndex, event: ApprovalGiven, elapsed_ms: float) -> None:
    if turn := index.call(event.call_id):
        turn.approved = event.approved


def _tool_done(index: TurnIndex, event: ToolDone, elapsed_ms: float) -> None:
    # On the call itself, too: the item that answers it is not made where the session has ended meanwhile.
    if turn := index.call(event.call_id):
        turn.output, turn.tool_error, turn.tool_ms = event.output, event.error, event.ran_ms


def _stage_started(index: TurnIndex, event: StageStarted, elapsed_ms: float) -> None:
    reply = index.reply(event.response_id)
    reply.stages.setdefault(event.stage, Stage(model=event.model))
    reply.timing.mark(f"{event.stage}.started", elapsed_ms)


def _stage_done(index: TurnIndex, event: StageDone, elapsed_ms: float) -> None:
    reply = index.reply(event.response_id)
    stage = reply.stages.setdefault(event.stage, Stage())
    # A question of two clips is written down in two requests.
    usages = (stage.usage, event.usage) if stage.is_done else (event.usage,)
    stage.usage, stage.is_done = add_usages(usages), True
    stage.remark = "; ".join(filter(None, (stage.remark, event.remark)))
    reply.usage = (reply.usage or Usage()) + Usage.from_realtime(event.usage)
    reply.timing.mark(f"{event.stage}.done", elapsed_ms)


def _flagged(index: TurnIndex, event: Flagged, elapsed_ms: float) -> None:
    if event.item_id:
        index.item(event.item_id).flagged = event.reason
    if event.response_id:
        index.reply(event.response_id).flagged = event.reason


def _clock_aligned(index: TurnIndex, event: ClockAligned, elapsed_ms: float) -> None:
    index.clock = event


def _frame_passed(index: TurnIndex, event: FramePassed, elapsed_ms: float) -> None:
    turn = index.item(event.item_id, role="user")
    turn.passage = event
    if turn.reply is not None:
        trace(index, turn, turn.reply)


def trace(index: TurnIndex, turn: Turn, reply: Reply) -> None:
    """Let the reply to a spoken turn know how the turn's last speech travelled."""
    passage, timing = turn.passage, reply.timing
    if passage is None or timing.origin_ms != turn.spoken_at_ms:
        return
    if passage.captured_ms is not None:
        timing.clock = index.clock
        if turn.frame_rest_ms is not None:
            timing.mark("spoken", passage.captured_ms - turn.frame_rest_ms)
    timing.mark("captured", passage.captured_ms)
    timing.mark("arrived", passage.arrived_ms)
    timing.mark("written", passage.written_ms)


def _sound_began(index: TurnIndex, event: SoundBegan, elapsed_ms: float) -> None:
    turn = index.known(event.item_id)
    reply = index.replies.get(turn.response_id) if turn and turn.response_id else None
    if turn is None or reply is None:
        return
    _began(turn, event.rendered_ms)
    reply.timing.clock = index.clock
    reply.timing.mark("started", event.rendered_ms)
    if event.audible:
        reply.timing.mark("sounded", event.rendered_ms)
        reply.timing.mark("audible", event.rendered_ms + event.latency_ms)


LOCAL_FOLDS: dict[type, Callable[[TurnIndex, Any, float], None]] = {
    Heard: _heard,
    EchoHeard: _echo_heard,
    AnswerFile: _answer_file,
    WordsTimed: _words_timed,
    ApprovalGiven: _approved,
    ToolDone: _tool_done,
    StageStarted: _stage_started,
    StageDone: _stage_done,
    Flagged: _flagged,
    ClockAligned: _clock_aligned,
    FramePassed: _frame_passed,
    SoundBegan: _sound_began,
    StateChanged: _state_changed,
    SessionRenewed: _renewed,
    TurnEdited: _edited,
}
