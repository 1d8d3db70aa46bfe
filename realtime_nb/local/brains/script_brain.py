"""A tutor that says a sentence, listens to it being repeated, and says which words it did not hear."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from ...protocol.parts import LocalPart
from ...speech.words import WordMatch, align
from ...texts import read_text, split_lines
from .brain import CallTool, Context, Say

ASK = "Repeat after me: "
ATTEMPTS = 3
#: The sentences to repeat if no script is given.
SENTENCES = (
    "Good morning.",
    "How are you today?",
    "The weather is nice.",
    "I would like a cup of coffee, please.",
    "Where is the train station?",
    "Thank you very much.",
)


class ScriptBrain:
    """Goes through a script sentence by sentence.

    Raises `ValueError` if there are none.
    """

    name = "local-script"
    description = "There is no language model: a script gives sentences to repeat, and words are compared."
    part = LocalPart.of_package("a script, no language model", "realtime-nb", "MIT")

    def __init__(self, sentences: Sequence[str] = SENTENCES):
        self.vocabulary: Sequence[str] = [sentence.strip() for sentence in sentences if align(sentence, "")]
        if not self.vocabulary:
            raise ValueError("a script needs at least one sentence")

    @classmethod
    def from_file(cls, path: str | Path) -> ScriptBrain:
        """Read a script: one sentence per line; empty lines and lines that start with # are left out."""
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
        matches = align(sentence, context.utterance)
        again = bool(_missed(matches)) and asked[-ATTEMPTS:] != [sentence] * ATTEMPTS
        yield Say(_verdict(matches, context.utterance))
        if again:
            yield Say(ASK + sentence)
            return
        at = self.vocabulary.index(sentence) + 1
        if at < len(self.vocabulary):
            yield Say(ASK + self.vocabulary[at])
        else:
            yield Say("That was the last sentence. Well done.")

    def _asked(self, said: str) -> str | None:
        """Return the sentence that an answer asks for at its end."""
        _, found, sentence = said.rpartition(ASK)
        # If the person interrupted it, its end may be missing.
        cut = sentence.strip()
        return next((known for known in self.vocabulary if found and cut and known.startswith(cut)), None)


def _missed(matches: Sequence[WordMatch]) -> list[str]:
    return [match.wanted for match in matches if match.verdict in ("other", "missing")]


def _verdict(matches: Sequence[WordMatch], heard: str) -> str:
    if not heard:
        return "I did not hear any words."
    missed, added = _missed(matches), [match.heard for match in matches if match.verdict == "extra"]
    if not missed:
        return "Good, I heard every word." if not added else f"Good, and also: {' '.join(added)}."
    total = sum(bool(match.wanted) for match in matches)
    if len(missed) == total:
        return f"I heard: {heard}. That was another sentence."
    return f"I heard {total - len(missed)} of {total} words. I missed: {', '.join(missed)}."
