"""Decoding photographs to upright 8-bit sRGB, strictly: a picture of which a part is missing is an error, not grey.

libvips decodes all but BMP (Pillow) and HEIC (pi-heif). Its loaders are blocked except for those named here, so that no
SVG, PDF or ImageMagick loader can be reached, whatever a file claims to be. Runs inside the sandbox.
"""

from __future__ import annotations

import functools
import io
import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pi_heif
import pyvips
from numpy.typing import NDArray
from PIL import Image

from tadmor.media.photo_kind import Kind

_LOADERS = {
    Kind.JPEG: ("VipsForeignLoadJpeg", "jpegload_source"),
    Kind.PNG: ("VipsForeignLoadPng", "pngload_source"),
    Kind.TIFF: ("VipsForeignLoadTiff", "tiffload_source"),
    Kind.WEBP: ("VipsForeignLoadWebp", "webpload_source"),
    Kind.GIF: ("VipsForeignLoadNsgif", "gifload_source"),
    Kind.AVIF: ("VipsForeignLoadHeif", "heifload_source"),
}
_COLOURS = {
    "srgb": "rgb",
    "rgb": "rgb",
    "rgb16": "rgb",
    "b-w": "grey",
    "grey16": "grey",
    "cmyk": "cmyk",
}
_SRGB_TOLERANCE = 4  # grey levels; sRGB profiles of different makers differ by up to 2, Adobe RGB and Display P3 by 30
_BITS = {"uchar": 8, "ushort": 16}

pyvips.block_untrusted_set(True)  # noqa: FBT003 - libvips names it by position
pyvips.operation_block_set("VipsForeignLoad", True)  # noqa: FBT003 - the same
for _loader, _ in _LOADERS.values():
    pyvips.operation_block_set(_loader, False)  # noqa: FBT003 - the same
pyvips.cache_set_max(0)
pyvips.concurrency_set(1)
Image.MAX_IMAGE_PIXELS = None  # sizes are checked before anything is decoded
pi_heif.options.DECODE_THREADS = 1
pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False

Rgb = NDArray[np.uint8]


class Undecodable(Exception):  # noqa: N818 - a verdict on a file, not a failure of ours
    """A decoder gave up; the text is its complaint."""


