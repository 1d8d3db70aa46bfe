"""Pictures for a model: PNG or JPEG bytes of a bounded size, made from any Python object that holds a picture.

The Realtime API takes PNG and JPEG as data URLs (reference, ``conversation.item.create``, ``input_image``); Chat
Completions takes the same. Pillow is loaded with the first picture.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..display import Record
from ..errors import PictureError
from ..files import missing, write_private
from ..numeric import np

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
        image = source.image(max_side=2 * max_side) if isinstance(source, Picture) else open_image(source, max_side)
        return cls(*encode_image(image, max_side), detail)

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
        image = read_image(data, f"{len(data)} bytes")
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
        image = read_image(self.data, "the picture")
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
    return is_a(source, "PIL.Image", "Image") or figure_of(source) is not None or hasattr(source, "_repr_png_")


def _check_detail(detail: str) -> None:
    if detail not in DETAILS:
        raise PictureError(f"detail={detail!r} must be one of {', '.join(DETAILS)}")


# --- From any object that holds a picture, by way of Pillow's image, to the bytes of a file ---------------------------
#
# Pillow is loaded with the first picture. Other libraries are never loaded here: if you have one of their objects, they
# are loaded already.

#: A PNG that is larger than this is not a drawing, and is sent as JPEG.
_LARGEST_PNG_BYTES = 256_000
_JPEG_QUALITY = 85
#: Decoding a larger file would take gigabytes.
_MOST_PIXELS = 100_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def is_a(source: Any, module: str, name: str) -> bool:
    """Return whether an object is of a library's class, without loading the library."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(source, kind)


def figure_of(source: Any) -> Any:
    """Return a matplotlib figure, or the figure of axes, which plotting functions return; `None` for anything else."""
    if is_a(source, "matplotlib.axes", "Axes"):
        return source.get_figure(root=True)
    return source if is_a(source, "matplotlib.figure", "Figure") else None


def open_image(source: Any, max_side: int) -> Image:
    """Return a source as a Pillow image; raises `PictureError` if it is not a picture.

    A figure is drawn with `max_side` pixels on its longer side; a JPEG is decoded at about twice that.
    """
    if is_a(source, "PIL.Image", "Image"):
        image: Image = source
        return image
    if isinstance(source, np.ndarray):
        return _image_of_array(source)
    if isinstance(source, Path | bytes):
        if isinstance(source, Path) and not source.is_file():
            raise PictureError(missing(source))
        data = source if isinstance(source, bytes) else source.read_bytes()
        image = read_image(data, f"{len(data)} bytes" if isinstance(source, bytes) else repr(str(source)))
        image.draft(None, (2 * max_side, 2 * max_side))  # A JPEG is decoded at about the needed size.
        return image
    figure = figure_of(source)
    if figure is not None:
        # Drawing it at the size that is sent keeps its letters sharp.
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=min(figure.dpi, max_side / max(figure.get_size_inches())))
        return read_image(drawn.getvalue(), "the figure")
    show = getattr(source, "_repr_png_", None)
    png = show() if show is not None else None
    if isinstance(png, str):
        png = binascii.a2b_base64(png)
    if not isinstance(png, bytes):
        raise PictureError(
            f"cannot make a picture of {type(source).__name__}: give a PIL image, an array, a pathlib.Path or a "
            "matplotlib figure"
        )
    return read_image(png, type(source).__name__)


def _image_of_array(y: np.ndarray) -> Image:
    from PIL import Image

    if not (y.ndim == 2 or (y.ndim == 3 and y.shape[2] in (3, 4))) or 0 in y.shape:
        hint = "; for sound, give an AudioClip" if y.ndim == 1 else ""
        raise PictureError(
            f"an array of shape {y.shape} is not a picture: it takes (height, width), (height, width, 3) or "
            f"(height, width, 4){hint}"
        )
    if y.dtype == bool:
        y = y * np.uint8(255)
    elif np.issubdtype(y.dtype, np.floating):
        if not np.isfinite(y).all():
            raise PictureError("the array has values that are not finite")
        if y.min() < 0.0 or y.max() > 1.0:
            raise PictureError(
                f"floating values must be 0..1, but they are {y.min():g}..{y.max():g}: divide by 255, or give uint8"
            )
        y = np.rint(y * 255).astype(np.uint8)
    elif y.dtype != np.uint8:
        raise PictureError(f"an array of {y.dtype} is not a picture: give uint8, or floating values 0..1")
    return Image.fromarray(np.ascontiguousarray(y))


def read_image(data: bytes, name: str) -> Image:
    """Open a file's bytes without decoding them; raises `PictureError` if the format is not supported.

    `name`: what the error calls the file.
    """
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (OSError, ValueError, SyntaxError):  # Pillow's error for a format that it does not know
        raise PictureError(f"{name} is not a PNG, JPEG, WebP or GIF") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{name} has far too many pixels to decode") from None
    if image.width * image.height > _MOST_PIXELS:
        raise PictureError(f"{name} has {image.width} × {image.height} pixels; at most {_MOST_PIXELS:,} are taken")
    return image


def encode_image(image: Image, max_side: int) -> tuple[bytes, int, int]:
    """Return an image as a file, upright, opaque and scaled down, with its width and height; the image is not changed.

    Raises `PictureError` if it cannot be decoded.
    """
    from PIL import Image, ImageOps

    try:
        image = ImageOps.exif_transpose(image)
        if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        if image.mode in ("I;16", "I;16B", "I", "F"):
            # Channels of 16 bits hold brightness, which convert() would clip instead of scale.
            image = _image_of_array(_stretched(np.asarray(image, np.float64)))
        image = image if image.mode == "L" else image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"the picture cannot be decoded: {error}") from None
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    image.info.clear()
    data = _written(image, "PNG", optimize=image.width * image.height < 250_000)
    if len(data) > _LARGEST_PNG_BYTES:
        data = _written(image, "JPEG", quality=_JPEG_QUALITY)
    return data, image.width, image.height


def _stretched(y: np.ndarray) -> np.ndarray:
    low, high = float(y.min()), float(y.max())
    return (y - low) / (high - low) if high > low else np.zeros_like(y)


def _written(image: Image, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()
