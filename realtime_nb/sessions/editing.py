"""What a person can do with the turns of a conversation: take one out, edit it, ask it again, ask about them aside."""

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
#: How many tokens an aside may take at most, unless told otherwise; it is a remark, not a conversation.
ASIDE_TOKENS = 1_024


class TurnControl(ABC):
    """The turns of a session, in the caller's hands. What is taken out stays in the record, marked."""

    conversation: Conversation

    def delete(self, turn: Turn) -> Pending[None]:
        """Take a turn out of the conversation; a call goes with its output. What follows stays.

        Parameters
        ----------
        turn : Turn
            Of this session's `conversation`.

        Raises
        ------
        LocalProtocolError
            If it is none of this session's, was taken out before, or is still being spoken.

        Notes
        -----
        The model must read everything behind it anew: cached tokens are lost from there on.
        """
        self._check(turn)
        self.warn_of_cache("deleting a turn")
        return submit(self._delete(with_partners(self.conversation, [turn])))

    def edit(self, turn: Turn, text: str) -> Pending[Turn]:
        """Put other words in a turn's place; what follows stays, see `rerun`.

        Parameters
        ----------
        turn : Turn
            A message: of the person's, of the model's, or of the system's. Its pictures stay, its sound goes.
        text : str
            The new words.

        Returns
        -------
        turn : Pending of Turn
            The new one; `Turn.edited_from` is the old one, with the old words and sound.

        Raises
        ------
        LocalProtocolError
            As for `delete`, or if it is a call or a call's output.
        """
        self._check(turn)
        if turn.kind != "message" or turn.role not in _EDITABLE:
            raise LocalProtocolError(f"{turn!r} is no message: only what was said can be edited")
        if not text.strip():
            raise SettingsError("text is empty: delete(turn) takes a turn out")
        self.warn_of_cache("editing a turn")
        return submit(self._edit(turn, text))

    def rerun(self, what: Turn | Reply) -> Pending[Reply]:
        """Ask a turn again: all that follows it is taken out, as in chat programs, and a new answer is made.

        Parameters
        ----------
        what : Turn or Reply
            A turn of the person's, which is asked as it is now: a spoken one by its recorded sound; or an answer, or a
            part of one, whose question is asked again.

        Returns
        -------
        reply : Pending of Reply
            The new answer. Answers that were taken out stay in ``conversation.replies``, with what they cost.

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
        """Ask something about the conversation that does not enter it: to classify, summarise, or title it.

        Parameters
        ----------
        prompt : str
            What to do, in place of the session's instructions.
        about : Turn or sequence of Turn, optional
            What to look at; by default the whole conversation.
        max_output_tokens : int, default 1024
            Bound on the answer.

        Returns
        -------
        reply : Pending of Reply
            In text; ``reply.transcript`` has it. It calls no tools. It is among ``conversation.replies``, for it costs
            something, and none of its words among the turns. Where a guard flags it, ``reply.flagged`` says why.

        Raises
        ------
        LocalProtocolError
            If a turn is none of this session's, was taken out, or is still being spoken.
        """
        if not prompt.strip():
            raise SettingsError("prompt is empty: say what to do with the conversation")
        if isinstance(about, Turn):
            about = [about]
        for turn in about or ():
            self._check(turn)
            if turn.deleted:
                raise LocalProtocolError(f"{turn!r} was taken out of what the model reads; the record alone has it")
        return submit(self._aside(prompt, None if about is None else list(about), max_output_tokens))

    # --- what the kinds of sessions differ in ---

    @abstractmethod
    def warn_of_cache(self, what: str) -> None:
        """Warn, once, that the server's cache is lost, where there is one."""

    @abstractmethod
    async def _delete(self, turns: list[Turn]) -> None:
        """Take turns out."""

    @abstractmethod
    async def _edit(self, turn: Turn, text: str) -> Turn:
        """Put words in a turn's place."""

    @abstractmethod
    async def _rerun(self, turn: Turn) -> Reply:
        """Take out what follows a turn, and answer it."""

    @abstractmethod
    async def _aside(self, prompt: str, about: list[Turn] | None, max_output_tokens: int) -> Reply:
        """Ask for an answer out of band."""

    # --- checks, where the caller stands ---

    def _check(self, turn: Any) -> None:
        if not isinstance(turn, Turn):
            raise TypeError(f"{type(turn).__name__} is no Turn: take one from session.conversation")
        if self.conversation.turn(turn.item_id) is not turn:
            raise LocalProtocolError(f"{turn!r} is not of this session: take one from session.conversation")
        if turn.deleted and turn not in self.conversation:
            raise LocalProtocolError(f"{turn!r} was taken out before")
        if turn.is_speaking or (turn.response_id is not None and not turn.done):
            raise LocalProtocolError(f"{turn!r} is still being spoken: wait for its end, or interrupt() it first")

    def _asked_by(self, what: Any) -> Turn:
        """Return the turn of the person's that is to be answered."""
        if isinstance(what, Reply):
            if self.conversation.reply(what.response_id) is not what:
                raise LocalProtocolError(f"{what!r} is not of this session: take one from session.conversation")
            if what.asked is None or not what.in_conversation:
                raise LocalProtocolError(f"{what!r} answers no turn that could be asked again")
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
    """Return what stands in a turn's place now."""
    for each in conversation:
        before = each.edited_from
        while before is not None:
            if before is turn:
                return each
            before = before.edited_from
    return turn


def with_partners(conversation: Conversation, turns: Sequence[Turn]) -> list[Turn]:
    """Return turns, and the calls or outputs that make no sense without them, in the conversation's order."""
    chosen = {turn.item_id for turn in turns}
    calls = {turn.call_id for turn in turns if turn.call_id}
    return [turn for turn in conversation if turn.item_id in chosen or (turn.call_id and turn.call_id in calls)]


def following(conversation: Conversation, turn: Turn) -> list[Turn]:
    """Return what comes behind a turn."""
    turns = conversation.turns
    return turns[turns.index(turn) + 1 :]


def edited_content(turn: Turn, text: str) -> list[Content]:
    """Return what an item holds once other words stand in its place; pictures stay."""
    shown = [
        Content(type="input_image", image_url=part.image_url, detail=part.detail)
        for _, part in sorted(turn.parts.items())
        if part.kind == "image" and part.image_url
    ]
    return [*shown, Content(type="output_text" if turn.role == "assistant" else "input_text", text=text)]
