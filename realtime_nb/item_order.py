"""The order of a conversation's items, from what the server says of each one's predecessor, whenever it says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class ItemOrder:
    """Item ids in the conversation's order, which is not that of arrival.

    An item whose predecessor is not known yet, or not there any more, is last until more is known. The first
    predecessor that is named and there decides.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._previous: dict[str, str | None] = {}
        self._waiting: dict[str, list[str]] = {}
        self._unknown: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids.copy())

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._ids

    @property
    def last(self) -> str | None:
        """The last item, if there is one."""
        return self._ids[-1] if self._ids else None

    def forget(self, item_ids: Iterable[str]) -> None:
        """Note that the server knows these no more: what it puts behind one of the others comes behind them, too."""
        self._unknown = set(item_ids)

    def keep(self, item_id: str) -> None:
        """Let an item stay that the server has just deleted: it knows it no more, either."""
        self._unknown.add(item_id)

    def place_first(self, item_id: str) -> None:
        """Put an item before all others, for good."""
        self._ids = [item_id, *(each for each in self._ids if each != item_id)]
        self._previous[item_id] = None

    def place(self, item_id: str, previous: str | None) -> None:
        """Put an item after the one that it follows; with `None`, or where that one is not there, last for now."""
        if item_id in self._previous:
            return
        if item_id not in self._ids:
            # Those that wait for it come right behind it.
            waiting = [self._ids.index(each) for each in self._waiting.get(item_id, ()) if each in self._ids]
            self._ids.insert(min(waiting, default=len(self._ids)), item_id)
        if previous in self._ids:
            self._move_behind(item_id, previous)
        elif previous is not None and item_id not in self._waiting.setdefault(previous, []):
            self._waiting[previous].append(item_id)
        for follower in self._waiting.pop(item_id, ()):
            if follower in self._ids:
                self.place(follower, item_id)

    def remove(self, item_id: str) -> None:
        """Take an item out."""
        if item_id in self._ids:
            self._ids.remove(item_id)

    def _move_behind(self, item_id: str, previous: str) -> None:
        """Move an item, and those that are known to follow it, behind another."""
        start = self._ids.index(item_id)
        stop = start + 1
        while stop < len(self._ids) and self._previous.get(self._ids[stop]) in self._ids[start:stop]:
            stop += 1
        block = self._ids[start:stop]
        if previous in block:
            return  # A circle: somebody is wrong.
        others = self._ids[:start] + self._ids[stop:]
        at = others.index(previous) + 1
        while at < len(others) and others[at] in self._unknown:
            at += 1
        self._ids = [*others[:at], *block, *others[at:]]  # In one step: no item is ever missing to who reads.
        self._previous[item_id] = previous
