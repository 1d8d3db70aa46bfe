"""How a clip, a picture and a watched camera look."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from markupsafe import Markup

from ..conversation.watched import Watch
from ..errors import PictureError
from ..media.clip import AudioClip
from ..media.picture import Picture
from ..pricing.cost import format_usd
from .budget import AudioBudget
from .html import EMPTY, facts, joined, left_out, note, player, section

# --- A clip: a player -------------------------------------------------------------------------------------------------


def clip_bundle(clip: AudioClip) -> dict[str, Any]:
    """Return a clip's MIME bundle."""
    budget = AudioBudget()
    markup = player(clip, budget)
    return {"text/plain": repr(clip), "text/html": markup + left_out(budget, 'clip.save("clip.flac")')}


# --- A picture that was shown to a model, made small ------------------------------------------------------------------

_BESIDE_WORDS_PX = 160
_ALONE_PX = 480

_kept: WeakKeyDictionary[Picture, Picture] = WeakKeyDictionary()


def picture_bundle(picture: Picture) -> dict[str, Any]:
    """Return a picture's MIME bundle: at most 480 pixels wide or high."""
    shown = _small(picture, _ALONE_PX)
    data = base64.b64encode(shown.data).decode()
    return {"text/plain": repr(picture), "text/html": _element(shown, repr(picture)), shown.mime_type: data}


def small(picture: Picture) -> Picture:
    """Return a picture for use beside words: at most 160 pixels wide or high."""
    if picture not in _kept:
        _kept[picture] = _small(picture, _BESIDE_WORDS_PX)
    return _kept[picture]


def thumbnails(pictures: Iterable[Picture], budget: AudioBudget) -> Markup:
    """Return small versions of pictures, with a remark in place of those that do not fit into the output's budget."""
    drawn = []
    left_out = 0
    for picture in pictures:
        shown = small(picture)
        if budget.take(len(shown.data) * 4 // 3):
            drawn.append(_element(shown, repr(picture)))
        else:
            left_out += 1
    remark = f"{left_out} picture{'s' if left_out > 1 else ''} left out"
    return joined(drawn) + (note(f"{remark}: turn.pictures has them.") if left_out else EMPTY)


def _small(picture: Picture, max_side: int) -> Picture:
    try:
        return Picture.of(picture, max_side=max_side)
    except PictureError:
        return picture  # The file is damaged; the browser shows as much of it as it can.


def _element(picture: Picture, description: str) -> Markup:
    return Markup(
        '<img alt="{}" width="{}" height="{}" src="{}" '
        'style="max-width:100%;height:auto;margin:4px 6px 4px 0;border-radius:4px;vertical-align:top">'
    ).format(description, picture.width, picture.height, picture.url)


# --- A watched camera: the last frames, and what they cost ------------------------------------------------------------

_SHOWN = 6


def watch_bundle(watch: Watch) -> dict[str, Any]:
    """Return the MIME bundle of a watch, as it is now."""
    frames = list(watch.frames)
    cost = format_usd(watch.cost.total_usd if watch.cost else None)
    told = [
        ("frames sent", f"{len(frames):,} of at most {watch.max_frames:,}"),
        ("skipped as unchanged", f"{watch.skipped:,}"),
        *([("taken back", f"{watch.taken_back:,}; {watch.keep:,} stay")] if watch.keep is not None else []),
        (
            "to read them once",
            f"about {watch.tokens:,} tokens, {cost}",
        ),
        ("model", watch.model),
        ("state", watch.ended or f"looks every {watch.every_s:g} s"),
    ]
    problem = f"The last look failed: {watch.problem}" if watch.problem else ""
    words = [*(f"{name} {value}" for name, value in told), *([problem] if problem else [])]
    return {
        "text/plain": f"{watch!r}\n{', '.join(words)}",
        "text/html": section(
            thumbnails(frames[-_SHOWN:], AudioBudget()),
            facts(told),
            note(problem) if problem else "",
            title="Shown to the model" + (f"; the last {_SHOWN} frames" if len(frames) > _SHOWN else ""),
        ),
    }
