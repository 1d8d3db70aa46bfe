"""A reply: what was asked and answered, a player, a picture, tokens, cost and latency."""

from __future__ import annotations

import base64
from typing import Any

from ..turns import Reply
from . import words
from .budget import AudioBudget
from .html import facts, left_out, picture, player, saying, section
from .picture import thumbnails
from .spectrogram import spectrogram


def reply_bundle(reply: Reply) -> dict[str, Any]:
    """Return a reply's looks; nothing in them needs a kernel or a script."""
    bundle: dict[str, Any] = {"text/plain": reply_text(reply)}
    clip = reply.audio
    budget = AudioBudget()
    image = ""
    if clip is not None:
        record = spectrogram(reply)
        png = record.png
        image = picture(png, repr(record))
        bundle["image/png"] = base64.b64encode(png).decode()
    bundle["text/html"] = section(
        *[
            saying(words.who(turn), words.said(turn), remark=words.heard_remark(turn))
            + thumbnails(turn.pictures, budget)
            for turn in _turns(reply)
        ],
        player(reply, budget) if clip is not None else "",
        left_out(budget, 'reply.audio.save("answer.flac")'),
        image,
        facts(words.facts_of(reply)),
        title=words.DISCLOSURE if clip is not None else "AI-generated text",
    )
    return bundle


def reply_text(reply: Reply) -> str:
    """Return a reply in words alone."""
    lines = [words.line(turn) for turn in _turns(reply)]
    return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in words.facts_of(reply))])


def _turns(reply: Reply) -> list[Any]:
    return [*([reply.asked] if reply.asked else []), *reply.turns]
