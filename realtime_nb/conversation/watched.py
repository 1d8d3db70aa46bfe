"""What a session is shown from time to time: the record of a `watch`, and the switch that ends it."""

from __future__ import annotations

from collections.abc import Callable

from ..display import Record
from ..media.picture import Picture
from ..pricing import cost as pricing
from ..pricing.usage import Usage


class Watch(Record):
    """Pictures that go to a session from time to time; `Session.watch` makes it.

    Showing it in a cell tells what was sent and what that costs.

    Parameters
    ----------
    model : str
        That gets the pictures.
    every_s, min_change, max_frames, keep
        As `Session.watch` was told.

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
        """What was sent, in order, also what was taken back since."""
        self.skipped = 0
        """How many pictures were not sent because hardly anything had changed."""
        self.taken_back = 0
        """How many frames were deleted from the conversation because of `keep`."""
        self.problem = ""
        """Why the last picture could not be had or sent; empty while all is well."""
        self.ended = ""
        """Why it ended; empty while it goes on."""
        self._on_stop: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Send no more pictures; those that were sent stay in the conversation. Returns at once."""
        self._on_stop()

    @property
    def is_running(self) -> bool:
        """True if it goes on."""
        return not self.ended

    @property
    def tokens(self) -> int:
        """About how many tokens it is to read each frame once; see `realtime_nb.media.picture.picture_tokens`."""
        return sum(frame.tokens for frame in self.frames)

    @property
    def cost(self) -> pricing.Cost | None:
        """About what that costs, or `None` if the price is not known.

        Every later response reads the frames that are still there again, cached ones at the cached price. What each
        reply really took is in its `usage`.
        """
        return pricing.cost_of(Usage(image_in=self.tokens), self.model)

    def __repr__(self) -> str:
        state = self.ended or f"every {self.every_s:g} s"
        return f"Watch({len(self.frames)} frames sent, {self.skipped} skipped as unchanged, {state})"
