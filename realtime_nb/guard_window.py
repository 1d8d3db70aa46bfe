"""What a guard gets to read of a text that is still growing: soon, and never a word without what came before it."""

from __future__ import annotations

from .sentences import split_sentences

#: Characters of an unfinished sentence after which a guard reads on: about 4 s of speech.
STEP = 60
#: Characters in one piece, at most.
LONGEST = 1_000
#: Characters of what was read before that come along, so that nothing hides at a border.
BEFORE = 200


class GuardWindow:
    """How far a guard has read one text.

    Examples
    --------
    >>> window = GuardWindow()
    >>> window.take("One. Two and th")
    'One. '
    >>> window.take("One. Two and three.", is_whole=True)
    'One. Two and three.'
    >>> window.take("One. Two and three.", is_whole=True)
    ''
    """

    def __init__(self) -> None:
        self._read = 0

    def take(self, text: str, *, is_whole: bool = False) -> str:
        """Return what is to be read next; empty where that has to wait for more, or all is read.

        Parameters
        ----------
        text : str
            All of it so far.
        is_whole : bool, default False
            Whether no more will come.
        """
        new = text[self._read : self._read + LONGEST - BEFORE]
        length = len(new) if is_whole or len(new) == LONGEST - BEFORE else _ready(new)
        if not new[:length].strip():
            return ""
        piece = text[max(0, self._read - BEFORE) : self._read + length]
        self._read += length
        return piece


def _ready(new: str) -> int:
    """Return how much of a text that grows is a piece: whole sentences, or whole words of a long one."""
    *whole, unfinished = split_sentences(new) or [""]
    ready = sum(map(len, whole))
    if len(unfinished) > STEP:
        ready += len(unfinished.rstrip()) - len(unfinished.split()[-1])
    return ready
