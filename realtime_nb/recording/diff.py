"""`diff`: two conversations side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from ..conversation.conversation import Conversation
from ..display import Record
from .exchanges import Exchange, exchanges_of
from .recording import Recording

if TYPE_CHECKING:
    import pandas


#: Two questions that share at least this part of their words count as the same.
_CLOSE = 0.5


@dataclass(frozen=True, eq=False)
class QuestionPair:
    """The same question in both conversations; `None` if one has no such question."""

    one: Exchange | None
    other: Exchange | None

    @property
    def question(self) -> str:
        """The person's words, if either side knows them."""
        known = [side.question for side in (self.one, self.other) if side is not None and side.question]
        return known[0] if known else ""


class Difference(Record):
    """Two conversations side by side.

    Parameters
    ----------
    names : tuple of str
        The names of the two.
    pairs : sequence of Pair
        In order.
    """

    def __init__(self, names: tuple[str, str], pairs: Sequence[QuestionPair]):
        self.names = names
        self.pairs = list(pairs)

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each question, and columns for both sides: ``answer_a``, ``cost_usd_b``, …."""
        import pandas

        rows = []
        for pair in self.pairs:
            row: dict[str, Any] = {"question": pair.question}
            for name in ("answer", "first_audio_ms", "cost_usd"):
                for letter, side in (("a", pair.one), ("b", pair.other)):
                    row[f"{name}_{letter}"] = getattr(side, name) if side is not None else None
            row["same_words"] = _words(row["answer_a"]) == _words(row["answer_b"])
            rows.append(row)
        return pandas.DataFrame(rows)

    def __repr__(self) -> str:
        return f"Difference({self.names[0]!r} and {self.names[1]!r}; {len(self.pairs)} questions)"


def diff(a: Recording | Conversation, b: Recording | Conversation) -> Difference:
    """Show two conversations side by side, question by question.

    If both have equally many questions, as after `Recording.ask_again`, they are paired in order. Otherwise they are
    paired by their words, which may differ a little: another turn detection cuts other turns.

    Parameters
    ----------
    a, b : Recording or Conversation
        What to compare.

    Returns
    -------
    difference : Difference
        Shown as a table that marks the words which the other side did not say; ``frame`` is a data frame.

    Raises
    ------
    TypeError
        If either is something else.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as session, rt.ChatSession(backend="local") as other:
    ...     reply = session.ask(rt.speak("What is two plus three?")).result()
    ...     recording = session.save("lesson-2")
    ...     again = recording.ask_again(other).result()
    >>> rt.diff(recording, again).frame["same_words"].tolist()
    [True]
    """
    one, other = _conversation(a), _conversation(b)
    names = _name(a, one), _name(b, other)
    if names[0] == names[1]:
        names = f"{names[0]} (a)", f"{names[1]} (b)"
    return Difference(names, _paired(exchanges_of(one), exchanges_of(other)))


def _conversation(given: Recording | Conversation) -> Conversation:
    if isinstance(given, Recording):
        return given.conversation
    if isinstance(given, Conversation):
        return given
    raise TypeError(f"diff() takes a Recording or a Conversation, not {type(given).__name__}")


def _name(given: Recording | Conversation, conversation: Conversation) -> str:
    model = str(conversation.session.get("model") or "")
    if isinstance(given, Recording):
        return f"{given.path.name} ({model})" if model else given.path.name
    return model or "conversation"


def _paired(one: list[Exchange], other: list[Exchange]) -> list[QuestionPair]:
    if len(one) == len(other):
        return [QuestionPair(*pair) for pair in zip(one, other, strict=True)]
    left_keys, right_keys = ([" ".join(_words(each.question)) for each in side] for side in (one, other))
    pairs: list[QuestionPair] = []
    for kind, a, b, c, d in SequenceMatcher(None, left_keys, right_keys, autojunk=False).get_opcodes():
        if kind == "equal":
            pairs += [QuestionPair(*pair) for pair in zip(one[a:b], other[c:d], strict=True)]
        else:
            pairs += _paired_roughly(one[a:b], other[c:d])
    return pairs


def _paired_roughly(one: list[Exchange], other: list[Exchange]) -> list[QuestionPair]:
    """Pair questions that share most of their words, in order: one may be heard differently, or cut into two."""
    pairs: list[QuestionPair] = []
    for left in one:
        asked = _words(left.question)
        found = (index for index, right in enumerate(other) if _are_close(asked, _words(right.question)))
        index = next(found, None)
        if index is None:
            pairs.append(QuestionPair(left, None))
            continue
        pairs += [QuestionPair(None, right) for right in other[:index]] + [QuestionPair(left, other[index])]
        other = other[index + 1 :]
    return pairs + [QuestionPair(None, right) for right in other]


def _are_close(one: list[str], other: list[str]) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _CLOSE


def _words(text: str | None) -> list[str]:
    return re.findall(r"[\w']+", (text or "").lower())
