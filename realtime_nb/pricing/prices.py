"""The prices of models: a dated table with its sources, and your own prices on top of it.

The table is `prices.json`: for each model USD per million tokens (``text_in``, ``text_cached``, ``text_out``, and the
same for ``audio`` and ``image``), ``per_minute`` or ``per_million_characters``, with ``as_of`` and ``source``. A model
that is not in it has no price; nothing is guessed.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import SettingsError
from ..texts import read_text
from .usage import is_amount

#: The environment variable that names a file of your own prices, as for `use_prices`.
VARIABLE = "REALTIME_NB_PRICES"
#: USD per million tokens.
TOKEN_PRICES = tuple(f"{kind}_{way}" for kind in ("text", "audio", "image") for way in ("in", "cached", "out"))
#: All prices that a row may have.
AMOUNTS = (*TOKEN_PRICES, "per_minute", "per_million_characters")
_TEXTS = ("as_of", "source", "remark", "minutes_of")
#: Whose servers bill what the table says.
_SELLERS = ("openai.com", "azure.com")
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")

_own: dict[str, dict[str, Any]] | None = None

#: Counts the changes of prices, so that costs computed before are computed again.
revision = 0


@functools.cache
def price_table() -> dict[str, Any]:
    """Return `prices.json` as it was shipped: ``as_of``, ``unit``, ``azure``, ``shutdowns`` and ``models``."""
    table: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))
    return table


def find_price(model: str | None) -> dict[str, Any] | None:
    """Return the price row of a model, or `None` if there is none.

    `model`: a model's name. A dated snapshot (``gpt-realtime-2025-08-28``) without its own row has the prices of its
    family. ``azure/…`` and ``azure/global/…`` are the model at Azure, ``azure/eu/…`` and ``azure/us/…`` in a data zone
    there.
    """
    if not model:
        return None
    rows = {**price_table()["models"], **_own_prices()}
    return _row(model, rows) or _row(_SNAPSHOT.sub("", model), rows)


def price_holds(model: str | None, address: str) -> bool:
    """Return whether the price of a model is what a server bills, given its address; the local voice has none.

    The table has the prices of OpenAI, Azure and the local voice. Another server may answer under the same names, and
    bill what it likes, or nothing; there, only your own prices count.
    """
    host = urlsplit(address).hostname or ""
    of_seller = not address or any(host == seller or host.endswith(f".{seller}") for seller in _SELLERS)
    names = (model or "", _SNAPSHOT.sub("", model or ""))
    return of_seller or names[0].startswith("local-") or any(name in _own_prices() for name in names)


def _row(model: str, rows: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    if model in rows or not model.startswith("azure/"):
        return rows.get(model)
    azure = price_table()["azure"]
    zone, _, name = model.removeprefix("azure/").rpartition("/")
    times = azure["multipliers"].get(zone or "global")
    row = rows.get(f"azure/{name}", rows.get(name))
    if times is None or row is None:
        return None
    return row if times == 1 else {**_times(row, times), "as_of": azure["as_of"], "source": azure["source"]}


def use_prices(prices: Mapping[str, Mapping[str, Any]] | str | Path | None) -> None:
    """Add your own prices to those of the package; they apply from now on, to all replies.

    Parameters
    ----------
    prices : mapping, path or None
        Prices by model, or a JSON file with such an object: any of ``text_in``, ``text_cached``, ``text_out``,
        ``audio_in``, ``audio_cached``, ``audio_out``, ``image_in``, ``image_cached`` (USD per million tokens),
        ``per_minute`` (USD), ``per_million_characters`` (USD); and ``as_of`` (``"2026-11-22"``), ``source``,
        ``remark``. ``like`` names a model whose prices to take, ``times`` a factor for them; other prices in the row
        replace single ones. Without ``like``, a row replaces the package's whole row. `None` removes all your own
        prices, including those of the file that the environment variable ``REALTIME_NB_PRICES`` names; that file is
        read when the first price is looked up.

    Raises
    ------
    SettingsError
        If a price is not valid, the model named by ``like`` has none, or the file cannot be read.

    Examples
    --------
    A deployment at Azure in the EU's data zone, and your own model:

    >>> use_prices({"my-deployment": {"like": "azure/eu/gpt-realtime-2.1"}, "my-model": {"text_in": 1, "text_out": 2}})
    >>> use_prices(None)
    """
    global _own, revision
    _own = {} if prices is None else _checked(prices)
    revision += 1


def _own_prices() -> dict[str, dict[str, Any]]:
    global _own
    if _own is None:
        path = os.environ.get(VARIABLE)
        try:
            _own = _checked(path) if path else {}
        except SettingsError as error:
            raise SettingsError(f"{VARIABLE}: {error}") from error
    return _own


def _checked(prices: Mapping[str, Mapping[str, Any]] | str | Path) -> dict[str, dict[str, Any]]:
    """Return valid rows, in the order given; a row's ``like`` can name an earlier one."""
    given: Any = prices
    where = "prices"
    if isinstance(prices, str | Path):
        where = str(prices)
        try:
            given = json.loads(read_text(Path(prices)))
        except ValueError as error:
            raise SettingsError(f"{where} is not a file of prices: {error}") from error
    if not isinstance(given, Mapping):
        raise SettingsError(f"{where} must be an object with a row for each model, not {type(given).__name__}")
    rows: dict[str, dict[str, Any]] = {}
    for model, row in given.items():
        rows[model] = _checked_row(f"{where}[{model!r}]", row, {**price_table()["models"], **rows})
    return rows


def _checked_row(where: str, row: Any, known: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise SettingsError(f"{where} must be an object of prices, not {row!r}")
    for key, value in row.items():
        if key in (*AMOUNTS, "times", "context_tokens"):
            if not is_amount(value):
                raise SettingsError(f"{where}[{key!r}]={value!r} must be a number of at least 0")
        elif key not in (*_TEXTS, "like"):
            raise SettingsError(f"{where}[{key!r}] is not a price: use one of {', '.join((*AMOUNTS, *_TEXTS, 'like'))}")
        elif not isinstance(value, str):
            raise SettingsError(f"{where}[{key!r}]={value!r} must be text")
    own = {key: value for key, value in row.items() if key not in ("like", "times")}
    base: dict[str, Any] = {"source": "your own prices", "as_of": ""}
    if like := row.get("like"):
        found = _row(like, known) or _row(_SNAPSHOT.sub("", like), known)
        if found is None:
            raise SettingsError(f"{where}['like']={like!r} has no price itself")
        base = _times(found, row.get("times", 1))
        base["source"] = f"your own prices, like {like}" + (f" × {row['times']}" if "times" in row else "")
    elif "times" in row:
        raise SettingsError(f"{where}['times']={row['times']!r} needs a 'like' beside it")
    if not any(key in own or key in base for key in AMOUNTS):
        raise SettingsError(f"{where} has no price: give one of {', '.join(AMOUNTS)}, or 'like'")
    return {**base, **own}


def _times(row: Mapping[str, Any], times: float) -> dict[str, Any]:
    return {key: value * times if key in AMOUNTS else value for key, value in row.items()}


def shutdown_date(model: str | None) -> str | None:
    """Return the day on which a model is shut down, or `None` if none is announced."""
    return next((row["date"] for row in price_table()["shutdowns"] if model in row["models"]), None)


def shutdown_notice(model: str | None) -> str | None:
    """Return a notice of a model's shutdown and its replacement, or `None` if no date is announced."""
    for row in price_table()["shutdowns"]:
        if model in row["models"]:
            return f"the model {model!r} is shut down on {row['date']}; use {row['instead']} instead"
    return None
