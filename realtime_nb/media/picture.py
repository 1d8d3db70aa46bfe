"""Pictures for a model: PNG or JPEG bytes of a bounded size, made from any Python object that holds a picture.

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

from ..display import Record
from ..errors import PictureError
from ..files import write_private
from ..numeric import np
from . import imaging

if TYPE_CHECKING:
    from PIL.Image import Image

#: Longest side that is sent. The API has no limit, but at high detail it shrinks larger pictures to about this size.
MAX_SIDE = 1024
#: How closely the API is asked to look. "low" costs the least, whatever the size.
DETAILS = ("auto", "low", "high")
_DATA_URL = re.compile(r"data:image/(?:png|jpeg|jpg|webp|gif);base64,", re.I)


@dataclass(frozen=True, eq=False, repr=False)
class Picture(Record):
    """A picture, ready to send: `ask` takes it, and everything that `Picture.of` takes.

    Parameters
    ----------
    data : bytes
        A PNG or JPEG file.
    width, height : int
        In pixels.
    detail : {"auto", "low", "high"}, default "auto"
        How closely the model looks. "low" costs the same small number of tokens for every size.

    See Also
    --------
    Camera : Takes pictures with the browser's camera.

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
        """Make a picture from any object that holds one.

        Parameters
        ----------
        source : Picture, PIL.Image.Image, np.ndarray, Path, bytes, matplotlib Figure or Axes
            Arrays are [shape=(height, width)] or [shape=(height, width, 3 or 4)], uint8 or floating 0..1. Files, as a
            `pathlib.Path` or as bytes, are PNG, JPEG, WebP or GIF (its first frame). Anything else that shows itself in
            a notebook as a PNG (``_repr_png_``) works too.
        max_side : int, default 1024
            Longer sides are scaled down to this; figures are drawn again at this size.
        detail : {"auto", "low", "high"}, default "auto"
            How closely the model looks.

        Returns
        -------
        picture : Picture
            Upright, on white if it was transparent, without camera metadata (place, time). A PNG if that is small, as
            for drawings; otherwise a JPEG.

        Raises
        ------
        PictureError
            If the shape, type, value or file is not a picture.

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
        """Read a data URL, as events carry pictures; never fetches anything.

        Raises
        ------
        PictureError
            If it is not a data URL of a picture.
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
        """Take a PNG or JPEG file unchanged, whatever its size; convert other files as in `of`.

        Raises
        ------
        PictureError
            If it is not a picture.
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
        """About how many tokens a model reads for it; see `picture_tokens`."""
        return picture_tokens(self.width, self.height, self.detail)

    def image(self, *, max_side: int | None = None) -> Image:
        """Return it decoded, as a Pillow image.

        Parameters
        ----------
        max_side : int, optional
            Decode a JPEG at a smaller size that is at least this, which is faster.

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
        except (OSError, ValueError, SyntaxError) as error:  # Pillow's errors for a damaged file
            raise PictureError(f"the picture cannot be decoded: {error}") from None
        return image

    def save(self, path: str | Path) -> Path:
        """Write the PNG or JPEG file unchanged and return its path. Only you can read a new file.

        Raises
        ------
        PictureError
            If the extension is that of another format.
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
    """Return about how many tokens a model reads for a picture.

    `detail`: one of "auto", "low", "high". "auto" counts as "high", as in the API.

    This is the rule for GPT-4o, from the images and vision guide: 85 tokens at low detail. At high detail a picture is
    shrunk to fit 2048 × 2048, then to 768 on its short side, and each square of 512 that it covers adds 170. There is
    no published rule for the Realtime API; `Usage.image_in` of a reply is the real number.
    """
    if detail == "low":
        return 85
    shrink = min(1.0, 2048 / max(width, height, 1))
    width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
    shrink = min(1.0, 768 / min(width, height))
    tiles = math.ceil(round(width * shrink) / 512) * math.ceil(round(height * shrink) / 512)
    return 85 + 170 * tiles


def is_picture(source: Any) -> bool:
    """Return whether `Picture.of` would try a value as a picture; not bytes and text, which can be anything."""
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
