"""A picture that one could print: how it is saved, and how it shows itself in a notebook."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..terminal import printable

if TYPE_CHECKING:
    from ..views.interval_plot import Panel

_FORMATS = ("pdf", "svg", "png")


class Drawing(ABC):
    """A picture of means or medians with their intervals; made by ``results.plot`` and by comparisons of runs."""

    @property
    @abstractmethod
    def caption(self) -> str:
        """What the signs mean and how the intervals were made, for beneath the picture."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The picture in words and numbers, for those who cannot see it."""

    @abstractmethod
    def _panels(self) -> Sequence[Panel]:
        """Return what is drawn."""

    @property
    def figure(self) -> Any:
        """The picture as a `matplotlib.figure.Figure`, in black on white, to change before it is saved."""
        return self._drawn(ink="black")

    def save(self, path: str | Path, *, width_mm: float = 183.0, dpi: int = 300) -> Path:
        """Write the picture in black on white, for print; the same results give the same file.

        Parameters
        ----------
        path : str or Path
            Ends in ``.pdf`` or ``.svg`` (drawn, sharp at any size), or ``.png``.
        width_mm : float, default 183.0
            The figure's width: a journal's page. A column has about 89.
        dpi : int, default 300
            Dots per inch of a PNG.

        Returns
        -------
        path : Path

        Raises
        ------
        SettingsError
            If the name ends otherwise, or the width is not one that can be drawn.
        """
        from ..views.interval_plot import to_bytes

        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in _FORMATS:
            raise SettingsError(f"{path.name!r} must end in .{', .'.join(_FORMATS)}")
        if not 40 <= width_mm <= 2_000:
            raise SettingsError(f"width_mm={width_mm} is not between 40 and 2000")
        path.write_bytes(to_bytes(self._drawn(ink="black", width_mm=width_mm), kind, dpi=dpi))
        return path

    def to_svg(self) -> str:
        """Return the picture as an SVG element in the ink of the page that it is put into."""
        from ..views.interval_plot import to_inline_svg

        return to_inline_svg(self._drawn(ink=""), self.description)

    def _drawn(self, **options: Any) -> Any:
        from ..views.interval_plot import draw

        return draw(self._panels(), **options)

    def to_png(self) -> bytes:
        """Return the picture as a small PNG in ink that light and dark grounds show, for a notebook."""
        from ..views.interval_plot import to_small_png
        from ..views.plots import INK

        return to_small_png(self._drawn(ink=INK))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from ..views.html import note, picture, section

        png = self.to_png()
        return {
            "text/plain": printable(f"{self.description}\n{self.caption}"),
            "text/html": section(picture(png, self.description), note(self.caption)),
            "image/png": base64.b64encode(png).decode(),
        }
