"""How sound is encoded on the wire: a format's name, followed by the rate if it is not the format's own.

``"audio/pcm"`` is 16-bit PCM at 24 kHz, ``"audio/pcm;rate=16000"`` the same at 16 kHz; ``"audio/pcmu"`` and
``"audio/pcma"`` are G.711 at 8 kHz.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from .beta import FORMATS
from .settings import setting_at

PCM = "audio/pcm"
#: Bytes per sample and own rate in Hz of each format.
_KNOWN = {PCM: (2, 24_000), "audio/pcmu": (1, 8_000), "audio/pcma": (1, 8_000)}
#: What servers call a rate that the API calls ``rate``.
_RATE = re.compile(r"((?P<side>input|output)[-_]?(audio)?[-_]?)?sampl(e|ing)[-_]?rate([-_]?(hz|hertz))?", re.IGNORECASE)
_LOWEST_HZ, _HIGHEST_HZ = 4_000, 192_000


def encoding_of(session: Any, side: str, otherwise: str = PCM) -> str:
    """Return the encoding of a session's ``"input"`` or ``"output"`` sound, as the server declares it.

    Several formats or rates, which cannot be one encoding, are joined by "or"; see `problem_of`.

    `otherwise`: the encoding to use where the server declares nothing.
    """
    declared = setting_at(session, f"audio.{side}.format")
    around = (setting_at(session, f"audio.{side}"), setting_at(session, "audio"), session)
    beside = next((rates for each in around if (rates := _rates(each, side))), [])
    several = declared if isinstance(declared, list) and declared else [declared]
    return " or ".join(dict.fromkeys(_encoding(each, beside, otherwise) for each in several))


def _encoding(declared: Any, beside: list[str], otherwise: str) -> str:
    """Return the encoding of one declared format; `beside` are rates declared outside it, which apply only to PCM."""
    name = declared.get("type") if isinstance(declared, dict) else declared
    name = base_of(otherwise) if name in (None, []) else FORMATS.get(str(name), str(name))
    rates = _rates(declared) or (beside if name == PCM else [])
    if not rates and name == base_of(otherwise):
        return otherwise
    if name not in _KNOWN or rates in ([], [str(_KNOWN[name][1])]):
        return name
    return f"{name};rate={' or '.join(rates)}"


def _rates(tree: Any, side: str = "") -> list[str]:
    """Return the rates that a format declares, or an object around a side's format if `side` is given."""
    rates = []
    for name, rate in tree.items() if isinstance(tree, dict) else ():
        found = _RATE.fullmatch(name)
        if rate is not None and (found["side"] in (None, side) if found else name == "rate" and not side):
            rates.append(str(int(rate) if isinstance(rate, float) and rate.is_integer() else rate))
    return list(dict.fromkeys(rates))


def problem_of(session: Any) -> str:
    """Say why a session's sound cannot be sent or played; empty if it can."""
    for side, what in (("input", "takes"), ("output", "sends")):
        encoding = encoding_of(session, side)
        name, _, rate = encoding.partition(";rate=")
        if name not in _KNOWN:
            return f"the server {what} sound as {name[:40]!r}, which is none of {', '.join(_KNOWN)}"
        if rate and not (rate.isdigit() and _LOWEST_HZ <= int(rate) <= _HIGHEST_HZ):
            return (
                f"the server {what} sound at a rate of {rate[:40]!r}, which is not a whole number of Hz between  "
                f"{_LOWEST_HZ:,} and {_HIGHEST_HZ:,}"
            )
    return ""


def base_of(encoding: str) -> str:
    """Return an encoding's format, whatever its rate."""
    return encoding.partition(";")[0]


@lru_cache(maxsize=64)
def rate_of(encoding: str) -> int:
    """Return an encoding's sample rate in Hz; unknown formats count as PCM16."""
    name, _, rate = encoding.partition(";rate=")
    return int(rate) if rate.isdigit() and int(rate) > 0 else _KNOWN.get(name, _KNOWN[PCM])[1]


def sample_bytes(encoding: str) -> int:
    """Return how many bytes a sample takes."""
    return _KNOWN.get(base_of(encoding), _KNOWN[PCM])[0]


@lru_cache(maxsize=64)
def bytes_per_ms(encoding: str) -> float:
    """Return how many bytes a millisecond takes on the wire; unknown formats count as PCM16."""
    return sample_bytes(encoding) * rate_of(encoding) / 1000


def bytes_until(position_ms: float, encoding: str) -> int:
    """Return the number of bytes up to a position, in whole samples."""
    return round(position_ms * rate_of(encoding) / 1000) * sample_bytes(encoding)
