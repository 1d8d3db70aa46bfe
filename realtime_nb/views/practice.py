"""A sentence said after a model: the words that were heard, the pace and the melody, beside the model's."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ..conversation.records import Reply, Turn
from ..display import Record
from ..errors import AudioError, SettingsError
from ..media.activity import speech_spans
from ..media.clip import AudioClip
from ..speech.voice import Prosody, prosody, words_per_minute
from ..speech.words import WordMatch, align
from . import words
from .budget import AudioBudget
from .html import facts, left_out, picture, player, section, table
from .plots import BLUE, curves

if TYPE_CHECKING:
    import pandas

_YOURS = "#e0735f"
_VERDICTS = {"right": "✓ right", "other": "✗ another word", "missing": "✗ not heard", "extra": "✗ not wanted"}


@dataclass(frozen=True, eq=False)
class Practice(Record):
    """One attempt at a sentence, beside the model's.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> with rt.RealtimeSession(backend="local") as tutor:
    ...     model = tutor.respond(instructions='Say "What can you do?"').result()
    ...     attempt = tutor.ask(rt.speak("What can you do?", voice="onyx")).result()
    >>> rt.practice("What can you do?", attempt.asked, model).accuracy
    1.0
    """

    wanted: str
    """The sentence."""
    heard: str
    """The attempt as the recogniser heard it."""
    said: AudioClip
    """The audio of the attempt, from the first sound to the last."""
    model: AudioClip
    """The audio of the model, from the first sound to the last."""
    words: tuple[WordMatch, ...]
    """The wanted words, beside those that were heard."""
    words_per_minute: float
    """The learner's pace, pauses between words included."""
    model_words_per_minute: float
    """The model's pace."""
    prosody: Prosody
    """Pitch and loudness of the attempt."""
    model_prosody: Prosody
    """Pitch and loudness of the model."""

    @property
    def accuracy(self) -> float:
        """The share of the wanted words that were heard, 0 to 1; extra words do not count."""
        right, wanted = _counts(self.words)
        return right / wanted

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each word: ``wanted``, ``heard``, ``verdict``."""
        import pandas

        return pandas.DataFrame([dataclasses.asdict(match) for match in self.words])

    def __repr__(self) -> str:
        return f"Practice({self.wanted!r}, heard {self.heard!r}, {self.accuracy:.0%})"


def practice(
    wanted: str,
    said: Turn | AudioClip,
    model: Reply | Turn | AudioClip,
    *,
    heard: str | None = None,
    language: str | None = None,
) -> Practice:
    """Compare how a person said a sentence with how a model says it.

    Parameters
    ----------
    wanted : str
        The sentence.
    said : Turn or AudioClip
        The attempt, e.g. ``reply.asked`` or a turn of `Conversation`.
    model : Reply, Turn or AudioClip
        The sentence as it should sound.
    heard : str, optional
        The words of the attempt; by default those of the turn. A clip alone has none.
    language : str, optional
        The sentence's language, as an ISO 639 or BCP 47 code; it decides which written forms are the same word
        (`realtime_nb.speech.words`). By default English, with accents counting as differences.

    Returns
    -------
    attempt : Practice
        Words, pace and melody of both. A notebook shows them as a table and a picture.

    Raises
    ------
    SettingsError
        If the sentence has no words, or there is neither `heard` nor a transcript.
    AudioError
        If there is no speech in one of the two.

    Notes
    -----
    A word counts as right if the recogniser wrote it, in any form: "3:30" is "three thirty". Recognisers prefer likely
    sentences: they may correct a small slip, or mishear a word that was said well. Single sounds are not judged.

    Examples
    --------
    >>> from realtime_nb import speak
    >>> model, said = speak("What time is it?"), speak("What time is it?", voice="onyx", speed=0.8)
    >>> attempt = practice("What time is it?", said, model, heard="what time is")
    >>> attempt.accuracy
    0.75
    >>> [match.wanted for match in attempt.words if match.verdict == "missing"]
    ['it']
    """
    if isinstance(said, Turn):
        heard = said.text if heard is None else heard
    elif heard is None:
        raise SettingsError("a clip has no transcript: give heard=…, or a turn of a conversation as said")
    matches = tuple(align(wanted, heard, language))
    if not any(match.wanted for match in matches):
        raise SettingsError(f"wanted={wanted!r} has no words to say")
    mine, theirs = _spoken(said, "said"), _spoken(model, "model")
    model_words = wanted if isinstance(model, AudioClip) else _text(model)
    return Practice(
        wanted=wanted,
        heard=heard,
        said=mine,
        model=theirs,
        words=matches,
        words_per_minute=words_per_minute(heard, mine) or 0.0,
        model_words_per_minute=words_per_minute(model_words, theirs) or 0.0,
        prosody=prosody(mine),
        model_prosody=prosody(theirs),
    )


def _counts(matches: Iterable[WordMatch]) -> tuple[int, int]:
    """Return how many of the wanted words are right, and how many there are."""
    words = [(len(match.wanted.split()), match.verdict == "right") for match in matches]
    return sum(count for count, is_right in words if is_right), sum(count for count, _ in words)


def _text(model: Reply | Turn) -> str:
    return model.transcript if isinstance(model, Reply) else model.text


def _spoken(source: Reply | Turn | AudioClip, name: str) -> AudioClip:
    """Return the part from the first sound to the last."""
    clip = source if isinstance(source, AudioClip) else source.audio
    spans = speech_spans(clip) if clip is not None else []
    if clip is None or not spans:
        raise AudioError(f"there is no speech in `{name}`: {source!r}")
    return clip.cut(spans[0][0], spans[-1][1])


def practice_bundle(attempt: Practice) -> dict[str, Any]:
    """Return an attempt's MIME bundle."""
    rows = [(match.wanted, match.heard, _verdict(match)) for match in attempt.words]
    lines = {
        f"model, {attempt.model_words_per_minute:.0f} words/min": (BLUE, attempt.model_prosody),
        f"you, {attempt.words_per_minute:.0f} words/min": (_YOURS, attempt.prosody),
    }
    png = curves(
        {name: (colour, voice.times_s, voice.contour_semitones) for name, (colour, voice) in lines.items()},
        xlabel="s from the first sound",
        ylabel="pitch in semitones",
    )
    budget = AudioBudget()
    return {
        "text/plain": "\n".join([repr(attempt), *(f"{name}: {value}" for name, value in _facts(attempt))]),
        "text/html": section(
            facts(_facts(attempt)),
            table(("wanted", "heard", ""), rows),
            table(
                (f"model · {words.DISCLOSURE}", "you"),
                [(player(attempt.model, budget), player(attempt.said, budget))],
            ),
            left_out(budget, 'attempt.said.save("said.flac") and attempt.model.save("model.flac")'),
            picture(png, f"Pitch over time, around each voice's own middle: {' and '.join(lines)}"),
            title=attempt.wanted,
        ),
        "image/png": base64.b64encode(png).decode(),
    }


def _verdict(match: WordMatch) -> str:
    verdict = _VERDICTS[match.verdict]
    return verdict if match.verdict == "right" else Markup("<strong>{}</strong>").format(verdict)


def _facts(attempt: Practice) -> list[tuple[str, str]]:
    right, wanted = _counts(attempt.words)
    pace = attempt.words_per_minute / attempt.model_words_per_minute if attempt.model_words_per_minute else 0.0
    return [
        ("words right", f"{right} of {wanted}"),
        ("your pace", f"{attempt.words_per_minute:.0f} words/min, {pace:.0%} of the model's"),
        ("your pitch range", _range(attempt.prosody)),
        ("the model's", _range(attempt.model_prosody)),
    ]


def _range(voice: Prosody) -> str:
    found = voice.pitch_range_semitones
    return "–" if found is None else f"{found:.0f} semitones"
