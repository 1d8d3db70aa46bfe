"""A tutor that says a sentence, listens to it being repeated, and says which words it did not hear."""

from __future__ import annotations

import difflib
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...protocol.parts import LocalPart
from ...texts import read_text, split_lines
from .brain import CallTool, Context, Say

ASK = "Repeat after me: "
ATTEMPTS = 3
#: What is repeated where no script is given.
SENTENCES = (
    "Good morning.",
    "How are you today?",
    "The weather is nice.",
    "I would like a cup of coffee, please.",
    "Where is the train station?",
    "Thank you very much.",
)


@dataclass(frozen=True)
class Repetition:
    """How a repetition went, word by word."""

    missed: list[str]
    """Words of the sentence that were not heard."""
    added: list[str]
    """Words that were heard and are not in the sentence."""
    total: int
    """Words in the sentence."""

    @property
    def word_error_rate(self) -> float:
        """The larger of what was missed and what was added, per word of the sentence."""
        return max(len(self.missed), len(self.added)) / max(1, self.total)


def words_of(text: str) -> list[str]:
    """Return a text's words, as they are compared."""
    return re.findall(r"[\w']+", text.lower())


def compare(sentence: str, heard: str) -> Repetition:
    """Align the words that were heard with those of a sentence."""
    wanted, given = words_of(sentence), words_of(heard)
    missed: list[str] = []
    added: list[str] = []
    for kind, start, stop, from_, to in difflib.SequenceMatcher(None, wanted, given, autojunk=False).get_opcodes():
        if kind != "equal":
            missed += wanted[start:stop]
            added += given[from_:to]
    return Repetition(missed, added, len(wanted))


class ScriptBrain:
    """Goes through a script sentence by sentence.

    Raises `ValueError` if there are none.
    """

    name = "local-script"
    description = "There is no language model: a script gives sentences to repeat, and words are compared."
    part = LocalPart.of_package("a script, no language model", "realtime-nb", "MIT")

    def __init__(self, sentences: Sequence[str] = SENTENCES):
        self.vocabulary: Sequence[str] = [sentence.strip() for sentence in sentences if words_of(sentence)]
        if not self.vocabulary:
            raise ValueError("a script needs at least one sentence")

    @classmethod
    def from_file(cls, path: str | Path) -> ScriptBrain:
        """Read a script: one sentence a line; empty lines and those that start with # are left out."""
        lines = split_lines(read_text(Path(path)))
        return cls([line for line in lines if line.strip() and not line.startswith("#")])

    async def respond(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        """Judge the repetition of the sentence that was asked for last, and ask for the next."""
        asked = [
            sentence
            for entry in context.entries
            if entry.role == "assistant" and (sentence := self._asked(entry.said)) is not None
        ]
        if not asked:
            yield Say("Welcome. I say a sentence, and you say it after me.")
            yield Say(ASK + self.vocabulary[0])
            return
        sentence = asked[-1]
        result = compare(sentence, context.utterance)
        again = bool(result.missed) and asked[-ATTEMPTS:] != [sentence] * ATTEMPTS
        yield Say(_verdict(result, context.utterance))
        if again:
            yield Say(ASK + sentence)
            return
        at = self.vocabulary.index(sentence) + 1
        if at < len(self.vocabulary):
            yield Say(ASK + self.vocabulary[at])
        else:
            yield Say("That was the last sentence. Well done.")

    def _asked(self, said: str) -> str | None:
        """Return the sentence that an answer ends with asking for."""
        _, found, sentence = said.rpartition(ASK)
        # Cut short by the person, it may have lost its end.
        cut = sentence.strip()
        return next((known for known in self.vocabulary if found and cut and known.startswith(cut)), None)


def _verdict(result: Repetition, heard: str) -> str:
    if not heard:
        return "I did not hear any words."
    if not result.missed:
        return "Good, I heard every word." if not result.added else f"Good, and also: {' '.join(result.added)}."
    if len(result.missed) == result.total:
        return f"I heard: {heard}. That was another sentence."
    listed = ", ".join(result.missed)
    return f"I heard {result.total - len(result.missed)} of {result.total} words. I missed: {listed}."
