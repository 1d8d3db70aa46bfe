"""The record of a `watch`, which shows a session pictures from time to time, and its switch."""

from __future__ import annotations

from collections.abc import Callable

from ..display import Record
from ..media.picture import Picture
from ..pricing import cost as pricing
from ..pricing.usage import Usage


class Watch(Record):
    """Pictures that are sent to a session from time to time; made by `Session.watch`.

    Show it in a cell to see what was sent and what it costs.

    Parameters
    ----------
    model : str
        The model that gets the pictures.
    every_s, min_change, max_frames, keep
        The arguments of `Session.watch`.

    Examples
    --------
    >>> import numpy as np
    >>> import realtime_nb as rt
    >>> session = rt.RealtimeSession(backend="local")
    >>> watch = session.watch(lambda: np.zeros((48, 64, 3), np.uint8), every_s=5)
    >>> watch.stop()
    >>> session.close().result()
    """

    def __init__(self, *, model: str, every_s: float, min_change: float, max_frames: int, keep: int | None):
        self.model = model
        self.every_s = every_s
        self.min_change = min_change
        self.max_frames = max_frames
        self.keep = keep
        self.frames: list[Picture] = []
        """The pictures that were sent, in order, including those that were deleted since."""
        self.skipped = 0
        """How many pictures were not sent because hardly anything had changed."""
        self.taken_back = 0
        """How many frames were deleted from the conversation because of `keep`."""
        self.problem = ""
        """Why the last picture could not be taken or sent; empty while all is well."""
        self.ended = ""
        """Why it ended; empty while it is running."""
        self._on_stop: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Stop sending pictures; those already sent stay in the conversation. Returns at once."""
        self._on_stop()

    @property
    def is_running(self) -> bool:
        """True while it is running."""
        return not self.ended

    @property
    def tokens(self) -> int:
        """About how many tokens it takes to read each frame once; see `realtime_nb.media.picture.picture_tokens`."""
        return sum(frame.tokens for frame in self.frames)

    @property
    def cost(self) -> pricing.Cost | None:
        """About what that costs, or `None` if the price is not known.

        Every later response reads the remaining frames again, cached ones at the cached price. Each reply's `usage`
        says what it really took.
        """
        return pricing.cost_of(Usage(image_in=self.tokens), self.model)

    def __repr__(self) -> str:
        state = self.ended or f"every {self.every_s:g} s"
        return f"Watch({len(self.frames)} frames sent, {self.skipped} skipped as unchanged, {state})"
