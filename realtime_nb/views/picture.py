"""A picture that was shown to a model, small."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import PictureError
from ..pictures import Picture
from .budget import AudioBudget
from .html import escape, note

_BESIDE_WORDS_PX = 160
_ALONE_PX = 480

_kept: WeakKeyDictionary[Picture, Picture] = WeakKeyDictionary()


def picture_bundle(picture: Picture) -> dict[str, Any]:
    """Return a picture's looks: at most 480 pixels wide or high."""
    shown = _small(picture, _ALONE_PX)
    data = base64.b64encode(shown.data).decode()
    return {"text/plain": repr(picture), "text/html": _element(shown, repr(picture)), shown.mime_type: data}


def small(picture: Picture) -> Picture:
    """Return a picture as it stands beside words: at most 160 pixels wide or high."""
    if picture not in _kept:
        _kept[picture] = _small(picture, _BESIDE_WORDS_PX)
    return _kept[picture]


def thumbnails(pictures: Iterable[Picture], budget: AudioBudget) -> str:
    """Return small versions of pictures; a remark in place of those that do not fit into the budget of an output."""
    drawn = []
    left_out = 0
    for picture in pictures:
        shown = small(picture)
        if budget.take(len(shown.data) * 4 // 3):
            drawn.append(_element(shown, repr(picture)))
        else:
            left_out += 1
    remark = f"{left_out} picture{'s' if left_out > 1 else ''} left out"
    return "".join(drawn) + (note(f"{remark}: turn.pictures has them.") if left_out else "")


def _small(picture: Picture, max_side: int) -> Picture:
    try:
        return Picture.of(picture, max_side=max_side)
    except PictureError:
        return picture  # Its file is damaged, and the browser shows what there is.


def _element(picture: Picture, description: str) -> str:
    style = "max-width:100%;height:auto;margin:4px 6px 4px 0;border-radius:4px;vertical-align:top"
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<img alt="{escape(description)}" {size} style="{style}" src="{picture.url}">'
