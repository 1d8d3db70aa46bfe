"""What can be told of a picture by measuring it: its size and its colours. Nothing here sees."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..errors import PictureError
from ..pictures import Picture
from .conversation_state import Entry, Part

#: Hue in degrees up to which a colour has this name.
_HUES = (
    (15, "red"), (40, "orange"), (70, "yellow"), (165, "green"), (200, "turquoise"), (260, "blue"), (290, "purple"),
    (340, "pink"), (361, "red"),
)  # fmt: skip
#: One colour that covers less of a picture than this is not what it is "mostly".
_MOSTLY = 0.5
_ALL = 0.98
#: A colour is named where it covers at least this much.
_WORTH_NAMING = 0.15
_CANNOT = "I only measure colours: nothing here sees things or reads text."
_ASKS = re.compile(
    r"\b(?:(?:what|who|which)\b.*\b(?:see|this|that|picture|image|photo|plot|figure|camera|screen|shows?|colou?rs?)\b|"
    r"(?:describe|look at|read|explain|talk about|tell me about)\b.*|"
    r"(?:can|do) you see\b.*)"
)


def asks_about_pictures(said: str) -> bool:
    """Whether somebody seems to ask about something that was shown."""
    return _ASKS.search(said.lower()) is not None


def shown_since_answer(entries: Sequence[Entry]) -> list[Part]:
    """Return the pictures that were shown since the last answer."""
    shown: list[Part] = []
    for entry in reversed(entries):
        if entry.role == "assistant" or entry.type != "message":
            break
        shown[:0] = [part for part in entry.parts if part.type == "input_image"]
    return shown


def last_shown(entries: Sequence[Entry]) -> list[Part]:
    """Return the last picture of the conversation, if there is one."""
    shown = [part for entry in entries for part in entry.parts if part.type == "input_image"]
    return shown[-1:]


def describe(parts: Sequence[Part]) -> str:
    """Say what can honestly be told of pictures: of the last one, and how many there are."""
    last = parts[-1]
    if not last.image_url:
        return f"You showed me a picture, but it was let go to save memory. {_CANNOT}"
    try:
        picture = Picture.from_url(last.image_url)
        y = np.asarray(picture.image(max_side=96).convert("RGB").resize((48, 48)), np.float64) / 255
    except PictureError:
        return f"I got your picture, but I cannot open it. {_CANNOT}"
    which = "Your picture is" if len(parts) == 1 else f"You showed me {len(parts)} pictures. The last one is"
    return f"{which} {picture.width} by {picture.height} pixels and {_colours(y)}. {_CANNOT}"


def _colours(y: np.ndarray) -> str:
    """Return the colours of a picture, [shape=(height, width, 3), 0..1], in words."""
    names, counts = np.unique(_names(y.reshape(-1, 3)), return_counts=True)
    ranked = sorted(zip(counts / counts.sum(), names, strict=True), reverse=True)
    share, first = ranked[0]
    if share >= _ALL:
        return f"all {first}"
    others = [str(name) for share, name in ranked[1:3] if share >= _WORTH_NAMING]
    if share >= _MOSTLY:
        return f"mostly {first}" + (f", with {' and '.join(others)}" if others else "")
    if not others:
        return f"of many colours, on average {_names(y.reshape(-1, 3).mean(0, keepdims=True))[0]}"
    return f"mainly {', '.join([first, *others[:-1]])} and {others[-1]}"


def _names(rgb: np.ndarray) -> np.ndarray:
    """Name colours, [shape=(n, 3), 0..1], by hue, saturation and lightness."""
    high, low = rgb.max(1), rgb.min(1)
    lightness, chroma = (high + low) / 2, high - low
    with np.errstate(divide="ignore", invalid="ignore"):
        r, g, b = rgb.T
        sector = np.select([high == r, high == g], [((g - b) / chroma) % 6, (b - r) / chroma + 2], (r - g) / chroma + 4)
    hue = np.nan_to_num(60 * sector)
    limits = np.array([limit for limit, _ in _HUES])
    named = np.array([name for _, name in _HUES], dtype="<U16")[np.searchsorted(limits, hue, side="right")]
    named = np.where((named == "orange") & (lightness < 0.4), "brown", named)
    named = np.where(lightness < np.where(named == "brown", 0.18, 0.3), np.char.add("dark ", named), named)
    named = np.where(lightness > 0.75, np.char.add("light ", named), named)
    grey = np.select([lightness < 0.12, lightness < 0.35, lightness < 0.7, lightness < 0.93],
                     ["black", "dark grey", "grey", "light grey"], "white")  # fmt: skip
    return np.where((chroma < 0.12) | (lightness < 0.08) | (lightness > 0.96), grey, named)
