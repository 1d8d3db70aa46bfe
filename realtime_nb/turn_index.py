"""Turns and replies by their ids, in the conversation's order: where the fold finds and makes them."""

from __future__ import annotations

from typing import Any

from .item_order import ItemOrder
from .seams import Seam
from .turns import Part, Reply, Turn
from .wire.items import Item
from .wire.local import ClockAligned

_CALLS = ("function_call", "mcp_call", "mcp_approval_request")


class TurnIndex:
    """The records of one conversation while they are being made."""

    def __init__(self) -> None:
        self.turns: dict[str, Turn] = {}
        """All turns by item id, also those that are not, or no longer, part of the conversation."""
        self.replies: dict[str, Reply] = {}
        """All replies by response id, in the order in which they began."""
        self.order = ItemOrder()
        """Item ids of the conversation."""
        self.output_encoding = "audio/pcm"
        """The format in which the model's sound comes."""
        self.clock: ClockAligned | None = None
        """How the page's clock was last told from the kernel's."""
        self.seams: list[Seam] = []
        """Where the conversation went on under other conditions."""
        self.lost = 0
        """What was being said when the line broke off, since the last seam."""
        self._ours: set[str] = set()
        self._open: dict[str, Reply] = {}
        self._touched: dict[str, int] = {}

    @property
    def unfinished(self) -> list[Reply]:
        """The replies that are still being made."""
        return list(self._open.values())

    def finish(self, reply: Reply) -> None:
        """Note that nothing more comes of a reply."""
        reply.done = True
        self._open.pop(reply.response_id, None)

    @property
    def revision(self) -> int:
        """How many changes there were so far."""
        return next(reversed(self._touched.values()), 0)

    def changed_since(self, revision: int) -> list[str]:
        """Return the items whose turns may have changed since a revision, on the thread of the fold."""
        found = []
        for item_id, changed in reversed(self._touched.items()):
            if changed <= revision:
                break
            found.append(item_id)
        return found

    def touch(self, turn: Turn) -> Turn:
        """Note that a turn is about to change, and return it."""
        revision = self.revision + 1
        self._touched.pop(turn.item_id, None)
        self._touched[turn.item_id] = revision
        return turn

    def known(self, item_id: str) -> Turn | None:
        """Return an item's turn, which is about to change; `None` if no event has named it."""
        turn = self.turns.get(item_id)
        return None if turn is None else self.touch(turn)

    def item(self, item_id: str, *, role: str = "", kind: str = "message") -> Turn:
        """Return an item's turn, made where no event has named it before."""
        turn = self.turns.get(item_id)
        if turn is None:
            turn = self.turns[item_id] = Turn(item_id=item_id, role=role, kind=kind)
        turn.role = turn.role or role
        return self.touch(turn)

    def part(self, turn: Turn, content_index: int, kind: str) -> Part:
        """Return a turn's part, made where no event has named it before."""
        part = turn.parts.get(content_index)
        if part is None:
            part = turn.parts[content_index] = Part(kind=kind)
        return part

    def output_turn(self, event: Any) -> Turn:
        """Return the turn of an event that names a response, an item and a place in the output."""
        turn = self.known(event.item_id)
        if turn is None or turn.response_id is None:
            turn = self.item(event.item_id, role="assistant")
            if hasattr(event, "call_id"):
                turn.kind, turn.role = "function_call", "assistant"
            self.output(self.reply(event.response_id), turn, event.output_index)
        return turn

    def output(self, reply: Reply, turn: Turn, output_index: int) -> None:
        """Note that a reply made a turn."""
        turn.response_id = reply.response_id
        if reply.outputs.get(output_index) is not turn:
            others = {index: each for index, each in reply.outputs.items() if each is not turn}
            reply.outputs = others | {output_index: turn}

    def output_again(self, reply: Reply, turn: Turn, output_index: int) -> None:
        """Note the same of a list of all that a reply made: what is known keeps its place, whatever the list lacks."""
        if turn not in reply.outputs.values():
            while output_index in reply.outputs:
                output_index += 1
            self.output(reply, turn, output_index)

    def reply(self, response_id: str) -> Reply:
        """Return a response's reply, made where no event has named it before."""
        reply = self.replies.get(response_id)
        if reply is None:
            reply = self.replies[response_id] = self._open[response_id] = Reply(response_id=response_id)
        return reply

    def sent(self, item: Item, encoding: str) -> None:
        """Take an item that goes out; one that is there already is only told again, to another session."""
        assert isinstance(item.id, str)
        if item.id not in self.turns and (turn := self.described(item)) is not None:
            for part in turn.parts.values():
                part.encoding = encoding
        self._ours.add(item.id)

    def seam(self, elapsed_ms: float, text: str) -> None:
        """Note that the conversation goes on under other conditions behind its last item."""
        self.seams.append(Seam(elapsed_ms, self.order.last, text))

    def described(self, item: Item) -> Turn | None:
        """Take what a server says of an item; texts that are already whole stay."""
        if not isinstance(item.id, str):
            return None
        if item.id in self._ours and item.id in self.turns:
            return self.known(item.id)  # A server need not send back what it was sent.
        # The items of calls name no role.
        role = item.role or ("assistant" if item.type in _CALLS else "")
        turn = self.item(item.id, role=role, kind=item.type)
        turn.describe(item)
        for index, content in enumerate(item.content or []):
            if content.type in ("input_image", "image"):
                part = self.part(turn, index, "image")
                # A server need not send a picture back; what was sent is kept.
                part.image_url = content.image_url or part.image_url
                part.detail = content.detail or part.detail
                continue
            part = self.part(turn, index, "audio" if "audio" in content.type else "text")
            if content.words and item.status != "in_progress":
                part.finish_text(content.words)
            if isinstance(content.audio, bytes) and not part.audio_chunks:
                part.add_audio(content.audio)
        return turn

    def call(self, call_id: str) -> Turn | None:
        """Return the latest call of a name that only calls have, or the request for approval of that item id.

        It is about to change.
        """
        found = self.turns.get(call_id)
        if found is None or found.kind != "mcp_approval_request":
            calls = (turn for turn in reversed(self.turns.values()) if turn.call_id == call_id and turn.name)
            found = next(calls, found)
        return None if found is None else self.touch(found)

    def place(self, item_id: str, previous_item_id: str | None) -> None:
        """Put an item in its place in the conversation, unless it was taken out."""
        if not self.turns[item_id].deleted:
            self.order.place(item_id, previous_item_id)
