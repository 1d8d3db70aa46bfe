"""Where the person's audio was when: how each frame passed through the kernel, kept until its turn is over."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ..turns import Turn
from ..wire.local import FramePassed

#: A turn asks for its last speech when it is detected; at 20 ms a frame this is twenty seconds.
_KEPT = 1_024


@dataclass(slots=True)
class Passage:
    """How one frame, or the commit behind the last one, passed; all in session time."""

    sent_ms: float
    captured_ms: float | None = None
    arrived_ms: float | None = None
    written_ms: float | None = None


class Passages:
    """The last frames of a connection."""

    def __init__(self) -> None:
        self._kept: OrderedDict[float, Passage] = OrderedDict()

    def frame(self, sent_ms: float, captured_ms: float | None, arrived_ms: float | None) -> Passage:
        """Note that a frame was queued for the socket."""
        return self._keep(Passage(sent_ms, captured_ms, arrived_ms))

    def commit(self, sent_ms: float) -> Passage:
        """Note that a commit was queued; the turn's last sound is that of the frame before."""
        last = next(reversed(self._kept.values()), None)
        return self._keep(Passage(sent_ms, last.captured_ms if last else None, last.arrived_ms if last else None))

    def _keep(self, passage: Passage) -> Passage:
        self._kept[passage.sent_ms] = passage
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return passage

    def of(self, turn: Turn | None) -> FramePassed | None:
        """Return how a turn's last speech travelled; `None` where that is not known, or was told before."""
        if turn is None or turn.passage is not None or turn.spoken_at_ms is None:
            return None
        passage = self._kept.get(turn.spoken_at_ms)
        if passage is None:
            return None
        return FramePassed(
            item_id=turn.item_id,
            captured_ms=passage.captured_ms,
            arrived_ms=passage.arrived_ms,
            sent_ms=passage.sent_ms,
            written_ms=passage.written_ms,
        )
