"""Whether words sound finished: what semantic turn detection goes by.

A rule of thumb, not a model: people who stop at "and", "to the" or "um" go on; people who said "stop" or asked a whole
question wait for an answer.
"""

from __future__ import annotations

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
_CLOSING = (("thank", "you"), ("good", "morning"), ("of", "course"), ("all", "right"), ("never", "mind"), ("go", "on"))
_ASKING = frozenset("what where when who why how which is are can could do does did will would should".split())


def finished(text: str) -> float:
    """Return how finished `text` sounds.

    Parameters
    ----------
    text : str
        Words as the recogniser writes them, lower case and without punctuation; other text may bring its own.

    Returns
    -------
    score : float
        From 0.0, surely more to come, to 1.0, surely complete; 0.5 if nothing was understood.
    """
    stripped = text.strip().lower()
    words = stripped.rstrip(".?!…").split()
    if not words:
        return 0.5
    if stripped.endswith(("…", "...", ",", ";", ":", "-", "–")):
        return 0.1
    if stripped.endswith((".", "?", "!")):
        return 1.0
    last = words[-1].strip("'\"")
    if len(words) == 1:
        return 1.0 if last in _COMPLETE else 0.0 if last in _GO_ON else 0.6
    if tuple(words[-2:]) in _CLOSING or last in ("please", "thanks"):
        return 1.0
    if last in _GO_ON:
        return 0.1
    if words[0] in _ASKING:
        return 1.0 if len(words) >= 3 else 0.5
    return 0.9 if len(words) >= 3 else 0.8
