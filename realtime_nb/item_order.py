"""The order of a conversation's items, from what the server says of each one's predecessor, whenever it says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: How far from the end those items lie that events are about.
_NEAR = 16


class ItemOrder:
    """Item ids in the conversation's order, which is not that of arrival.

    An item whose predecessor is not known yet, or not there any more, is last until more is known. The first
    predecessor that is named and there decides.
    """

    def __init__(self) -> None:
        self.revision = 0
        """How often the order has changed."""
        self._ids: list[str] = []
        self._there: set[str] = set()
        self._previous: dict[str, str | None] = {}
        self._waiting: dict[str, list[str]] = {}
        self._unknown: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids.copy())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._there

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
        self._set([item_id, *(each for each in self._ids if each != item_id)])
        self._there.add(item_id)
        self._previous[item_id] = None

    def place(self, item_id: str, previous: str | None) -> None:
        """Put an item after the one that it follows; with `None`, or where that one is not there, last for now."""
        if item_id in self._previous:
            return
        if item_id not in self._there:
            # Those that wait for it come right behind it.
            waiting = [self._at(each) for each in self._waiting.get(item_id, ()) if each in self._there]
            self._ids.insert(min(waiting, default=len(self._ids)), item_id)
            self._there.add(item_id)
            self.revision += 1
        if previous in self._there:
            self._move_behind(item_id, previous)
        elif previous is not None and item_id not in self._waiting.setdefault(previous, []):
            self._waiting[previous].append(item_id)
        for follower in self._waiting.pop(item_id, ()):
            if follower in self._there:
                self.place(follower, item_id)

    def remove(self, item_id: str) -> None:
        """Take an item out."""
        if item_id in self._there:
            self._there.remove(item_id)
            self._set([each for each in self._ids if each != item_id])

    def _move_behind(self, item_id: str, previous: str) -> None:
        """Move an item, and those that are known to follow it, behind another."""
        start = self._at(item_id)
        stop = start + 1
        while stop < len(self._ids) and self._previous.get(self._ids[stop]) in self._ids[start:stop]:
            stop += 1
        block = self._ids[start:stop]
        if previous in block:
            return  # A circle: somebody is wrong.
        self._previous[item_id] = previous
        if start and self._ids[start - 1] == previous and not self._unknown.intersection(self._ids[stop : stop + 1]):
            return  # It is there already, as most are.
        rest = self._ids[:start] + self._ids[stop:]
        at = rest.index(previous) + 1
        while at < len(rest) and rest[at] in self._unknown:
            at += 1
        self._set([*rest[:at], *block, *rest[at:]])

    def _at(self, item_id: str) -> int:
        """Return an item's place."""
        near = self._ids[-_NEAR:]
        return len(self._ids) - len(near) + near.index(item_id) if item_id in near else self._ids.index(item_id)

    def _set(self, ids: list[str]) -> None:
        # In one go: somebody may be reading.
        self._ids = ids
        self.revision += 1
