"""Talk with a voice model in one notebook cell, and keep what happened.

>>> import realtime_nb as rt
>>> session = rt.RealtimeSession(backend="local")
>>> reply = session.ask("Hello!").result()
>>> session.close().result()

Names load on first use, so the import is quick.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

from .display import pages_by, show_by

__version__ = "0.1.0"


def _homes() -> dict[str, str]:
    """Read each public name and its module from the stub, so that the list exists once."""
    # As lazy_loader.attach_stub does, but without `ast` and `pathlib`: they take half as long as all the rest.
    with open(f"{__file__}i", encoding="utf-8") as stub:
        return {words[3]: words[1] for words in map(str.split, stub) if words[:1] == ["from"]}


_HOMES = _homes()
__all__ = list(_HOMES)


def _looks(record: Any) -> dict[str, Any]:
    """Return a record's MIME bundle; the views load when the first record is shown."""
    bundle: dict[str, Any] = import_module(".views", __name__).mimebundle(record)
    return bundle


def _open_page(session: Any) -> str:
    address: str = import_module(".widgets.panel", __name__).open_page(session)
    return address


def _export(record: Any, form: str) -> str:
    """Return a record as a text for other programs."""
    text: str = import_module(".views.export", __name__).export(record, form)
    return text


show_by(_looks, _export)
pages_by(_open_page)


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    # Objects made by an import live on. A collection would only walk through them, and through the whole notebook.
    collects = gc.isenabled()
    gc.disable()
    try:
        value = getattr(import_module(home, __name__), name)
    finally:
        if collects:
            gc.enable()
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__all__", "__doc__", "__version__"])