class Unsupported(Exception):  # noqa: N818 - the same
    """A whole file that is no photograph we can read; the text says what it is."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Opened:
    """A photograph whose header was read. `width` and `height` are as stored, before orientation.

    `plain` says that any program shows the stored pixels as they are: 8 bits, RGB or grey in sRGB, no transparency.
    `turned` says that the decoder itself applies the orientation. `load` gives libvips' lazy image, which points into
    `content`.
    """

    kind: Kind
    content: Any
    load: Callable[[], Any]
    width: int
    height: int
    bits: int
    colour: str
    plain: bool
    turned: bool
    exif: bytes | None
    xmp: bytes | None
    profile: bytes | None


def open_photo(data: mmap.mmap | bytes, kind: Kind, *, strict: bool = True) -> Opened:
    """Read the header of a photograph. `strict` takes a JPEG decoder's warnings for errors, here and in `decode`.

    Raises Undecodable where the header is damaged, Unsupported where it describes something else than a photograph.
    """
    try:
        if kind is Kind.HEIC:
            return _open_heic(data)
        if kind is Kind.BMP:
            return _open_bmp(data)
        fail_on = "error" if kind is not Kind.JPEG else "warning" if strict else "truncated"
        source = pyvips.Source.new_from_memory(data)
        image = getattr(pyvips.Image, _LOADERS[kind][1])(source, access="sequential", fail_on=fail_on)
    except (pyvips.Error, ValueError, EOFError, SyntaxError, RuntimeError, OSError) as error:
        raise _undecodable(error) from error
    return _describe(kind, data, image)


def decode(opened: Opened) -> Rgb:
    """Decode to (height, width, 3) uint8 sRGB, as stored. Raises Undecodable."""
    try:
        pixels = _srgb(opened.load(), opened.profile).numpy()
    except (pyvips.Error, ValueError, EOFError, SyntaxError, RuntimeError, OSError) as error:
        raise _undecodable(error) from error
    rgb: Rgb = (
        np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
        if pixels.ndim == 2 or pixels.shape[2] == 1
        else pixels
    )
    return rgb


def readable_share(data: mmap.mmap | bytes, kind: Kind) -> float:
    """Share of the rows of a damaged photograph that can be decoded before the damage; 0 where that is unknown."""
    if kind not in _LOADERS:
        return 0.0
    try:
        opened = open_photo(data, kind)
        image, rows = opened.load(), 0
        region = pyvips.Region.new(image)
    except (Undecodable, Unsupported, pyvips.Error):
        return 0.0
    try:
        while rows < image.height:
            region.fetch(0, rows, image.width, min(16, image.height - rows))
            rows += 16
    except pyvips.Error:
        pass
    share: float = min(1.0, rows / image.height)
    return share


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn stored pixels (h, w, ...) upright as EXIF's orientation 1..8 says (Exif 3.0, 4.6.5.1.5)."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def working_picture(rgb: Rgb, long_px: int) -> Rgb:
    """Return the picture as BGR, area-averaged down to a long side of `long_px`; never enlarged."""
    height, width = rgb.shape[:2]
    scale = long_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(rgb[:, :, ::-1])


def jpeg(rgb: Rgb) -> bytes:
    """Encode (h, w, 3) uint8 sRGB as JPEG, quality 95, 4:4:4, without metadata."""
    height, width = rgb.shape[:2]
    image = pyvips.Image.new_from_memory(rgb.data, width, height, 3, "uchar").copy(interpretation="srgb")
    encoded: bytes = image.jpegsave_buffer(Q=95, subsample_mode="off", keep="none")
    return encoded


def _describe(kind: Kind, data: mmap.mmap | bytes, image: Any) -> Opened:
    """Say what libvips opened. Raises Unsupported."""
    colour = _COLOURS.get(image.interpretation)
    bands = image.bands - image.hasalpha()
    if image.format not in _BITS or colour is None or bands != {"grey": 1, "cmyk": 4}.get(colour, 3):
        raise Unsupported(
            f"a {kind.upper()} file with {image.bands} channels of the kind {image.format}, {image.interpretation}"
        )
    profile = _field(image, "icc-profile-data")
    bits = _field(image, "bits-per-sample") or _BITS[image.format]
    palette = bool(_field(image, "palette"))
    plain = bits == 8 and colour in {"rgb", "grey"} and not image.hasalpha() and not palette and is_srgb(profile, bands)
    return Opened(
        kind=kind,
        content=data,
        load=lambda: image,
        width=image.width,
        height=image.height,
        bits=bits,
        colour=colour,
        plain=plain,
        turned=kind is Kind.AVIF,
        exif=_field(image, "exif-data"),
        xmp=_field(image, "xmp-data"),
        profile=profile,
    )


def _open_heic(data: mmap.mmap | bytes) -> Opened:
    file = pi_heif.open_heif(io.BytesIO(data))
    width, height = file.size
    return Opened(
        kind=Kind.HEIC,
        content=file,
        load=lambda: _from_pillow(file.to_pillow()),
        width=width,
        height=height,
        bits=file.info.get("bit_depth", 8),
        colour="grey" if file.mode.startswith("L") else "rgb",
        plain=False,
        turned=True,
        exif=file.info.get("exif"),
        xmp=file.info.get("xmp"),
        profile=file.info.get("icc_profile"),
    )


def _open_bmp(data: mmap.mmap | bytes) -> Opened:
    picture = Image.open(io.BytesIO(data), formats=["BMP"])
    return Opened(
        kind=Kind.BMP,
        content=picture,
        load=lambda: _from_pillow(picture),
        width=picture.width,
        height=picture.height,
        bits=8,
        colour="grey" if picture.mode in {"1", "L"} else "rgb",
        plain=False,
        turned=False,
        exif=None,
        xmp=None,
        profile=None,
    )


def _from_pillow(picture: Image.Image) -> Any:
    """Give a Pillow picture to libvips, loading it."""
    picture.load()
    if picture.mode not in {"L", "RGB", "RGBA"}:
        picture = picture.convert("RGBA" if "A" in picture.mode.upper() else "RGB")
    pixels = np.asarray(picture)
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    image = pyvips.Image.new_from_memory(pixels.tobytes(), picture.width, picture.height, bands, "uchar")
    return image.copy(interpretation="b-w" if bands == 1 else "srgb")


def _srgb(image: Any, profile: bytes | None) -> Any:
    """Convert lazily to 8-bit sRGB or grey, by the embedded profile if it means anything else; alpha on white."""
    colour = _COLOURS[image.interpretation]
    bands = image.bands - image.hasalpha()
    if colour == "cmyk" or not is_srgb(profile, bands):
        image = _through_profile(image, profile) or image
    if image.interpretation == "cmyk":
        image = image.colourspace("srgb")
    if image.format == "ushort":
        image = (image / 257.0 + 0.5).cast("uchar").copy(interpretation="b-w" if bands == 1 else "srgb")
    return image.flatten(background=255) if image.hasalpha() else image


def _through_profile(image: Any, profile: bytes | None) -> Any:
    """Convert to 8-bit sRGB by an ICC profile; None where the profile is broken or meant for other channels."""
    if profile:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    try:
        return image.icc_transform(
            "srgb", embedded=True, input_profile="cmyk", intent="relative", black_point_compensation=True, depth=8
        )
    except pyvips.Error:
        return None


@functools.lru_cache(maxsize=64)
def is_srgb(profile: bytes | None, bands: int) -> bool:
    """Whether a profile leaves colours (3 bands) or greys (1 band) as they are, whatever it calls itself; so does none.

    A profile that cannot be applied is ignored by every program, and so counts as leaving them.
    """
    if not profile or bands not in {1, 3}:
        return not profile
    levels = np.linspace(0, 255, 256 if bands == 1 else 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(*[levels] * bands, indexing="ij"), axis=-1).reshape(1, -1, bands)
    image = pyvips.Image.new_from_memory(cube.tobytes(), cube.shape[1], 1, bands, "uchar")
    shown = _through_profile(image.copy(interpretation="b-w" if bands == 1 else "srgb"), profile)
    if shown is None:
        return True
    difference = shown.numpy().reshape(1, cube.shape[1], -1).astype(np.int16) - cube
    return bool(np.abs(difference).max() <= _SRGB_TOLERANCE)


def _field(image: Any, name: str) -> Any:
    return image.get(name) if image.get_typeof(name) else None


def _undecodable(error: Exception) -> Undecodable | MemoryError:
    """Tell a decoder's complaint from memory running out, which is not the file's damage."""
    text = " ".join(str(error).split())
    if re.search("out of memory|unable to allocate|creating thread", text, re.IGNORECASE):
        return MemoryError(text)
    return Undecodable(text or type(error).__name__)
