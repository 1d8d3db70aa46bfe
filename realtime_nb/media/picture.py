"""Pictures as a model sees them: PNG or JPEG bytes of a bounded size, made of whatever holds a picture in Python.

The Realtime API takes PNG and JPEG as data URLs (reference, ``conversation.item.create``, ``input_image``); Chat
Completions takes the same. Pillow is loaded with the first picture.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..display import Record
from ..errors import PictureError
from ..files import write_private
from . import imaging

if TYPE_CHECKING:
    from PIL.Image import Image

#: Longest side that is sent. No limit of the API's: at high detail it shrinks what is larger than about this itself.
MAX_SIDE = 1024
#: What is asked of the API: how closely to look. "low" costs the least, whatever the size.
DETAILS = ("auto", "low", "high")
_DATA_URL = re.compile(r"data:image/(?:png|jpeg|jpg|webp|gif);base64,", re.I)


@dataclass(frozen=True, eq=False, repr=False)
class Picture(Record):
    """A picture, ready to be sent: `ask` takes it, and takes all that `Picture.of` takes.

    Parameters
    ----------
    data : bytes
        A PNG or JPEG file.
    width, height : int
        In pixels.
    detail : {"auto", "low", "high"}, default "auto"
        How closely the model looks. A "low" one costs the same small number of tokens whatever its size.

    See Also
    --------
    Camera : Takes them with the browser's camera.

    Examples
    --------
    >>> import numpy as np
    >>> picture = Picture.of(np.zeros((300, 400, 3), np.uint8))
    >>> picture
    Picture(400 × 300, PNG, ... kB)
    >>> session = RealtimeSession(backend="local")
    >>> print(session.ask("What is this?", picture).result().transcript)
    Your picture is 400 by 300 pixels and all black. I only measure colours: nothing here sees things or reads text.
    >>> session.close().result()
    """

    data: bytes
    width: int
    height: int
    detail: str = "auto"

    def __post_init__(self) -> None:
        _check_detail(self.detail)
        if not self.data.startswith((b"\x89PNG", b"\xff\xd8")):
            raise PictureError("a Picture holds a PNG or JPEG file; Picture.of() makes one of anything else")

    @classmethod
    def of(cls, source: Any, *, max_side: int = MAX_SIDE, detail: str = "auto") -> Picture:
        """Make a picture of whatever holds one.

        Parameters
        ----------
        source : Picture, PIL.Image.Image, np.ndarray, Path, bytes, matplotlib Figure or Axes
            Arrays are [shape=(height, width)] or [shape=(height, width, 3 or 4)], uint8 or floating 0..1. Files, as a
            `pathlib.Path` or as bytes, are PNG, JPEG, WebP or GIF (its first frame). Anything else that can show
            itself as a PNG to a notebook (``_repr_png_``) will do.
        max_side : int, default 1024
            A longer side is scaled down to it; figures are drawn anew at that size.
        detail : {"auto", "low", "high"}, default "auto"
            How closely the model looks.

        Returns
        -------
        picture : Picture
            Upright, on white where it was transparent, without what cameras write into files (place, time). PNG where
            that is small, as for drawings; JPEG otherwise.

        Raises
        ------
        PictureError
            If there is no picture in it: a shape, type, value or file that is none.

        Examples
        --------
        >>> import numpy as np
        >>> import realtime_nb as rt
        >>> picture = rt.Picture.of(np.zeros((300, 400, 3), np.uint8), max_side=200)
        >>> picture.width, picture.height
        (200, 150)
        """
        _check_detail(detail)
        if max_side < 1:
            raise PictureError(f"max_side={max_side} must be a positive number of pixels")
        if isinstance(source, Picture) and max(source.width, source.height) <= max_side:
            return source if source.detail == detail else cls(source.data, source.width, source.height, detail)
        image = source.image(max_side=2 * max_side) if isinstance(source, Picture) else imaging.opened(source, max_side)
        return cls(*imaging.encoded(image, max_side), detail)

    @classmethod
    def from_file(cls, path: str | Path, *, max_side: int = MAX_SIDE, detail: str = "auto") -> Picture:
        """Read a PNG, JPEG, WebP or GIF file; options and errors as in `of`."""
        return cls.of(Path(path), max_side=max_side, detail=detail)

    @classmethod
    def from_url(cls, url: str, *, detail: str = "auto") -> Picture:
        """Read a data URL, as events carry pictures; never fetches one.

        Raises
        ------
        PictureError
            If it is no data URL of a picture.
        """
        head = _DATA_URL.match(url)
        if head is None:
            raise PictureError("not a data URL of a picture (data:image/png;base64,…)")
        try:
            data = binascii.a2b_base64(url[head.end() :])
        except ValueError:
            raise PictureError("a data URL whose base64 is broken") from None
        return cls.from_bytes(data, detail=detail)

    @classmethod
    def from_bytes(cls, data: bytes, *, detail: str = "auto") -> Picture:
        """Take a PNG or JPEG file as it is, whatever its size; other files as in `of`.

        Raises
        ------
        PictureError
            If it is no picture.
        """
        if not data.startswith((b"\x89PNG", b"\xff\xd8")):
            return cls.of(data, detail=detail)
        image = imaging.read(data, f"{len(data)} bytes")
        return cls(data, image.width, image.height, detail)

    @property
    def mime_type(self) -> str:
        """``"image/png"`` or ``"image/jpeg"``."""
        return "image/png" if self.data.startswith(b"\x89PNG") else "image/jpeg"

    @property
    def url(self) -> str:
        """The picture as a data URL."""
        return f"data:{self.mime_type};base64,{base64.b64encode(self.data).decode()}"

    @property
    def tokens(self) -> int:
        """About how many tokens a model reads it as; see `picture_tokens`."""
        return picture_tokens(self.width, self.height, self.detail)

    def image(self, *, max_side: int | None = None) -> Image:
        """Return it decoded, as Pillow has it.

        Parameters
        ----------
        max_side : int, optional
            Lets a JPEG be decoded at a smaller size, at least this, which is faster.

        Raises
        ------
        PictureError
            If the file is damaged.
        """
        image = imaging.read(self.data, "the picture")
        if max_side is not None:
            image.draft(None, (max_side, max_side))
        try:
            image.load()
        except (OSError, ValueError, SyntaxError) as error:  # Pillow's words for a damaged file
            raise PictureError(f"the picture cannot be decoded: {error}") from None
        return image

    def save(self, path: str | Path) -> Path:
        """Write the file as it is, PNG or JPEG; returns its path. A new file can be read by its owner alone.

        Raises
        ------
        PictureError
            If the name ends like that of another format.
        """
        path = Path(path)
        fitting = (".png",) if self.mime_type == "image/png" else (".jpg", ".jpeg")
        if path.suffix.lower() not in fitting:
            raise PictureError(f"{path.name!r} must end in {' or '.join(fitting)}: that is what the picture is")
        write_private(path, self.data)
        return path

    def __repr__(self) -> str:
        kind = "PNG" if self.mime_type == "image/png" else "JPEG"
        return f"Picture({self.width} × {self.height}, {kind}, {len(self.data) / 1000:.1f} kB)"


def picture_tokens(width: int, height: int, detail: str = "auto") -> int:
    """Return about how many tokens a picture is read as.

    `detail`: one of "auto", "low", "high". "auto" counts as "high", as the API takes it.

    The rule of GPT-4o, images and vision guide: 85 at low detail. At high detail a picture is shrunk into 2048 × 2048,
    then to 768 on its short side, and 170 are added for each square of 512 that it takes. For the Realtime API there
    is no published rule; `Usage.image_in` of a reply is what it really took.
    """
    if detail == "low":
        return 85
    shrink = min(1.0, 2048 / max(width, height, 1))
    width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
    shrink = min(1.0, 768 / min(width, height))
    tiles = math.ceil(round(width * shrink) / 512) * math.ceil(round(height * shrink) / 512)
    return 85 + 170 * tiles


def is_picture(source: Any) -> bool:
    """Return whether `Picture.of` would try to make a picture of it; bytes and text can be anything, and are not."""
    if isinstance(source, Picture | np.ndarray | Path):
        return True
    return (
        imaging.is_a(source, "PIL.Image", "Image")
        or imaging.figure_of(source) is not None
        or hasattr(source, "_repr_png_")
    )


def _check_detail(detail: str) -> None:
    if detail not in DETAILS:
        raise PictureError(f"detail={detail!r} must be one of {', '.join(DETAILS)}")
