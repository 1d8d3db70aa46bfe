"""Edit a conversation: delete turns, change or ask them again, and ask about them on the side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ..conversation.conversation import Conversation
from ..conversation.records import Reply, Turn
from ..errors import LocalProtocolError, SettingsError
from ..loop import Pending, submit
from ..protocol.items import Content

_EDITABLE = ("user", "assistant", "system")
#: Default bound on the tokens of an aside: it is a remark, not a conversation.
ASIDE_TOKENS = 1_024


class TurnEditing(ABC):
    """Methods that edit the turns of a session. The record keeps removed turns, and marks them."""

    conversation: Conversation

    def delete(self, turn: Turn) -> Pending[None]:
        """Delete a turn from the conversation; a call goes with its output. What follows stays.

        Parameters
        ----------
        turn : Turn
            One of this session's `conversation`.

        Raises
        ------
        LocalProtocolError
            If it is not from this session, is deleted already, or is still being spoken.

        Notes
        -----
        The model reads everything after it again: cached tokens are lost from there on.
        """
        self._check(turn)
        self.warn_of_cache("deleting a turn")
        return submit(self._delete(with_partners(self.conversation, [turn])))

    def edit(self, turn: Turn, text: str) -> Pending[Turn]:
        """Replace the words of a turn; what follows stays, see `rerun`.

        Parameters
        ----------
        turn : Turn
            A message of the person, the model or the system. Its pictures stay, its sound goes.
        text : str
            The new words.

        Returns
        -------
        turn : Pending of Turn
            The new turn; `Turn.edited_from` is the old one, with its words and sound.

        Raises
        ------
        LocalProtocolError
            As for `delete`, or if it is a call or a call's output.
        """
        self._check(turn)
        if turn.kind != "message" or turn.role not in _EDITABLE:
            raise LocalProtocolError(f"{turn!r} is not a message: you can edit only what was said")
        if not text.strip():
            raise SettingsError("text is empty: to remove a turn, use delete(turn)")
        self.warn_of_cache("editing a turn")
        return submit(self._edit(turn, text))

    def rerun(self, what: Turn | Reply) -> Pending[Reply]:
        """Ask a turn again: delete everything after it, as chat programs do, and get a new answer.

        Parameters
        ----------
        what : Turn or Reply
            A turn of the person, asked as it is now (with its recorded sound if it was spoken); or an answer, or part
            of one, whose question is asked again.

        Returns
        -------
        reply : Pending of Reply
            The new answer. Deleted answers stay in ``conversation.replies``, with what they cost.

        Raises
        ------
        LocalProtocolError
            As for `delete`, or if an answer is being made, or nothing was asked.
        """
        turn = self._asked_by(what)
        if any(reply.in_conversation for reply in self.conversation.unfinished):
            raise LocalProtocolError("an answer is being made: wait for it, or interrupt() it first")
        return submit(self._rerun(turn))

    def aside(
        self, prompt: str, *, about: Turn | Sequence[Turn] | None = None, max_output_tokens: int = ASIDE_TOKENS
    ) -> Pending[Reply]:
        """Ask about the conversation without adding to it: to classify, summarise, or title it.

        Parameters
        ----------
        prompt : str
            What to do; replaces the session's instructions.
        about : Turn or sequence of Turn, optional
            What to look at; by default the whole conversation.
        max_output_tokens : int, default 1024
            Bound on the answer.

        Returns
        -------
        reply : Pending of Reply
            The text is in ``reply.transcript``. It calls no tools. ``conversation.replies`` holds it, because it costs
            something, but it is not among the turns. If a guard flags it, ``reply.flagged`` says why.

        Raises
        ------
        LocalProtocolError
            If a turn is not from this session, is deleted, or is still being spoken.
        """
        if not prompt.strip():
            raise SettingsError("prompt is empty: say what to do with the conversation")
        if isinstance(about, Turn):
            about = [about]
        for turn in about or ():
            self._check(turn)
            if turn.deleted:
                raise LocalProtocolError(f"{turn!r} was removed from the model's context: only the record has it")
        return submit(self._aside(prompt, None if about is None else list(about), max_output_tokens))

    # --- where the kinds of sessions differ ---

    @abstractmethod
    def warn_of_cache(self, what: str) -> None:
        """Warn, once, that the server's cache is lost, if there is one."""

    @abstractmethod
    async def _delete(self, turns: list[Turn]) -> None:
        """Delete turns."""

    @abstractmethod
    async def _edit(self, turn: Turn, text: str) -> Turn:
        """Replace the words of a turn."""

    @abstractmethod
    async def _rerun(self, turn: Turn) -> Reply:
        """Delete what follows a turn, and answer it."""

    @abstractmethod
    async def _aside(self, prompt: str, about: list[Turn] | None, max_output_tokens: int) -> Reply:
        """Ask for an answer out of band."""

    # --- checks, in the caller's thread ---

    def _check(self, turn: Any) -> None:
        if not isinstance(turn, Turn):
            raise TypeError(f"{type(turn).__name__} is not a Turn: take one from session.conversation")
        if self.conversation.turn(turn.item_id) is not turn:
            raise LocalProtocolError(f"{turn!r} is not from this session: take one from session.conversation")
        if turn.deleted and turn not in self.conversation:
            raise LocalProtocolError(f"{turn!r} was already removed")
        if turn.is_speaking or (turn.response_id is not None and not turn.done):
            raise LocalProtocolError(f"{turn!r} is still being spoken: wait for its end, or interrupt() it first")

    def _asked_by(self, what: Any) -> Turn:
        """Return the person's turn to answer."""
        if isinstance(what, Reply):
            if self.conversation.reply(what.response_id) is not what:
                raise LocalProtocolError(f"{what!r} is not from this session: take one from session.conversation")
            if what.asked is None or not what.in_conversation:
                raise LocalProtocolError(f"{what!r} does not answer a turn that can be asked again")
            what = _as_edited(self.conversation, what.asked)
        self._check(what)
        asked = None
        for turn in self.conversation:
            asked = turn if turn.role == "user" else asked
            if turn is what:
                break
        if asked is None:
            raise LocalProtocolError(f"nothing was asked before {what!r}: ask something, or respond()")
        return asked


def _as_edited(conversation: Conversation, turn: Turn) -> Turn:
    """Return the turn that has replaced a turn, or itself."""
    for each in conversation:
        before = each.edited_from
        while before is not None:
            if before is turn:
                return each
            before = before.edited_from
    return turn


def with_partners(conversation: Conversation, turns: Sequence[Turn]) -> list[Turn]:
    """Return turns, with calls or outputs that need them, in the conversation's order."""
    chosen = {turn.item_id for turn in turns}
    calls = {turn.call_id for turn in turns if turn.call_id}
    return [turn for turn in conversation if turn.item_id in chosen or (turn.call_id and turn.call_id in calls)]


def following(conversation: Conversation, turn: Turn) -> list[Turn]:
    """Return what comes after a turn."""
    turns = conversation.turns
    return turns[turns.index(turn) + 1 :]


def edited_content(turn: Turn, text: str) -> list[Content]:
    """Return an item's content with other words; pictures stay."""
    shown = [
        Content(type="input_image", image_url=part.image_url, detail=part.detail)
        for _, part in sorted(turn.parts.items())
        if part.kind == "image" and part.image_url
    ]
    return [*shown, Content(type="output_text" if turn.role == "assistant" else "input_text", text=text)]
