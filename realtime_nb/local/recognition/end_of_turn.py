"""When a turn is over, by its words and its sound: the rules of ``semantic_vad``. Pure."""

from __future__ import annotations

# --- Whether words sound finished, for semantic turn detection --------------------------------------------------------
#
# A rule of thumb, not a model: people who stop at "and", "to the" or "um" go on; people who said "stop" or asked a
# whole question wait for an answer.

_GO_ON = frozenset(
    """a an the my your his her our their this these some any no every
    and or but so because if when while that which who whose than as though although unless until
    to of in on at for from with without about into onto over under between by near like
    is are was were am be been being has have had do does did will would can could should shall may might must
    i you he she we they it's i'm i'd i'll i've you're we're they're that's there's what's let's
    very really too more most also just even not don't doesn't didn't won't can't
    want need going gonna wanna um uh er erm hmm well actually maybe please""".split()
)
_COMPLETE = frozenset(
    """yes yeah yep no nope okay ok sure right correct exactly stop cancel continue start next again repeat help thanks
    hello hi hey bye goodbye pause skip back wait what why how who where when""".split()
)
# Words that cannot end a statement.
_NEVER_LAST = frozenset(
    """a an the my your our their his and or but because if while whose than although unless until be to of from with
    without into onto between might would could should must very um uh er erm""".split()
)
# Latin, Chinese and Japanese, Arabic, Hindi.
_ASKED = ("?", "？", "؟")
_ENDED = (".", "!", "。", "！", "।", *_ASKED)
_CLOSING = (("thank", "you"), ("good", "morning"), ("of", "course"), ("all", "right"), ("never", "mind"), ("go", "on"))
_ASKING = frozenset("what where when who why how which is are can could do does did will would should".split())


def finished(text: str) -> float:
    """Return how finished `text` sounds: words without capitals and punctuation.

    The result is 0.0 if there is surely more to come, 1.0 if it is surely complete, 0.5 if nothing was understood.
    """
    words = text.split()
    if not words:
        return 0.5
    last = words[-1]
    if len(words) == 1:
        return 1.0 if last in _COMPLETE else 0.0 if last in _GO_ON else 0.6
    if tuple(words[-2:]) in _CLOSING or last in ("please", "thanks"):
        return 1.0
    if last in _GO_ON:
        return 0.1
    if words[0] in _ASKING:
        return 1.0 if len(words) >= 3 else 0.5
    return 0.9 if len(words) >= 3 else 0.8


# --- The silence that ends a turn -------------------------------------------------------------------------------------
#
# A recogniser that writes sentences puts a full stop where the words make one, and the network of turns (`turn_model`)
# hears whether the voice has come to an end. Each alone is often wrong, but both together seldom: of 100 pauses of 0.3
# s within turns, the words cut 13, the network 39, and both together 6 (49 turns and 131 pauses in 33 recordings of
# people). If both agree, the turn ends soon; otherwise only after silence. `benchmarks/turn_detection.py` measures
# this.

RECOGNISED_FROM_MS = 96
"""After this much quiet it is worth recognising the words, although many pauses end before they are ready."""
JUDGED_FROM_MS = 256
"""After this much quiet the network is asked, once: waiting does not improve its answers."""

_OVER = 0.5
_FINISHED = 0.8
_SHORT_MS = 800
"""Shorter speech is more often cut than over, except for words that stand alone."""

# eagerness: silence in ms if both agree, and otherwise. The first gives the network two frames' time to answer, and
# lets most pauses of 0.3 s pass (6 in 100 are cut; after 288 ms 13 were); with the second, 19 turns in 20 wait less
# than 1.4 times as long as server_vad does by default.
_AGREED_MS = {"low": 800, "medium": 320, "auto": 320, "high": 320}
_ELSE_MS = {"low": 3_200, "medium": 1_632, "auto": 1_632, "high": 736}
# Words from a recogniser that does not write sentences say less: wait up to the API's own limits.
_BARE_MS = {"low": (800, 8_000), "medium": (500, 4_000), "auto": (500, 4_000), "high": (300, 2_000)}


def silence_ms(
    eagerness: str, *, speech_ms: float, words: str | None, is_written: bool, probability: float | None
) -> int:
    """Return the silence after which a turn is over.

    `speech_ms`: how much of the turn is speech.
    `words`: what was said so far; `None` while it is not known.
    `is_written`: whether they come from a recogniser that writes sentences, with capitals and full stops.
    `probability`: how finished it sounds, 0.0 to 1.0; `None` while it is not known, 1.0 without a network.
    """
    if words and not is_written:
        shortest_ms, longest_ms = _BARE_MS[eagerness]
        return round(shortest_ms + (1 - finished(words)) ** 2 * (longest_ms - shortest_ms))
    if not words or probability is None or probability < _OVER or not ends_sentence(words):
        return _ELSE_MS[eagerness]
    return (_AGREED_MS if speech_ms >= _SHORT_MS or stands_alone(words) else _ELSE_MS)[eagerness]


def has_marks(text: str) -> bool:
    """Return whether `text` has capitals or full stops, as written sentences do."""
    return text != text.lower() or text.rstrip().endswith((*_ENDED, "…", ","))


def ends_sentence(text: str) -> bool:
    """Return whether `text` ends as a sentence does, and does not trail off.

    Recognisers put a full stop after almost anything, even "how much there might", but a question mark is reliable.
    Short answers, such as "7 of clubs", often get no full stop.
    """
    if not has_marks(text):
        return finished(text) >= _FINISHED
    end = text.rstrip(" \"'”’)」»")
    if not end.endswith(_ENDED) or end.endswith(".."):
        return False
    return end.endswith(_ASKED) or not set(end[:-1].lower().split()[-1:]) & _NEVER_LAST


def stands_alone(text: str) -> bool:
    """Return whether `text` is one of the answers and calls that people say on their own, such as "yes" or "stop"."""
    words = "".join(letter for letter in text.lower() if letter.isalpha() or letter in " '").split()
    return tuple(words) in _CLOSING or (bool(words) and all(word in _COMPLETE for word in words))
