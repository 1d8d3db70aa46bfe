"""From any Python object that holds a picture, by way of Pillow's image, to the bytes of a PNG or JPEG file.

Pillow is loaded with the first picture. Other libraries are never loaded here: if you have one of their objects, they
are loaded already.
"""

from __future__ import annotations

import binascii
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PictureError
from ..files import missing
from ..numeric import np

if TYPE_CHECKING:
    from PIL.Image import Image

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


def opened(source: Any, max_side: int) -> Image:
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
        image = read(data, f"{len(data)} bytes" if isinstance(source, bytes) else repr(str(source)))
        image.draft(None, (2 * max_side, 2 * max_side))  # A JPEG is decoded at about the needed size.
        return image
    figure = figure_of(source)
    if figure is not None:
        # Drawing it at the size that is sent keeps its letters sharp.
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=min(figure.dpi, max_side / max(figure.get_size_inches())))
        return read(drawn.getvalue(), "the figure")
    show = getattr(source, "_repr_png_", None)
    png = show() if show is not None else None
    if isinstance(png, str):
        png = binascii.a2b_base64(png)
    if not isinstance(png, bytes):
        raise PictureError(
            f"cannot make a picture of {type(source).__name__}: give a PIL image, an array, a pathlib.Path or a "
            "matplotlib figure"
        )
    return read(png, type(source).__name__)


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


def read(data: bytes, name: str) -> Image:
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


def encoded(image: Image, max_side: int) -> tuple[bytes, int, int]:
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
